// The scheduler's decisions, on a virtual clock and a disk that takes a known time for each request.

#include "io/file/io_scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "framework/base/status.h"
#include "sched/deadline.h"
#include "sched/in_group.h"
#include "sched/sleep.h"
#include "sched/task.h"
#include "sched/task_scope.h"
#include "tests/support/task_harness.h"

namespace pelton::testing {
namespace {

// A disk of 10,000 small reads or writes and 100 MB a second: 100 µs each, 10 ns a byte.
constexpr IoProfile kProfile = {.read_iops = 10'000,
                                .write_iops = 10'000,
                                .read_bytes_per_second = 100'000'000,
                                .write_bytes_per_second = 100'000'000,
                                .requests_in_flight = 8,
                                .bytes_in_flight = 8 << 20};
constexpr uint32_t kSmall = 4096;

SchedulingGroup GroupOf(std::string_view name, uint32_t shares) {
  if (const auto found = SchedulingGroup::Find(name); found.has_value()) return *found;
  return *SchedulingGroup::Create(name, {.shares = shares});
}

// A disk that does one request after the other, in the order in which it gets them.
class FakeDisk {
 public:
  explicit FakeDisk(const IoProfile& profile = kProfile) : scheduler(profile) {}

  // What a request takes.
  static absl::Duration TimeOf(uint64_t bytes) {
    return absl::Microseconds(59) + absl::Nanoseconds(10) * static_cast<int64_t>(bytes);
  }

  // Transfers `bytes`, in pieces if the scheduler wants that.
  Task<absl::Status> Transfer(IoDirection direction, uint64_t bytes) {
    const SchedulingGroup group =
        SchedulingGroup::FromIndex(Scheduler::Current()->current_context().group());
    while (bytes > 0) {
      const uint64_t piece = std::min(bytes, scheduler.PieceBytes(direction, group));
      PELTON_CO_ASSIGN_OR_RETURN(IoAdmission admission, co_await scheduler.Admit(direction, piece));
      most_in_flight = std::max(most_in_flight, ++in_flight);
      bytes_in_flight += piece;
      most_bytes_in_flight = std::max(most_bytes_in_flight, bytes_in_flight);
      free_at = std::max(free_at, Scheduler::Current()->now()) + TimeOf(piece);
      const absl::Status slept = co_await SleepUntil(free_at);
      --in_flight;
      bytes_in_flight -= piece;
      PELTON_CO_RETURN_IF_ERROR(slept);
      bytes -= piece;
    }
    co_return absl::OkStatus();
  }

  IoScheduler scheduler;
  Timestamp free_at;
  int in_flight = 0;
  int most_in_flight = 0;
  uint64_t bytes_in_flight = 0;
  uint64_t most_bytes_in_flight = 0;
};

// Transfers again and again until `end`; counts.
Task<absl::Status> Loop(FakeDisk& disk, IoDirection direction, uint64_t bytes, Timestamp end,
                        uint64_t& count) {
  while (Scheduler::Current()->now() < end) {
    PELTON_CO_RETURN_IF_ERROR(co_await disk.Transfer(direction, bytes));
    ++count;
  }
  co_return absl::OkStatus();
}

// `depth` loops at once in a group.
Task<absl::Status> Load(FakeDisk& disk, IoDirection direction, uint64_t bytes, int depth,
                        Timestamp end, uint64_t& count) {
  TaskScope loops;
  // pelton: bounded: what a test makes
  for (int i = 0; i < depth; ++i) loops.Spawn(Loop(disk, direction, bytes, end, count));
  co_return co_await loops.Join();
}

Timestamp After(absl::Duration duration) { return Scheduler::Current()->now() + duration; }

class IoSchedulerTest : public ::testing::Test {
 protected:
  TaskHarness harness_;
};

TEST_F(IoSchedulerTest, ARequestThatNeedNotWaitStartsAtOnce) {
  IoScheduler scheduler(kProfile);
  harness_.Run([](IoScheduler& scheduler) -> Task<void> {
    const Timestamp begin = Scheduler::Current()->now();
    absl::StatusOr<IoAdmission> admission = co_await scheduler.Admit(IoDirection::kRead, kSmall);
    EXPECT_TRUE(admission.ok());
    EXPECT_EQ(Scheduler::Current()->now(), begin);
    const IoScheduler::GroupStatistics during = scheduler.group_statistics(SchedulingGroup());
    EXPECT_EQ(during.in_flight, 1u);
    EXPECT_EQ(during.bytes_in_flight, kSmall);
    admission->Release();
    const IoScheduler::GroupStatistics after = scheduler.group_statistics(SchedulingGroup());
    EXPECT_EQ(after.in_flight, 0u);
    EXPECT_EQ(after.requests, 1u);
    EXPECT_EQ(after.bytes, kSmall);
    EXPECT_EQ(after.delay, absl::ZeroDuration());
  }(scheduler));
}

TEST_F(IoSchedulerTest, WhatIsInFlightStaysWithinTheProfile) {
  FakeDisk disk;
  harness_.Run([](FakeDisk& disk) -> Task<void> {
    uint64_t count = 0;
    const absl::Status status =
        co_await Load(disk, IoDirection::kRead, kSmall, 100, After(absl::Milliseconds(50)), count);
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_GT(count, 400u);
    const IoScheduler::GroupStatistics main = disk.scheduler.group_statistics(SchedulingGroup());
    EXPECT_EQ(main.requests, count);
    EXPECT_GT(main.delay, absl::Milliseconds(100)) << "most had to wait";
  }(disk));
  EXPECT_EQ(disk.most_in_flight, 8);
}

TEST_F(IoSchedulerTest, BytesInFlightStayWithinTheProfile) {
  FakeDisk disk;
  harness_.Run([](FakeDisk& disk) -> Task<void> {
    uint64_t count = 0;
    EXPECT_TRUE((co_await Load(disk, IoDirection::kWrite, 3 << 20, 5,
                               After(absl::Milliseconds(500)), count))
                    .ok());
    EXPECT_GT(count, 10u);
  }(disk));
  EXPECT_EQ(disk.most_bytes_in_flight, 6u << 20) << "of 8 MiB";
}

TEST_F(IoSchedulerTest, ARequestLargerThanTheBoundGoesAlone) {
  FakeDisk disk({.requests_in_flight = 8, .bytes_in_flight = 1 << 20});
  harness_.Run([](FakeDisk& disk) -> Task<void> {
    uint64_t count = 0;
    EXPECT_TRUE((co_await Load(disk, IoDirection::kWrite, 4 << 20, 3,
                               After(absl::Milliseconds(500)), count))
                    .ok());
    EXPECT_GT(count, 5u);
  }(disk));
  EXPECT_EQ(disk.most_in_flight, 1);
}

TEST_F(IoSchedulerTest, RequestsOfOneGroupStartInTheOrderOfArrival) {
  FakeDisk disk({.requests_in_flight = 1});
  std::vector<int> order;
  harness_.Run([](FakeDisk& disk, std::vector<int>& order) -> Task<void> {
    TaskScope tasks;
    for (int i = 0; i < 10; ++i) {
      tasks.Spawn([](FakeDisk& disk, std::vector<int>& order, int i) -> Task<absl::Status> {
        // Small ones do not overtake big ones.
        PELTON_CO_RETURN_IF_ERROR(
            co_await disk.Transfer(IoDirection::kRead, i % 2 == 0 ? 1 << 20 : kSmall));
        order.push_back(i);
        co_return absl::OkStatus();
      }(disk, order, i));
    }
    EXPECT_TRUE((co_await tasks.Join()).ok());
  }(disk, order));
  EXPECT_EQ(order, std::vector<int>({0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

// Runs a load of equal requests in each of two groups for a second. Yields what the first did for
// each request of the second.
double RatioOf(TaskHarness& harness, SchedulingGroup first, SchedulingGroup second, uint64_t bytes,
               uint64_t second_bytes) {
  FakeDisk disk;
  uint64_t counts[2] = {};
  harness.Run([](FakeDisk& disk, SchedulingGroup first, SchedulingGroup second, uint64_t bytes,
                 uint64_t second_bytes, uint64_t* counts) -> Task<void> {
    const Timestamp end = After(absl::Seconds(2));
    TaskScope loads;
    loads.Spawn(In(first, Load(disk, IoDirection::kRead, bytes, 30, end, counts[0])));
    loads.Spawn(In(second, Load(disk, IoDirection::kWrite, second_bytes, 30, end, counts[1])));
    const absl::Status status = co_await loads.Join();
    EXPECT_TRUE(status.ok()) << status;
  }(disk, first, second, bytes, second_bytes, counts));
  EXPECT_GT(counts[1], 0u);
  return static_cast<double>(counts[0]) / static_cast<double>(counts[1]);
}

TEST_F(IoSchedulerTest, GroupsDivideTheDiskByTheirShares) {
  const SchedulingGroup big = GroupOf("big", 300);
  const SchedulingGroup small = GroupOf("small", 100);
  EXPECT_NEAR(RatioOf(harness_, big, small, kSmall, kSmall), 3.0, 0.2);
  EXPECT_NEAR(RatioOf(harness_, small, big, kSmall, kSmall), 1 / 3.0, 0.03);
}

TEST_F(IoSchedulerTest, WhatCountsIsTheDisksTimeAndNotTheNumberOfRequests) {
  // 32 KiB take 387 µs, 4 KiB 100 µs.
  EXPECT_NEAR(
      RatioOf(harness_, GroupOf("equal_1", 100), GroupOf("equal_2", 100), kSmall, 8 * kSmall), 3.87,
      0.4);
}

TEST_F(IoSchedulerTest, AGroupAloneHasTheWholeDisk) {
  FakeDisk disk;
  uint64_t count = 0;
  harness_.Run([](FakeDisk& disk, uint64_t& count) -> Task<void> {
    EXPECT_TRUE((co_await In(GroupOf("tiny", 1), Load(disk, IoDirection::kWrite, 1 << 20, 8,
                                                      After(absl::Seconds(1)), count)))
                    .ok());
  }(disk, count));
  EXPECT_GT(count, 90u) << "of 95 that the disk can do";
}

// A reader that asks for one small block at a time, with a pause between. Yields its longest wait.
Task<absl::Duration> LongestRead(FakeDisk& disk, absl::Duration pause, int reads) {
  absl::Duration longest;
  for (int i = 0; i < reads; ++i) {
    const Timestamp begin = Scheduler::Current()->now();
    const absl::Status status = co_await disk.Transfer(IoDirection::kRead, kSmall);
    EXPECT_TRUE(status.ok()) << status;
    // Once the writer has learned of the reader.
    if (i > 0) longest = std::max(longest, Scheduler::Current()->now() - begin);
    EXPECT_TRUE((co_await SleepFor(pause)).ok());
  }
  co_return longest;
}

TEST_F(IoSchedulerTest, ABulkWriterDelaysAReaderByNoMoreThanAPiece) {
  FakeDisk disk;
  harness_.Run([](FakeDisk& disk) -> Task<void> {
    uint64_t writes = 0;
    TaskScope background;
    background.Spawn(In(GroupOf("bulk", 10), Load(disk, IoDirection::kWrite, 1 << 20, 4,
                                                  After(absl::Seconds(1)), writes)));
    EXPECT_TRUE((co_await SleepFor(absl::Milliseconds(100))).ok());
    const absl::Duration longest =
        co_await In(GroupOf("reader", 100), LongestRead(disk, absl::Microseconds(300), 500));
    // 100 µs for itself, and one piece of the least length: 16 KiB in 223 µs.
    EXPECT_LE(longest, absl::Microseconds(350));
    const absl::Status status = co_await background.Join();
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_GT(writes, 20u) << "the writer has what the reader leaves";
  }(disk));
}

TEST_F(IoSchedulerTest, ARequestsFirstOfAGroupNeverWaitsForOthersBounds) {
  FakeDisk disk({.requests_in_flight = 1});
  harness_.Run([](FakeDisk& disk) -> Task<void> {
    uint64_t writes = 0;
    TaskScope background;
    background.Spawn(In(GroupOf("bulk", 10), Load(disk, IoDirection::kWrite, 1 << 20, 4,
                                                  After(absl::Milliseconds(100)), writes)));
    EXPECT_TRUE((co_await SleepFor(absl::Milliseconds(20))).ok());
    const Timestamp begin = Scheduler::Current()->now();
    absl::StatusOr<IoAdmission> admission = co_await disk.scheduler.Admit(IoDirection::kRead, 4096);
    EXPECT_TRUE(admission.ok());
    EXPECT_EQ(Scheduler::Current()->now(), begin);
    admission->Release();
    EXPECT_TRUE((co_await background.Join()).ok());
  }(disk));
}

TEST_F(IoSchedulerTest, PiecesAreLongWhileAGroupIsAloneAndShortWhileItIsNot) {
  FakeDisk disk;
  harness_.Run([](FakeDisk& disk) -> Task<void> {
    const SchedulingGroup bulk = GroupOf("bulk", 10);
    const SchedulingGroup reader = GroupOf("reader", 100);
    EXPECT_EQ(disk.scheduler.PieceBytes(IoDirection::kWrite, bulk), 1u << 30);
    co_await In(reader, LongestRead(disk, absl::ZeroDuration(), 1));
    EXPECT_EQ(disk.scheduler.PieceBytes(IoDirection::kWrite, bulk), 16u << 10);
    // 10/11 of a millisecond, less 59 µs for the request, at 10 ns a byte.
    EXPECT_EQ(disk.scheduler.PieceBytes(IoDirection::kWrite, reader), 1u << 30) << "still alone";
    absl::StatusOr<IoAdmission> other =
        co_await In(bulk, [](FakeDisk& disk) -> Task<absl::StatusOr<IoAdmission>> {
          co_return co_await disk.scheduler.Admit(IoDirection::kWrite, 4096);
        }(disk));
    EXPECT_EQ(disk.scheduler.PieceBytes(IoDirection::kWrite, reader), 80u << 10);
    other->Release();
    // A group that has not asked for anything for a while has no claim.
    EXPECT_TRUE((co_await SleepFor(2 * IoScheduler::kActiveFor)).ok());
    co_await In(bulk, LongestRead(disk, absl::ZeroDuration(), 1));
    EXPECT_EQ(disk.scheduler.PieceBytes(IoDirection::kWrite, bulk), 1u << 30);
  }(disk));
}

TEST_F(IoSchedulerTest, IdlingEarnsNothing) {
  FakeDisk disk;
  harness_.Run([](FakeDisk& disk) -> Task<void> {
    const SchedulingGroup early = GroupOf("equal_1", 100);
    const SchedulingGroup late = GroupOf("equal_2", 100);
    uint64_t counts[2] = {};
    TaskScope loads;
    loads.Spawn(
        In(early, Load(disk, IoDirection::kRead, kSmall, 30, After(absl::Seconds(4)), counts[0])));
    EXPECT_TRUE((co_await SleepFor(absl::Seconds(2))).ok());
    const uint64_t before = counts[0];
    EXPECT_TRUE((co_await In(late, Load(disk, IoDirection::kRead, kSmall, 30,
                                        After(absl::Seconds(1)), counts[1])))
                    .ok());
    EXPECT_NEAR(static_cast<double>(counts[0] - before), static_cast<double>(counts[1]), 300);
    EXPECT_TRUE((co_await loads.Join()).ok());
  }(disk));
}

TEST_F(IoSchedulerTest, AQueuedRequestThatIsToldToStopLeavesAndIsNotMissed) {
  FakeDisk disk({.requests_in_flight = 1});
  harness_.Run([](FakeDisk& disk) -> Task<void> {
    absl::StatusOr<IoAdmission> first = co_await disk.scheduler.Admit(IoDirection::kRead, 4096);
    TaskScope queued;
    uint64_t count = 0;
    queued.Spawn(Load(disk, IoDirection::kRead, kSmall, 5, After(absl::Milliseconds(1)), count));
    EXPECT_TRUE((co_await SleepFor(absl::Milliseconds(2))).ok());
    EXPECT_EQ(disk.scheduler.group_statistics(SchedulingGroup()).queued, 5u);
    queued.Cancel();
    const absl::Status status = co_await queued.Join();
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(disk.scheduler.group_statistics(SchedulingGroup()).queued, 0u);
    EXPECT_EQ(count, 0u);
    first->Release();
    absl::StatusOr<IoAdmission> next = co_await disk.scheduler.Admit(IoDirection::kRead, 4096);
    EXPECT_TRUE(next.ok());
  }(disk));
}

TEST_F(IoSchedulerTest, ADeadlineEndsAWaitForTheDisk) {
  FakeDisk disk({.requests_in_flight = 1});
  harness_.Run([](FakeDisk& disk) -> Task<void> {
    absl::StatusOr<IoAdmission> first = co_await disk.scheduler.Admit(IoDirection::kRead, 4096);
    const absl::Status status =
        co_await WithTimeout(absl::Milliseconds(5), disk.Transfer(IoDirection::kRead, 4096));
    EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  }(disk));
}

TEST_F(IoSchedulerTest, WhenTheFirstLeavesThoseBehindThatFitGoOn) {
  FakeDisk disk({.requests_in_flight = 8, .bytes_in_flight = 1 << 20});
  harness_.Run([](FakeDisk& disk) -> Task<void> {
    absl::StatusOr<IoAdmission> first =
        co_await disk.scheduler.Admit(IoDirection::kRead, 512 << 10);
    TaskScope large;
    large.Spawn(disk.Transfer(IoDirection::kRead, 1 << 20));
    EXPECT_TRUE((co_await SleepFor(absl::Milliseconds(1))).ok());
    TaskScope small;
    small.Spawn(disk.Transfer(IoDirection::kRead, 4096));
    EXPECT_TRUE((co_await SleepFor(absl::Milliseconds(1))).ok());
    EXPECT_EQ(small.live(), 1u) << "behind the large one";
    large.Cancel();
    EXPECT_TRUE((co_await small.Join()).ok());
    EXPECT_TRUE((co_await large.Join()).ok());
  }(disk));
}

TEST(IoSchedulerDeathTest, DiesWithRequestsInFlight) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        TaskHarness harness;
        auto scheduler = std::make_unique<IoScheduler>(kProfile);
        harness.Run([](std::unique_ptr<IoScheduler>& scheduler) -> Task<void> {
          absl::StatusOr<IoAdmission> admission =
              co_await scheduler->Admit(IoDirection::kRead, 4096);
          scheduler.reset();
        }(scheduler));
      },
      "an IoScheduler was destroyed with 1 requests in flight");
}

}  // namespace
}  // namespace pelton::testing
