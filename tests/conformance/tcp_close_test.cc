// TcpStream: its end, its errors, and its limits.

#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/conformance/tcp_test.h"

namespace pelton::testing {
namespace {

class TcpCloseTest : public TcpTest {};
INSTANTIATE_TEST_SUITE_P(Modes, TcpCloseTest, ::testing::Bool(), NameOfMode);

TEST_P(TcpCloseTest, DestroyingAStreamClosesTheConnection) {
  Run([&]() -> Task<absl::Status> {
    Descriptor peer;
    {
      StreamAndPeer pair = MakeStream();
      PELTON_CO_RETURN_IF_ERROR(co_await pair.stream.Write("bye"));
      peer = std::move(pair.peer);
    }
    co_await LetOthersRun();
    EXPECT_EQ(ReceiveExactly(peer.get(), 3), "bye");
    EXPECT_TRUE(AtEnd(peer.get()));
    co_return absl::OkStatus();
  });
  EXPECT_EQ(reactor().statistics().connections_opened, 1u);
  EXPECT_EQ(reactor().statistics().connections_closed, 1u);
}

TEST_P(TcpCloseTest, InputThatNobodyReadGoesWithTheStream) {
  const std::string bytes = Pattern(100'000);
  Run([&]() -> Task<absl::Status> {
    for (int round = 0; round < 20; ++round) {
      StreamAndPeer pair = MakeStream();
      SendAll(pair.peer.get(), bytes);
      PELTON_CO_ASSIGN_OR_RETURN(Chunk first, co_await pair.stream.Read());
      EXPECT_FALSE(first.empty());
      if (round % 2 == 0) co_await LetOthersRun();
    }
    co_return absl::OkStatus();
  });
}

TEST_P(TcpCloseTest, AnArmedReceiveGoesWithTheStream) {
  Run([&]() -> Task<absl::Status> {
    for (int round = 0; round < 20; ++round) {
      StreamAndPeer pair = MakeStream();
      TaskScope scope;
      scope.Spawn(
          [](TcpStream& stream) -> Task<absl::Status> {
            co_return (co_await stream.Read()).status();
          },
          std::ref(pair.stream));
      co_await LetOthersRun();
      scope.Cancel();
      PELTON_CO_RETURN_IF_ERROR(co_await scope.Join());
      // Bytes on their way when the stream goes.
      if (round % 2 == 0) SendAll(pair.peer.get(), "late");
    }
    co_return absl::OkStatus();
  });
}

TEST_P(TcpCloseTest, AResetIsAnErrorThatNamesThePeer) {
  Run([&]() -> Task<absl::Status> {
    StreamAndPeer pair = MakeStream();
    const std::string peer = pair.stream.peer_address().ToString();
    CloseWithReset(std::move(pair.peer));
    const absl::Status read = (co_await pair.stream.Read()).status();
    EXPECT_EQ(GetErrno(read), ECONNRESET);
    EXPECT_EQ(read.message(),
              absl::StrCat("read from ", peer, ": Connection reset by peer (ECONNRESET)"));
    const absl::Status write = co_await pair.stream.Write("x");
    EXPECT_EQ(GetErrno(write), EPIPE);
    EXPECT_EQ(write.message(), absl::StrCat("write to ", peer, ": Broken pipe (EPIPE)"));
    const std::string_view pieces[] = {"x", "y"};
    EXPECT_EQ(GetErrno(co_await pair.stream.WriteAll(pieces)), EPIPE);
    co_return absl::OkStatus();
  });
}

TEST_P(TcpCloseTest, AResetDuringReadIntoIsAnErrorThatNamesThePeer) {
  Run([&]() -> Task<absl::Status> {
    StreamAndPeer pair = MakeStream();
    const std::string peer = pair.stream.peer_address().ToString();
    CloseWithReset(std::move(pair.peer));
    char target[4];
    const absl::Status read = (co_await pair.stream.ReadInto(target)).status();
    EXPECT_EQ(GetErrno(read), ECONNRESET);
    EXPECT_TRUE(absl::StrContains(read.message(), absl::StrCat("read from ", peer))) << read;
    co_return absl::OkStatus();
  });
}

TEST_P(TcpCloseTest, BytesBeforeAResetAreReadFirst) {
  // The kernel itself drops what was not read when the reset comes: these bytes are in the stream's
  // input by then.
  Run([&]() -> Task<absl::Status> {
    StreamAndPeer pair = MakeStream();
    SendAll(pair.peer.get(), "ab");
    char byte;
    PELTON_CO_RETURN_IF_ERROR(co_await pair.stream.ReadInto({&byte, 1}));
    if (GetParam()) {
      CloseWithReset(std::move(pair.peer));
      co_await LetOthersRun();
      PELTON_CO_ASSIGN_OR_RETURN(Chunk rest, co_await pair.stream.Read());
      EXPECT_EQ(rest.text(), "b");
      EXPECT_EQ(GetErrno((co_await pair.stream.Read()).status()), ECONNRESET);
    }
    co_return absl::OkStatus();
  });
}

TEST_P(TcpCloseTest, AConnectThatIsRefusedSaysSo) {
  const Listener nobody = BindOnLoopback();
  Run([&]() -> Task<absl::Status> {
    const absl::Status status = (co_await TcpStream::Connect(nobody.address)).status();
    EXPECT_EQ(GetErrno(status), ECONNREFUSED);
    EXPECT_EQ(status.message(), absl::StrCat("connect to ", nobody.address.ToString(),
                                             ": Connection refused (ECONNREFUSED)"));
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
    co_return absl::OkStatus();
  });
}

TEST_P(TcpCloseTest, AFloodWaitsInTheSocketsBuffers) {
  constexpr size_t kFlood = size_t{100} << 20;
  const std::string block = Pattern(1 << 20);
  Run([&]() -> Task<absl::Status> {
    StreamAndPeer pair = MakeSmallStream();
    size_t sent = 0;
    // One read arms the receive; from then on nobody reads.
    SendAll(pair.peer.get(), std::string_view(block).substr(0, 1));
    PELTON_CO_ASSIGN_OR_RETURN(Chunk first, co_await pair.stream.Read());
    EXPECT_EQ(first.size(), 1u);
    sent = 1;
    int quiet = 0;
    size_t most_held = 0;
    while (sent < kFlood && quiet < 100) {
      const std::string_view rest = std::string_view(block).substr(sent % block.size());
      const ssize_t count =
          ::send(pair.peer.get(), rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (count > 0) sent += static_cast<size_t>(count);
      quiet = count > 0 ? 0 : quiet + 1;
      co_await LetOthersRun(4);
      const io::ChunkPool& chunks = reactor().chunks();
      most_held = std::max(most_held, chunks.size() - chunks.available());
    }
    EXPECT_LT(sent, size_t{4} << 20) << "the peer was not held back";
    EXPECT_LE(most_held, 64u);
    // Whoever reads then gets all of it, and the flood goes on.
    size_t received = 1;
    while (received < sent) {
      PELTON_CO_ASSIGN_OR_RETURN(Chunk chunk, co_await pair.stream.Read());
      const std::string_view text = chunk.text();
      for (size_t at = 0; at < text.size();) {  // pelton: bounded: a chunk, a block at a time
        const size_t from = (received + at) % block.size();
        const std::string_view expected = std::string_view(block).substr(from, text.size() - at);
        if (text.substr(at, expected.size()) != expected) {
          co_return absl::DataLossError(absl::StrCat("at byte ", received + at));
        }
        at += expected.size();
      }
      received += text.size();
    }
    EXPECT_EQ(received, sent);
    SendAll(pair.peer.get(), "more");
    PELTON_CO_ASSIGN_OR_RETURN(std::string more, co_await ReadExactly(pair.stream, 4));
    EXPECT_EQ(more, "more");
    co_return absl::OkStatus();
  });
}

class TcpFewChunksTest : public TcpTest {
 protected:
  TcpFewChunksTest() : TcpTest(/*chunks=*/3) {}
};
INSTANTIATE_TEST_SUITE_P(Modes, TcpFewChunksTest, ::testing::Bool(), NameOfMode);

TEST_P(TcpFewChunksTest, ManyConnectionsShareThreeChunks) {
  constexpr int kConnections = 20;
  const std::string message = Pattern(50'000);
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(TcpListener listener, TcpListener::Bind("127.0.0.1:0"));
    const SocketAddress address = listener.address();
    TaskScope server;
    TaskScope connections;
    server.Spawn(
        [&]() -> Task<absl::Status> { co_return co_await listener.ForEach(connections, Echo); });
    TaskScope clients;
    for (int i = 0; i < kConnections; ++i) {
      clients.Spawn([&]() -> Task<absl::Status> {
        PELTON_CO_ASSIGN_OR_RETURN(TcpStream stream, co_await TcpStream::Connect(address));
        for (int round = 0; round < 3; ++round) {
          auto [sent, echoed] = co_await WhenAll(
              [](TcpStream& to, std::string_view bytes) -> Task<absl::Status> {
                co_return co_await to.Write(bytes);
              }(stream, message),
              ReadExactly(stream, message.size()));
          PELTON_CO_RETURN_IF_ERROR(sent);
          PELTON_CO_RETURN_IF_ERROR(echoed);
          if (*echoed != message) co_return absl::DataLossError("the echo differs");
        }
        co_return absl::OkStatus();
      });
    }
    const absl::Status status = co_await clients.Join();
    server.Stop(StopPhase::kAccepting, StopReason::kDraining);
    PELTON_CO_RETURN_IF_ERROR(co_await server.Join());
    co_return status;
  });
}

}  // namespace
}  // namespace pelton::testing
