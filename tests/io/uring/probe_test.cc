#include "io/uring/probe.h"

#include <memory>

#include "gtest/gtest.h"

namespace pelton::io {
namespace {

TEST(ProbeTest, LeavesTheRingAsItWas) {
  absl::StatusOr<std::unique_ptr<Ring>> ring = Ring::Create(16);
  if (!ring.ok()) GTEST_SKIP() << "needs io_uring: " << ring.status();
  ProbeCapabilities(**ring);
  EXPECT_EQ((*ring)->unsubmitted(), 0u);
  EXPECT_FALSE((*ring)->HasCompletions());
  // Nothing of the probes is still in flight to complete later.
  EXPECT_EQ((*ring)->Enter(/*wait=*/true, 1'000'000), -ETIME);
}

TEST(ProbeTest, SaysTheSameTwice) {
  absl::StatusOr<std::unique_ptr<Ring>> ring = Ring::Create(16);
  if (!ring.ok()) GTEST_SKIP() << "needs io_uring: " << ring.status();
  const UringCapabilities first = ProbeCapabilities(**ring).found;
  const UringCapabilities second = ProbeCapabilities(**ring).found;
  EXPECT_EQ(first.multishot_accept, second.multishot_accept);
  EXPECT_EQ(first.multishot_receive, second.multishot_receive);
  EXPECT_EQ(first.buffer_ring, second.buffer_ring);
  EXPECT_EQ(first.message_ring, second.message_ring);
}

TEST(ProbeTest, SaysWhyForEachThatIsMissingAndForNoOther) {
  absl::StatusOr<std::unique_ptr<Ring>> ring =
      Ring::Create({.submission_entries = 16, .deferred_work = false, .registered_ring = false});
  if (!ring.ok()) GTEST_SKIP() << "needs io_uring: " << ring.status();
  const UringProbe probe = ProbeCapabilities(**ring);
  ASSERT_EQ(probe.why_not.size(), AllCapabilities().size());
  for (size_t i = 0; i < probe.why_not.size(); ++i) {
    const CapabilityDescription& capability = AllCapabilities()[i];
    EXPECT_EQ(probe.found.*(capability.member), probe.why_not[i].empty()) << capability.name;
    EXPECT_NE(probe.why_not[i], "was not tried") << capability.name;
  }
  EXPECT_FALSE(probe.found.deferred_work);
  EXPECT_FALSE(probe.found.registered_ring);
}

}  // namespace
}  // namespace pelton::io
