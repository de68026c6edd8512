#include "framework/foreign_ptr.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "framework/stepped_runtime.h"
#include "sched/preemption.h"
#include "sched/sleep.h"

namespace pelton {
namespace {

// Notes the shard on which it dies.
class Resident {
 public:
  explicit Resident(std::vector<uint32_t>* deaths, int value = 0)
      : deaths_(deaths), value_(value) {}
  Resident(const Resident&) = delete;
  ~Resident() { deaths_->push_back(Shard::Current()->id().index()); }
  int value() const { return value_; }

 private:
  std::vector<uint32_t>* deaths_;
  int value_;
};

class ForeignPtrTest : public ::testing::Test {
 protected:
  // Runs `body` on shard 0; the other shards only receive.
  absl::Status Run(const std::function<Task<absl::Status>()>& body, uint64_t seed = 1) {
    SteppedRuntime runtime({.shards = 3, .seed = seed});
    return runtime.Run([&](Shard& shard) -> Task<absl::Status> {
      if (shard.id().index() != 0) co_return absl::OkStatus();
      co_return co_await body();
    });
  }

  // Makes a Resident on shard `home`.
  Task<ForeignPtr<Resident>> Make(uint32_t home, int value = 0) {
    co_return co_await On(ShardId(home), [this, value]() -> Task<ForeignPtr<Resident>> {
      co_return MakeForeign<Resident>(&deaths_, value);
    });
  }

  std::vector<uint32_t> deaths_;
};

TEST_F(ForeignPtrTest, TheObjectIsUsedAndFreedOnItsHomeShard) {
  auto body = [&]() -> Task<absl::Status> {
    ForeignPtr<Resident> pointer = co_await Make(1, 7);
    EXPECT_TRUE(static_cast<bool>(pointer));
    EXPECT_EQ(pointer.home(), ShardId(1));
    const int value = co_await pointer.Invoke([](Resident& resident) -> Task<int> {
      EXPECT_EQ(Shard::Current()->id(), ShardId(1));
      co_await Yield();
      co_return resident.value();
    });
    EXPECT_EQ(value, 7);
    EXPECT_TRUE(deaths_.empty());
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(Run(body).ok());
  EXPECT_EQ(deaths_, std::vector<uint32_t>{1});
}

TEST_F(ForeignPtrTest, AtHomeItIsAnOrdinaryPointer) {
  auto body = [&]() -> Task<absl::Status> {
    {
      const ForeignPtr<Resident> pointer = MakeForeign<Resident>(&deaths_, 3);
      EXPECT_EQ(pointer->value(), 3);
      EXPECT_EQ((*pointer).value(), 3);
    }
    EXPECT_EQ(deaths_, std::vector<uint32_t>{0}) << "freed at once";
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(Run(body).ok());
}

TEST_F(ForeignPtrTest, IsReleasedSoonAfterItIsDestroyedElsewhere) {
  auto body = [&]() -> Task<absl::Status> {
    {
      const ForeignPtr<Resident> pointer = co_await Make(2);
    }
    EXPECT_TRUE(deaths_.empty()) << "it dies at home, not here";
    PELTON_CO_RETURN_IF_ERROR(co_await SleepFor(absl::Milliseconds(1)));
    EXPECT_EQ(deaths_, std::vector<uint32_t>{2});
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(Run(body).ok());
}

TEST_F(ForeignPtrTest, IsReleasedWhenTheServiceEndsAtTheSameMoment) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    deaths_.clear();
    auto body = [&]() -> Task<absl::Status> {
      const ForeignPtr<Resident> first = co_await Make(1);
      const ForeignPtr<Resident> second = co_await Make(2);
      co_return absl::OkStatus();
    };
    EXPECT_TRUE(Run(body, seed).ok());
    EXPECT_EQ(deaths_.size(), 2u) << "seed " << seed;
  }
}

TEST_F(ForeignPtrTest, MayTravelAndDieAnywhere) {
  auto body = [&]() -> Task<absl::Status> {
    ForeignPtr<Resident> pointer = co_await Make(1);
    co_await On(ShardId(2), [moved = std::move(pointer)]() mutable -> Task<void> {
      const ForeignPtr<Resident> last = std::move(moved);
      co_await Yield();
    });
    EXPECT_FALSE(static_cast<bool>(pointer));  // NOLINT(bugprone-use-after-move): what is tested
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(Run(body).ok());
  EXPECT_EQ(deaths_, std::vector<uint32_t>{1});
}

TEST_F(ForeignPtrTest, AssigningReleasesWhatItReplaces) {
  auto body = [&]() -> Task<absl::Status> {
    ForeignPtr<Resident> pointer = co_await Make(1);
    ForeignPtr<Resident> other = co_await Make(2);
    pointer = std::move(other);
    EXPECT_FALSE(static_cast<bool>(other));  // NOLINT(bugprone-use-after-move): what is tested
    EXPECT_EQ(pointer.home(), ShardId(2));
    PELTON_CO_RETURN_IF_ERROR(co_await SleepFor(absl::Milliseconds(1)));
    EXPECT_EQ(deaths_, std::vector<uint32_t>{1});
    pointer = ForeignPtr<Resident>();
    PELTON_CO_RETURN_IF_ERROR(co_await SleepFor(absl::Milliseconds(1)));
    EXPECT_EQ(deaths_, (std::vector<uint32_t>{1, 2}));
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(Run(body).ok());
}

TEST_F(ForeignPtrTest, OwningNothingNeedsNoShard) {
  ForeignPtr<Resident> empty;
  ForeignPtr<Resident> other = std::move(empty);
  EXPECT_FALSE(static_cast<bool>(other));
}

TEST_F(ForeignPtrTest, AnObjectMayOwnAForeignObject) {
  struct Holder {
    ForeignPtr<Resident> inner;
  };
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    deaths_.clear();
    auto body = [&]() -> Task<absl::Status> {
      ForeignPtr<Resident> inner = co_await Make(2);
      const ForeignPtr<Holder> outer =
          co_await On(ShardId(1), [inner = std::move(inner)]() mutable -> Task<ForeignPtr<Holder>> {
            co_return ForeignPtr<Holder>(std::make_unique<Holder>(Holder{std::move(inner)}));
          });
      co_return absl::OkStatus();
    };
    // The outer one goes home while the service ends, and sends the inner one on from there.
    EXPECT_TRUE(Run(body, seed).ok());
    EXPECT_EQ(deaths_, std::vector<uint32_t>{2}) << "seed " << seed;
  }
}

TEST_F(ForeignPtrTest, MoreThanARingHoldsGoHome) {
  auto body = [&]() -> Task<absl::Status> {
    std::vector<ForeignPtr<Resident>> pointers;
    co_await On(ShardId(1), [&]() -> Task<void> {
      for (int i = 0; i < 1'000; ++i) pointers.push_back(MakeForeign<Resident>(&deaths_));
      co_return;
    });
    pointers.clear();
    co_return absl::OkStatus();
  };
  EXPECT_TRUE(Run(body).ok());
  EXPECT_EQ(deaths_, std::vector<uint32_t>(1'000, 1));
}

TEST(ForeignPtrDeathTest, DiesWhenItIsUsedOnTheWrongShard) {
  auto use = [] {
    SteppedRuntime runtime({.shards = 2});
    (void)runtime.Run([](Shard& shard) -> Task<absl::Status> {
      if (shard.id().index() != 0) co_return absl::OkStatus();
      const ForeignPtr<int> pointer =
          co_await On(ShardId(1), []() -> Task<ForeignPtr<int>> { co_return MakeForeign<int>(1); });
      *pointer = 2;
      co_return absl::OkStatus();
    });
  };
  EXPECT_DEATH(use(), "an object of shard 1 was used on shard 0");
}

TEST(ForeignPtrDeathTest, DiesWhenItIsDestroyedOutsideOfAShard) {
  auto leak = [] {
    ForeignPtr<int> pointer;
    SteppedRuntime runtime;
    (void)runtime.Run([&](Shard&) -> Task<absl::Status> {
      pointer = MakeForeign<int>(1);
      co_return absl::OkStatus();
    });
    pointer = ForeignPtr<int>();
  };
  EXPECT_DEATH(leak(), "a ForeignPtr was destroyed outside of a shard");
}

}  // namespace
}  // namespace pelton
