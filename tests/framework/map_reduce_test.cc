#include "framework/map_reduce.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "framework/base/status.h"
#include "sched/deadline.h"
#include "sched/preemption.h"
#include "tests/framework/three_shards.h"

namespace pelton {
namespace {

using testing::ForEachSeed;
using testing::Here;
using testing::kShards;
using testing::ThreeShards;

// Knows where it is.
struct Store {
  int Tens() const { return static_cast<int>(Here()) * 10; }
  bool IsFirst() const { return Here() == 0; }
};

// Runs `body(stores)` on shard 0.
template <typename Body>
absl::Status WithStores(ThreeShards& shards, Body body) {
  return shards.RunOnFirst([&]() -> Task<absl::Status> {
    Sharded<Store> stores;
    PELTON_CO_RETURN_IF_ERROR(co_await stores.Start());
    const absl::Status status = co_await body(stores);
    co_await stores.Stop();
    co_return status;
  });
}

std::string Join(std::string all, const std::string& next) { return absl::StrCat(all, next, ","); }

TEST(MapReduceTest, ReducesInTheOrderOfTheShardsWhicheverAnswersFirst) {
  ForEachSeed([](ThreeShards& shards, Random& random) {
    const absl::Status status =
        WithStores(shards, [&](Sharded<Store>& stores) -> Task<absl::Status> {
          const auto map = [&](Store&) -> Task<std::string> {
            for (uint64_t turns = random.Below(8); turns > 0; --turns) co_await Yield();
            co_return std::to_string(Here());
          };
          EXPECT_EQ(co_await MapReduce(stores, map, std::string("all:"), Join), "all:0,1,2,");
          co_return absl::OkStatus();
        });
    EXPECT_TRUE(status.ok()) << status;
  });
}

TEST(MapReduceTest, TakesMembersAndPlainFunctions) {
  ThreeShards shards(1);
  const absl::Status status = WithStores(shards, [](Sharded<Store>& stores) -> Task<absl::Status> {
    EXPECT_EQ(co_await MapReduce(stores, &Store::Tens, 0, std::plus<>()), 30);
    const int sum = co_await MapReduce(
        stores, [](const Store& store) { return store.Tens() + 1; }, 0, std::plus<>());
    EXPECT_EQ(sum, 33);
    const bool any = co_await MapReduce(stores, &Store::IsFirst, false, std::logical_or<>());
    EXPECT_TRUE(any);
    const bool all = co_await MapReduce(stores, &Store::IsFirst, true, std::logical_and<>());
    EXPECT_FALSE(all);
    co_return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

TEST(MapReduceTest, ReducesOnTheCallingShardWhatCanOnlyBeMoved) {
  ThreeShards shards(1);
  const absl::Status status = WithStores(shards, [](Sharded<Store>& stores) -> Task<absl::Status> {
    using Box = std::unique_ptr<int>;
    const Box sum = co_await MapReduce(
        stores, [](Store& store) -> Task<Box> { co_return std::make_unique<int>(store.Tens()); },
        std::make_unique<int>(1),
        [](Box left, Box right) {
          EXPECT_EQ(Here(), 0u);
          *left += *right;
          return left;
        });
    EXPECT_EQ(*sum, 31);
    co_return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

TEST(MapReduceTest, AsksAllShardsAtOnce) {
  ThreeShards shards(1);
  const absl::Status status = WithStores(shards, [](Sharded<Store>& stores) -> Task<absl::Status> {
    const Timestamp start = Scheduler::Current()->PreciseNow();
    const auto map = [](Store&) -> Task<absl::StatusOr<int>> {
      PELTON_CO_RETURN_IF_ERROR(co_await SleepFor(absl::Seconds(1)));
      co_return 1;
    };
    const absl::StatusOr<int> count = co_await MapReduce(stores, map, 0, std::plus<>());
    EXPECT_EQ(count, absl::StatusOr<int>(3));
    EXPECT_LT(Scheduler::Current()->PreciseNow() - start, absl::Seconds(1.1));
    co_return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

TEST(MapReduceTest, TheFirstErrorCancelsTheRestAndIsTheResult) {
  ForEachSeed([](ThreeShards& shards, Random& random) {
    const uint32_t failing = static_cast<uint32_t>(random.Below(kShards));
    int cancelled = 0;
    const absl::Status status =
        WithStores(shards, [&](Sharded<Store>& stores) -> Task<absl::Status> {
          const Timestamp start = Scheduler::Current()->PreciseNow();
          const auto map = [&](Store&) -> Task<absl::StatusOr<int>> {
            if (Here() == failing) co_return absl::DataLossError("bad disk");
            const absl::Status slept = co_await SleepFor(absl::Hours(1));
            cancelled += absl::IsCancelled(slept);
            co_return slept;
          };
          bool reduced = false;
          const absl::StatusOr<int> sum = co_await MapReduce(stores, map, 0, [&](int, int) {
            reduced = true;
            return 0;
          });
          EXPECT_EQ(sum.status(), absl::DataLossError("bad disk"));
          EXPECT_FALSE(reduced);
          EXPECT_LT(Scheduler::Current()->PreciseNow() - start, absl::Seconds(1));
          co_return absl::OkStatus();
        });
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(cancelled, 2);
  });
}

TEST(MapReduceTest, AnExceptionCancelsTheRestAndIsRethrown) {
  ForEachSeed([](ThreeShards& shards, Random& random) {
    const uint32_t failing = static_cast<uint32_t>(random.Below(kShards));
    int cancelled = 0;
    std::string caught;
    const absl::Status status =
        WithStores(shards, [&](Sharded<Store>& stores) -> Task<absl::Status> {
          const auto map = [&](Store&) -> Task<int> {
            if (Here() == failing) throw std::runtime_error("thrown by the map");
            cancelled += absl::IsCancelled(co_await SleepFor(absl::Hours(1)));
            co_return 1;
          };
          try {
            co_await MapReduce(stores, map, 0, std::plus<>());
          } catch (const std::runtime_error& error) {
            caught = error.what();
          }
          co_return absl::OkStatus();
        });
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(caught, "thrown by the map");
    EXPECT_EQ(cancelled, 2);
  });
}

TEST(MapReduceTest, AnErrorOfTheReductionEndsIt) {
  ThreeShards shards(1);
  const absl::Status status = WithStores(shards, [](Sharded<Store>& stores) -> Task<absl::Status> {
    int calls = 0;
    const auto reduce = [&](int left, int right) -> absl::StatusOr<int> {
      ++calls;
      if (right == 10) return absl::OutOfRangeError("ten is too much");
      return left + right;
    };
    const absl::StatusOr<int> sum = co_await MapReduce(stores, &Store::Tens, 0, reduce);
    EXPECT_EQ(sum.status(), absl::OutOfRangeError("ten is too much"));
    EXPECT_EQ(calls, 2);
    co_return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

TEST(MapReduceTest, EndsAtItsDeadline) {
  ForEachSeed([](ThreeShards& shards, Random&) {
    int stopped = 0;
    const absl::Status status =
        WithStores(shards, [&](Sharded<Store>& stores) -> Task<absl::Status> {
          const Timestamp start = Scheduler::Current()->PreciseNow();
          const auto map = [&](Store&) -> Task<absl::StatusOr<int>> {
            const absl::Status slept = co_await SleepFor(absl::Hours(1));
            stopped += absl::IsDeadlineExceeded(slept);
            co_return slept;
          };
          const absl::StatusOr<int> sum = co_await WithTimeout(
              absl::Milliseconds(10), MapReduce(stores, map, 0, std::plus<>()));
          EXPECT_TRUE(absl::IsDeadlineExceeded(sum.status())) << sum.status();
          EXPECT_LT(Scheduler::Current()->PreciseNow() - start, absl::Seconds(1));
          co_return absl::OkStatus();
        });
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(stopped, 3);
  });
}

TEST(MapReduceTest, ACancellationReachesAllShards) {
  int all_cancelled = 0;
  ForEachSeed([&](ThreeShards& shards, Random& random) {
    int begun = 0;
    int cancelled = 0;
    const absl::Status status =
        WithStores(shards, [&](Sharded<Store>& stores) -> Task<absl::Status> {
          TaskScope scope;
          scope.Spawn([&]() -> Task<absl::Status> {
            const auto map = [&](Store&) -> Task<absl::StatusOr<int>> {
              ++begun;
              const absl::Status slept = co_await SleepFor(absl::Hours(1));
              cancelled += absl::IsCancelled(slept);
              co_return slept;
            };
            co_return (co_await MapReduce(stores, map, 0, std::plus<>())).status();
          });
          for (uint64_t turns = 1 + random.Below(5); turns > 0; --turns) co_await Yield();
          scope.Cancel();
          co_return co_await scope.Join();
        });
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_LT(shards.runtime().clock().Now() - Timestamp(), absl::Seconds(1));
    // What had not begun by then never does.
    EXPECT_EQ(cancelled, begun);
    all_cancelled += cancelled == 3;
  });
  EXPECT_GT(all_cancelled, 0);
}

TEST(MapReduceTest, YieldsAStatusOrOnlyWhenSomethingMayFail) {
  using Stores = Sharded<Store>&;
  const auto plain = [](Store&) { return 1; };
  const auto fallible = [](Store&) -> absl::StatusOr<int> { return 1; };
  static_assert(std::is_same_v<decltype(MapReduce(std::declval<Stores>(), plain, 0, std::plus<>())),
                               Task<int>>);
  static_assert(
      std::is_same_v<decltype(MapReduce(std::declval<Stores>(), fallible, 0, std::plus<>())),
                     Task<absl::StatusOr<int>>>);
  ThreeShards shards(1);
  const absl::Status status = WithStores(shards, [&](Stores stores) -> Task<absl::Status> {
    EXPECT_EQ(co_await MapReduce(stores, plain, 1, std::plus<>()), 4);
    EXPECT_EQ(co_await MapReduce(stores, fallible, 1, std::plus<>()), absl::StatusOr<int>(4));
    co_return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
}

}  // namespace
}  // namespace pelton
