#include "framework/testing/internal/test_run.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "framework/base/check.h"
#include "framework/base/strings.h"
#include "framework/cpu_topology.h"
#include "framework/on.h"
#include "framework/runtime.h"
#include "sched/backtrace.h"
#include "sched/clock.h"
#include "sched/foreign_inbox.h"
#include "sched/scheduler.h"
#include "sched/scheduling_group.h"

namespace pelton::testing_internal {
namespace {

using testing::TestOptions;
using testing::TestRuntime;

// How many receive buffers a shard of a test has.
constexpr size_t kChunks = 64;

// Tells GoogleTest, at the line of the test.
void Report(std::string_view text) {
  const ::testing::TestInfo* const test = ::testing::UnitTest::GetInstance()->current_test_info();
  ADD_FAILURE_AT(test->file(), test->line()) << text;
}

SteppedRuntime::Options SteppedOptions(const TestOptions& options, uint64_t seed) {
  SteppedRuntime::Options stepped{.shards = options.shards};
  stepped.shard.reactor.chunks = kChunks;
  if (seed != 0) {
    stepped.seed = seed;
    stepped.shard.scheduler.shuffle_seed = seed;
    stepped.shard.scheduler.random_seed = seed;
  }
  return stepped;
}

absl::StatusOr<Runtime::Options> ThreadOptions(const TestOptions& options) {
  PELTON_ASSIGN_OR_RETURN(const CpuSources sources, SystemCpuSources());
  PELTON_ASSIGN_OR_RETURN(const CpuLimits limits, ReadCpuLimits(sources));
  Runtime::Options threads;
  PELTON_ASSIGN_OR_RETURN(
      threads.placement,
      PlaceShards(limits, {.cpus = "", .shards = static_cast<int>(options.shards)}));
  threads.driver = options.runtime == TestRuntime::kUringThreads   ? DriverChoice::kUring
                   : options.runtime == TestRuntime::kEpollThreads ? DriverChoice::kEpoll
                                                                   : DriverChoice::kAuto;
  threads.shard.reactor.chunks = kChunks;
  return threads;
}

size_t ReadyTasks(Shard& shard) {
  size_t ready = 0;
  for (uint32_t i = 0; i < SchedulingGroup::count(); ++i) {
    ready += shard.scheduler().group_statistics(SchedulingGroup::FromIndex(i)).ready;
  }
  return ready;
}

// Goes on in the next turn of the shard's loop, whatever the time is.
class [[nodiscard("co_await it")]] NextTurn final : private Suspension, private ForeignNode {
 public:
  bool await_ready() const noexcept { return false; }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    Suspend(task.promise());
    // Delivered between two turns' tasks.
    deliver = [](ForeignNode* node) { static_cast<NextTurn*>(node)->Resume(); };
    Scheduler::Current()->foreign_inbox().Push(*this);
  }
  void await_resume() const noexcept {}

 private:
  void Interrupt() override {}
  void Describe(std::ostream& out) const override { out << "the other tasks to wait"; }
};

std::string LeakMessage(const LiveWork& live, std::string_view dump) {
  return absl::StrCat("leaked: ", live.ToString(),
                      " had not ended when the body did; join scopes, cancel timers and destroy "
                      "streams in it",
                      dump.empty() ? "" : "; the tasks:\n", ToAbsl(dump));
}

std::string DeadlockMessage(std::string_view dump) {
  return absl::StrCat(
      "deadlock: the body waits, and no timer, message or I/O will ever wake it; its tasks:\n",
      ToAbsl(dump));
}

std::string LateMessage(const TestOptions& options, std::string_view dump) {
  return absl::StrCat("the body has not ended after ", absl::FormatDuration(options.timeout),
                      " of real time; its tasks:\n", ToAbsl(dump));
}

// Keeps a runtime that cannot come to rest, so that nothing that its tasks refer to is destroyed.
void Abandon(std::unique_ptr<SteppedRuntime> runtime) {
  static auto* const abandoned = new std::vector<std::unique_ptr<SteppedRuntime>>;
  abandoned->push_back(std::move(runtime));
}

}  // namespace

class TestRun::TimeLimit final : private Timer {
 public:
  explicit TimeLimit(TestRun& run) : run_(run) {
    Scheduler& scheduler = *Scheduler::Current();
    scheduler.timers().Arm(*this, (scheduler.PreciseNow() + run.options_.timeout).nanoseconds());
  }
  ~TimeLimit() {
    if (armed()) Scheduler::Current()->timers().Cancel(*this);
  }

 private:
  void Fire() override {
    Report(LateMessage(run_.options_, DumpShard(*Shard::Current())));
    run_.ended_early_ = true;
    run_.body_context_->Stop(StopPhase::kEverything, StopReason::kCancelled);
  }

  TestRun& run_;
};

void TestRun::Run() {
  PELTON_CHECK(current_ == nullptr) << "a test runs inside of another";
  current_ = this;
  if (options_.runtime == TestRuntime::kStepped) {
    RunStepped();
  } else {
    RunThreads();
  }
  current_ = nullptr;
}

TaskContext& TestRun::EndEarly() {
  ended_early_ = true;
  TaskContext* flow = &Scheduler::Current()->current_context();
  while (flow->parent()->holds_flow()) flow = flow->parent();
  return *flow;
}

VirtualClock& TestRun::clock() {
  PELTON_CHECK(stepped_ != nullptr) << "time is not virtual on threads";
  return stepped_->clock();
}

Task<void> TestRun::Settle() {
  PELTON_CHECK(stepped_ != nullptr) << "what other threads do is not known";
  ++settling_;
  while (OthersHaveWork()) co_await NextTurn();
  --settling_;
}

bool TestRun::OthersHaveWork() {
  size_t ready = 0;
  for (uint32_t i = 0; i < options_.shards; ++i) {
    Shard& shard = stepped_->shard(i);
    ready += ReadyTasks(shard);
    if (shard.mail().HasUnsent() || shard.HasArrivals() || shard.reactor().HasWork() ||
        shard.scheduler().NextTimer() <= stepped_->clock().Now()) {
      return true;
    }
  }
  // The others that settle are ready all the time.
  return ready + 1 > settling_;
}

void TestRun::RunStepped() {
  auto runtime = std::make_unique<SteppedRuntime>(SteppedOptions(options_, seed_));
  stepped_ = runtime.get();
  runtime->Start([this](Shard& shard) { return Serve(shard); });
  const MonotonicClock real;
  Timestamp end = real.Now() + options_.timeout;
  bool stopped = false;
  while (true) {
    bool late = false;
    while (!abandoned_ && !late && runtime->Step()) late = real.Now() >= end;
    if (abandoned_ || runtime->ended() || stopped) break;
    stopped = true;
    ended_early_ = true;
    std::string dump;
    InspectAllNow(dump);
    Report(late ? LateMessage(options_, dump) : DeadlockMessage(dump));
    runtime->RequestStop(StopPhase::kEverything);
    end = real.Now() + options_.timeout;
  }
  if (!runtime->ended() || ReportFrames(*runtime)) Abandon(std::move(runtime));
}

void TestRun::RunThreads() {
  absl::StatusOr<Runtime::Options> threads = ThreadOptions(options_);
  if (!threads.ok()) return Report(threads.status().ToString());
  // All rings of a user share a limit of locked memory, and the kernel frees those of earlier tests
  // only a while after their end, without telling.
  constexpr int kAttempts = 60;
  constexpr int kPauseMs = 50;
  absl::Status status;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (attempt > 0) ::poll(nullptr, 0, kPauseMs);
    status = Runtime(*threads).Run([this](Shard& shard) { return Serve(shard); });
    const bool wants_memory = status.ToString().find("ENOMEM") != std::string::npos;
    if (body_context_ != nullptr || !wants_memory) break;
  }
  if (!status.ok()) Report(absl::StrCat("the runtime failed: ", status.ToString()));
}

Task<absl::Status> TestRun::Serve(Shard& shard) {
  if (shard.id() != ShardId(0)) co_return absl::OkStatus();
  body_context_ = &shard.scheduler().current_context();
  {
    std::optional<TimeLimit> limit;
    if (stepped_ == nullptr) limit.emplace(*this);
    try {
      co_await test_.PeltonBody();
    } catch (...) {
      Report(absl::StrCat("the body ended by an exception: ",
                          DescribeException(std::current_exception())));
      ended_early_ = true;
    }
  }
  co_await CleanUp();
  co_return absl::OkStatus();
}

Task<void> TestRun::CleanUp() {
  std::string dump;
  // At once, on the stepped runtime: what ends a moment later was not joined.
  const LiveWork live = stepped_ != nullptr ? InspectAllNow(dump) : co_await InspectAll(dump);
  const bool leaks = (live.tasks > 0 || live.timers > 0) && !ended_early_;
  if (leaks) Report(LeakMessage(live, dump));
  if (live.tasks == 0 && live.timers > 0) {
    // Their owners may be gone, so they must not fire.
    co_await GiveUp();
  }
  co_await ForEachShard(
      [](Shard& shard) -> Task<void> { co_await EndTasksBelow(shard.scheduler().root()); });
  // Destroyed streams close their descriptors in their own time.
  LiveWork rest = co_await InspectAll(dump);
  for (absl::Duration pause = absl::Microseconds(100);
       rest.tasks == 0 && rest.operations + rest.connections > 0 && pause < absl::Seconds(1);
       pause *= 2) {
    co_await Pause(pause);
    rest = co_await InspectAll(dump);
  }
  const bool scopes_left = rest.scopes > 0 || body_context_->first_child() != nullptr;
  if (!rest.any() && !scopes_left) co_return;
  if (!leaks) {
    Report(rest.any() ? LeakMessage(rest, dump)
                      : "leaked: a TaskScope without tasks outlives the body; destroy it there");
  }
  co_await GiveUp();
}

LiveWork TestRun::InspectAllNow(std::string& dump) {
  LiveWork live;
  dump.clear();
  for (uint32_t i = 0; i < options_.shards; ++i) live += InspectShard(stepped_->shard(i));
  for (uint32_t i = 0; i < options_.shards && live.tasks > 0; ++i) {
    dump += DumpShard(stepped_->shard(i));
  }
  return live;
}

Task<LiveWork> TestRun::InspectAll(std::string& dump) {
  LiveWork live;
  dump.clear();
  co_await ForEachShard([&](Shard& shard) -> Task<void> {
    const LiveWork here = InspectShard(shard);
    if (here.tasks > 0) dump += DumpShard(shard);
    live += here;
    co_return;
  });
  co_return live;
}

template <typename Function>
Task<void> TestRun::ForEachShard(Function function) {
  co_await function(*Shard::Current());
  for (uint32_t i = 1; i < options_.shards; ++i) {
    co_await On(ShardId(i), [&]() -> Task<void> { co_await function(*Shard::Current()); });
  }
}

Task<void> TestRun::GiveUp() {
  if (stepped_ == nullptr) {
    PELTON_FATAL() << "what the test has left cannot be cancelled, so its threads cannot end";
  }
  abandoned_ = true;
  // A timer, so that the runtime does not wait for I/O; nobody steps it after this turn.
  co_await Pause(absl::Milliseconds(1));
}

bool TestRun::ReportFrames(SteppedRuntime& runtime) {
  uint64_t frames = 0;
  for (uint32_t i = 0; i < options_.shards; ++i) {
    runtime.shard(i).frames().DrainRemote();
    frames += runtime.shard(i).frames().GetStatistics().live;
  }
  if (frames == 0) return false;
  Report(absl::StrCat(frames, frames == 1 ? " coroutine frame is" : " coroutine frames are",
                      " alive after the test: a Task that was not awaited outlives its body"));
  return true;
}

}  // namespace pelton::testing_internal
