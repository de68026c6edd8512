#include "sched/fiber/fiber_options.h"

#include <gtest/gtest.h>

#include <string>

namespace pelton {
namespace {

TEST(FiberOptionsTest, TheDefaultIsInRange) { EXPECT_TRUE(CheckFiberOptions({}).ok()); }

TEST(FiberOptionsTest, BothLimitsAreInRange) {
  EXPECT_TRUE(CheckFiberOptions({.stack_bytes = kMinimumFiberStackBytes}).ok());
  EXPECT_TRUE(CheckFiberOptions({.stack_bytes = kMaximumFiberStackBytes}).ok());
}

TEST(FiberOptionsTest, SaysWhichFiberAsksForHowMuchAndWhatIsAllowed) {
  for (const size_t bytes :
       {size_t{0}, kMinimumFiberStackBytes - 1, kMaximumFiberStackBytes + 1, ~size_t{0}}) {
    const absl::Status status = CheckFiberOptions({.stack_bytes = bytes, .name = "parser"});
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << bytes;
    EXPECT_EQ(status.message(),
              "fiber parser asks for a stack of " + std::to_string(bytes) +
                  " bytes; FiberOptions::stack_bytes must be between 16384 and 1073741824");
  }
}

}  // namespace
}  // namespace pelton
