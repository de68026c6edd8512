// What a task takes along to another shard: its backtrace and its scheduling group.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "framework/base/status.h"
#include "framework/on.h"
#include "framework/stepped_runtime.h"
#include "sched/backtrace.h"
#include "sched/in_group.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "sched/task_scope.h"

namespace pelton {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<uint32_t> LinesOf(const Backtrace& trace) {
  std::vector<uint32_t> lines;
  for (const Backtrace::Frame& frame : trace.frames()) {
    if (std::string_view(frame.at.file_name()).ends_with("on_context_test.cc")) {
      lines.push_back(frame.at.line());
    }
  }
  return lines;
}

TEST(OnContextTest, TheBacktraceCrossesShards) {
  SteppedRuntime runtime({.shards = 3});
  Backtrace trace;
  uint32_t first = 0;
  uint32_t second = 0;
  uint32_t third = 0;
  const absl::Status status = runtime.Run([&](Shard& shard) -> Task<absl::Status> {
    if (shard.id().index() != 0) co_return absl::OkStatus();
    co_await Yield();
    first = __LINE__ + 1;
    co_await On(ShardId(1), [&]() -> Task<void> {
      co_await Yield();
      second = __LINE__ + 1;
      co_await On(ShardId(2), [&]() -> Task<void> {
        third = __LINE__ + 1;
        trace = CurrentBacktrace();
        co_return;
      });
    });
    co_return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_THAT(LinesOf(trace), ElementsAre(third, second, first));
  EXPECT_THAT(trace.ToString(), HasSubstr("for the task of another shard"));
}

TEST(OnContextTest, BothShardsShowTheirPartInTheDump) {
  SteppedRuntime runtime({.shards = 2});
  std::string near;
  std::string far;
  uint32_t line = 0;
  const absl::Status status = runtime.Run([&](Shard& shard) -> Task<absl::Status> {
    if (shard.id().index() != 0) co_return absl::OkStatus();
    TaskScope scope;
    scope.Spawn([&]() -> Task<void> {
      line = __LINE__ + 1;
      (void)co_await On(
          ShardId(1), []() -> Task<absl::Status> { co_return co_await SleepFor(absl::Hours(1)); });
    });
    PELTON_CO_RETURN_IF_ERROR(co_await SleepFor(absl::Seconds(1)));
    std::ostringstream out;
    DumpTasks(out);
    near = out.str();
    far = co_await On(ShardId(1), []() -> Task<std::string> {
      std::ostringstream out;
      DumpTasks(out);
      co_return out.str();
    });
    scope.Cancel();
    co_return co_await scope.Join();
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_THAT(near, HasSubstr("waits for a task on shard 1\n"));
  EXPECT_THAT(near, HasSubstr(absl::StrCat("on_context_test.cc:", line, " in ")));
  EXPECT_THAT(far, HasSubstr("waits for timer due in 59m"));
  EXPECT_THAT(far, HasSubstr("for the task of another shard\n"));
  EXPECT_THAT(far, HasSubstr(absl::StrCat("on_context_test.cc:", line, " in ")));
}

TEST(OnContextTest, TheTaskRunsInTheGroupOfItsCaller) {
  static const SchedulingGroup kGroup = *SchedulingGroup::Create("travelling");
  SteppedRuntime runtime({.shards = 2});
  std::string there;
  std::string afterwards;
  const absl::Status status = runtime.Run([&](Shard& shard) -> Task<absl::Status> {
    if (shard.id().index() != 0) co_return absl::OkStatus();
    there = co_await In(kGroup, []() -> Task<std::string> {
      co_return co_await On(
          ShardId(1), []() -> Task<std::string> { co_return std::string(CurrentGroup().name()); });
    }());
    afterwards = co_await On(
        ShardId(1), []() -> Task<std::string> { co_return std::string(CurrentGroup().name()); });
    co_return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(there, "travelling");
  EXPECT_EQ(afterwards, "main");
}

}  // namespace
}  // namespace pelton
