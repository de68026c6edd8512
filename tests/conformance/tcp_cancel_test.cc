// TcpStream under cancellation, deadlines and drains.

#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "tests/conformance/tcp_test.h"

namespace pelton::testing {
namespace {

class TcpCancelTest : public TcpTest {};
INSTANTIATE_TEST_SUITE_P(Modes, TcpCancelTest, ::testing::Bool(), NameOfMode);

// The status that a read ends with.
Task<absl::Status> ReadOnce(TcpStream& stream, absl::Status* outcome) {
  absl::StatusOr<Chunk> chunk = co_await stream.Read();
  *outcome = chunk.status();
  co_return absl::OkStatus();
}
Task<absl::Status> ReadOnceWhenIdle(TcpStream& stream, absl::Status* outcome) {
  absl::StatusOr<Chunk> chunk = co_await stream.ReadWhenIdle();
  *outcome = chunk.status();
  co_return absl::OkStatus();
}
Task<absl::Status> ReadIntoOnce(TcpStream& stream, absl::Status* outcome) {
  char target[64];
  absl::StatusOr<size_t> count = co_await stream.ReadInto(target);
  *outcome = count.status();
  co_return absl::OkStatus();
}
Task<absl::Status> WriteOnce(TcpStream& stream, std::string_view bytes, absl::Status* outcome) {
  *outcome = co_await stream.Write(bytes);
  co_return absl::OkStatus();
}
Task<absl::Status> WriteAllOnce(TcpStream& stream, std::string_view bytes, absl::Status* outcome) {
  const std::string_view pieces[] = {bytes, bytes};
  *outcome = co_await stream.WriteAll(pieces);
  co_return absl::OkStatus();
}

// Spawns `task`, lets it wait, cancels it and joins it.
Task<absl::Status> CancelAndJoin(Task<absl::Status> task) {
  TaskScope scope;
  scope.Spawn(std::move(task));
  co_await LetOthersRun();
  EXPECT_EQ(scope.live(), 1u) << "it does not wait";
  scope.Cancel();
  co_return co_await scope.Join();
}

TEST_P(TcpCancelTest, ACancelledReadLeavesTheBytesToTheNextOne) {
  Run([&]() -> Task<absl::Status> {
    StreamAndPeer pair = MakeStream();
    for (int round = 0; round < 20; ++round) {
      absl::Status read;
      PELTON_CO_RETURN_IF_ERROR(co_await CancelAndJoin(ReadOnce(pair.stream, &read)));
      EXPECT_TRUE(absl::IsCancelled(read)) << read;
      SendAll(pair.peer.get(), "bytes");
      // Whether or not the old receive takes them, the next read gets them.
      if (round % 2 == 0) co_await LetOthersRun();
      PELTON_CO_ASSIGN_OR_RETURN(std::string text, co_await ReadExactly(pair.stream, 5));
      EXPECT_EQ(text, "bytes");
    }
    co_return absl::OkStatus();
  });
}

TEST_P(TcpCancelTest, ACancelledReadIntoLeavesTheBytesToTheNextOne) {
  Run([&]() -> Task<absl::Status> {
    StreamAndPeer pair = MakeStream();
    for (int round = 0; round < 20; ++round) {
      absl::Status read;
      PELTON_CO_RETURN_IF_ERROR(co_await CancelAndJoin(ReadIntoOnce(pair.stream, &read)));
      EXPECT_TRUE(absl::IsCancelled(read)) << read;
      SendAll(pair.peer.get(), "bytes");
      PELTON_CO_ASSIGN_OR_RETURN(std::string text, co_await ReadExactly(pair.stream, 5));
      EXPECT_EQ(text, "bytes");
    }
    co_return absl::OkStatus();
  });
}

TEST_P(TcpCancelTest, AReadIntoAfterACancelledReadGetsTheBytes) {
  // The receive of the cancelled read is still armed, so this one must not go to the kernel by
  // itself.
  Run([&]() -> Task<absl::Status> {
    StreamAndPeer pair = MakeStream();
    absl::Status read;
    PELTON_CO_RETURN_IF_ERROR(co_await CancelAndJoin(ReadOnce(pair.stream, &read)));
    SendAll(pair.peer.get(), "bytes");
    std::string text;
    while (text.size() < 5) {
      char target[2];
      PELTON_CO_ASSIGN_OR_RETURN(size_t count, co_await pair.stream.ReadInto(target));
      text.append(target, count);
    }
    EXPECT_EQ(text, "bytes");
    co_return absl::OkStatus();
  });
}

TEST_P(TcpCancelTest, ACancelledWriteSaysSo) {
  const std::string bytes(8 << 20, 'x');
  Run([&]() -> Task<absl::Status> {
    for (const bool gathered : {false, true}) {
      StreamAndPeer pair = MakeSmallStream();
      absl::Status write;
      PELTON_CO_RETURN_IF_ERROR(
          co_await CancelAndJoin(gathered ? WriteAllOnce(pair.stream, bytes, &write)
                                          : WriteOnce(pair.stream, bytes, &write)));
      EXPECT_TRUE(absl::IsCancelled(write)) << write;
    }
    co_return absl::OkStatus();
  });
}

TEST_P(TcpCancelTest, AStoppedTaskStartsNothing) {
  Run([&]() -> Task<absl::Status> {
    StreamAndPeer pair = MakeStream();
    absl::Status outcomes[4];
    TaskScope scope;
    scope.Cancel();
    scope.Spawn(ReadOnce(pair.stream, &outcomes[0]));
    PELTON_CO_RETURN_IF_ERROR(co_await scope.Join());
    scope.Spawn(ReadIntoOnce(pair.stream, &outcomes[1]));
    PELTON_CO_RETURN_IF_ERROR(co_await scope.Join());
    scope.Spawn(WriteOnce(pair.stream, "x", &outcomes[2]));
    PELTON_CO_RETURN_IF_ERROR(co_await scope.Join());
    scope.Spawn(WriteAllOnce(pair.stream, "x", &outcomes[3]));
    PELTON_CO_RETURN_IF_ERROR(co_await scope.Join());
    for (const absl::Status& outcome : outcomes) {
      EXPECT_TRUE(absl::IsCancelled(outcome)) << outcome;
    }
    EXPECT_EQ(UnreadBytes(pair.peer.get()), 0u);
    co_return absl::OkStatus();
  });
}

TEST_P(TcpCancelTest, AReadMeetsItsDeadlineAndTheStreamGoesOn) {
  Run([&]() -> Task<absl::Status> {
    StreamAndPeer pair = MakeStream();
    absl::Status read;
    const absl::Status late =
        co_await WithTimeout(absl::Milliseconds(10), ReadOnce(pair.stream, &read));
    EXPECT_TRUE(absl::IsDeadlineExceeded(read)) << read;
    EXPECT_TRUE(late.ok()) << "the task itself succeeded: " << late;
    SendAll(pair.peer.get(), "bytes");
    PELTON_CO_ASSIGN_OR_RETURN(std::string text, co_await ReadExactly(pair.stream, 5));
    EXPECT_EQ(text, "bytes");
    co_return absl::OkStatus();
  });
}

TEST_P(TcpCancelTest, AReadIntoAndAWriteMeetTheirDeadlines) {
  const std::string bytes(8 << 20, 'x');
  Run([&]() -> Task<absl::Status> {
    StreamAndPeer pair = MakeSmallStream();
    absl::Status read;
    absl::Status write;
    PELTON_CO_RETURN_IF_ERROR(
        co_await WithTimeout(absl::Milliseconds(10), ReadIntoOnce(pair.stream, &read)));
    PELTON_CO_RETURN_IF_ERROR(
        co_await WithTimeout(absl::Milliseconds(10), WriteOnce(pair.stream, bytes, &write)));
    EXPECT_TRUE(absl::IsDeadlineExceeded(read)) << read;
    EXPECT_TRUE(absl::IsDeadlineExceeded(write)) << write;
    co_return absl::OkStatus();
  });
}

TEST_P(TcpCancelTest, AConnectMeetsItsDeadline) {
  const StallingListener listener;
  Run([&]() -> Task<absl::Status> {
    absl::StatusOr<TcpStream> stream =
        co_await WithTimeout(absl::Milliseconds(10), TcpStream::Connect(listener.address()));
    EXPECT_TRUE(absl::IsDeadlineExceeded(stream.status())) << stream.status();
    co_return absl::OkStatus();
  });
}

TEST_P(TcpCancelTest, ADrainInterruptsAnIdleReadAndNoOther) {
  Run([&]() -> Task<absl::Status> {
    StreamAndPeer idle = MakeStream();
    StreamAndPeer busy = MakeStream();
    absl::Status idle_read;
    absl::Status busy_read = absl::UnknownError("it has not ended");
    TaskScope scope;
    scope.Spawn(ReadOnceWhenIdle(idle.stream, &idle_read));
    scope.Spawn(ReadOnce(busy.stream, &busy_read));
    co_await LetOthersRun();
    EXPECT_EQ(scope.live(), 2u);
    scope.Stop(StopPhase::kAccepting, StopReason::kDraining);
    co_await LetOthersRun();
    EXPECT_EQ(scope.live(), 2u) << "this phase stops accepting alone";
    scope.Stop(StopPhase::kIdle, StopReason::kDraining);
    co_await LetOthersRun();
    EXPECT_EQ(scope.live(), 1u);
    EXPECT_TRUE(absl::IsUnavailable(idle_read)) << idle_read;
    SendAll(busy.peer.get(), "the rest of the request");
    PELTON_CO_RETURN_IF_ERROR(co_await scope.Join());
    EXPECT_TRUE(busy_read.ok()) << busy_read;
    co_return absl::OkStatus();
  });
}

TEST_P(TcpCancelTest, ADrainDoesNotHideBytesThatHaveArrived) {
  Run([&]() -> Task<absl::Status> {
    StreamAndPeer pair = MakeStream();
    SendAll(pair.peer.get(), "ab");
    char byte;
    PELTON_CO_RETURN_IF_ERROR(co_await pair.stream.ReadInto({&byte, 1}));
    absl::Status read;
    if (GetParam()) {  // the other byte lies in the connection's input
      TaskScope scope;
      scope.Stop(StopPhase::kIdle, StopReason::kDraining);
      scope.Spawn(ReadOnceWhenIdle(pair.stream, &read));
      PELTON_CO_RETURN_IF_ERROR(co_await scope.Join());
      EXPECT_TRUE(read.ok()) << read;
    } else {
      PELTON_CO_RETURN_IF_ERROR(co_await ReadOnce(pair.stream, &read));
      EXPECT_TRUE(read.ok()) << read;
    }
    co_return absl::OkStatus();
  });
}

TEST_P(TcpCancelTest, ReadsWritesAndTheirCancellationsRace) {
  // Each round ends a read and a write at an arbitrary point; what was not read is read afterwards.
  const std::string message = Pattern(3000);
  Run([&]() -> Task<absl::Status> {
    StreamAndPeer pair = MakeStream();
    std::string expected;
    std::string received;
    for (int round = 0; round < 200; ++round) {
      TaskScope scope;
      scope.Spawn(
          [](TcpStream& stream, std::string* text) -> Task<absl::Status> {
            while (true) {
              PELTON_CO_ASSIGN_OR_RETURN(Chunk chunk, co_await stream.Read());
              *text += chunk.text();
            }
          },
          std::ref(pair.stream), &received);
      SendAll(pair.peer.get(), message);
      expected += message;
      co_await LetOthersRun(round % 7);
      scope.Cancel();
      PELTON_CO_RETURN_IF_ERROR(co_await scope.Join());
    }
    PELTON_CO_ASSIGN_OR_RETURN(
        std::string rest, co_await ReadExactly(pair.stream, expected.size() - received.size()));
    EXPECT_TRUE(received + rest == expected);
    co_return absl::OkStatus();
  });
}

}  // namespace
}  // namespace pelton::testing
