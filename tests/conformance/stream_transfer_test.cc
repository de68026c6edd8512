// Reading exactly, looking ahead, writing without a copy, and bytes that never pass through the
// program.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "io/stream/send_file.h"
#include "io/stream/unix_stream.h"
#include "tests/conformance/tcp_test.h"

namespace pelton::testing {
namespace {

class StreamTransferTest : public TcpTest {};
INSTANTIATE_TEST_SUITE_P(Modes, StreamTransferTest, ::testing::Bool(), NameOfMode);

Task<absl::Status> ReadAll(SocketStream& stream, std::span<char> target) {
  co_return co_await stream.ReadExactly(target);
}

// A connection of two streams.
struct Streams {
  TcpStream client;
  TcpStream server;
};
Task<absl::StatusOr<Streams>> Connected() {
  PELTON_CO_ASSIGN_OR_RETURN(TcpListener listener, TcpListener::Bind("127.0.0.1:0"));
  PELTON_CO_ASSIGN_OR_RETURN(TcpStream client, co_await TcpStream::Connect(listener.address()));
  PELTON_CO_ASSIGN_OR_RETURN(TcpStream server, co_await listener.Accept());
  co_return Streams{std::move(client), std::move(server)};
}

TEST_P(StreamTransferTest, ReadExactlyGathersWhatComesInPieces) {
  Run([&]() -> Task<absl::Status> {
    StreamAndPeer pair = MakeStream();
    const std::string bytes = Pattern(100'000);
    std::string target(bytes.size(), '\0');
    TaskScope scope;
    scope.Spawn(ReadAll, std::ref(pair.stream), std::span<char>(target));
    for (size_t at = 0; at < bytes.size(); at += 7'000) {
      SendAll(pair.peer.get(), std::string_view(bytes).substr(at, 7'000));
      co_await LetOthersRun(2);
    }
    PELTON_CO_RETURN_IF_ERROR(co_await scope.Join());
    EXPECT_TRUE(target == bytes);
    co_return absl::OkStatus();
  });
}

TEST_P(StreamTransferTest, ReadExactlyTakesWhatHasArrivedBeforeAndLeavesWhatFollows) {
  Run([&]() -> Task<absl::Status> {
    StreamAndPeer pair = MakeStream();
    SendAll(pair.peer.get(), "headerbodynext");
    PELTON_CO_ASSIGN_OR_RETURN(const std::string_view ahead, co_await pair.stream.Peek());
    EXPECT_EQ(ahead, "headerbodynext");
    char header[6];
    char body[4];
    PELTON_CO_RETURN_IF_ERROR(co_await pair.stream.ReadExactly(header));
    PELTON_CO_RETURN_IF_ERROR(co_await pair.stream.ReadExactly(body));
    EXPECT_EQ(std::string_view(header, 6), "header");
    EXPECT_EQ(std::string_view(body, 4), "body");
    PELTON_CO_RETURN_IF_ERROR(co_await pair.stream.ReadExactly({}));
    PELTON_CO_ASSIGN_OR_RETURN(Chunk next, co_await pair.stream.Read());
    EXPECT_EQ(next.text(), "next");
    co_return absl::OkStatus();
  });
}

TEST_P(StreamTransferTest, ReadExactlySaysHowMuchCameBeforeTheEnd) {
  Run([&]() -> Task<absl::Status> {
    StreamAndPeer pair = MakeStream();
    SendAll(pair.peer.get(), "12345");
    pair.peer.Reset();
    char target[8];
    const absl::Status status = co_await pair.stream.ReadExactly(target);
    EXPECT_TRUE(absl::IsOutOfRange(status)) << status;
    EXPECT_NE(status.ToString().find("read of 8 bytes"), std::string::npos) << status;
    EXPECT_NE(status.ToString().find("after 5"), std::string::npos) << status;
    co_return absl::OkStatus();
  });
}

TEST_P(StreamTransferTest, ReadExactlyAndPeekMeetTheirDeadlinesAndAResetIsAnError) {
  Run([&]() -> Task<absl::Status> {
    StreamAndPeer pair = MakeStream();
    char target[8];
    SendAll(pair.peer.get(), "123");
    absl::Status exactly;
    PELTON_CO_RETURN_IF_ERROR(co_await WithTimeout(
        absl::Milliseconds(10),
        [](TcpStream& from, std::span<char> to, absl::Status* outcome) -> Task<absl::Status> {
          *outcome = co_await from.ReadExactly(to);
          co_return absl::OkStatus();
        }(pair.stream, target, &exactly)));
    EXPECT_TRUE(absl::IsDeadlineExceeded(exactly)) << exactly;
    absl::Status peek;
    PELTON_CO_RETURN_IF_ERROR(co_await WithTimeout(
        absl::Milliseconds(10), [](TcpStream& from, absl::Status* outcome) -> Task<absl::Status> {
          *outcome = (co_await from.Peek()).status();
          co_return absl::OkStatus();
        }(pair.stream, &peek)));
    EXPECT_TRUE(absl::IsDeadlineExceeded(peek)) << peek;
    CloseWithReset(std::move(pair.peer));
    const absl::Status reset = co_await pair.stream.ReadExactly(target);
    EXPECT_EQ(GetErrno(reset), ECONNRESET) << reset;
    co_return absl::OkStatus();
  });
}

TEST_P(StreamTransferTest, PeekShowsTheSameBytesAgainAndTheEnd) {
  Run([&]() -> Task<absl::Status> {
    StreamAndPeer pair = MakeStream();
    SendAll(pair.peer.get(), "hello");
    for (int i = 0; i < 2; ++i) {
      PELTON_CO_ASSIGN_OR_RETURN(const std::string_view bytes, co_await pair.stream.Peek());
      EXPECT_EQ(bytes, "hello");
    }
    PELTON_CO_ASSIGN_OR_RETURN(Chunk read, co_await pair.stream.Read());
    EXPECT_EQ(read.text(), "hello");
    pair.peer.Reset();
    PELTON_CO_ASSIGN_OR_RETURN(const std::string_view end, co_await pair.stream.Peek());
    EXPECT_TRUE(end.empty());
    co_return absl::OkStatus();
  });
}

TEST_P(StreamTransferTest, ALargeWriteMayBeChangedAfterItReturnsAndThePeerGetsTheOldBytes) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Streams streams, co_await Connected());
    // Larger than the threshold and smaller than what sockets hold.
    const std::string bytes = Pattern(2 * io::Reactor::Options().zero_copy_threshold);
    for (int i = 0; i < 8; ++i) {
      std::string sent = bytes;
      PELTON_CO_RETURN_IF_ERROR(co_await streams.client.Write(sent));
      std::fill(sent.begin(), sent.end(), '!');  // the kernel has let go of it
      std::string received(bytes.size(), '\0');
      PELTON_CO_RETURN_IF_ERROR(co_await streams.server.ReadExactly(received));
      EXPECT_TRUE(received == bytes);
    }
    co_return absl::OkStatus();
  });
  // Loopback copies, and a connection asks but once; other drivers always copy.
  EXPECT_LE(reactor().statistics().zero_copy_sends, 8u);
}

TEST_P(StreamTransferTest, AShardAsksNoMoreForWhatIsAlwaysCopied) {
  Run([&]() -> Task<absl::Status> {
    const std::string bytes(io::Reactor::Options().zero_copy_threshold, 'x');
    std::string target(bytes.size(), '\0');
    for (int i = 0; i < 40; ++i) {
      PELTON_CO_ASSIGN_OR_RETURN(Streams streams, co_await Connected());
      PELTON_CO_RETURN_IF_ERROR(co_await streams.client.Write(bytes));
      PELTON_CO_RETURN_IF_ERROR(co_await streams.server.ReadExactly(target));
    }
    co_return absl::OkStatus();
  });
  const io::Reactor::Statistics& statistics = reactor().statistics();
  if (statistics.zero_copy_copied > 0) {
    EXPECT_EQ(statistics.zero_copy_sends, 16u);
    EXPECT_EQ(statistics.zero_copy_declined, 24u);
  } else {
    EXPECT_EQ(statistics.zero_copy_sends, 40u) << "a driver that copies does not say so";
  }
}

// A file with a pattern in it.
class SendFileTest : public TcpTest {
 protected:
  void SetUp() override {
    TcpTest::SetUp();
    if (IsSkipped()) return;
    path_ = absl::StrCat(::testing::TempDir(), "/sendXXXXXX");
    file_ = Descriptor(::mkstemp(path_.data()));
    ASSERT_GE(file_.get(), 0);
    ASSERT_EQ(::write(file_.get(), contents_.data(), contents_.size()),
              static_cast<ssize_t>(contents_.size()));
  }
  void TearDown() override {
    ::unlink(path_.c_str());
    TcpTest::TearDown();
  }

  FileSlice Slice(uint64_t offset, uint64_t length) const {
    return {.descriptor = file_.get(), .name = path_, .offset = offset, .length = length};
  }

  const std::string contents_ = Pattern(3 << 20);
  std::string path_;
  Descriptor file_;
};
INSTANTIATE_TEST_SUITE_P(Modes, SendFileTest, ::testing::Bool(), NameOfMode);

Task<absl::Status> Send(SocketStream& stream, FileSlice file, uint64_t* bytes) {
  PELTON_CO_ASSIGN_OR_RETURN(*bytes, co_await SendFile(stream, file));
  co_return absl::OkStatus();
}

TEST_P(SendFileTest, SendsAFileOfMoreThanThePeersBuffersHold) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Streams streams, co_await Connected());
    uint64_t bytes = 0;
    std::string received(contents_.size(), '\0');
    auto [sent, read] = co_await WhenAll(Send(streams.server, Slice(0, kToTheEnd), &bytes),
                                         ReadAll(streams.client, received));
    PELTON_CO_RETURN_IF_ERROR(sent);
    PELTON_CO_RETURN_IF_ERROR(read);
    EXPECT_EQ(bytes, contents_.size());
    EXPECT_TRUE(received == contents_);
    co_return absl::OkStatus();
  });
}

TEST_P(SendFileTest, SendsAPartAndThenTheStreamGoesOn) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Streams streams, co_await Connected());
    uint64_t bytes = 0;
    PELTON_CO_RETURN_IF_ERROR(co_await Send(streams.server, Slice(1000, 5000), &bytes));
    EXPECT_EQ(bytes, 5000u);
    PELTON_CO_RETURN_IF_ERROR(co_await streams.server.Write("after"));
    std::string received(5005, '\0');
    PELTON_CO_RETURN_IF_ERROR(co_await streams.client.ReadExactly(received));
    EXPECT_TRUE(received == contents_.substr(1000, 5000) + "after");
    co_return absl::OkStatus();
  });
}

TEST_P(SendFileTest, AFileThatIsTooShortIsNamed) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Streams streams, co_await Connected());
    uint64_t bytes = 0;
    const absl::Status status =
        co_await Send(streams.server, Slice(contents_.size() - 100, 101), &bytes);
    EXPECT_TRUE(absl::IsOutOfRange(status)) << status;
    EXPECT_NE(status.ToString().find(path_), std::string::npos) << status;
    EXPECT_NE(status.ToString().find("100 of 101"), std::string::npos) << status;
    FileSlice closed = Slice(0, 1);
    closed.descriptor = -1;
    EXPECT_EQ(GetErrno(co_await Send(streams.server, closed, &bytes)), EBADF);
    co_return absl::OkStatus();
  });
}

TEST_P(SendFileTest, APeerThatDoesNotReadKeepsNothingButThisTaskWaiting) {
  Run([&]() -> Task<absl::Status> {
    StreamAndPeer pair = MakeSmallStream();
    uint64_t bytes = 0;
    absl::Status send;
    PELTON_CO_RETURN_IF_ERROR(
        co_await WithTimeout(absl::Milliseconds(20),
                             [](SocketStream& stream, FileSlice file, uint64_t* count,
                                absl::Status* outcome) -> Task<absl::Status> {
                               *outcome = co_await Send(stream, file, count);
                               co_return absl::OkStatus();
                             }(pair.stream, Slice(0, kToTheEnd), &bytes, &send)));
    EXPECT_TRUE(absl::IsDeadlineExceeded(send)) << send;
    CloseWithReset(std::move(pair.peer));
    const absl::Status gone = co_await Send(pair.stream, Slice(0, 100), &bytes);
    EXPECT_TRUE(GetErrno(gone) == ECONNRESET || GetErrno(gone) == EPIPE) << gone;
    co_return absl::OkStatus();
  });
}

// Passes everything on, and its end.
Task<absl::Status> Proxy(SocketStream& from, SocketStream& to, uint64_t* bytes) {
  PELTON_CO_ASSIGN_OR_RETURN(*bytes, co_await Splice(from, to));
  co_return to.HalfClose();
}

TEST_P(StreamTransferTest, SplicePassesOnWhatWasReadAheadAndWhatFollows) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Streams from, co_await Connected());
    PELTON_CO_ASSIGN_OR_RETURN(Streams to, co_await Connected());
    const std::string bytes = Pattern(2 << 20);
    PELTON_CO_RETURN_IF_ERROR(co_await from.client.Write(std::string_view(bytes).substr(0, 10)));
    PELTON_CO_ASSIGN_OR_RETURN(const std::string_view ahead, co_await from.server.Peek());
    EXPECT_FALSE(ahead.empty());
    uint64_t moved = 0;
    std::string received(bytes.size(), '\0');
    auto [spliced, sent, read] = co_await WhenAll(
        Proxy(from.server, to.client, &moved),
        [](TcpStream& stream, std::string_view rest) -> Task<absl::Status> {
          PELTON_CO_RETURN_IF_ERROR(co_await stream.Write(rest));
          co_return stream.HalfClose();
        }(from.client, std::string_view(bytes).substr(10)),
        ReadAll(to.server, received));
    PELTON_CO_RETURN_IF_ERROR(spliced);
    PELTON_CO_RETURN_IF_ERROR(sent);
    PELTON_CO_RETURN_IF_ERROR(read);
    EXPECT_EQ(moved, bytes.size());
    EXPECT_TRUE(received == bytes);
    PELTON_CO_ASSIGN_OR_RETURN(Chunk end, co_await to.server.Read());
    EXPECT_TRUE(end.empty());
    co_return absl::OkStatus();
  });
}

TEST_P(StreamTransferTest, SpliceBetweenKindsOfStreamsStopsAtItsLengthAndIsCancelled) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Streams from, co_await Connected());
    PELTON_CO_ASSIGN_OR_RETURN(auto pair, UnixStream::Pair());
    auto& [near, far] = pair;
    PELTON_CO_RETURN_IF_ERROR(co_await from.client.Write("123456"));
    PELTON_CO_ASSIGN_OR_RETURN(const uint64_t moved, co_await Splice(from.server, near, 4));
    EXPECT_EQ(moved, 4u);
    char target[4];
    PELTON_CO_RETURN_IF_ERROR(co_await far.ReadExactly(target));
    EXPECT_EQ(std::string_view(target, 4), "1234");
    uint64_t ignored = 0;
    TaskScope scope;
    scope.Spawn(Proxy, std::ref(far), std::ref(from.server), &ignored);
    co_await LetOthersRun();
    EXPECT_EQ(scope.live(), 1u);
    scope.Cancel();
    const absl::Status joined = co_await scope.Join();
    EXPECT_TRUE(joined.ok() || absl::IsCancelled(joined)) << joined;
    co_return absl::OkStatus();
  });
}

}  // namespace
}  // namespace pelton::testing
