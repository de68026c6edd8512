#include "framework/base/check.h"

#include "gtest/gtest.h"

namespace pelton {
namespace {

int Count(int* calls) { return ++*calls; }

TEST(CheckTest, OneThatHoldsDoesNotEvaluateItsMessage) {
  int calls = 0;
  PELTON_CHECK(true) << Count(&calls);
  EXPECT_EQ(calls, 0);
}

TEST(CheckTest, EvaluatesItsConditionOnce) {
  int calls = 0;
  PELTON_CHECK(Count(&calls) == 1) << "calls=" << calls;
  EXPECT_EQ(calls, 1);
}

TEST(CheckTest, FitsAnIfWithoutBracesAndTakesNoElseAway) {
  bool other = false;
  if (false)
    PELTON_CHECK(false);
  else
    other = true;
  EXPECT_TRUE(other);
}

TEST(CheckDeathTest, OneThatFailsNamesPlaceConditionAndMessage) {
  const int size = 3;
  EXPECT_DEATH(PELTON_CHECK(size < 2) << "size=" << size,
               "FATAL .*check_test.cc:[0-9]+: Check failed: size < 2 size=3");
}

TEST(CheckDeathTest, FatalDiesWithItsMessageAlone) {
  EXPECT_DEATH(PELTON_FATAL() << "no such kind: " << 7, "check_test.cc:[0-9]+: no such kind: 7");
}

TEST(CheckDeathTest, DebugChecksRunInDebugBuildsOnly) {
  int calls = 0;
#ifdef NDEBUG
  PELTON_DCHECK(Count(&calls) == 2);
  EXPECT_EQ(calls, 0);
#else
  EXPECT_DEATH(PELTON_DCHECK(Count(&calls) == 2) << "wrong", "Check failed: .* wrong");
#endif
}

}  // namespace
}  // namespace pelton
