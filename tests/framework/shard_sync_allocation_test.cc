// In the steady state, a wait for another shard allocates nothing: requests live in the frames of the
// tasks that wait, and the values of a batch in the vectors of the callers.

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <new>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "framework/base/status.h"
#include "framework/shard_channel.h"
#include "framework/shard_semaphore.h"
#include "tests/framework/three_shards.h"

namespace {

uint64_t allocations = 0;

void* Allocate(std::size_t bytes) {
  ++allocations;
  void* const memory = std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) std::abort();
  return memory;
}

}  // namespace

void* operator new(std::size_t bytes) { return Allocate(bytes); }
void* operator new[](std::size_t bytes) { return Allocate(bytes); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace pelton {
namespace {

using testing::ThreeShards;

// Calls `round` often enough that everything has grown to its size, and then counts the allocations
// of a thousand more.
template <typename Round>
Task<absl::Status> CountAllocations(uint64_t& count, Round round) {
  for (int i = 0; i < 100; ++i) PELTON_CO_RETURN_IF_ERROR(co_await round());
  const uint64_t before = allocations;
  for (int i = 0; i < 1'000; ++i) PELTON_CO_RETURN_IF_ERROR(co_await round());
  count = allocations - before;
  co_return absl::OkStatus();
}

TEST(ShardSyncAllocationTest, SendingAndReceivingFromElsewhereAllocatesNothing) {
  ThreeShards shards(1);
  ShardChannel<int> channel(ShardId(1), 8);
  uint64_t count = ~uint64_t{0};
  std::vector<int> sent;
  std::vector<int> received;
  const absl::Status status = shards.RunOnFirst([&]() -> Task<absl::Status> {
    co_return co_await CountAllocations(count, [&]() -> Task<absl::Status> {
      PELTON_CO_RETURN_IF_ERROR(co_await channel.Send(1));
      PELTON_CO_ASSIGN_OR_RETURN(const std::optional<int> value, co_await channel.Receive());
      EXPECT_EQ(value, 1);
      sent.assign(8, 2);
      PELTON_CO_RETURN_IF_ERROR(co_await channel.SendBatch(sent));
      received.clear();
      PELTON_CO_ASSIGN_OR_RETURN(const size_t batch, co_await channel.ReceiveBatch(received, 8));
      EXPECT_EQ(batch, 8u);
      co_return absl::OkStatus();
    });
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(count, 0u);
}

TEST(ShardSyncAllocationTest, PermitsCostOneAllocation) {
  for (const uint32_t home : {0, 1}) {
    ThreeShards shards(1);
    ShardSemaphore semaphore(ShardId(home), 2);
    uint64_t count = 0;
    const absl::Status status = shards.RunOnFirst([&]() -> Task<absl::Status> {
      co_return co_await CountAllocations(count, [&]() -> Task<absl::Status> {
        co_return (co_await semaphore.Acquire()).status();
      });
    });
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(count, 1'000u);
  }
}

}  // namespace
}  // namespace pelton
