#include "framework/foreign.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "framework/on.h"
#include "sched/sleep.h"
#include "tests/framework/foreign_test_base.h"

namespace pelton {
namespace {

using testing::IdleService;

TEST(ForeignTest, TheFunctionRunsOnTheShardAmongItsVisitors) {
  IdleService service({.shards = 2});
  EXPECT_EQ(service.handle(1).id(), ShardId(1));
  ForeignResult<uint32_t> result = service.handle(1).Submit([]() -> Task<uint32_t> {
    EXPECT_EQ(Shard::Current()->visitors().live(), 1u);
    co_return Shard::Current()->id().index();
  });
  EXPECT_TRUE(result.valid());
  EXPECT_FALSE(result.ready());
  service.Settle();
  EXPECT_TRUE(result.ready());
  EXPECT_EQ(result.Wait().value(), 1u);
  EXPECT_FALSE(result.valid());
}

TEST(ForeignTest, YieldsWhatTheFunctionOrItsTaskYields) {
  IdleService service;
  ShardHandle& handle = service.handle();
  bool called = false;
  ForeignResult<int> plain = handle.Submit([] { return 3; });
  ForeignResult<void> nothing = handle.Submit([&] { called = true; });
  ForeignResult<absl::Status> status = handle.Submit([] { return absl::NotFoundError("file"); });
  ForeignResult<void> task = handle.Submit([]() -> Task<void> { co_return; });
  ForeignResult<absl::StatusOr<std::string>> text =
      handle.Submit([]() -> Task<absl::StatusOr<std::string>> {
        PELTON_CO_RETURN_IF_ERROR(co_await SleepFor(absl::Hours(1)));
        co_return "text";
      });
  ForeignResult<std::unique_ptr<int>> moved =
      handle.Submit([owned = std::make_unique<int>(4)]() mutable { return std::move(owned); });
  service.Settle();
  EXPECT_EQ(plain.Wait().value(), 3);
  EXPECT_TRUE(nothing.Wait().ok());
  EXPECT_TRUE(called);
  EXPECT_EQ(status.Wait(), absl::NotFoundError("file"));
  EXPECT_TRUE(task.Wait().ok());
  EXPECT_EQ(text.Wait().value(), "text");
  EXPECT_EQ(*moved.Wait().value(), 4);
}

TEST(ForeignTest, AnExceptionIsRethrownByWait) {
  IdleService service;
  ForeignResult<int> of_task = service.handle().Submit([]() -> Task<int> {
    PELTON_CHECK((co_await SleepFor(absl::Seconds(1))).ok());
    throw std::runtime_error("later");
  });
  ForeignResult<void> of_function =
      service.handle().Submit([]() -> void { throw std::runtime_error("at once"); });
  service.Settle();
  EXPECT_THROW((void)of_task.Wait(), std::runtime_error);
  EXPECT_THROW((void)of_function.Wait(), std::runtime_error);
}

TEST(ForeignTest, TheFunctionIsDestroyedOnTheShard) {
  struct Resident {
    explicit Resident(std::vector<uint32_t>* deaths) : deaths(deaths) {}
    ~Resident() { deaths->push_back(Shard::Current()->id().index()); }
    std::vector<uint32_t>* deaths;
  };
  IdleService service({.shards = 2});
  std::vector<uint32_t> deaths;
  ForeignResult<int> result =
      service.handle(1).Submit([owned = std::make_unique<Resident>(&deaths)] { return 1; });
  service.Settle();
  EXPECT_EQ(deaths, std::vector<uint32_t>{1});
  EXPECT_TRUE(result.Wait().ok());
}

TEST(ForeignTest, MayGoOnToOtherShards) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    IdleService service({.shards = 3, .seed = seed});
    ForeignResult<uint32_t> result = service.handle(0).Submit([]() -> Task<uint32_t> {
      co_return co_await On(ShardId(2),
                            []() -> Task<uint32_t> { co_return Shard::Current()->id().index(); });
    });
    service.Settle();
    EXPECT_EQ(result.Wait().value(), 2u);
  }
}

TEST(ForeignTest, ATimeoutTakesNothing) {
  IdleService service;
  ForeignResult<int> result = service.handle().Submit([] { return 8; });
  EXPECT_TRUE(absl::IsDeadlineExceeded(result.WaitFor(absl::ZeroDuration()).status()));
  EXPECT_TRUE(absl::IsDeadlineExceeded(result.WaitFor(absl::Milliseconds(1)).status()));
  EXPECT_TRUE(result.valid());
  service.Settle();
  EXPECT_EQ(result.WaitFor(absl::Milliseconds(1)).value(), 8);
  EXPECT_FALSE(result.valid());
}

TEST(ForeignTest, SubmissionsStartInTheirOrder) {
  IdleService service;
  std::vector<int> started;
  std::vector<ForeignResult<void>> results;
  for (int i = 0; i < 100; ++i) {
    results.push_back(service.handle().Submit([&, i] { started.push_back(i); }));
  }
  service.Settle();
  ASSERT_EQ(started.size(), 100u);
  EXPECT_TRUE(std::is_sorted(started.begin(), started.end()));
  for (ForeignResult<void>& result : results) EXPECT_TRUE(result.Wait().ok());
}

TEST(ForeignTest, EachSubmissionRunsOnceWhateverTheOrder) {
  constexpr uint32_t kShards = 3;
  constexpr int kCalls = 12;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE(seed);
    SteppedRuntime::Options options = {.shards = kShards, .seed = seed};
    options.shard.scheduler.shuffle_seed = seed;
    IdleService service(options);
    std::vector<int> calls(kCalls);
    std::vector<ForeignResult<int>> results;
    for (int i = 0; i < kCalls; ++i) {
      results.push_back(service.handle(i % kShards).Submit([&calls, i]() -> Task<int> {
        PELTON_CHECK((co_await SleepFor(absl::Milliseconds(kCalls - i))).ok());
        ++calls[i];
        co_return i;
      }));
      if (i % 2 == 0) service.runtime().Step();
    }
    service.Settle();
    for (int i = 0; i < kCalls; ++i) EXPECT_EQ(results[i].Wait().value(), i);
    EXPECT_EQ(calls, std::vector<int>(kCalls, 1));
  }
}

TEST(ForeignTest, AHandleOutlivesItsRuntime) {
  std::optional<ShardHandle> handle;
  {
    IdleService service;
    handle = service.handle();
  }
  bool called = false;
  ForeignResult<void> result = handle->Submit([&] { called = true; });
  EXPECT_TRUE(result.ready());
  EXPECT_EQ(result.Wait(),
            absl::UnavailableError("shard 0 takes no more work: its service has ended"));
  EXPECT_TRUE(absl::IsUnavailable(handle->SubmitAndWait([] { return 1; }).status()));
  EXPECT_FALSE(called);
}

TEST(ForeignTest, AResultOutlivesItsRuntime) {
  std::optional<ForeignResult<int>> result;
  {
    IdleService service;
    result = service.handle().Submit([] { return 5; });
    service.Settle();
  }
  EXPECT_EQ(result->Wait().value(), 5);
}

// The task of the service that waits on its own thread.
absl::Status RunAsService(Task<absl::Status> (*serve)(Shard&)) {
  SteppedRuntime runtime;
  return runtime.Run(serve);
}

TEST(ForeignDeathTest, AShardMustNotSubmit) {
  EXPECT_DEATH((void)RunAsService([](Shard& shard) -> Task<absl::Status> {
                 shard.handle().Submit([] {}).Wait().IgnoreError();
                 co_return absl::OkStatus();
               }),
               "Submit\\(\\) on the thread of shard 0.*co_await On");
}

TEST(ForeignDeathTest, AShardMustNotWait) {
  const auto wait_on_shard = [] {
    IdleService service({.shards = 2});
    ForeignResult<int> result = service.handle(1).Submit([] { return 1; });
    const Shard::Binding binding(service.runtime().shard(0));
    (void)result.Wait();
  };
  EXPECT_DEATH(wait_on_shard(),
               "Wait\\(\\) for a result of shard 1 on the thread of shard 0: it would block");
}

TEST(ForeignDeathTest, AResultIsTakenOnce) {
  const auto take_twice = [] {
    IdleService service;
    ForeignResult<int> result = service.handle().Submit([] { return 1; });
    service.Settle();
    (void)result.Wait();
    (void)result.Wait();
  };
  EXPECT_DEATH(take_twice(), "a ForeignResult whose result was taken");
}

}  // namespace
}  // namespace pelton
