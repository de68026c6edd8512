// The five models of program flow do the same in the same order at the same virtual times, and each
// awaits every other. The threads are real; they wait for virtual time.

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "framework/examples/flow_models/model.h"
#include "framework/examples/flow_models/thread_waits.h"
#include "framework/stepped_runtime.h"
#include "sched/deadline.h"
#include "sched/sleep.h"

namespace pelton::models {
namespace {

constexpr absl::Duration kTimers[] = {absl::Milliseconds(200), absl::Milliseconds(100),
                                      absl::Milliseconds(50)};
// A timer fires within one tick of the wheel.
constexpr absl::Duration kTick = absl::Nanoseconds(int64_t{1} << TimerWheel::kTickBits);

Task<absl::Status> Sleep(absl::Duration duration) { co_return co_await SleepFor(duration); }

// Has threads wait for timers of the shard. A virtual clock stands still while a thread works, but
// not while it waits.
class VirtualThreadWaits final : public ThreadWaits {
 public:
  using ThreadWaits::ThreadWaits;

  absl::Status Sleep(absl::Duration duration) const override {
    return Await(models::Sleep(duration));
  }
  absl::Status Await(Task<absl::Status> task) const override {
    return shard().SubmitAndWait([&task] { return WhileThreadWaits(std::move(task)); });
  }

 private:
  static Task<absl::Status> WhileThreadWaits(Task<absl::Status> task) {
    Scheduler::Current()->EndExternal();
    absl::Status status = co_await std::move(task);
    Scheduler::Current()->BeginExternal();
    co_return status;
  }
};

// Runs `body(waits)` as a service of one shard. Ready tasks are taken in an order drawn from `seed`,
// unless it is 0.
absl::Status RunOnShard(uint64_t seed, std::function<Task<absl::Status>(const ThreadWaits&)> body) {
  SteppedRuntime::Options options;
  if (seed != 0) options.shard.scheduler.shuffle_seed = seed;
  SteppedRuntime runtime(options);
  return runtime.Run([&body](Shard& shard) -> Task<absl::Status> {
    const VirtualThreadWaits waits(shard);
    co_return co_await body(waits);
  });
}

// What a journal says, to the millisecond.
std::vector<std::string> Notes(const Journal& journal) {
  std::vector<std::string> notes;
  for (const Journal::Entry& entry : journal.entries()) {
    notes.push_back(absl::FormatDuration(entry.timer) + " at " +
                    absl::FormatDuration(absl::Trunc(entry.at, absl::Milliseconds(1))));
  }
  return notes;
}

// That the timers ended in this order at these times, none early and none late by more than the
// ticks of those before it.
void ExpectEntries(const Journal& journal, const std::vector<Journal::Entry>& expected) {
  ASSERT_EQ(journal.entries().size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    const Journal::Entry& entry = journal.entries()[i];
    EXPECT_EQ(entry.timer, expected[i].timer) << "timer " << i;
    EXPECT_GE(entry.at, expected[i].at) << "timer " << i;
    EXPECT_LE(entry.at, expected[i].at + static_cast<int64_t>(i + 1) * kTick) << "timer " << i;
  }
}

const std::vector<Journal::Entry> kExpectedInSequence = {
    {absl::Milliseconds(200), absl::Milliseconds(200)},
    {absl::Milliseconds(100), absl::Milliseconds(300)},
    {absl::Milliseconds(50), absl::Milliseconds(350)}};
const std::vector<Journal::Entry> kExpectedConcurrently = {
    {absl::Milliseconds(50), absl::Milliseconds(50)},
    {absl::Milliseconds(100), absl::Milliseconds(100)},
    {absl::Milliseconds(200), absl::Milliseconds(200)}};

class ModelTest : public ::testing::TestWithParam<const Model*> {
 protected:
  const Model& model() const { return *GetParam(); }
};

INSTANTIATE_TEST_SUITE_P(AllModels, ModelTest, ::testing::ValuesIn(kAllModels),
                         [](const auto& info) {
                           std::string name;
                           for (const char c : info.param->name) {
                             if (c != ' ') name += c;
                           }
                           return name;
                         });

TEST_P(ModelTest, InSequenceTheTimersEndInTheOrderOfTheirStartAfter350Milliseconds) {
  for (uint64_t seed = 0; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    const absl::Status status =
        RunOnShard(seed, [this](const ThreadWaits& waits) -> Task<absl::Status> {
          Journal journal;
          PELTON_CO_RETURN_IF_ERROR(co_await model().in_sequence(waits, kTimers, journal));
          EXPECT_LE(journal.Elapsed(), absl::Milliseconds(350) + 3 * kTick);
          ExpectEntries(journal, kExpectedInSequence);
          co_return absl::OkStatus();
        });
    ASSERT_EQ(status, absl::OkStatus());
    if (HasFailure()) return;
  }
}

TEST_P(ModelTest, ConcurrentlyTheShortestTimerEndsFirstAndAllAfter200Milliseconds) {
  for (uint64_t seed = 0; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    const absl::Status status =
        RunOnShard(seed, [this](const ThreadWaits& waits) -> Task<absl::Status> {
          Journal journal;
          PELTON_CO_RETURN_IF_ERROR(co_await model().concurrently(waits, kTimers, journal));
          EXPECT_LE(journal.Elapsed(), absl::Milliseconds(200) + kTick);
          ExpectEntries(journal, kExpectedConcurrently);
          co_return absl::OkStatus();
        });
    ASSERT_EQ(status, absl::OkStatus());
    if (HasFailure()) return;
  }
}

TEST_P(ModelTest, AwaitsTheTimersOfEveryModel) {
  for (const Model* other : kAllModels) {
    for (uint64_t seed = 0; seed <= 10; ++seed) {
      SCOPED_TRACE(std::string(other->name) + ", seed " + std::to_string(seed));
      const absl::Status status =
          RunOnShard(seed, [&](const ThreadWaits& waits) -> Task<absl::Status> {
            Journal journal;
            PELTON_CO_RETURN_IF_ERROR(
                co_await model().await(waits, other->concurrently(waits, kTimers, journal)));
            ExpectEntries(journal, kExpectedConcurrently);
            co_return absl::OkStatus();
          });
      ASSERT_EQ(status, absl::OkStatus());
    }
  }
}

TEST_P(ModelTest, PassesOnTheErrorOfWhatItAwaits) {
  const absl::Status status = RunOnShard(0, [this](const ThreadWaits& waits) -> Task<absl::Status> {
    const absl::Status outcome = co_await model().await(waits, []() -> Task<absl::Status> {
      PELTON_CO_RETURN_IF_ERROR(co_await SleepFor(absl::Milliseconds(10)));
      co_return absl::NotFoundError("no such row");
    }());
    EXPECT_EQ(outcome, absl::NotFoundError("no such row"));
    co_return absl::OkStatus();
  });
  EXPECT_EQ(status, absl::OkStatus());
}

// What sleeps on a thread cannot be stopped; everything else stops at once.
TEST_P(ModelTest, ADeadlineEndsItsTimersUnlessTheyBlockAThread) {
  const bool blocks = &model() == &kThreads;
  const absl::Status status = RunOnShard(0, [&](const ThreadWaits& waits) -> Task<absl::Status> {
    Journal journal;
    const absl::Status outcome =
        co_await WithTimeout(absl::Milliseconds(75), model().concurrently(waits, kTimers, journal));
    EXPECT_EQ(outcome.code(), blocks ? absl::StatusCode::kOk : absl::StatusCode::kDeadlineExceeded);
    const absl::Duration expected = absl::Milliseconds(blocks ? 200 : 75);
    EXPECT_GE(journal.Elapsed(), expected);
    EXPECT_LE(journal.Elapsed(), expected + kTick);
    EXPECT_EQ(journal.entries().size(), blocks ? 3u : 1u);
    co_return absl::OkStatus();
  });
  EXPECT_EQ(status, absl::OkStatus());
}

TEST_P(ModelTest, MeasuresWhatItsWaitersTake) {
  const absl::Status status = RunOnShard(0, [this](const ThreadWaits& waits) -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(const Cost cost, co_await model().measure(waits, 5));
    EXPECT_EQ(cost.waiters, 5);
    EXPECT_GT(cost.frame_bytes, 0);
    EXPECT_EQ(cost.threads, &model() == &kThreads ? 1 : 0);
    const bool has_stack = &model() == &kThreads || &model() == &kFibers;
    EXPECT_EQ(cost.stack_bytes > 0, has_stack) << cost.stack_bytes;
    co_return absl::OkStatus();
  });
  EXPECT_EQ(status, absl::OkStatus());
}

TEST(ModelsTest, AllFiveHaveTheSameOrderAndTimes) {
  for (const auto run : {&Model::in_sequence, &Model::concurrently}) {
    std::vector<std::vector<std::string>> notes;
    for (const Model* model : kAllModels) {
      ASSERT_EQ(
          RunOnShard(0,
                     [&](const ThreadWaits& waits) -> Task<absl::Status> {
                       Journal journal;
                       PELTON_CO_RETURN_IF_ERROR(co_await (model->*run)(waits, kTimers, journal));
                       notes.push_back(Notes(journal));
                       co_return absl::OkStatus();
                     }),
          absl::OkStatus());
    }
    ASSERT_EQ(notes.size(), std::size(kAllModels));
    for (const auto& note : notes) EXPECT_EQ(note, notes.front());
  }
}

TEST(ModelsTest, AllFiveAwaitEachOtherInOneFlow) {
  const absl::Status status = RunOnShard(0, [](const ThreadWaits& waits) -> Task<absl::Status> {
    Journal journal;
    Task<absl::Status> chain = kThreads.in_sequence(waits, kTimers, journal);
    for (const Model* model : kAllModels) chain = model->await(waits, std::move(chain));
    PELTON_CO_RETURN_IF_ERROR(co_await std::move(chain));
    ExpectEntries(journal, kExpectedInSequence);
    co_return absl::OkStatus();
  });
  EXPECT_EQ(status, absl::OkStatus());
}

}  // namespace
}  // namespace pelton::models
