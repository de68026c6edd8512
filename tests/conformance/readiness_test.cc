// Descriptors of other libraries, which close them as they like, and whose numbers come back as
// something else.

#include "io/descriptor/readiness.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "framework/base/status.h"
#include "io/process/pipe.h"
#include "io/tcp_stream.h"
#include "sched/deadline.h"
#include "sched/when.h"
#include "tests/conformance/process_test.h"
#include "tests/conformance/tcp_test.h"
#include "tests/support/sockets.h"

namespace pelton::testing {
namespace {

class ReadinessTest : public CoroutineTest {
 protected:
  // The number that libraries open and close in these tests: nobody else's.
  static constexpr int kNumber = 613;

  // Opens `descriptor` under that number, in the place of what it stood for, as if a library had closed
  // that and opened this.
  static void OpenAtNumber(Descriptor descriptor) {
    PELTON_CHECK(::dup2(descriptor.get(), kNumber) == kNumber);
  }
  static void CloseNumber() { PELTON_CHECK(::close(kNumber) == 0); }
  void TearDown() override {
    CoroutineTest::TearDown();
    ::close(kNumber);
  }
};

Task<absl::Status> SendLater(const Descriptor& peer) {
  co_await LetOthersRun();
  SendAll(peer.get(), "x");
  co_return absl::OkStatus();
}

// Waits for what `peer` sends while the wait goes on, and takes it as a library would.
Task<absl::Status> AwaitBytes(int descriptor, const Descriptor& peer) {
  PELTON_CO_RETURN_IF_ERROR(
      co_await WhenAll(FailFast(), pelton::AwaitReadable(descriptor), SendLater(peer)));
  EXPECT_EQ(ReceiveNow(descriptor), "x");
  co_return absl::OkStatus();
}

TEST_F(ReadinessTest, WaitsUntilThereIsInput) {
  SocketPair pair = UnixPair();
  Run([&]() -> Task<absl::Status> {
    const absl::Status early =
        co_await WithTimeout(absl::Milliseconds(5), pelton::AwaitReadable(pair.ours.get()));
    EXPECT_TRUE(absl::IsDeadlineExceeded(early)) << early;
    co_return co_await AwaitBytes(pair.ours.get(), pair.theirs);
  });
}

TEST_F(ReadinessTest, WaitsUntilThereIsRoom) {
  SocketPair pair = UnixPair();
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_RETURN_IF_ERROR(co_await AwaitWritable(pair.ours.get()));
    const size_t sent = SendUntilFull(pair.ours.get());
    const absl::Status full =
        co_await WithTimeout(absl::Milliseconds(5), AwaitWritable(pair.ours.get()));
    EXPECT_TRUE(absl::IsDeadlineExceeded(full)) << full;
    EXPECT_EQ(ReceiveExactly(pair.theirs.get(), sent).size(), sent);
    co_return co_await AwaitWritable(pair.ours.get());
  });
}

TEST_F(ReadinessTest, TellsWhichEventsHaveCome) {
  SocketPair pair = UnixPair();
  Run([&]() -> Task<absl::Status> {
    SendAll(pair.theirs.get(), "x");
    PELTON_CO_ASSIGN_OR_RETURN(int events, co_await AwaitEvents(pair.ours.get(), POLLIN | POLLOUT));
    EXPECT_EQ(events, POLLIN | POLLOUT);
    pair.theirs.Reset();
    PELTON_CO_ASSIGN_OR_RETURN(events, co_await AwaitEvents(pair.ours.get(), POLLRDHUP));
    EXPECT_NE(events & POLLRDHUP, 0);
    co_return absl::OkStatus();
  });
}

TEST_F(ReadinessTest, ADescriptorThatIsNotOpenIsAnErrorThatNamesIt) {
  const absl::Status status = RunToStatus(
      []() -> Task<absl::Status> { co_return co_await pelton::AwaitReadable(kNumber); });
  EXPECT_EQ(GetErrno(status), EBADF);
  EXPECT_TRUE(Says(status, {"wait for descriptor 613"}));
}

TEST_F(ReadinessTest, SeveralTasksWaitForOneDescriptor) {
  SocketPair pair = UnixPair();
  Run([&]() -> Task<absl::Status> {
    co_return co_await WhenAll(FailFast(), pelton::AwaitReadable(pair.ours.get()),
                               pelton::AwaitReadable(pair.ours.get()), SendLater(pair.theirs));
  });
}

TEST_F(ReadinessTest, ALibraryClosesItsDescriptorAndTheNumberComesBackAsAnother) {
  Run([&]() -> Task<absl::Status> {
    for (int round = 0; round < 5; ++round) {
      SocketPair pair = round % 2 == 0 ? UnixPair() : TcpPair();
      OpenAtNumber(std::move(pair.ours));
      PELTON_CO_RETURN_IF_ERROR(co_await AwaitBytes(kNumber, pair.theirs));
      if (round % 2 == 0) continue;
      CloseNumber();
      // Its peer sees the end: nothing here keeps the library's file open.
      EXPECT_TRUE(AtEnd(pair.theirs.get()));
    }
    co_return absl::OkStatus();
  });
}

TEST_F(ReadinessTest, WhatAnOldFileOfTheNumberSaysIsNotTakenForTheNewOne) {
  Run([&]() -> Task<absl::Status> {
    SocketPair old = UnixPair();
    const Descriptor still_open(::dup(old.ours.get()));
    OpenAtNumber(std::move(old.ours));
    PELTON_CO_RETURN_IF_ERROR(co_await AwaitBytes(kNumber, old.theirs));
    SocketPair pair = UnixPair();
    OpenAtNumber(std::move(pair.ours));
    SendAll(old.theirs.get(), "more");
    const absl::Status early =
        co_await WithTimeout(absl::Milliseconds(10), pelton::AwaitReadable(kNumber));
    EXPECT_TRUE(absl::IsDeadlineExceeded(early)) << early;
    co_return co_await AwaitBytes(kNumber, pair.theirs);
  });
}

TEST_F(ReadinessTest, TheNumberComesBackAsAStreamOfOurs) {
  Run([&]() -> Task<absl::Status> {
    for (int round = 0; round < 3; ++round) {
      SocketPair foreign = TcpPair();
      OpenAtNumber(std::move(foreign.ours));
      PELTON_CO_RETURN_IF_ERROR(co_await AwaitBytes(kNumber, foreign.theirs));
      SocketPair pair = TcpPair();
      const SocketAddress peer = *PeerAddressOf(pair.ours.get());
      OpenAtNumber(std::move(pair.ours));
      {
        TcpStream stream = TcpStream::Adopt(kNumber, peer);
        char byte;
        const auto [read, sent] =
            co_await WhenAll(stream.ReadInto({&byte, 1}), SendLater(pair.theirs));
        EXPECT_TRUE(read.ok()) << read.status();
        PELTON_CO_RETURN_IF_ERROR(co_await stream.Write("y"));
        EXPECT_EQ(ReceiveExactly(pair.theirs.get(), 1), "y");
      }
      co_await AwaitQuiet();
      EXPECT_TRUE(AtEnd(pair.theirs.get()));
    }
    co_return absl::OkStatus();
  });
}

TEST_F(ReadinessTest, AStreamOfOursIsClosedAndTheNumberComesBackAsALibrarys) {
  Run([&]() -> Task<absl::Status> {
    for (int round = 0; round < 3; ++round) {
      int ends[2];
      PELTON_CHECK(::pipe(ends) == 0);
      OpenAtNumber(Descriptor(ends[0]));
      {
        PipeReader reader = PipeReader::Adopt(kNumber, "pipe");
        PipeWriter writer = PipeWriter::Adopt(ends[1], "pipe");
        char byte;
        const auto [read, written] =
            co_await WhenAll(reader.ReadInto({&byte, 1}), writer.Write("x"));
        EXPECT_TRUE(read.ok() && written.ok());
      }
      co_await AwaitQuiet();
      SocketPair foreign = UnixPair();
      OpenAtNumber(std::move(foreign.ours));
      PELTON_CO_RETURN_IF_ERROR(co_await AwaitBytes(kNumber, foreign.theirs));
      CloseNumber();
      EXPECT_TRUE(AtEnd(foreign.theirs.get()));
    }
    co_return absl::OkStatus();
  });
}

TEST_F(ReadinessTest, AWaitWhoseDescriptorWasClosedUnderItEndsByItsDeadline) {
  SocketPair pair = UnixPair();
  OpenAtNumber(std::move(pair.ours));
  Run([&]() -> Task<absl::Status> {
    auto close = []() -> Task<absl::Status> {
      co_await LetOthersRun();
      CloseNumber();
      co_return absl::OkStatus();
    };
    const auto [waited, closed] = co_await WhenAll(
        WithTimeout(absl::Milliseconds(20), pelton::AwaitReadable(kNumber)), close());
    EXPECT_TRUE(absl::IsDeadlineExceeded(waited)) << waited;
    // The number is good for others at once.
    SocketPair next = UnixPair();
    OpenAtNumber(std::move(next.ours));
    co_return co_await AwaitBytes(kNumber, next.theirs);
  });
}

TEST_F(ReadinessTest, ACancelledWaitLeavesNothingBehind) {
  Descriptor event(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  Run([&]() -> Task<absl::Status> {
    for (int round = 0; round < 50; ++round) {
      const absl::Status late =
          co_await WithTimeout(absl::Microseconds(round * 10), pelton::AwaitReadable(event.get()));
      EXPECT_TRUE(absl::IsDeadlineExceeded(late)) << late;
    }
    PELTON_CHECK(::eventfd_write(event.get(), 1) == 0);
    co_return co_await pelton::AwaitReadable(event.get());
  });
}

}  // namespace
}  // namespace pelton::testing
