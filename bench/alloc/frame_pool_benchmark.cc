#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdlib>
#include <vector>

#include "alloc/frame_pool.h"

namespace pelton {
namespace {

// The two ways to a frame that are compared.
struct Pool {
  static void* Allocate(size_t bytes) { return FramePool::Allocate(bytes); }
  static void Free(void* frame, size_t bytes) { FramePool::Free(frame, bytes); }
};

struct Malloc {
  static void* Allocate(size_t bytes) { return std::malloc(bytes); }
  static void Free(void* frame, size_t bytes) { std::free(frame); }
};

// Small, fast and the same in every run.
class Random {
 public:
  uint64_t Next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }

 private:
  uint64_t state_ = 88172645463325252;
};

// One size that the compiler knows, as in a coroutine.
template <typename Memory>
void BM_FramePool_AllocateThenFree192(benchmark::State& state) {
  FramePool pool;
  FramePool::Binding binding(&pool);
  for (auto _ : state) {
    void* frame = Memory::Allocate(192);
    benchmark::DoNotOptimize(frame);
    Memory::Free(frame, 192);
  }
}
BENCHMARK(BM_FramePool_AllocateThenFree192<Pool>);
BENCHMARK(BM_FramePool_AllocateThenFree192<Malloc>);

// A chain of eight nested frames, as eight coroutines that await each other.
template <typename Memory>
void BM_FramePool_AllocateThenFreeNested(benchmark::State& state) {
  FramePool pool;
  FramePool::Binding binding(&pool);
  void* frames[8];
  for (auto _ : state) {
    for (size_t i = 0; i < 8; ++i) {
      frames[i] = Memory::Allocate(96 + 32 * i);
      benchmark::DoNotOptimize(frames[i]);
    }
    for (size_t i = 8; i-- > 0;) Memory::Free(frames[i], 96 + 32 * i);
  }
  state.SetItemsProcessed(state.iterations() * 8);
}
BENCHMARK(BM_FramePool_AllocateThenFreeNested<Pool>);
BENCHMARK(BM_FramePool_AllocateThenFreeNested<Malloc>);

// Sizes from 96 to 512 bytes in an order that no predictor knows.
template <typename Memory>
void BM_FramePool_AllocateThenFreeMixed(benchmark::State& state) {
  FramePool pool;
  FramePool::Binding binding(&pool);
  Random random;
  std::vector<uint32_t> sizes(4096);
  for (uint32_t& size : sizes) size = 96 + random.Next() % 417;
  size_t i = 0;
  for (auto _ : state) {
    const size_t bytes = sizes[i++ % sizes.size()];
    void* frame = Memory::Allocate(bytes);
    benchmark::DoNotOptimize(frame);
    Memory::Free(frame, bytes);
  }
}
BENCHMARK(BM_FramePool_AllocateThenFreeMixed<Pool>);
BENCHMARK(BM_FramePool_AllocateThenFreeMixed<Malloc>);

// Frees one of many live frames at random and allocates another.
template <typename Memory>
void BM_FramePool_ReplaceOneOfLive(benchmark::State& state) {
  FramePool pool;
  FramePool::Binding binding(&pool);
  Random random;
  const size_t live = state.range(0);
  std::vector<void*> frames(live);
  for (void*& frame : frames) frame = Memory::Allocate(192);
  for (auto _ : state) {
    void*& frame = frames[random.Next() % live];
    Memory::Free(frame, 192);
    frame = Memory::Allocate(192);
    benchmark::DoNotOptimize(frame);
  }
  for (void* frame : frames) Memory::Free(frame, 192);
}
BENCHMARK(BM_FramePool_ReplaceOneOfLive<Pool>)->Arg(10'000)->Arg(1'000'000);
BENCHMARK(BM_FramePool_ReplaceOneOfLive<Malloc>)->Arg(10'000)->Arg(1'000'000);

// Frames that another pool's thread frees: the push, and the way home.
void BM_FramePool_FreeRemotelyThenDrain(benchmark::State& state) {
  FramePool home;
  FramePool other;
  FramePool::Binding binding(&home);
  std::vector<void*> frames(64);
  for (auto _ : state) {
    FramePool::Exchange(&home);
    for (void*& frame : frames) frame = FramePool::Allocate(192);
    FramePool::Exchange(&other);
    for (void* frame : frames) FramePool::Free(frame, 192);
    home.DrainRemote();
  }
  state.SetItemsProcessed(state.iterations() * frames.size());
}
BENCHMARK(BM_FramePool_FreeRemotelyThenDrain);

void BM_FramePool_DrainNothing(benchmark::State& state) {
  FramePool pool;
  for (auto _ : state) pool.DrainRemote();
}
BENCHMARK(BM_FramePool_DrainNothing);

}  // namespace
}  // namespace pelton

BENCHMARK_MAIN();
