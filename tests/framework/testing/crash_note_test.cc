#include "framework/testing/internal/crash_note.h"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>

#include "framework/base/check.h"

namespace pelton::testing_internal {
namespace {

TEST(CrashNoteDeathTest, StandsBehindTheMessageOfAFailedCheck) {
  const CrashNote note("the note\n");
  EXPECT_DEATH(PELTON_FATAL() << "the check", "the check.*\n.*the note");
}

TEST(CrashNoteDeathTest, IsWrittenWhoeverAborts) {
  const CrashNote note("the note\n");
  EXPECT_EXIT(std::abort(), ::testing::KilledBySignal(SIGABRT), "the note");
}

TEST(CrashNoteDeathTest, IsGoneWhenItsLifeEnds) {
  struct sigaction before = {};
  ASSERT_EQ(::sigaction(SIGABRT, nullptr, &before), 0);
  {
    const CrashNote note("the note\n");
  }
  struct sigaction after = {};
  ASSERT_EQ(::sigaction(SIGABRT, nullptr, &after), 0);
  EXPECT_EQ(after.sa_handler, before.sa_handler);
  const CrashNote other("the other note\n");
  EXPECT_DEATH(std::abort(), "^the other note");
}

TEST(CrashNoteDeathTest, ThereIsOneAtATime) {
  const CrashNote note("the note\n");
  EXPECT_DEATH(CrashNote("another"), "two tests run at once");
}

}  // namespace
}  // namespace pelton::testing_internal
