#include "framework/shard_group.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "absl/status/status.h"
#include "framework/base/shard_id.h"
#include "framework/base/status.h"

namespace pelton {
namespace {

class ShardGroupTest : public ::testing::Test {
 protected:
  ShardGroup group_{2, [](void*, std::string_view, uint32_t) {}, nullptr};
};

TEST_F(ShardGroupTest, ARequestToStopOnlyGoesForward) {
  EXPECT_EQ(group_.requested_stop(), StopPhase::kNone);
  group_.RequestStop(StopPhase::kIdle);
  group_.RequestStop(StopPhase::kAccepting);
  EXPECT_EQ(group_.requested_stop(), StopPhase::kIdle);
  group_.RequestStop(StopPhase::kEverything);
  EXPECT_EQ(group_.requested_stop(), StopPhase::kEverything);
}

TEST_F(ShardGroupTest, EveryRequestForADumpChangesTheRequestsAndNoStopPhase) {
  const uint32_t before = group_.requests();
  group_.RequestDump();
  const uint32_t once = group_.requests();
  EXPECT_NE(once, before);
  EXPECT_EQ(group_.requested_stop(), StopPhase::kNone);
  group_.RequestStop(StopPhase::kIdle);
  group_.RequestDump();
  EXPECT_EQ(group_.requested_stop(), StopPhase::kIdle);
  group_.RequestStop(StopPhase::kAccepting);
  EXPECT_EQ(group_.requested_stop(), StopPhase::kIdle);
  EXPECT_NE(group_.requests(), once);
}

TEST_F(ShardGroupTest, TheFirstErrorWinsAndStopsEverything) {
  EXPECT_TRUE(group_.first_error().ok());
  group_.Fail(ShardId(1), absl::NotFoundError("first"));
  group_.Fail(ShardId(0), absl::DataLossError("second"));
  EXPECT_EQ(group_.first_error(), absl::NotFoundError("shard 1: first"));
  EXPECT_EQ(group_.requested_stop(), StopPhase::kEverything);
}

TEST_F(ShardGroupTest, AnErrorKeepsItsErrno) {
  group_.Fail(ShardId(1), ErrnoToStatus(ECONNRESET, "recv", "127.0.0.1:7"));
  EXPECT_EQ(GetErrno(group_.first_error()), ECONNRESET);
}

TEST_F(ShardGroupTest, ServicesHaveEndedWhenTheLastOneHas) {
  group_.ServiceStarted();
  group_.ServiceStarted();
  group_.ServiceEnded();
  EXPECT_FALSE(group_.ServicesEnded());
  group_.ServiceEnded();
  EXPECT_TRUE(group_.ServicesEnded());
}

TEST_F(ShardGroupTest, IsAtRestWhenNoShardIsBusyAndNoPostIsOnItsWay) {
  group_.ShardBusy();
  group_.ShardBusy();
  group_.ShardAtRest();
  EXPECT_FALSE(group_.AllAtRest());
  group_.PostSent();
  group_.ShardAtRest();
  EXPECT_FALSE(group_.AllAtRest()) << "somebody has to receive the post";
  group_.PostDelivered();
  EXPECT_FALSE(group_.AllAtRest()) << "a foreign thread may still begin a call";
  group_.CloseToForeignCalls();
  EXPECT_TRUE(group_.AllAtRest());
  group_.ShardBusy();
  EXPECT_FALSE(group_.AllAtRest());
}

TEST_F(ShardGroupTest, ForeignCallsThatHaveBegunKeepItFromRest) {
  EXPECT_TRUE(group_.ForeignCallBegins());
  EXPECT_TRUE(group_.ForeignCallBegins());
  group_.CloseToForeignCalls();
  EXPECT_FALSE(group_.ForeignCallBegins()) << "none begins any more";
  group_.ForeignCallEnds();
  EXPECT_FALSE(group_.AllAtRest());
  group_.ForeignCallEnds();
  EXPECT_TRUE(group_.AllAtRest());
  group_.CloseToForeignCalls();
  EXPECT_TRUE(group_.AllAtRest());
}

}  // namespace
}  // namespace pelton
