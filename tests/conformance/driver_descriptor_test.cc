// Descriptors that are not like others: what cannot stand in the table of direct descriptors works
// all the same.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <memory>

#include "io/uring/ring.h"
#include "tests/conformance/driver_under_test.h"
#include "tests/support/sockets.h"

namespace pelton::testing {
namespace {

using io::OperationKind;

class DriverDescriptorTest : public DriverTest {};

// Polls `fd` for something to read.
class PollIn final : public RecordedOperation {
 public:
  explicit PollIn(int fd) : RecordedOperation(OperationKind::kPoll, fd) { length = POLLIN; }
};

// The kernel takes no ring into a ring's table, which would be a circle.
TEST_F(DriverDescriptorTest, AnotherRingIsPolledAlthoughNoTableTakesIt) {
  absl::StatusOr<std::unique_ptr<io::Ring>> other = io::Ring::Create(8);
  if (!other.ok()) GTEST_SKIP() << "needs io_uring: " << other.status();
  Descriptor watched(::dup((*other)->descriptor()));
  std::deque<PollIn> polls;
  for (int i = 0; i < 10; ++i) reactor().Start(polls.emplace_back(watched.get()));
  // Those behind the refusal are started again, and one that knows of it.
  for (int i = 0; i < 5; ++i) harness().Turn();
  reactor().Start(polls.emplace_back(watched.get()));
  for (int i = 0; i < 5; ++i) harness().Turn();
  for (const PollIn& poll : polls) ASSERT_FALSE(poll.done());

  io_uring_sqe* entry = (*other)->NextEntry();
  ::io_uring_prep_nop(entry);
  ASSERT_EQ((*other)->Enter(/*wait=*/false, 0), 0);
  for (const PollIn& poll : polls) {
    ASSERT_TRUE(harness().TurnUntil([&] { return poll.done(); }));
    EXPECT_EQ(poll.result(), POLLIN);
    EXPECT_EQ(poll.finals(), 1);
  }
  // Whoever gets the number next starts anew.
  const int number = watched.get();
  Close(std::move(watched));
  SocketPair pair = UnixPair();
  ASSERT_EQ(::dup2(pair.ours.get(), number), number);
  Descriptor next(number);
  SendAll(pair.theirs.get(), "x");
  PollIn poll(number);
  reactor().Start(poll);
  ASSERT_TRUE(harness().TurnUntil([&] { return poll.done(); }));
  EXPECT_EQ(poll.result(), POLLIN);
  Close(std::move(next));
}

TEST_F(DriverDescriptorTest, APollOfARefusedDescriptorIsCancelled) {
  absl::StatusOr<std::unique_ptr<io::Ring>> other = io::Ring::Create(8);
  if (!other.ok()) GTEST_SKIP() << "needs io_uring: " << other.status();
  Descriptor watched(::dup((*other)->descriptor()));
  for (int turns = 0; turns < 4; ++turns) {
    PollIn poll(watched.get());
    reactor().Start(poll);
    for (int i = 0; i < turns; ++i) harness().Turn();
    reactor().Cancel(poll);
    ASSERT_TRUE(harness().TurnUntil([&] { return poll.done(); }));
    EXPECT_EQ(poll.result(), -ECANCELED);
  }
  Close(std::move(watched));
}

TEST_F(DriverDescriptorTest, WhatIsWrongWithADescriptorIsToldOnce) {
  // O_PATH: a descriptor that nothing can be read from, and that no table takes.
  Descriptor place(::open("/", O_PATH | O_CLOEXEC));
  ASSERT_GE(place.get(), 0);
  char byte;
  for (int round = 0; round < 3; ++round) {
    RecordedOperation read(OperationKind::kStreamRead, place.get());
    read.address = &byte;
    read.length = 1;
    RecordedOperation receive(OperationKind::kReceiveChunk, place.get());
    reactor().Start(read);
    reactor().Start(receive);
    ASSERT_TRUE(harness().TurnUntil([&] { return read.done() && receive.done(); }));
    EXPECT_EQ(read.result(), -EBADF);
    EXPECT_EQ(receive.result(), -EBADF);
    EXPECT_EQ(read.finals() + receive.finals(), 2);
  }
  Close(std::move(place));
}

}  // namespace
}  // namespace pelton::testing
