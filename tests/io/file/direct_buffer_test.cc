#include "io/file/direct_buffer.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <map>
#include <set>
#include <vector>

#include "framework/base/check.h"
#include "io/buffer_registry.h"

namespace pelton {
namespace {

constexpr size_t kSlab = DirectBufferPool::kMostBytes;

// Takes up to `limit` pieces of memory.
class FakeRegistry final : public io::BufferRegistry {
 public:
  explicit FakeRegistry(int limit) : limit_(limit) {}
  int Register(void* address, size_t bytes) override {
    if (static_cast<int>(memory.size()) >= limit_) return -ENOMEM;
    memory.emplace_back(static_cast<char*>(address), bytes);
    return static_cast<int>(memory.size()) - 1;
  }
  void Unregister(int /*index*/) override { PELTON_FATAL() << "the pool keeps its slabs"; }

  std::vector<std::pair<char*, size_t>> memory;

 private:
  const int limit_;
};

DirectBuffer Allocate(DirectBufferPool& pool, size_t bytes) {
  absl::StatusOr<DirectBuffer> buffer = pool.Allocate(bytes);
  EXPECT_TRUE(buffer.ok()) << buffer.status();
  return buffer.ok() ? *std::move(buffer) : DirectBuffer();
}

TEST(DirectBufferTest, SizesAreRoundedUpAndAligned) {
  DirectBufferPool pool(16 * kSlab, nullptr);
  const std::map<size_t, size_t> sizes = {
      {1, 4096},       {4096, 4096},           {4097, 8192},       {65536, 65536},
      {65537, 131072}, {kSlab / 2, kSlab / 2}, {kSlab - 1, kSlab}, {kSlab, kSlab}};
  for (const auto& [wanted, size] : sizes) {
    const DirectBuffer buffer = Allocate(pool, wanted);
    EXPECT_EQ(buffer.size(), size) << wanted;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % size, 0u) << wanted;
    std::memset(buffer.data(), 'x', buffer.size());
  }
  EXPECT_EQ(pool.statistics().bytes_in_use, 0u);
}

TEST(DirectBufferTest, RefusesWhatIsTooLargeOrNothing) {
  DirectBufferPool pool(kSlab, nullptr);
  EXPECT_EQ(pool.Allocate(0).status().message(),
            "a direct buffer of 0 bytes: expected 1 to 2097152");
  EXPECT_TRUE(absl::IsInvalidArgument(pool.Allocate(kSlab + 1).status()));
}

TEST(DirectBufferTest, BuffersDoNotOverlap) {
  DirectBufferPool pool(2 * kSlab, nullptr);
  std::vector<DirectBuffer> buffers;
  std::set<char*> begins;
  for (size_t i = 0; i < 2 * kSlab / 4096; ++i) {
    buffers.push_back(Allocate(pool, 4096));
    begins.insert(buffers.back().data());
    std::memset(buffers.back().data(), static_cast<int>(i % 251), 4096);
  }
  EXPECT_EQ(begins.size(), buffers.size());
  for (size_t i = 0; i < buffers.size(); ++i) {
    EXPECT_EQ(buffers[i].data()[4095], static_cast<char>(i % 251));
  }
}

TEST(DirectBufferTest, TheLimitIsAnErrorThatSaysSoAndNoLossForEver) {
  DirectBufferPool pool(kSlab, nullptr);
  {
    const DirectBuffer all = Allocate(pool, kSlab);
    const absl::Status refused = pool.Allocate(4096).status();
    EXPECT_TRUE(absl::IsResourceExhausted(refused));
    EXPECT_EQ(refused.message(),
              "a direct buffer of 4096 bytes: 2097152 bytes are in use, of a limit of 2097152 for "
              "this shard");
  }
  // The slab serves another size now.
  EXPECT_EQ(Allocate(pool, 4096).size(), 4096u);
  EXPECT_EQ(pool.statistics().bytes, kSlab);
}

TEST(DirectBufferTest, TakesNoMemoryBeforeItIsUsed) {
  FakeRegistry registry(1);
  DirectBufferPool pool(64 * kSlab, &registry);
  EXPECT_EQ(pool.statistics().bytes, 0u);
  EXPECT_TRUE(registry.memory.empty());
}

TEST(DirectBufferTest, RegisteredMemoryIsToldByItsAddress) {
  FakeRegistry registry(2);
  DirectBufferPool pool(4 * kSlab, &registry);
  const DirectBuffer first = Allocate(pool, kSlab);
  const DirectBuffer second = Allocate(pool, kSlab);
  EXPECT_EQ(pool.IndexOf(first.data(), kSlab), 0);
  EXPECT_EQ(pool.IndexOf(second.data() + 4096, 512), 1);
  EXPECT_EQ(pool.IndexOf(second.data() + kSlab - 512, 512), 1);
  EXPECT_EQ(pool.IndexOf(second.data() + kSlab - 512, 1024), -1) << "beyond the end";
  char other[16];
  EXPECT_EQ(pool.IndexOf(other, 16), -1);
  EXPECT_EQ(pool.statistics().registered_bytes, 2 * kSlab);
  EXPECT_EQ(pool.statistics().registration_error, 0);
}

TEST(DirectBufferTest, MemoryThatTheKernelDoesNotWantToPinIsUsedAllTheSame) {
  FakeRegistry registry(1);
  DirectBufferPool pool(4 * kSlab, &registry);
  const DirectBuffer pinned = Allocate(pool, kSlab);
  const DirectBuffer other = Allocate(pool, kSlab);
  EXPECT_EQ(pool.IndexOf(pinned.data(), kSlab), 0);
  EXPECT_EQ(pool.IndexOf(other.data(), kSlab), -1);
  EXPECT_EQ(pool.statistics().registered_bytes, kSlab);
  EXPECT_EQ(pool.statistics().registration_error, ENOMEM);
}

TEST(DirectBufferTest, AMovedBufferGoesBackOnce) {
  DirectBufferPool pool(2 * kSlab, nullptr);
  DirectBuffer first = Allocate(pool, 8192);
  DirectBuffer second = std::move(first);
  EXPECT_EQ(pool.statistics().bytes_in_use, 8192u);
  second = Allocate(pool, 4096);
  EXPECT_EQ(pool.statistics().bytes_in_use, 4096u);
  second.Release();
  second.Release();
  EXPECT_EQ(pool.statistics().bytes_in_use, 0u);
}

TEST(DirectBufferDeathTest, DiesBeforeItsBuffers) {
  EXPECT_DEATH(
      {
        DirectBuffer survivor;
        DirectBufferPool pool(kSlab, nullptr);
        survivor = Allocate(pool, 4096);
      },
      "4096 bytes of direct buffers outlive their pool");
}

}  // namespace
}  // namespace pelton
