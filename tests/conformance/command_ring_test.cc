// Commands to sockets and devices, watched by each driver. There is no NVMe here: what its commands
// look like and what comes of a device that does not know them is tested, not what it answers.

#include "io/uring/command_ring.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "framework/base/status.h"
#include "sched/task.h"
#include "sched/task_scope.h"
#include "tests/conformance/driver_under_test.h"
#include "tests/support/sockets.h"

namespace pelton::testing {
namespace {

class CommandRingTest : public DriverTest {
 protected:
  void SetUp() override {
    DriverTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    Make({});
  }
  void TearDown() override {
    ring_.reset();
    DriverTest::TearDown();
  }

  void Make(const CommandRing::Options& options) {
    absl::StatusOr<std::unique_ptr<CommandRing>> made = CommandRing::Create(options);
    if (!made.ok()) GTEST_SKIP() << "needs rings for commands: " << made.status();
    ring_ = *std::move(made);
  }

  // Submits a command and waits for its answer.
  absl::StatusOr<RawCommandResult> Do(const RawCommand& command) {
    absl::StatusOr<RawCommandResult> result = absl::InternalError("it was not run");
    const absl::Status status =
        harness().Run([](CommandRing& ring, const RawCommand& command,
                         absl::StatusOr<RawCommandResult>& result) -> Task<absl::Status> {
          result = co_await ring.Submit(command);
          co_return absl::OkStatus();
        }(*ring_, command, result));
    EXPECT_TRUE(status.ok()) << status;
    return result;
  }

  // Skips where the kernel's sockets take no commands.
  bool SocketsTakeCommands() {
    SocketPair pair = TcpPair();
    return Do(SocketUnreadCommand(pair.ours.get(), "peer")).ok();
  }

  std::unique_ptr<CommandRing> ring_;
};

std::span<std::byte> BytesOf(int& value) { return std::as_writable_bytes(std::span(&value, 1)); }

TEST_F(CommandRingTest, ASocketTellsHowMuchIsUnreadAndUnsent) {
  if (!SocketsTakeCommands()) GTEST_SKIP() << "needs Linux 6.5";
  SocketPair pair = TcpPair();
  SendAll(pair.theirs.get(), "hello");
  const absl::StatusOr<RawCommandResult> unread = Do(SocketUnreadCommand(pair.ours.get(), "peer"));
  ASSERT_TRUE(unread.ok()) << unread.status();
  EXPECT_EQ(unread->result, 5);
  const absl::StatusOr<RawCommandResult> unsent = Do(SocketUnsentCommand(pair.ours.get(), "peer"));
  ASSERT_TRUE(unsent.ok()) << unsent.status();
  EXPECT_EQ(unsent->result, 0);
  EXPECT_EQ(ring_->in_flight(), 0u);
}

TEST_F(CommandRingTest, SocketOptionsAreSetAndRead) {
  SocketPair pair = TcpPair();
  int wanted = 1;
  const absl::StatusOr<RawCommandResult> set = Do(
      SetSocketOptionCommand(pair.ours.get(), "peer", SOL_SOCKET, SO_KEEPALIVE, BytesOf(wanted)));
  if (absl::IsUnimplemented(set.status())) GTEST_SKIP() << "needs Linux 6.7: " << set.status();
  ASSERT_TRUE(set.ok()) << set.status();
  int value = 0;
  const absl::StatusOr<RawCommandResult> got =
      Do(GetSocketOptionCommand(pair.ours.get(), "peer", SOL_SOCKET, SO_KEEPALIVE, BytesOf(value)));
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->result, static_cast<int>(sizeof(value)));
  EXPECT_EQ(value, 1);
}

TEST_F(CommandRingTest, ADeviceThatDoesNotKnowACommandIsNamed) {
  // A file system takes no commands of NVMe.
  Descriptor file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  nvme_uring_cmd read = {};
  read.opcode = 0x02;
  read.nsid = 1;
  const absl::Status status = Do(NvmeCommand(file.get(), "/dev/ng9n1", read)).status();
  EXPECT_EQ(GetErrno(status), EOPNOTSUPP) << status;
  EXPECT_TRUE(absl::IsUnimplemented(status)) << status;
  EXPECT_NE(status.ToString().find("/dev/ng9n1"), std::string::npos) << status;
  EXPECT_NE(status.ToString().find("command 0xc0484e80"), std::string::npos) << status;

  SocketPair pair = TcpPair();
  RawCommand unknown = SocketUnreadCommand(pair.ours.get(), "the peer");
  unknown.operation = 4711;
  const absl::Status refused = Do(unknown).status();
  EXPECT_EQ(GetErrno(refused), EOPNOTSUPP) << refused;
  EXPECT_NE(refused.ToString().find("the peer"), std::string::npos) << refused;
}

TEST_F(CommandRingTest, ADescriptorThatIsNotOpenIsAnError) {
  const absl::Status status = Do(SocketUnreadCommand(1'000'000, "nobody")).status();
  EXPECT_EQ(GetErrno(status), EBADF) << status;
}

TEST_F(CommandRingTest, MoreCommandsThanEntriesAllComeToAnEnd) {
  if (!SocketsTakeCommands()) GTEST_SKIP() << "needs Linux 6.5";
  Make({.entries = 4});
  SocketPair pair = TcpPair();
  SendAll(pair.theirs.get(), "xyz");
  int answers = 0;
  const absl::Status status =
      harness().Run([](CommandRing& ring, int fd, int& answers) -> Task<absl::Status> {
        TaskScope scope;
        for (int i = 0; i < 100; ++i) {
          scope.Spawn(
              [](CommandRing& ring, int fd, int& answers) -> Task<absl::Status> {
                PELTON_CO_ASSIGN_OR_RETURN(const RawCommandResult done,
                                           co_await ring.Submit(SocketUnreadCommand(fd, "peer")));
                EXPECT_EQ(done.result, 3);
                ++answers;
                co_return absl::OkStatus();
              },
              std::ref(ring), fd, std::ref(answers));
        }
        co_return co_await scope.Join();
      }(*ring_, pair.ours.get(), answers));
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(answers, 100);
  EXPECT_EQ(ring_->in_flight(), 0u);
}

TEST_F(CommandRingTest, ATaskThatWasCancelledStartsNothingAndOneThatWaitsEnds) {
  Make({.entries = 1});
  SocketPair pair = TcpPair();
  int ended = 0;
  const absl::Status status =
      harness().Run([](CommandRing& ring, int fd, int& ended) -> Task<absl::Status> {
        TaskScope scope;
        for (int i = 0; i < 20; ++i) {
          scope.Spawn(
              [](CommandRing& ring, int fd, int& ended) -> Task<absl::Status> {
                const absl::StatusOr<RawCommandResult> done =
                    co_await ring.Submit(SocketUnreadCommand(fd, "peer"));
                if (absl::IsCancelled(done.status()) || done.ok()) ++ended;
                co_return absl::OkStatus();
              },
              std::ref(ring), fd, std::ref(ended));
        }
        scope.Cancel();
        co_return co_await scope.Join();
      }(*ring_, pair.ours.get(), ended));
  EXPECT_TRUE(status.ok() || absl::IsCancelled(status)) << status;
  EXPECT_EQ(ended, 20);
  EXPECT_EQ(ring_->in_flight(), 0u);
}

TEST_F(CommandRingTest, WhatCannotBePolledSaysSo) {
  Make({.entries = 4, .polled = true});
  SocketPair pair = TcpPair();
  const absl::Status status = Do(SocketUnreadCommand(pair.ours.get(), "a socket")).status();
  EXPECT_EQ(GetErrno(status), EOPNOTSUPP) << status;
  EXPECT_NE(status.ToString().find("a socket"), std::string::npos) << status;
}

TEST_F(CommandRingTest, ARingOfNoEntriesIsRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(CommandRing::Create({.entries = 0}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(CommandRing::Create({.entries = 5000}).status()));
}

}  // namespace
}  // namespace pelton::testing
