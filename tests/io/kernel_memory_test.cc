#include "io/kernel_memory.h"

#include <gtest/gtest.h>
#include <sys/uio.h>

#include <cstring>
#include <vector>

#include "framework/base/poison.h"
#include "io/chunk.h"
#include "io/reactor.h"

namespace pelton::io {
namespace {

class Receive final : public Operation {
 public:
  Receive() : Operation(OperationKind::kReceive), bytes(64) {
    address = bytes.data();
    length = static_cast<uint32_t>(bytes.size());
  }
  void OnCompletion(const Completion&) override {}
  std::vector<char> bytes;
};

TEST(KernelMemoryTest, ABufferIsItsOwnersBeforeAndAfterTheOperation) {
  Reactor reactor;
  Receive receive;
  reactor.Start(receive);
  receive.bytes[0] = 'a';  // not begun
  ASSERT_EQ(reactor.TakePending(), &receive);
  reactor.Complete(receive, {.result = 1});
  receive.bytes[0] = 'b';
  EXPECT_EQ(receive.bytes[0], 'b');
}

TEST(KernelMemoryTest, SystemCallsMayWriteItMeanwhile) {
  Reactor reactor;
  Receive receive;
  reactor.Start(receive);
  ASSERT_EQ(reactor.TakePending(), &receive);
  {
    const KernelMemoryAccess access(receive);
    std::memset(receive.bytes.data(), 'k', receive.bytes.size());
  }
  reactor.Complete(receive, {.result = 64});
  EXPECT_EQ(receive.bytes[63], 'k');
}

#ifdef PELTON_ASAN

TEST(KernelMemoryDeathTest, TouchingABufferInFlightIsReported) {
  Reactor reactor;
  Receive receive;
  reactor.Start(receive);
  ASSERT_EQ(reactor.TakePending(), &receive);
  EXPECT_DEATH(receive.bytes[5] = 'x', "use-after-poison");
  reactor.Complete(receive, {.result = -ECANCELED});
  receive.bytes[5] = 'x';
}

TEST(KernelMemoryDeathTest, TouchingAVectorInFlightIsReported) {
  Reactor reactor;
  Receive receive;
  std::vector<char> second(64);
  iovec vectors[] = {{receive.bytes.data(), 64}, {second.data(), 64}};
  receive.kind = OperationKind::kReadVector;
  receive.address = vectors;
  receive.length = 2;
  reactor.Start(receive);
  ASSERT_EQ(reactor.TakePending(), &receive);
  EXPECT_DEATH(second[63] = 'x', "use-after-poison");
  reactor.Complete(receive, {.result = 1});
}

TEST(KernelMemoryDeathTest, TouchingAChunkThatWasReleasedIsReported) {
  ChunkPool pool(2);
  uint16_t chunk;
  ASSERT_TRUE(pool.TryTake(chunk));
  pool.data(chunk)[0] = 'a';
  pool.Release(chunk);
  EXPECT_DEATH(pool.data(chunk)[0] = 'b', "use-after-poison");
}

TEST(KernelMemoryDeathTest, TouchingAChunkThatTheKernelHasIsReported) {
  ChunkPool pool(2);
  uint16_t chunk;
  ASSERT_TRUE(pool.TryTake(chunk));
  pool.LendToKernel(chunk);
  EXPECT_DEATH(pool.data(chunk)[0] = 'b', "use-after-poison");
  pool.TakeFromKernel(chunk);
  pool.data(chunk)[0] = 'c';
  pool.Release(chunk);
}

#endif  // PELTON_ASAN

}  // namespace
}  // namespace pelton::io
