// One run of a test's body, under one seed: makes the shards, runs the body on shard 0, and sees to
// it that nothing is left.
//
// Shard affinity: made and run by the thread that runs the test.
// Invariants: 1. one run at a time; 2. a runtime that cannot be brought to rest is abandoned: it
// stays in memory, and none of its tasks runs again.

#ifndef PELTON_FRAMEWORK_TESTING_INTERNAL_TEST_RUN_H_
#define PELTON_FRAMEWORK_TESTING_INTERNAL_TEST_RUN_H_

#include <atomic>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "framework/shard.h"
#include "framework/stepped_runtime.h"
#include "framework/testing/internal/live_work.h"
#include "framework/testing/testing.h"
#include "sched/task.h"
#include "sched/task_context.h"

namespace pelton::testing_internal {

class TestRun {
 public:
  TestRun(CoroutineTest& test, const testing::TestOptions& options, uint64_t seed)
      : test_(test), options_(options), seed_(seed) {}
  TestRun(const TestRun&) = delete;
  TestRun& operator=(const TestRun&) = delete;

  // The run in progress; null outside of tests of Pelton's.
  static TestRun* Current() { return current_; }

  // Runs the body to its end and reports to GoogleTest what went wrong.
  void Run();

  // Says that the test ends early, by a failed assertion or a skip: what is left then is cancelled
  // and not reported. Yields the context of the running flow: everything below it has to end before
  // the flow's variables do.
  TaskContext& EndEarly();

  // The virtual clock. REQUIRES: the stepped runtime.
  VirtualClock& clock();
  // Gives way until no other task could run before the time moves. REQUIRES: the stepped runtime.
  Task<void> Settle();

 private:
  // Ends a body that takes too long in real time.
  class TimeLimit;

  void RunStepped();
  void RunThreads();
  Task<absl::Status> Serve(Shard& shard);
  // Whether a task could run before the time moves, besides those that settle.
  bool OthersHaveWork();
  // Runs once the body has ended: reports what is left of it and brings that to an end.
  Task<void> CleanUp();
  // What is alive on all shards; `dump` becomes the backtraces of the tasks. The first is for the
  // stepped runtime, and lets nothing else run.
  LiveWork InspectAllNow(std::string& dump);
  Task<LiveWork> InspectAll(std::string& dump);
  // Awaits `function(shard)` on each shard, one after the other, beginning with the current one.
  template <typename Function>
  Task<void> ForEachShard(Function function);
  // Leaves a runtime alone that cannot be brought to rest. Does not return.
  Task<void> GiveUp();
  // Reports coroutines that have outlived all tasks. Returns whether there are any.
  bool ReportFrames(SteppedRuntime& runtime);

  static inline TestRun* current_ = nullptr;

  CoroutineTest& test_;
  const testing::TestOptions& options_;
  const uint64_t seed_;
  SteppedRuntime* stepped_ = nullptr;      // null on threads
  TaskContext* body_context_ = nullptr;    // of the flow that runs the body; null until it begins
  size_t settling_ = 0;                    // tasks that are in Settle()
  std::atomic<bool> ended_early_ = false;  // perhaps by a task of another thread's shard
  bool abandoned_ = false;
};

}  // namespace pelton::testing_internal

#endif  // PELTON_FRAMEWORK_TESTING_INTERNAL_TEST_RUN_H_
