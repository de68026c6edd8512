#include "framework/sharded.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "framework/stepped_runtime.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "sched/task_scope.h"

namespace pelton {
namespace {

uint32_t Here() { return Shard::Current()->id().index(); }

// Runs `body` on shard 0 of three.
absl::Status RunOnShard0(const std::function<Task<absl::Status>()>& body, uint64_t seed = 1) {
  SteppedRuntime runtime({.shards = 3, .seed = seed});
  return runtime.Run([&](Shard& shard) -> Task<absl::Status> {
    if (shard.id().index() != 0) co_return absl::OkStatus();
    co_return co_await body();
  });
}

using Events = std::vector<std::string>;

// Notes what is done to it and where, and fails where it is told to.
class Recorder {
 public:
  struct Plan {
    Events* events;
    uint32_t constructor_throws_on = ~0u;
    uint32_t start_fails_on = ~0u;
    uint32_t start_throws_on = ~0u;
  };

  explicit Recorder(const Plan& plan) : plan_(plan) {
    if (plan.constructor_throws_on == Here()) throw std::runtime_error("constructor");
    Note("construct");
  }
  ~Recorder() { Note("destroy"); }

  Task<absl::Status> Start() {
    co_await Yield();
    if (plan_.start_fails_on == Here()) co_return absl::ResourceExhaustedError("no room");
    if (plan_.start_throws_on == Here()) throw std::runtime_error("start");
    Note("start");
    co_return absl::OkStatus();
  }
  Task<void> Stop() {
    co_await Yield();
    Note("stop");
  }

 private:
  void Note(const std::string& what) { plan_.events->push_back(what + std::to_string(Here())); }
  Plan plan_;
};

TEST(ShardedTest, StartsInOrderAndStopsInTheOppositeOrder) {
  Events events;
  auto body = [&]() -> Task<absl::Status> {
    Sharded<Recorder> recorder;
    PELTON_CO_RETURN_IF_ERROR(co_await recorder.Start(Recorder::Plan{.events = &events}));
    events.push_back("-");
    co_await recorder.Stop();
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(RunOnShard0(body).ok());
  EXPECT_EQ(events, (Events{"construct0", "construct1", "construct2", "start0", "start1", "start2",
                            "-", "stop2", "stop1", "stop0", "destroy2", "destroy1", "destroy0"}));
}

TEST(ShardedTest, WhenOneFailsToStartThoseThatStartedAreStopped) {
  Events events;
  absl::Status status;
  auto body = [&]() -> Task<absl::Status> {
    Sharded<Recorder> recorder;
    status = co_await recorder.Start(Recorder::Plan{.events = &events, .start_fails_on = 1});
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(RunOnShard0(body).ok());
  EXPECT_EQ(status, absl::ResourceExhaustedError("no room"));
  EXPECT_EQ(events, (Events{"construct0", "construct1", "construct2", "start0", "stop0", "destroy2",
                            "destroy1", "destroy0"}));
}

TEST(ShardedTest, AnExceptionOfAStartUndoesItToo) {
  Events events;
  bool caught = false;
  auto body = [&]() -> Task<absl::Status> {
    Sharded<Recorder> recorder;
    try {
      (void)co_await recorder.Start(Recorder::Plan{.events = &events, .start_throws_on = 2});
    } catch (const std::runtime_error& error) {
      caught = error.what() == std::string("start");
    }
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(RunOnShard0(body).ok());
  EXPECT_TRUE(caught);
  EXPECT_EQ(events, (Events{"construct0", "construct1", "construct2", "start0", "start1", "stop1",
                            "stop0", "destroy2", "destroy1", "destroy0"}));
}

TEST(ShardedTest, AnExceptionOfAConstructorUndoesItToo) {
  Events events;
  bool caught = false;
  auto body = [&]() -> Task<absl::Status> {
    Sharded<Recorder> recorder;
    try {
      (void)co_await recorder.Start(Recorder::Plan{.events = &events, .constructor_throws_on = 1});
    } catch (const std::runtime_error& error) {
      caught = error.what() == std::string("constructor");
    }
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(RunOnShard0(body).ok());
  EXPECT_TRUE(caught);
  EXPECT_EQ(events, (Events{"construct0", "destroy0"}));
}

TEST(ShardedTest, CanBeStartedAgainAfterAStop) {
  Events events;
  auto body = [&]() -> Task<absl::Status> {
    Sharded<Recorder> recorder;
    EXPECT_FALSE(
        (co_await recorder.Start(Recorder::Plan{.events = &events, .start_fails_on = 0})).ok());
    events.clear();
    PELTON_CO_RETURN_IF_ERROR(co_await recorder.Start(Recorder::Plan{.events = &events}));
    co_await recorder.Stop();
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(RunOnShard0(body).ok());
  EXPECT_EQ(events.size(), 12u);
}

// A store without Start() and Stop().
class Store {
 public:
  Store() = default;
  explicit Store(int initial) : value_(initial) {}

  Task<int> Add(int amount) {
    EXPECT_EQ(home_, Here());
    co_await Yield();
    value_ += amount;
    co_return value_;
  }
  int Get() const { return value_; }
  void Set(int value) { value_ = value; }
  size_t Measure(const std::string& text) const { return text.size(); }
  Task<size_t> MeasureLater(const std::string& text) {
    co_await Yield();
    co_return text.size();
  }
  int Take(std::unique_ptr<int> number) { return *number; }
  uint32_t home() const { return home_; }

 private:
  int value_ = 0;
  uint32_t home_ = Here();
};

TEST(ShardedTest, InvokesTasksAndPlainMembersOnTheirShard) {
  auto body = []() -> Task<absl::Status> {
    Sharded<Store> store;
    PELTON_CO_RETURN_IF_ERROR(co_await store.Start(100));
    for (uint32_t shard = 0; shard < 3; ++shard) {
      const ShardId there(shard);
      EXPECT_EQ(co_await store.Invoke(there, &Store::home), shard);
      EXPECT_EQ(co_await store.Invoke(there, &Store::Add, 5), 105);
      EXPECT_EQ(co_await store.Invoke(there, &Store::Get), 105);
      co_await store.Invoke(there, &Store::Set, 1);
      EXPECT_EQ(co_await store.Invoke(there, &Store::Get), 1);
      EXPECT_EQ(co_await store.Invoke(there, &Store::Measure, std::string(1000, 'x')), 1000u);
      EXPECT_EQ(co_await store.Invoke(there, &Store::MeasureLater, std::string(100, 'x')), 100u);
      EXPECT_EQ(co_await store.Invoke(there, &Store::Take, std::make_unique<int>(9)), 9);
    }
    co_await store.Stop();
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(RunOnShard0(body).ok());
}

TEST(ShardedTest, LocalIsTheInstanceOfTheShardThatAsks) {
  auto body = []() -> Task<absl::Status> {
    Sharded<Store> store;
    PELTON_CO_RETURN_IF_ERROR(co_await store.Start());
    for (uint32_t shard = 0; shard < 3; ++shard) {
      co_await On(ShardId(shard), [&]() -> Task<void> {
        EXPECT_EQ(store.Local().home(), Here());
        co_return;
      });
    }
    co_await store.Stop();
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(RunOnShard0(body).ok());
}

TEST(ShardedTest, EveryShardMayInvoke) {
  SteppedRuntime runtime({.shards = 3, .seed = 5});
  Sharded<Store> store;
  bool started = false;
  uint32_t done = 0;
  auto serve = [&](Shard& shard) -> Task<absl::Status> {
    if (shard.id().index() == 0) {
      PELTON_CO_RETURN_IF_ERROR(co_await store.Start(0));
      started = true;
    }
    while (!started) PELTON_CO_RETURN_IF_ERROR(co_await SleepFor(absl::Milliseconds(1)));
    for (int i = 0; i < 30; ++i) co_await store.Invoke(ShardId(i % 3), &Store::Add, 1);
    ++done;
    if (shard.id().index() != 0) co_return absl::OkStatus();
    while (done < 3) PELTON_CO_RETURN_IF_ERROR(co_await SleepFor(absl::Milliseconds(1)));
    for (uint32_t i = 0; i < 3; ++i) {
      EXPECT_EQ(co_await store.Invoke(ShardId(i), &Store::Get), 30);
    }
    co_await store.Stop();
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(runtime.Run(serve).ok());
}

TEST(ShardedTest, InvokeOnAllYieldsTheResultsInTheOrderOfTheShards) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    auto body = []() -> Task<absl::Status> {
      Sharded<Store> store;
      PELTON_CO_RETURN_IF_ERROR(co_await store.Start(5));
      co_await store.InvokeOnAll(&Store::Add, 2);
      EXPECT_EQ(co_await store.InvokeOnAll(&Store::Get), (std::vector<int>{7, 7, 7}));
      const auto where = [](Store&, uint32_t offset) -> Task<absl::StatusOr<uint32_t>> {
        for (uint32_t turns = 3 - Here(); turns > 0; --turns) co_await Yield();
        co_return Here() + offset;
      };
      const absl::StatusOr<std::vector<uint32_t>> all = co_await store.InvokeOnAll(where, 10u);
      EXPECT_EQ(*all, (std::vector<uint32_t>{10, 11, 12}));
      co_await store.Stop();
      co_return absl::OkStatus();
    };
    EXPECT_TRUE(RunOnShard0(body, seed).ok());
  }
}

TEST(ShardedTest, TheFirstErrorOfInvokeOnAllCancelsTheOthers) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    int cancelled = 0;
    auto body = [&]() -> Task<absl::Status> {
      Sharded<Store> store;
      PELTON_CO_RETURN_IF_ERROR(co_await store.Start(5));
      const absl::Status status = co_await store.InvokeOnAll([&](Store&) -> Task<absl::Status> {
        if (Here() == 1) co_return absl::ResourceExhaustedError("no room");
        const absl::Status slept = co_await SleepFor(absl::Hours(1));
        cancelled += absl::IsCancelled(slept);
        co_return slept;
      });
      co_await store.Stop();
      co_return status;
    };
    EXPECT_EQ(RunOnShard0(body, seed), absl::ResourceExhaustedError("shard 0: no room"));
    EXPECT_EQ(cancelled, 2);
  }
}

TEST(ShardedTest, AnExceptionOfAMemberComesBack) {
  struct Thrower {
    int Fail() { throw std::runtime_error("member"); }
  };
  auto body = []() -> Task<absl::Status> {
    Sharded<Thrower> thrower;
    PELTON_CO_RETURN_IF_ERROR(co_await thrower.Start());
    bool caught = false;
    try {
      co_await thrower.Invoke(ShardId(2), &Thrower::Fail);
    } catch (const std::runtime_error&) {
      caught = true;
    }
    EXPECT_TRUE(caught);
    co_await thrower.Stop();
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(RunOnShard0(body).ok());
}

TEST(ShardedTest, StopGoesThroughInATaskThatIsCancelled) {
  Events events;
  auto body = [&]() -> Task<absl::Status> {
    TaskScope scope;
    scope.Spawn([&]() -> Task<absl::Status> {
      Sharded<Recorder> recorder;
      PELTON_CO_RETURN_IF_ERROR(co_await recorder.Start(Recorder::Plan{.events = &events}));
      events.clear();
      const absl::Status status = co_await SleepFor(absl::Hours(1));
      co_await recorder.Stop();
      co_return status;
    });
    PELTON_CO_RETURN_IF_ERROR(co_await SleepFor(absl::Seconds(1)));
    scope.Cancel();
    co_return co_await scope.Join();
  };
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    EXPECT_TRUE(RunOnShard0(body, seed).ok());
    EXPECT_EQ(events, (Events{"stop2", "stop1", "stop0", "destroy2", "destroy1", "destroy0"}));
  }
}

TEST(ShardedDeathTest, DiesWhenItIsDestroyedBeforeItIsStopped) {
  auto body = []() -> Task<absl::Status> {
    Sharded<Store> store;
    co_return co_await store.Start();
  };
  EXPECT_DEATH((void)RunOnShard0(body), "destroyed before Stop");
}

TEST(ShardedDeathTest, DiesWhenItIsStartedTwice) {
  auto body = []() -> Task<absl::Status> {
    Sharded<Store> store;
    (void)co_await store.Start();
    co_return co_await store.Start();
  };
  EXPECT_DEATH((void)RunOnShard0(body), "that is started");
}

TEST(ShardedDeathTest, DiesWhenAllAreInvokedBeforeItIsStarted) {
  auto body = []() -> Task<absl::Status> {
    Sharded<Store> store;
    (void)co_await store.InvokeOnAll(&Store::Get);
    co_return absl::OkStatus();
  };
  EXPECT_DEATH((void)RunOnShard0(body), "InvokeOnAll\\(\\) of a Sharded that is not started");
}

TEST(ShardedDeathTest, DiesWhenItIsInvokedBeforeItIsStarted) {
  auto body = []() -> Task<absl::Status> {
    Sharded<Store> store;
    co_await store.Invoke(ShardId(1), &Store::Get);
    co_return absl::OkStatus();
  };
  EXPECT_DEATH((void)RunOnShard0(body), "on shard 1 of a Sharded with 0 instances");
}

}  // namespace
}  // namespace pelton
