// What the I/O scheduler adds to a request that need not wait.

#include <benchmark/benchmark.h>

#include <cstdint>

#include "alloc/frame_pool.h"
#include "io/file/io_scheduler.h"
#include "sched/clock.h"
#include "sched/scheduler.h"

namespace pelton {
namespace {

class NullRequest final : public io::IoRequest {
 public:
  void OnAdmitted() override { ++admitted; }
  uint64_t admitted = 0;
};

// A shard as far as the scheduler needs one.
struct BenchmarkShard {
  MonotonicClock clock;
  FramePool frames;
  Scheduler scheduler{clock};
  SchedulerBinding binding{&scheduler, &frames};
};

void BM_IoScheduler_SubmitAndFinish(benchmark::State& state) {
  BenchmarkShard shard;
  shard.scheduler.BeginTurn();
  IoScheduler scheduler((IoProfile()));
  NullRequest request;
  for (auto _ : state) {
    scheduler.Submit(request, SchedulingGroup(), IoDirection::kRead, 4096);
    scheduler.Finish(request.charge());
  }
  benchmark::DoNotOptimize(request.admitted);
}
BENCHMARK(BM_IoScheduler_SubmitAndFinish);

}  // namespace
}  // namespace pelton

BENCHMARK_MAIN();
