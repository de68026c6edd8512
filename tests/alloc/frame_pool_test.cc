#include "alloc/frame_pool.h"

#include <sys/resource.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "alloc/thread_allocations.h"
#include "gtest/gtest.h"

namespace pelton {
namespace {

struct Frame {
  void* memory;
  size_t bytes;
};

Frame AllocateFrame(size_t bytes) { return {FramePool::Allocate(bytes), bytes}; }

void FreeFrames(const std::vector<Frame>& frames) {
  for (const Frame& frame : frames) FramePool::Free(frame.memory, frame.bytes);
}

// Frees on a thread that has no pool of its own.
void FreeElsewhere(const std::vector<Frame>& frames) {
  std::thread([&frames] {
    EXPECT_EQ(FramePool::Current(), nullptr);
    FreeFrames(frames);
  }).join();
}

TEST(FramePoolTest, ReusesTheFrameThatWasFreedLast) {
  FramePool pool;
  FramePool::Binding binding(&pool);
  void* const first = FramePool::Allocate(192);
  void* const second = FramePool::Allocate(192);
  FramePool::Free(first, 192);
  FramePool::Free(second, 192);
  EXPECT_EQ(FramePool::Allocate(192), second);
  EXPECT_EQ(FramePool::Allocate(192), first);
  FramePool::Free(first, 192);
  FramePool::Free(second, 192);
}

TEST(FramePoolTest, SizesWithin32BytesShareAClassAndOthersDoNot) {
  FramePool pool;
  FramePool::Binding binding(&pool);
  const Frame frame = AllocateFrame(65);
  FreeFrames({frame});
  const Frame smaller = AllocateFrame(64);
  const Frame larger = AllocateFrame(97);
  const Frame same = AllocateFrame(96);
  EXPECT_NE(smaller.memory, frame.memory);
  EXPECT_NE(larger.memory, frame.memory);
  EXPECT_EQ(same.memory, frame.memory);
  EXPECT_EQ(pool.GetStatistics().carved_bytes, 64u + 96u + 128u);
  FreeFrames({smaller, larger, same});
}

TEST(FramePoolTest, LiveBytesCountTheSizeClassesOfLiveFramesOnly) {
  FramePool pool;
  const FramePool::Binding binding(&pool);
  EXPECT_EQ(pool.LiveBytes(), 0u);
  void* small = FramePool::Allocate(33);
  void* large = FramePool::Allocate(200);
  EXPECT_EQ(pool.LiveBytes(), 64u + 224u);
  FramePool::Free(large, 200);
  EXPECT_EQ(pool.LiveBytes(), 64u);
  FramePool::Free(small, 33);
  EXPECT_EQ(pool.LiveBytes(), 0u);
}

TEST(FramePoolTest, FramesOfEverySizeAreAlignedAndDoNotOverlap) {
  FramePool pool;
  FramePool::Binding binding(&pool);
  std::vector<Frame> frames;
  for (int round = 0; round < 3; ++round) {
    for (size_t bytes = 1; bytes <= FramePool::kMaximumFrameBytes; ++bytes) {
      frames.push_back(AllocateFrame(bytes));
      ASSERT_EQ(reinterpret_cast<uintptr_t>(frames.back().memory) % 32, 0u);
      std::memset(frames.back().memory, static_cast<int>(frames.size() % 251), bytes);
    }
  }
  for (size_t i = 0; i < frames.size(); ++i) {
    const auto* const bytes = static_cast<const unsigned char*>(frames[i].memory);
    for (size_t j = 0; j < frames[i].bytes; ++j)
      ASSERT_EQ(bytes[j], (i + 1) % 251) << i << ' ' << j;
  }
  EXPECT_EQ(pool.GetStatistics().live, frames.size());
  EXPECT_TRUE(pool.CheckInvariants());
  FreeFrames(frames);
  EXPECT_EQ(pool.GetStatistics().live, 0u);
  EXPECT_EQ(pool.GetStatistics().free, frames.size());
  EXPECT_EQ(pool.GetStatistics().oversize, 0u);
  EXPECT_TRUE(pool.CheckInvariants());
}

TEST(FramePoolTest, OversizeFramesComeFromMallocAndAreCounted) {
  FramePool pool;
  FramePool::Binding binding(&pool);
  const std::vector<Frame> frames = {AllocateFrame(2049), AllocateFrame(1 << 20)};
  for (const Frame& frame : frames) std::memset(frame.memory, 1, frame.bytes);
  EXPECT_EQ(pool.GetStatistics().oversize, 2u);
  EXPECT_EQ(pool.GetStatistics().live, 0u);
  EXPECT_EQ(pool.GetStatistics().slabs, 0u);
  FreeFrames({frames[0]});
  FreeElsewhere({frames[1]});
}

TEST(FramePoolTest, WithoutAPoolFramesComeFromMallocAndAnyThreadFreesThem) {
  ASSERT_EQ(FramePool::Current(), nullptr);
  FreeFrames({AllocateFrame(100)});
  FreeElsewhere({AllocateFrame(100)});
  const Frame foreign = AllocateFrame(100);
  FramePool pool;
  FramePool::Binding binding(&pool);
  FreeFrames({foreign});
  EXPECT_EQ(pool.GetStatistics().free, 0u);
}

TEST(FramePoolTest, BindingsNestAndRestoreThePreviousPool) {
  FramePool outer;
  FramePool inner;
  EXPECT_EQ(FramePool::Current(), nullptr);
  {
    FramePool::Binding bind_outer(&outer);
    {
      FramePool::Binding bind_inner(&inner);
      EXPECT_EQ(FramePool::Current(), &inner);
      FramePool::Binding bind_none(nullptr);
      EXPECT_EQ(FramePool::Current(), nullptr);
    }
    EXPECT_EQ(FramePool::Current(), &outer);
    EXPECT_EQ(FramePool::Exchange(&inner), &outer);
    EXPECT_EQ(FramePool::Exchange(&outer), &inner);
  }
  EXPECT_EQ(FramePool::Current(), nullptr);
}

TEST(FramePoolTest, AFrameFreedWhileAnotherPoolIsCurrentGoesHome) {
  FramePool home;
  FramePool other;
  FramePool::Binding binding(&home);
  const Frame frame = AllocateFrame(300);
  FramePool::Exchange(&other);
  FreeFrames({frame});
  EXPECT_EQ(other.GetStatistics().free, 0u);
  EXPECT_EQ(home.GetStatistics().live, 1u);
  EXPECT_TRUE(home.CheckInvariants());
  home.DrainRemote();
  EXPECT_EQ(home.GetStatistics().live, 0u);
  EXPECT_EQ(home.GetStatistics().free, 1u);
  EXPECT_EQ(home.GetStatistics().remote_frees, 1u);
  EXPECT_TRUE(home.CheckInvariants());
  FramePool::Exchange(&home);
  EXPECT_EQ(AllocateFrame(300).memory, frame.memory);
  FreeFrames({frame});
}

TEST(FramePoolTest, FramesFreedByAnotherThreadAreReusedAfterTheDrainAndNotBefore) {
  FramePool pool;
  FramePool::Binding binding(&pool);
  const Frame frame = AllocateFrame(128);
  FreeElsewhere({frame});
  const Frame before = AllocateFrame(128);
  EXPECT_NE(before.memory, frame.memory);
  pool.DrainRemote();
  const Frame after = AllocateFrame(128);
  EXPECT_EQ(after.memory, frame.memory);
  FreeFrames({before, after});
}

TEST(FramePoolTest, ThreadsFreeRemotelyWhileTheOwnerAllocatesAndDrains) {
  constexpr int kThreads = 3;
  constexpr size_t kRounds = 2000;
  constexpr size_t kBatch = 20;
  struct Inbox {
    std::mutex mutex;
    std::vector<Frame> frames;
    bool closed = false;
  };
  FramePool pool;
  FramePool::Binding binding(&pool);
  std::vector<Inbox> inboxes(kThreads);
  std::vector<std::thread> threads;
  for (Inbox& inbox : inboxes) {
    threads.emplace_back([&inbox] {
      FramePool own;
      FramePool::Binding bind_own(&own);
      for (bool closed = false; !closed;) {
        std::vector<Frame> frames;
        {
          std::lock_guard lock(inbox.mutex);
          frames.swap(inbox.frames);
          closed = inbox.closed;
        }
        FreeFrames(frames);
        std::this_thread::yield();
      }
      EXPECT_EQ(own.GetStatistics().free, 0u);
    });
  }
  for (size_t round = 0; round < kRounds; ++round) {
    Inbox& inbox = inboxes[round % kThreads];
    std::lock_guard lock(inbox.mutex);
    for (size_t i = 0; i < kBatch; ++i) {
      inbox.frames.push_back(AllocateFrame(32 + (round * 31 + i * 97) % 2000));
      std::memset(inbox.frames.back().memory, 0, inbox.frames.back().bytes);
    }
    pool.DrainRemote();
    if (round % 500 == 0) EXPECT_TRUE(pool.CheckInvariants());
  }
  for (Inbox& inbox : inboxes) {
    std::lock_guard lock(inbox.mutex);
    inbox.closed = true;
  }
  for (std::thread& thread : threads) thread.join();
  pool.DrainRemote();
  EXPECT_EQ(pool.GetStatistics().live, 0u);
  EXPECT_EQ(pool.GetStatistics().remote_frees, kRounds * kBatch);
  EXPECT_TRUE(pool.CheckInvariants());
}

TEST(FramePoolTest, ABurstOfAMillionFramesIsKeptForTheNextBurst) {
  constexpr size_t kFrames = 1'000'000;
  FramePool pool;
  FramePool::Binding binding(&pool);
  std::vector<void*> frames(kFrames);
  for (void*& frame : frames) frame = FramePool::Allocate(256);
  EXPECT_EQ(pool.GetStatistics().live, kFrames);
  EXPECT_EQ(pool.GetStatistics().carved_bytes, kFrames * 256);
  for (void* frame : frames) FramePool::Free(frame, 256);
  EXPECT_TRUE(pool.CheckInvariants());
  const uint64_t slabs = pool.GetStatistics().slabs;
  for (void*& frame : frames) frame = FramePool::Allocate(256);
  EXPECT_EQ(pool.GetStatistics().slabs, slabs);
  EXPECT_EQ(std::set<void*>(frames.begin(), frames.end()).size(), kFrames);
  for (void* frame : frames) FramePool::Free(frame, 256);
  EXPECT_EQ(pool.GetStatistics().free, kFrames);
}

TEST(FramePoolTest, TheSteadyStateAllocatesNothing) {
  if (!ThreadAllocationsCounted()) GTEST_SKIP() << "this build's allocator does not count";
  FramePool pool;
  FramePool::Binding binding(&pool);
  const uint64_t before = ThreadAllocatedBytes();
  for (int i = 0; i < 100'000; ++i) {
    const size_t bytes = 1 + (i * 37) % FramePool::kMaximumFrameBytes;
    FramePool::Free(FramePool::Allocate(bytes), bytes);
    pool.DrainRemote();
  }
  EXPECT_EQ(ThreadAllocatedBytes(), before);
  EXPECT_EQ(pool.GetStatistics().carved_bytes, 32u * 64 * 65 / 2) << "one frame of each class";
}

TEST(FramePoolTest, PoolsThatDieGiveTheirAddressesAndTheirPlaceBack) {
  for (int i = 0; i < 3000; ++i) {
    FramePool pool;
    FramePool::Binding binding(&pool);
    FreeFrames({AllocateFrame(64)});
  }
  // Their addresses are nobody's now: what malloc hands out goes back to malloc.
  FreeFrames({AllocateFrame(64)});
}

TEST(FramePoolDeathTest, DiesWhenAFrameOutlivesItsPoolAndSaysHowMany) {
  EXPECT_DEATH(
      {
        FramePool pool;
        FramePool::Binding binding(&pool);
        AllocateFrame(64);
        AllocateFrame(640);
        FreeElsewhere({AllocateFrame(64)});
        FramePool::Exchange(nullptr);
        pool.~FramePool();
      },
      "2 coroutine frames are still live when their pool dies");
}

TEST(FramePoolDeathTest, DiesWhenThePoolIsCurrent) {
  EXPECT_DEATH(
      {
        FramePool pool;
        FramePool::Binding binding(&pool);
        pool.~FramePool();
      },
      "dies while it is current");
}

void ReserveWithLimitedAddresses() {
  const rlimit limit = {1 << 20, 1 << 20};
  setrlimit(RLIMIT_AS, &limit);
  FramePool pool;
}

TEST(FramePoolDeathTest, SaysWhatToDoWhenAddressesAreLimited) {
  EXPECT_DEATH(ReserveWithLimitedAddresses(),
               "cannot reserve .* GiB of addresses for coroutine frames: Cannot allocate memory"
               ".*ulimit -v");
}

#if defined(PELTON_ASAN) || __has_feature(thread_sanitizer)
constexpr bool kSanitizerNeedsMemory = true;
#else
constexpr bool kSanitizerNeedsMemory = false;
#endif

// Exits 0 when a pool that the kernel gives no more memory to throws, and goes on with what it has.
void RunOutOfMemory() {
  FramePool pool;
  FramePool::Binding binding(&pool);
  std::vector<Frame> frames;
  frames.reserve(100'000);
  const rlimit limit = {0, 0};
  if (setrlimit(RLIMIT_DATA, &limit) != 0) std::_Exit(1);
  try {
    for (;;) frames.push_back(AllocateFrame(2048));
  } catch (const std::bad_alloc&) {
  }
  const size_t carved = frames.size();
  if (carved == 0 || carved == frames.capacity() || !pool.CheckInvariants()) std::_Exit(2);
  FreeFrames({frames});
  for (Frame& frame : frames) frame = AllocateFrame(2048);
  if (pool.GetStatistics().live != carved || !pool.CheckInvariants()) std::_Exit(3);
  std::_Exit(0);
}

TEST(FramePoolDeathTest, ThrowsWhenTheKernelGivesNoMoreAndGoesOnWithWhatItHas) {
  if (kSanitizerNeedsMemory) GTEST_SKIP() << "the sanitizer itself cannot run out of memory";
  EXPECT_EXIT(RunOutOfMemory(), testing::ExitedWithCode(0), "");
}

#ifdef PELTON_ASAN

TEST(FramePoolDeathTest, AddressSanitizerSeesAReadOfAFreeFrame) {
  FramePool pool;
  FramePool::Binding binding(&pool);
  auto* const frame = static_cast<volatile char*>(FramePool::Allocate(192));
  FramePool::Free(const_cast<char*>(frame), 192);
  EXPECT_DEATH(frame[0], "use-after-poison");
  EXPECT_DEATH(frame[191], "use-after-poison");
}

TEST(FramePoolDeathTest, AddressSanitizerSeesAnOverrunWithinTheSizeClass) {
  FramePool pool;
  FramePool::Binding binding(&pool);
  for (int round = 0; round < 2; ++round) {  // carved, then reused
    auto* const frame = static_cast<volatile char*>(FramePool::Allocate(72));
    EXPECT_DEATH(frame[72] = 1, "use-after-poison");
    FramePool::Free(const_cast<char*>(frame), 72);
  }
}

#endif  // PELTON_ASAN

#ifndef NDEBUG

TEST(FramePoolDeathTest, DebugBuildsSeeADoubleFree) {
  FramePool pool;
  FramePool::Binding binding(&pool);
  const Frame frame = AllocateFrame(192);
  FreeFrames({frame});
  EXPECT_DEATH(FreeFrames({frame}), "freed twice");
  EXPECT_DEATH(FreeElsewhere({frame}), "freed twice");
}

TEST(FramePoolDeathTest, DebugBuildsSeeADoubleFreeByAnotherThread) {
  FramePool pool;
  FramePool::Binding binding(&pool);
  const Frame frame = AllocateFrame(192);
  FreeElsewhere({frame});
  EXPECT_DEATH(FreeElsewhere({frame}), "freed twice");
  EXPECT_DEATH(FreeFrames({frame}), "freed twice");
}

TEST(FramePoolDeathTest, DebugBuildsSeeAWrongSize) {
  FramePool pool;
  FramePool::Binding binding(&pool);
  const Frame frame = AllocateFrame(192);
  EXPECT_DEATH(FramePool::Free(frame.memory, 193),
               "a coroutine frame of 192 bytes was freed as one of 224");
  FreeFrames({frame});
}

#ifndef PELTON_ASAN
TEST(FramePoolDeathTest, DebugBuildsSeeAWriteToAFreeFrame) {
  FramePool pool;
  FramePool::Binding binding(&pool);
  const Frame frame = AllocateFrame(192);
  FreeFrames({frame});
  EXPECT_DEATH(
      {
        std::memset(static_cast<char*>(frame.memory) + 8, 0, 8);
        AllocateFrame(192);
      },
      "written to after it was freed");
}
#endif  // PELTON_ASAN

#endif  // NDEBUG

}  // namespace
}  // namespace pelton
