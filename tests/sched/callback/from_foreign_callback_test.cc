// Awaiting APIs that call back on threads of their own: real threads, so it means most under tsan.

#include "sched/callback/from_foreign_callback.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sched/deadline.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "sched/task_scope.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::TaskHarness;

// A library with threads of its own, which end with it.
class Library {
 public:
  ~Library() {
    for (std::thread& thread : threads_) thread.join();
  }
  template <typename Work>
  void Run(Work work) {
    threads_.emplace_back(std::move(work));
  }

 private:
  std::vector<std::thread> threads_;
};

TEST(FromForeignCallbackTest, YieldsWhatAThreadGives) {
  TaskHarness harness;
  Library library;
  auto program = [&]() -> Task<int> {
    co_return **co_await FromForeignCallback<std::unique_ptr<int>>(
        [&](ForeignCompletion<std::unique_ptr<int>> done) {
          library.Run([done = std::move(done)]() mutable { done(std::make_unique<int>(6)); });
        });
  };
  EXPECT_EQ(harness.Run(program()), 6);
}

TEST(FromForeignCallbackTest, MayBeCalledBeforeTheStartReturnsAndOnTheSameThread) {
  TaskHarness harness;
  auto program = []() -> Task<absl::Status> {
    co_return co_await FromForeignCallback<void>([](ForeignCompletion<void> done) { done(); });
  };
  EXPECT_TRUE(harness.Run(program()).ok());
}

TEST(FromForeignCallbackTest, YieldsAThreadsError) {
  TaskHarness harness;
  Library library;
  auto program = [&]() -> Task<absl::Status> {
    co_return co_await FromForeignCallback<void>([&](ForeignCompletion<void> done) {
      library.Run([done = std::move(done)]() mutable { done(absl::DataLossError("disk")); });
    });
  };
  EXPECT_EQ(harness.Run(program()), absl::DataLossError("disk"));
}

TEST(FromForeignCallbackTest, ACompletionThatAThreadDropsIsABrokenOne) {
  TaskHarness harness;
  Library library;
  auto program = [&]() -> Task<absl::Status> {
    co_return (co_await FromForeignCallback<int>([&](ForeignCompletion<int> done) {
      library.Run([done = std::move(done)] {});
    })).status();
  };
  const absl::Status status = harness.Run(program());
  EXPECT_TRUE(absl::IsAborted(status));
  EXPECT_NE(status.ToString().find("from_foreign_callback_test.cc"), std::string::npos) << status;
}

TEST(FromForeignCallbackTest, BecomesACFunctionWhichFitsIntoAStdFunction) {
  TaskHarness harness;
  Library library;
  auto program = [&]() -> Task<int> {
    co_return *co_await FromForeignCallback<int>([&](ForeignCompletion<int> done) {
      const CCallback<int> c = std::move(done).AsCCallback();
      const std::function<void(int)> legacy = [c](int n) { c.function(c.argument, n); };
      library.Run([legacy] { legacy(9); });
    });
  };
  EXPECT_EQ(harness.Run(program()), 9);
  auto dropped = [&]() -> Task<absl::Status> {
    co_return co_await FromForeignCallback<void>([&](ForeignCompletion<void> done) {
      const CCallback<void> c = std::move(done).AsCCallback();
      library.Run([c] { c.Drop(); });
    });
  };
  EXPECT_TRUE(absl::IsAborted(harness.Run(dropped())));
}

TEST(FromForeignCallbackTest, AnExceptionOfTheStartComesOutOfTheAwait) {
  TaskHarness harness;
  auto program = []() -> Task<void> {
    (void)co_await FromForeignCallback<int>(
        [](ForeignCompletion<int>) { throw std::runtime_error("cannot start"); });
  };
  EXPECT_THROW(harness.Run(program()), std::runtime_error);
  harness.RunUntilIdle();  // the broken completion arrives
}

TEST(FromForeignCallbackTest, WithoutACancelFunctionCancellingEndsTheWaitAtOnce) {
  TaskHarness harness;
  std::optional<ForeignCompletion<int>> kept;
  absl::Status status;
  auto wait = [&]() -> Task<void> {
    status = (co_await FromForeignCallback<int>([&](ForeignCompletion<int> done) {
               kept.emplace(std::move(done));
             })).status();
  };
  harness.scope().Spawn(wait);
  harness.RunReady();
  EXPECT_EQ(harness.scheduler().external(), 1u);
  harness.scope().Cancel();
  harness.RunReady();
  EXPECT_TRUE(absl::IsCancelled(status));
  std::thread([&] { (*kept)(1); }).join();
  harness.RunUntilIdle();
  EXPECT_EQ(harness.scheduler().external(), 0u);
}

TEST(FromForeignCallbackTest, ACancelFunctionIsAskedAndTheCallbackEndsTheWait) {
  TaskHarness harness;
  Library library;
  std::optional<ForeignCompletion<int>> kept;
  std::optional<absl::StatusOr<int>> result;
  auto wait = [&]() -> Task<void> {
    result = co_await FromForeignCallback<int>(
        "a query", [&](ForeignCompletion<int> done) { kept.emplace(std::move(done)); },
        [&] {
          library.Run([done = *std::move(kept)]() mutable { done(absl::CancelledError("asked")); });
          kept.reset();
        });
  };
  harness.scope().Spawn(wait);
  harness.RunReady();
  harness.scope().Cancel();
  harness.RunUntilIdle();
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->status(), absl::CancelledError("asked"));
}

TEST(FromForeignCallbackTest, EndsAtItsDeadline) {
  TaskHarness harness;
  std::optional<ForeignCompletion<int>> kept;
  // Real time passes while a thread works for a task; a deadline that has passed ends the wait all
  // the same.
  auto program = [&]() -> Task<absl::Status> {
    co_return (co_await WithTimeout(absl::ZeroDuration(),
                                    FromForeignCallback<int>([&](ForeignCompletion<int> done) {
                                      kept.emplace(std::move(done));
                                    })))
        .status();
  };
  absl::Status status;
  auto run = [&]() -> Task<void> { status = co_await program(); };
  harness.scope().Spawn(run);
  harness.Turn();
  harness.clock().Advance(absl::Milliseconds(1));
  harness.RunReady();
  harness.RunReady();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  kept.reset();
  harness.RunUntilIdle();
}

TEST(FromForeignCallbackTest, SaysWhatItWaitsFor) {
  TaskHarness harness;
  std::optional<ForeignCompletion<int>> kept;
  const TaskContext* waiting = nullptr;
  auto wait = [&]() -> Task<void> {
    waiting = &Scheduler::Current()->current_context();
    (void)co_await FromForeignCallback<int>(
        "a query", [&](ForeignCompletion<int> done) { kept.emplace(std::move(done)); });
  };
  harness.scope().Spawn(wait);
  harness.RunReady();
  std::ostringstream out;
  waiting->waiting_for()->Describe(out);
  EXPECT_EQ(out.str(), "callback of a query on another thread");
  kept.reset();
  harness.RunUntilIdle();
}

TEST(FromForeignCallbackTest, EveryWaitEndsOnceInEveryOrder) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    TaskHarness harness({.shuffle_seed = seed});
    constexpr int kWaits = 12;
    std::optional<ForeignCompletion<int>> kept[kWaits];
    std::vector<absl::StatusOr<int>> outcomes(kWaits, absl::UnknownError("did not end"));
    auto wait = [&](int i) -> Task<void> {
      outcomes[i] = co_await FromForeignCallback<int>(
          [&kept, i](ForeignCompletion<int> done) { kept[i].emplace(std::move(done)); });
    };
    auto program = [&]() -> Task<void> {
      TaskScope waits;
      for (int i = 0; i < kWaits; ++i) waits.Spawn(wait, i);
      for (auto& completion : kept) {
        while (!completion.has_value()) co_await Yield();
      }
      Library library;
      library.Run([&kept] {
        for (int i = 0; i < kWaits; i += 3) (*kept[i])(i);
      });
      library.Run([&kept] {
        for (int i = 1; i < kWaits; i += 3) kept[i].reset();
      });
      for (int i = 0; i < 3; ++i) co_await Yield();
      waits.Cancel();
      EXPECT_TRUE((co_await waits.Join()).ok());
      for (int i = 2; i < kWaits; i += 3) kept[i].reset();  // late, and of no effect
    };
    harness.Run(program());
    harness.RunUntilIdle();
    EXPECT_EQ(harness.scheduler().external(), 0u);
    for (int i = 0; i < kWaits; ++i) {
      const absl::Status status = outcomes[i].status();
      EXPECT_TRUE(absl::IsCancelled(status) || (i % 3 == 0 && status.ok()) ||
                  (i % 3 == 1 && absl::IsAborted(status)))
          << i << ": " << status;
    }
  }
}

}  // namespace
}  // namespace pelton
