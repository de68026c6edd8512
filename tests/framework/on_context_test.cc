// What a task takes along to another shard: its backtrace and its scheduling group.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <exception>
#include <sstream>
#include <stdexcept>
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
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

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

// The lines of this file at which frames of the printed trace `text` are, in order.
std::vector<uint32_t> LinesIn(const std::string& text) {
  std::vector<uint32_t> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    // `  at tests/framework/on_context_test.cc:12 in function`
    const std::string place = line.substr(0, line.find(" in "));
    const size_t colon = place.rfind(':');
    if (colon == place.npos || !place.substr(0, colon).ends_with("on_context_test.cc")) continue;
    lines.push_back(static_cast<uint32_t>(std::stoul(place.substr(colon + 1))));
  }
  return lines;
}

size_t Count(std::string_view text, std::string_view part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++count;
  return count;
}

// Where the tasks of the tests below await.
struct ThrowerLines {
  uint32_t thrown = 0;
  uint32_t middle = 0;
  uint32_t origin = 0;
  uint32_t spawner = 0;
};

Task<int> ThrowOnShard(uint32_t shard, ThrowerLines& lines) {
  lines.middle = __LINE__ + 1;
  co_return co_await On(ShardId(shard), [&]() -> Task<int> {
    lines.thrown = __LINE__ + 1;
    co_await Yield();
    throw std::runtime_error("far away");
  });
}

TEST(OnContextTest, AnExceptionTellsItsPartsOnAllShardsToItsCaller) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SteppedRuntime runtime({.shards = 3, .seed = seed});
    ThrowerLines lines;
    std::string text;
    const absl::Status status = runtime.Run([&](Shard& shard) -> Task<absl::Status> {
      if (shard.id().index() != 0) co_return absl::OkStatus();
      TaskScope scope;
      scope.Spawn([&]() -> Task<void> {
        try {
          lines.origin = __LINE__ + 1;
          co_await On(ShardId(1), [&] { return ThrowOnShard(2, lines); });
        } catch (...) {
          text = DescribeException(std::current_exception());
        }
      });
      lines.spawner = __LINE__ + 1;
      co_return co_await scope.Join();
    });
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_THAT(text, StartsWith("far away\n"));
    EXPECT_THAT(LinesIn(text), ElementsAre(lines.thrown, lines.middle, lines.origin, lines.spawner))
        << text;
    EXPECT_EQ(Count(text, "for the task of another shard\n"), 2u) << text;
    EXPECT_EQ(Count(text, "spawned by the task\n"), 1u) << text;
  }
}

TEST(OnContextTest, AnExceptionBeforeTheFirstTaskOverThereTellsTheCallersPart) {
  SteppedRuntime runtime({.shards = 2});
  std::string text;
  uint32_t line = 0;
  const absl::Status status = runtime.Run([&](Shard& shard) -> Task<absl::Status> {
    if (shard.id().index() != 0) co_return absl::OkStatus();
    try {
      line = __LINE__ + 1;
      co_await On(ShardId(1), []() -> Task<void> { throw std::runtime_error("no coroutine"); });
    } catch (...) {
      text = DescribeException(std::current_exception());
    }
    co_return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_THAT(text, StartsWith("no coroutine\n"));
  EXPECT_THAT(LinesIn(text), ElementsAre(line)) << text;
}

TEST(OnContextTest, AnExceptionOfATaskOnTheShardItselfTellsEachPartOnce) {
  SteppedRuntime runtime({.shards = 1});
  ThrowerLines lines;
  std::string text;
  const absl::Status status = runtime.Run([&](Shard&) -> Task<absl::Status> {
    try {
      lines.origin = __LINE__ + 1;
      co_await ThrowOnShard(0, lines);
    } catch (...) {
      text = DescribeException(std::current_exception());
    }
    co_return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_THAT(LinesIn(text), ElementsAre(lines.thrown, lines.middle, lines.origin)) << text;
}

// Throws behind as many shards as `depth`.
Task<int> Descend(int depth) {
  if (depth == 0) throw std::runtime_error("deep down");
  co_return co_await On(ShardId(depth % 2), [depth] { return Descend(depth - 1); });
}

TEST(OnContextTest, AnExceptionFromTooDeepToTellTellsItsDeepestPart) {
  SteppedRuntime runtime({.shards = 2});
  std::string text;
  const absl::Status status = runtime.Run([&](Shard& shard) -> Task<absl::Status> {
    if (shard.id().index() != 0) co_return absl::OkStatus();
    try {
      co_await Descend(200);
    } catch (...) {
      text = DescribeException(std::current_exception());
    }
    co_return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_THAT(text, StartsWith("deep down\n  in a task that has not awaited anything\n"));
  EXPECT_THAT(text, EndsWith("and more"));
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
