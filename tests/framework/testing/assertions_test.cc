#include "framework/testing/assertions.h"

#include <gtest/gtest-spi.h>

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "framework/testing/testing.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "sched/task_scope.h"

namespace pelton::testing {
namespace {

using ::testing::AllOf;
using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::TestPartResult;
using ::testing::TestPartResultArray;

Task<int> Later(int value) {
  co_await Yield();
  co_return value;
}

// Awaits `body`; what it tells GoogleTest goes to `results` instead.
Task<void> Intercept(TestPartResultArray* results, std::function<Task<void>()> body) {
  const ::testing::ScopedFakeTestPartResultReporter reporter(
      ::testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, results);
  co_await body();
}

void ExpectTold(const TestPartResultArray& results, TestPartResult::Type type,
                const ::testing::Matcher<std::string>& text) {
  ASSERT_EQ(results.size(), 1);
  EXPECT_EQ(results.GetTestPartResult(0).type(), type);
  EXPECT_THAT(results.GetTestPartResult(0).message(), text);
}

PELTON_TEST(AssertionsTest, ThatHoldGoOn) {
  const absl::StatusOr<int> value = 3;
  PELTON_CO_ASSERT_TRUE(co_await Later(1) == 1);
  PELTON_CO_ASSERT_FALSE(co_await Later(1) == 2) << "never said";
  PELTON_CO_ASSERT_EQ(co_await Later(4), 4);
  PELTON_CO_ASSERT_NE(co_await Later(4), 5);
  PELTON_CO_ASSERT_LT(1, co_await Later(2));
  PELTON_CO_ASSERT_LE(2, co_await Later(2));
  PELTON_CO_ASSERT_GT(3, co_await Later(2));
  PELTON_CO_ASSERT_GE(2, co_await Later(2));
  PELTON_CO_ASSERT_THAT(co_await Later(7), Gt(6));
  PELTON_CO_ASSERT_OK(value);
  PELTON_CO_ASSERT_OK(co_await SleepFor(absl::Seconds(1)));
  PELTON_EXPECT_OK(value);
  PELTON_CO_ASSERT_OK_AND_ASSIGN(int copy, value);
  PELTON_CO_ASSERT_OK_AND_ASSIGN(copy, absl::StatusOr<int>(copy + 1));
  EXPECT_EQ(copy, 4);
}

// Each fails and ends its coroutine before `went_on` is set.
struct Failing {
  const char* name;
  std::function<Task<void>(bool& went_on)> body;
  const char* text;
};

PELTON_TEST(AssertionsTest, ThatFailEndTheirCoroutine) {
  const Failing failing[] = {
      {"TRUE",
       [](bool& went_on) -> Task<void> {
         PELTON_CO_ASSERT_TRUE(co_await Later(1) == 2);
         went_on = true;
       },
       "co_await Later(1) == 2"},
      {"FALSE",
       [](bool& went_on) -> Task<void> {
         PELTON_CO_ASSERT_FALSE(co_await Later(2) == 2);
         went_on = true;
       },
       "Expected: false"},
      {"EQ",
       [](bool& went_on) -> Task<void> {
         PELTON_CO_ASSERT_EQ(co_await Later(5), 6);
         went_on = true;
       },
       "Which is: 5"},
      {"NE",
       [](bool& went_on) -> Task<void> {
         PELTON_CO_ASSERT_NE(co_await Later(5), 5);
         went_on = true;
       },
       "actual: 5 vs 5"},
      {"LT",
       [](bool& went_on) -> Task<void> {
         PELTON_CO_ASSERT_LT(co_await Later(5), 5);
         went_on = true;
       },
       "actual: 5 vs 5"},
      {"LE",
       [](bool& went_on) -> Task<void> {
         PELTON_CO_ASSERT_LE(co_await Later(6), 5);
         went_on = true;
       },
       "actual: 6 vs 5"},
      {"GT",
       [](bool& went_on) -> Task<void> {
         PELTON_CO_ASSERT_GT(co_await Later(5), 5);
         went_on = true;
       },
       "actual: 5 vs 5"},
      {"GE",
       [](bool& went_on) -> Task<void> {
         PELTON_CO_ASSERT_GE(co_await Later(4), 5);
         went_on = true;
       },
       "actual: 4 vs 5"},
      {"THAT",
       [](bool& went_on) -> Task<void> {
         PELTON_CO_ASSERT_THAT(co_await Later(4), Gt(5));
         went_on = true;
       },
       "Expected: is > 5"},
      {"OK",
       [](bool& went_on) -> Task<void> {
         PELTON_CO_ASSERT_OK(absl::NotFoundError("no such key"));
         went_on = true;
       },
       "Value of: absl::NotFoundError(\"no such key\")\nExpected: is OK\n"
       "  Actual: NOT_FOUND: no such key"},
      {"OK_AND_ASSIGN",
       [](bool& went_on) -> Task<void> {
         const absl::StatusOr<int> error = absl::NotFoundError("no such key");
         PELTON_CO_ASSERT_OK_AND_ASSIGN(const int value, error);
         went_on = value == 0;
       },
       "Value of: error"},
      {"FAIL",
       [](bool& went_on) -> Task<void> {
         if (!went_on) PELTON_CO_FAIL();
         went_on = true;
       },
       "Failed"},
  };
  for (const Failing& each : failing) {
    TestPartResultArray results;
    bool went_on = false;
    co_await Intercept(&results, [&] { return each.body(went_on); });
    EXPECT_FALSE(went_on) << each.name;
    SCOPED_TRACE(each.name);
    ExpectTold(results, TestPartResult::kFatalFailure, HasSubstr(each.text));
  }
}

PELTON_TEST(AssertionsTest, SayWhereAndWhatFollows) {
  TestPartResultArray results;
  const int line = __LINE__ + 2;
  co_await Intercept(
      &results, []() -> Task<void> { PELTON_CO_ASSERT_EQ(1, 2) << "after " << 3 << " requests"; });
  ExpectTold(results, TestPartResult::kFatalFailure, HasSubstr("after 3 requests"));
  PELTON_CO_ASSERT_EQ(results.size(), 1);
  EXPECT_EQ(results.GetTestPartResult(0).line_number(), line);
  EXPECT_THAT(results.GetTestPartResult(0).file_name(), HasSubstr("assertions_test.cc"));
}

PELTON_TEST(AssertionsTest, EndTheTasksOfEveryScopeAboveInTheFlow) {
  TestPartResultArray results;
  bool ended = false;
  TaskScope scope;
  scope.Spawn([&]() -> Task<void> {
    (void)co_await SleepFor(absl::Hours(1));
    ended = true;
  });
  co_await Intercept(&results, []() -> Task<void> {
    TaskScope inner;
    inner.Spawn([]() -> Task<void> { (void)co_await SleepFor(absl::Hours(1)); });
    PELTON_CO_ASSERT_TRUE(inner.live() == 0);
  });
  EXPECT_EQ(results.size(), 1);
  EXPECT_TRUE(ended);
  EXPECT_THAT(Now() - Timestamp(), Lasts(absl::ZeroDuration()));
  PELTON_EXPECT_OK(co_await SleepFor(absl::Seconds(1))) << "this flow is not cancelled";
  (void)co_await scope.Join();
}

PELTON_TEST(AssertionsTest, ExpectOkGoesOn) {
  TestPartResultArray results;
  bool went_on = false;
  co_await Intercept(&results, [&]() -> Task<void> {
    PELTON_EXPECT_OK(absl::NotFoundError("no such key")) << "of ours";
    went_on = true;
    co_return;
  });
  EXPECT_TRUE(went_on);
  ExpectTold(results, TestPartResult::kNonFatalFailure,
             AllOf(HasSubstr("NOT_FOUND: no such key"), HasSubstr("of ours")));
}

TEST(AssertionsTest, OkWorksOutsideOfCoroutines) {
  PELTON_ASSERT_OK(absl::OkStatus());
  PELTON_ASSERT_OK_AND_ASSIGN(const int value, absl::StatusOr<int>(5));
  EXPECT_EQ(value, 5);
  PELTON_EXPECT_OK(absl::StatusOr<int>(5));
  EXPECT_FATAL_FAILURE(PELTON_ASSERT_OK(absl::NotFoundError("no such key")), "no such key");
  EXPECT_NONFATAL_FAILURE(PELTON_EXPECT_OK(absl::NotFoundError("no such key")), "no such key");
}

PELTON_TEST(AssertionsTest, ASkipEndsTheBody) {
  TestPartResultArray results;
  bool went_on = false;
  co_await Intercept(&results, [&]() -> Task<void> {
    PELTON_CO_SKIP() << "for want of a capability";
    went_on = true;
  });
  EXPECT_FALSE(went_on);
  ExpectTold(results, TestPartResult::kSkip, HasSubstr("for want of a capability"));
}

}  // namespace
}  // namespace pelton::testing
