#include "framework/internal/home_request.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <memory>
#include <ostream>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "sched/preemption.h"
#include "tests/framework/three_shards.h"

namespace pelton {
namespace {

using framework_internal::CheckMayEnd;
using framework_internal::HomeLine;
using framework_internal::HomeRequest;
using testing::ForEachSeed;
using testing::kShards;
using testing::Settle;
using testing::ThreeShards;
using testing::Visit;

// Lets through as many as its home shard has opened it for.
class Turnstile {
 public:
  explicit Turnstile(uint32_t home) : home_(home) {}
  ~Turnstile() { CheckMayEnd("a Turnstile", home_, line_); }

  // Yields OK, or the stop status.
  auto Pass(int visitor) { return Passing(*this, visitor); }
  void Open() {
    ++open_;
    if (line_.empty()) return;
    Enter(*static_cast<Passing*>(line_.front()));
    line_.FinishFront();
  }
  const std::vector<int>& passed() const { return passed_; }
  int gave_up() const { return gave_up_; }
  int open() const { return open_; }

 private:
  class Passing final : public HomeRequest {
   public:
    Passing(Turnstile& turnstile, int visitor)
        : HomeRequest(turnstile.home_), turnstile_(turnstile), visitor_(visitor) {}
    absl::Status await_resume() const { return stopped() ? StopStatus() : absl::OkStatus(); }
    void Describe(std::ostream& out) const override { out << "a turnstile"; }

   private:
    friend class Turnstile;
    bool TryFinish() override {
      EXPECT_EQ(Shard::Current()->id(), home());
      if (turnstile_.open_ == 0) return false;
      turnstile_.Enter(*this);
      return true;
    }
    HomeLine& line() override { return turnstile_.line_; }
    void GaveUp() override {
      EXPECT_EQ(Shard::Current()->id(), home());
      ++turnstile_.gave_up_;
    }

    Turnstile& turnstile_;
    const int visitor_;
  };

  void Enter(const Passing& visitor) {
    --open_;
    passed_.push_back(visitor.visitor_);
  }

  const ShardId home_;
  HomeLine line_;
  int open_ = 0;
  int gave_up_ = 0;
  std::vector<int> passed_;
};

auto PassAs(Turnstile& turnstile, int visitor) {
  return
      [&turnstile, visitor]() -> Task<absl::Status> { co_return co_await turnstile.Pass(visitor); };
}

TEST(HomeRequestTest, IsServedFromEveryShardInTheOrderOfArrival) {
  ForEachSeed([](ThreeShards& shards, Random&) {
    const absl::Status status = shards.RunOnFirst([]() -> Task<absl::Status> {
      Turnstile turnstile(0);
      std::array<Visit, 6> visits;
      for (uint32_t i = 0; i < visits.size(); ++i) {
        visits[i].Start((i + 1) % kShards, PassAs(turnstile, static_cast<int>(i)));
        co_await Settle();
      }
      for (uint32_t i = 0; i < visits.size(); ++i) {
        EXPECT_FALSE(visits[i].ended());
        turnstile.Open();
        PELTON_CO_RETURN_IF_ERROR(co_await visits[i].Join());
      }
      EXPECT_EQ(turnstile.passed(), (std::vector<int>{0, 1, 2, 3, 4, 5}));
      co_return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
  });
}

TEST(HomeRequestTest, RequestsOfOneShardComeHomeInTheOrderInWhichTheyWereMade) {
  ForEachSeed([](ThreeShards& shards, Random& random) {
    const uint32_t home = static_cast<uint32_t>(random.Below(kShards));
    Turnstile turnstile(home);
    std::vector<int> made;
    const absl::Status status = shards.RunOnFirst([&]() -> Task<absl::Status> {
      TaskScope scope;
      for (int i = 0; i < 10; ++i) {
        scope.Spawn([&, i]() -> Task<absl::Status> {
          made.push_back(i);
          co_return co_await turnstile.Pass(i);
        });
      }
      co_await Settle();
      co_await On(ShardId(home), [&]() -> Task<void> {
        for (int i = 0; i < 10; ++i) turnstile.Open();
        co_return;
      });
      co_return co_await scope.Join();
    });
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(turnstile.passed(), made);
  });
}

TEST(HomeRequestTest, AStopInLineTakesNothingAndTellsThoseBehind) {
  ForEachSeed([](ThreeShards& shards, Random& random) {
    const absl::Status status = shards.RunOnFirst([&]() -> Task<absl::Status> {
      Turnstile turnstile(0);
      Visit visit;
      visit.Start(random.Below(kShards), PassAs(turnstile, 1));
      co_await Settle();
      visit.Cancel();
      EXPECT_TRUE(absl::IsCancelled(co_await visit.Join()));
      EXPECT_EQ(turnstile.gave_up(), 1);
      EXPECT_TRUE(turnstile.passed().empty());
      turnstile.Open();
      EXPECT_EQ(turnstile.open(), 1) << "for the next one";
      co_return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
  });
}

TEST(HomeRequestTest, AStopAtAnyMomentEndsTheWaitOnceInAgreementWithTheHome) {
  int passed = 0;
  int stopped = 0;
  ForEachSeed([&](ThreeShards& shards, Random& random) {
    const absl::Status status = shards.RunOnFirst([&]() -> Task<absl::Status> {
      Turnstile turnstile(0);
      Visit visit;
      visit.Start(random.Below(kShards), PassAs(turnstile, 1));
      bool opened = false;
      // The request, the permission and the stop are all on their way at the same time.
      for (uint64_t turns = random.Below(8); turns > 0; --turns) {
        if (!opened && random.Below(4) == 0) {
          turnstile.Open();
          opened = true;
        }
        co_await Yield();
      }
      visit.Cancel();
      const absl::Status outcome = co_await visit.Join();
      ++(outcome.ok() ? passed : stopped);
      EXPECT_TRUE(outcome.ok() || absl::IsCancelled(outcome)) << outcome;
      EXPECT_EQ(turnstile.passed().size(), outcome.ok() ? 1u : 0u);
      EXPECT_EQ(turnstile.open(), opened && !outcome.ok() ? 1 : 0);
      co_return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
  });
  EXPECT_GT(passed, 0);
  EXPECT_GT(stopped, 0);
}

TEST(HomeRequestDeathTest, DiesForAShardThatDoesNotExist) {
  auto pass = [] {
    Turnstile turnstile(7);
    ThreeShards shards(1);
    (void)shards.RunOnFirst(PassAs(turnstile, 1));
  };
  EXPECT_DEATH(pass(), "lives on shard 7 was used: there are 3 shards");
}

}  // namespace
}  // namespace pelton
