// TcpStream: reading and writing.

#include "io/tcp_stream.h"

#include <gtest/gtest.h>

#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/conformance/tcp_test.h"

namespace pelton::testing {
namespace {

class TcpStreamTest : public TcpTest {};
INSTANTIATE_TEST_SUITE_P(Modes, TcpStreamTest, ::testing::Bool(), NameOfMode);

TEST_P(TcpStreamTest, ReadsWhatHasArrived) {
  Run([&]() -> Task<absl::Status> {
    StreamAndPeer pair = MakeStream();
    SendAll(pair.peer.get(), "h");
    PELTON_CO_ASSIGN_OR_RETURN(Chunk bytes, co_await pair.stream.Read());
    EXPECT_EQ(bytes.text(), "h");
    co_return absl::OkStatus();
  });
}

TEST_P(TcpStreamTest, ReadsAgainAndAgain) {
  Run([&]() -> Task<absl::Status> {
    StreamAndPeer pair = MakeStream();
    for (int i = 0; i < 200; ++i) {
      const std::string message = Pattern(1 + static_cast<size_t>(i), 3);
      SendAll(pair.peer.get(), message);
      PELTON_CO_ASSIGN_OR_RETURN(std::string text,
                                 co_await ReadExactly(pair.stream, message.size()));
      EXPECT_TRUE(text == message) << i;
    }
    co_return absl::OkStatus();
  });
}

TEST_P(TcpStreamTest, TheEndIsReadAsAnEmptyChunkAgainAndAgain) {
  Run([&]() -> Task<absl::Status> {
    StreamAndPeer pair = MakeStream();
    SendAll(pair.peer.get(), "last");
    pair.peer.Reset();
    PELTON_CO_ASSIGN_OR_RETURN(std::string text, co_await ReadExactly(pair.stream, 4));
    EXPECT_EQ(text, "last");
    for (int i = 0; i < 3; ++i) {
      PELTON_CO_ASSIGN_OR_RETURN(Chunk end, co_await pair.stream.Read());
      EXPECT_TRUE(end.empty());
      char byte;
      PELTON_CO_ASSIGN_OR_RETURN(size_t count, co_await pair.stream.ReadInto({&byte, 1}));
      EXPECT_EQ(count, 0u);
    }
    co_return absl::OkStatus();
  });
}

TEST_P(TcpStreamTest, ReadAndReadIntoTakeTurns) {
  const std::string bytes = Pattern(300'000);
  Run([&]() -> Task<absl::Status> {
    StreamAndPeer pair = MakeStream();
    std::thread sender([&] { SendAll(pair.peer.get(), bytes); });
    std::string received;
    char target[1000];
    absl::Status status;
    for (int round = 0; received.size() < bytes.size() && status.ok(); ++round) {
      if (round % 3 == 0) {
        absl::StatusOr<Chunk> chunk = co_await pair.stream.Read();
        status = chunk.status();
        if (chunk.ok()) received += chunk->text();
      } else {
        const size_t room = round % 3 == 1 ? 7 : sizeof(target);
        absl::StatusOr<size_t> count = co_await pair.stream.ReadInto({target, room});
        status = count.status();
        if (count.ok()) received.append(target, *count);
      }
    }
    sender.join();  // NOLINT(pelton-blocking-call): all that it sent has been read
    EXPECT_TRUE(received == bytes);
    co_return status;
  });
}

TEST_P(TcpStreamTest, ReadIntoWaitsForBytes) {
  Run([&]() -> Task<absl::Status> {
    StreamAndPeer pair = MakeStream();
    char target[16] = {};
    auto [count, sent] = co_await WhenAll(
        [](TcpStream& stream, std::span<char> room) -> Task<absl::StatusOr<size_t>> {
          co_return co_await stream.ReadInto(room);
        }(pair.stream, target),
        [](int peer) -> Task<absl::Status> {
          co_await LetOthersRun();
          SendAll(peer, "l");
          co_return absl::OkStatus();
        }(pair.peer.get()));
    PELTON_CO_RETURN_IF_ERROR(count);
    EXPECT_EQ(std::string_view(target, *count), "l");
    co_return sent;
  });
}

TEST_P(TcpStreamTest, AChunkOutlivesItsStream) {
  Run([&]() -> Task<absl::Status> {
    Chunk kept;
    {
      StreamAndPeer pair = MakeStream();
      SendAll(pair.peer.get(), "k");
      PELTON_CO_ASSIGN_OR_RETURN(kept, co_await pair.stream.Read());
    }
    co_await LetOthersRun();
    EXPECT_EQ(kept.text(), "k");
    co_return absl::OkStatus();
  });
}

TEST_P(TcpStreamTest, WritesArriveInOrder) {
  Run([&]() -> Task<absl::Status> {
    StreamAndPeer pair = MakeStream();
    PELTON_CO_RETURN_IF_ERROR(co_await pair.stream.Write("hello"));
    PELTON_CO_RETURN_IF_ERROR(co_await pair.stream.Write(""));
    PELTON_CO_RETURN_IF_ERROR(co_await pair.stream.Write(" world"));
    EXPECT_EQ(ReceiveExactly(pair.peer.get(), 11), "hello world");
    co_return absl::OkStatus();
  });
}

// Writes `pieces` at once and returns what arrived.
std::string Joined(const std::vector<std::string_view>& pieces) {
  std::string text;
  for (const std::string_view piece : pieces) text += piece;
  return text;
}

TEST_P(TcpStreamTest, WriteAllWritesEveryPieceInOrder) {
  const std::string bytes = Pattern(5000);
  std::vector<std::vector<std::string_view>> cases = {
      {},
      {""},
      {"", "", ""},
      {"one"},
      {"", "one", "", "two", ""},
      std::vector<std::string_view>(16, "16"),
      std::vector<std::string_view>(17, "17"),
  };
  std::vector<std::string_view>& many = cases.emplace_back();
  for (size_t i = 0; i < 100; ++i) many.push_back(std::string_view(bytes).substr(i, i % 7));
  // Only empty pieces fill the first vectors.
  std::vector<std::string_view>& empty = cases.emplace_back(40, "");
  empty.push_back("end");
  Run([&]() -> Task<absl::Status> {
    StreamAndPeer pair = MakeStream();
    for (const std::vector<std::string_view>& pieces : cases) {
      PELTON_CO_RETURN_IF_ERROR(co_await pair.stream.WriteAll(pieces));
      const std::string expected = Joined(pieces);
      EXPECT_EQ(ReceiveExactly(pair.peer.get(), expected.size()), expected);
      EXPECT_EQ(UnreadBytes(pair.peer.get()), 0u);
    }
    co_return absl::OkStatus();
  });
}

TEST_P(TcpStreamTest, WriteAllGoesOnAfterShortSends) {
  const std::string bytes = Pattern(4 << 20);
  std::vector<std::string_view> pieces;
  for (size_t at = 0, size = 1; at < bytes.size(); at += size, size = (size * 7) % 90'001) {
    pieces.push_back(std::string_view(bytes).substr(at, size));
  }
  ASSERT_GT(pieces.size(), 64u);
  Run([&]() -> Task<absl::Status> {
    StreamAndPeer pair = MakeSmallStream();
    std::string received;
    std::thread reader([&] { received = ReceiveExactly(pair.peer.get(), bytes.size()); });
    const absl::Status status = co_await pair.stream.WriteAll(pieces);
    reader.join();  // NOLINT(pelton-blocking-call): all that it waits for is in the kernel's buffer
    EXPECT_TRUE(received == bytes);
    co_return status;
  });
}

Task<absl::Status> WriteAndClose(TcpStream& stream, std::string_view bytes) {
  PELTON_CO_RETURN_IF_ERROR(co_await stream.Write(bytes));
  co_return stream.HalfClose();
}

// Reads to the end, slowly, so that the writer runs into full buffers.
Task<absl::StatusOr<std::string>> ReadSlowly(TcpStream& stream) {
  std::string text;
  for (int round = 0;; ++round) {
    PELTON_CO_ASSIGN_OR_RETURN(Chunk chunk, co_await stream.Read());
    if (chunk.empty()) co_return text;
    text += chunk.text();
    if (round % 8 == 0) co_await LetOthersRun(10);
  }
}

TEST_P(TcpStreamTest, TenMebibytesBothWaysArriveWhole) {
  const std::string there = Pattern(10 << 20, 1);
  const std::string back = Pattern(10 << 20, 2);
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(TcpListener listener, TcpListener::Bind("127.0.0.1:0"));
    PELTON_CO_ASSIGN_OR_RETURN(TcpStream client, co_await TcpStream::Connect(listener.address()));
    PELTON_CO_ASSIGN_OR_RETURN(TcpStream server, co_await listener.Accept());
    auto [sent, sent_back, received, received_back] =
        co_await WhenAll(WriteAndClose(client, there), WriteAndClose(server, back),
                         ReadSlowly(server), ReadSlowly(client));
    PELTON_CO_RETURN_IF_ERROR(sent);
    PELTON_CO_RETURN_IF_ERROR(sent_back);
    PELTON_CO_RETURN_IF_ERROR(received);
    PELTON_CO_RETURN_IF_ERROR(received_back);
    EXPECT_TRUE(*received == there);
    EXPECT_TRUE(*received_back == back);
    co_return absl::OkStatus();
  });
}

TEST_P(TcpStreamTest, HalfCloseEndsOneDirection) {
  Run([&]() -> Task<absl::Status> {
    StreamAndPeer pair = MakeStream();
    PELTON_CO_RETURN_IF_ERROR(co_await pair.stream.Write("request"));
    PELTON_CO_RETURN_IF_ERROR(pair.stream.HalfClose());
    EXPECT_EQ(ReceiveExactly(pair.peer.get(), 7), "request");
    EXPECT_TRUE(AtEnd(pair.peer.get()));
    SendAll(pair.peer.get(), "reply");
    pair.peer.Reset();
    PELTON_CO_ASSIGN_OR_RETURN(std::string reply, co_await ReadExactly(pair.stream, 5));
    EXPECT_EQ(reply, "reply");
    PELTON_CO_ASSIGN_OR_RETURN(Chunk end, co_await pair.stream.Read());
    EXPECT_TRUE(end.empty());
    co_return absl::OkStatus();
  });
}

TEST_P(TcpStreamTest, APeerMayHalfCloseAndStillRead) {
  Run([&]() -> Task<absl::Status> {
    StreamAndPeer pair = MakeStream();
    SendAll(pair.peer.get(), "request");
    EXPECT_EQ(::shutdown(pair.peer.get(), SHUT_WR), 0);
    std::string request;
    while (true) {
      PELTON_CO_ASSIGN_OR_RETURN(Chunk chunk, co_await pair.stream.Read());
      if (chunk.empty()) break;
      request += chunk.text();
    }
    EXPECT_EQ(request, "request");
    PELTON_CO_RETURN_IF_ERROR(co_await pair.stream.Write("reply"));
    EXPECT_EQ(ReceiveExactly(pair.peer.get(), 5), "reply");
    co_return absl::OkStatus();
  });
}

TEST_P(TcpStreamTest, KnowsItsAddressesAndTakesOptions) {
  Run([&]() -> Task<absl::Status> {
    StreamAndPeer pair = MakeStream();
    PELTON_CO_ASSIGN_OR_RETURN(SocketAddress local, pair.stream.local_address());
    EXPECT_EQ(local, *PeerAddressOf(pair.peer.get()));
    EXPECT_EQ(pair.stream.peer_address(), *LocalAddressOf(pair.peer.get()));
    EXPECT_TRUE(pair.stream.SetNoDelay(true).ok());
    EXPECT_TRUE(pair.stream.SetNoDelay(false).ok());
    co_return absl::OkStatus();
  });
}

TEST_P(TcpStreamTest, MovesWithoutLosingItsInput) {
  Run([&]() -> Task<absl::Status> {
    StreamAndPeer pair = MakeStream();
    SendAll(pair.peer.get(), "abcd");
    char target[1];
    PELTON_CO_RETURN_IF_ERROR(co_await pair.stream.ReadInto(target));
    TcpStream moved = std::move(pair.stream);
    EXPECT_FALSE(pair.stream.valid());
    TcpStream assigned;
    assigned = std::move(moved);
    PELTON_CO_ASSIGN_OR_RETURN(std::string rest, co_await ReadExactly(assigned, 3));
    EXPECT_EQ(rest, "bcd");
    co_return absl::OkStatus();
  });
}

}  // namespace
}  // namespace pelton::testing
