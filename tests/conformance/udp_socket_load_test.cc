// UdpSocket: many datagrams at once, too many, stops in the middle, and what outlives what.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "alloc/thread_allocations.h"
#include "tests/conformance/datagram_test.h"

namespace pelton::testing {
namespace {

using ::testing::HasSubstr;

class UdpSocketLoadTest : public DatagramTest {};
INSTANTIATE_TEST_SUITE_P(Modes, UdpSocketLoadTest, ::testing::Bool(), NameOfMode);

// Datagrams to one destination, the i-th of which holds texts[i].
std::vector<OutgoingDatagram> Outgoing(const std::vector<std::string>& texts,
                                       const SocketAddress& destination) {
  std::vector<OutgoingDatagram> result;
  for (const std::string& text : texts) {
    result.push_back({.destination = destination, .payload = text});
  }
  return result;
}

std::vector<std::string> Texts(size_t count, size_t bytes) {
  std::vector<std::string> result;
  for (size_t i = 0; i < count; ++i) result.push_back(Pattern(bytes, static_cast<uint32_t>(i)));
  return result;
}

// Receives until `count` parts have arrived, in order, many at a time.
Task<absl::StatusOr<std::vector<std::string>>> ReceiveParts(UdpSocket& socket, size_t count) {
  std::vector<std::string> parts;
  std::array<Datagram, 16> datagrams;
  while (parts.size() < count) {
    PELTON_CO_ASSIGN_OR_RETURN(const size_t received, co_await socket.ReceiveMany(datagrams));
    // pelton: bounded: what a test makes
    for (size_t i = 0; i < received; ++i) {
      for (const std::string_view part : datagrams[i].parts()) parts.emplace_back(part);
    }
  }
  co_return parts;
}

TEST_P(UdpSocketLoadTest, ManyAreSentAndReceivedInOrder) {
  for (const bool joins : {false, true}) {
    Run([&]() -> Task<absl::Status> {
      PELTON_CO_ASSIGN_OR_RETURN(UdpSocket server, Bind());
      PELTON_CO_ASSIGN_OR_RETURN(UdpSocket client, Bind({.join_sent = joins}));
      std::vector<std::string> texts = Texts(150, 100);
      texts[20].clear();
      texts[40].resize(7);        // ends what is joined
      texts[41] = Pattern(3000);  // begins something new
      const std::vector<OutgoingDatagram> outgoing = Outgoing(texts, server.address());
      PELTON_CO_ASSIGN_OR_RETURN(size_t sent, co_await client.SendMany(outgoing));
      EXPECT_EQ(sent, texts.size());
      PELTON_CO_ASSIGN_OR_RETURN(std::vector<std::string> received,
                                 co_await ReceiveParts(server, texts.size()));
      EXPECT_TRUE(received == texts);
      PELTON_CO_ASSIGN_OR_RETURN(sent, co_await client.SendMany({}));
      EXPECT_EQ(sent, 0u);
      co_return absl::OkStatus();
    });
  }
}

TEST_P(UdpSocketLoadTest, DatagramsThatTheKernelJoinedComeApartAgain) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(UdpSocket server, Bind({.join_received = true}));
    PELTON_CO_ASSIGN_OR_RETURN(UdpSocket client, Bind());
    const std::string text = Pattern(10'050);
    PELTON_CO_RETURN_IF_ERROR(co_await client.Send(
        {.destination = server.address(), .payload = text, .segment_bytes = 1000}));
    std::string together;
    size_t parts = 0;
    while (together.size() < text.size()) {
      PELTON_CO_ASSIGN_OR_RETURN(Datagram datagram, co_await server.Receive());
      EXPECT_EQ(datagram.sender(), client.address());
      // pelton: bounded: what a test makes
      for (const std::string_view part : datagram.parts()) {
        EXPECT_LE(part.size(), 1000u);
        together += part;
        ++parts;
      }
      PELTON_CO_RETURN_IF_ERROR(co_await server.Send(ReplyTo(datagram)));
    }
    EXPECT_EQ(parts, 11u);
    EXPECT_TRUE(together == text);
    PELTON_CO_ASSIGN_OR_RETURN(std::vector<std::string> echo, co_await ReceiveParts(client, 11));
    EXPECT_EQ(echo[10].size(), 50u);
    EXPECT_EQ(echo[3], text.substr(3000, 1000));
    co_return absl::OkStatus();
  });
}

TEST_P(UdpSocketLoadTest, OneThatCannotBeSentStopsTheRestAndIsToldNext) {
  for (const bool joins : {false, true}) {
    Run([&]() -> Task<absl::Status> {
      PELTON_CO_ASSIGN_OR_RETURN(UdpSocket server, Bind());
      PELTON_CO_ASSIGN_OR_RETURN(UdpSocket client, Bind({.join_sent = joins}));
      std::vector<std::string> texts = Texts(10, 50);
      texts[4] = std::string(65'508, 'x');
      const std::vector<OutgoingDatagram> all = Outgoing(texts, server.address());
      const std::span<const OutgoingDatagram> outgoing(all);
      PELTON_CO_ASSIGN_OR_RETURN(size_t sent, co_await client.SendMany(outgoing));
      EXPECT_EQ(sent, 4u);
      const absl::Status status = (co_await client.SendMany(outgoing.subspan(4))).status();
      EXPECT_EQ(GetErrno(status), EMSGSIZE);
      EXPECT_THAT(std::string(status.message()), HasSubstr("65508 bytes"));
      PELTON_CO_ASSIGN_OR_RETURN(sent, co_await client.SendMany(outgoing.subspan(5)));
      EXPECT_EQ(sent, 5u);
      texts.erase(texts.begin() + 4);
      PELTON_CO_ASSIGN_OR_RETURN(std::vector<std::string> received,
                                 co_await ReceiveParts(server, 9));
      EXPECT_TRUE(received == texts);
      co_return absl::OkStatus();
    });
  }
}

TEST_P(UdpSocketLoadTest, AFloodedSocketKeepsWhatItMayAndOthersAreServed) {
  Run([&]() -> Task<absl::Status> {
    constexpr size_t kLimit = 8;
    PELTON_CO_ASSIGN_OR_RETURN(UdpSocket flooded, Bind({.unread_limit = kLimit}));
    PELTON_CO_ASSIGN_OR_RETURN(UdpSocket other, Bind());
    PELTON_CO_ASSIGN_OR_RETURN(UdpSocket client, Bind());
    const std::vector<std::string> texts = Texts(400, 20);
    const std::vector<OutgoingDatagram> flood = Outgoing(texts, flooded.address());
    PELTON_CO_ASSIGN_OR_RETURN(
        Datagram first, co_await [&]() -> Task<absl::StatusOr<Datagram>> {
          PELTON_CO_ASSIGN_OR_RETURN(const size_t sent,
                                     co_await client.SendMany({flood.data(), 1}));
          EXPECT_EQ(sent, 1u);
          co_return co_await flooded.Receive();  // from now on it receives by itself
        }());
    EXPECT_EQ(first.text(), texts[0]);
    // As many as socket buffers of the default size hold.
    for (size_t sent = 1; sent < 200;) {
      PELTON_CO_ASSIGN_OR_RETURN(const size_t now,
                                 co_await client.SendMany({flood.data() + sent, 200 - sent}));
      sent += now;
    }
    co_await LetOthersRun();
    PELTON_CO_RETURN_IF_ERROR(co_await client.SendTo("hello", other.address()));
    PELTON_CO_ASSIGN_OR_RETURN(Datagram hello, co_await other.Receive());
    EXPECT_EQ(hello.text(), "hello");
    PELTON_CO_ASSIGN_OR_RETURN(std::vector<std::string> received,
                               co_await ReceiveParts(flooded, 199));
    EXPECT_TRUE(std::equal(received.begin(), received.end(), texts.begin() + 1));
    co_return absl::OkStatus();
  });
}

TEST_P(UdpSocketLoadTest, AReceiveThatIsStoppedLeavesTheSocketUsable) {
  for (const size_t largest : {0, 60'000}) {
    Run([&]() -> Task<absl::Status> {
      PELTON_CO_ASSIGN_OR_RETURN(UdpSocket socket, Bind({.largest_datagram = largest}));
      for (int round = 0; round < 3; ++round) {
        const absl::StatusOr<Datagram> late =
            co_await WithTimeout(absl::Milliseconds(1), socket.Receive());
        EXPECT_TRUE(absl::IsDeadlineExceeded(late.status())) << late.status();
        PELTON_CO_RETURN_IF_ERROR(co_await socket.SendTo("self", socket.address()));
        PELTON_CO_ASSIGN_OR_RETURN(Datagram datagram, co_await socket.Receive());
        EXPECT_EQ(datagram.text(), "self");
      }
      co_return absl::OkStatus();
    });
  }
}

TEST_P(UdpSocketLoadTest, ADrainEndsWaitingForSomethingNewAlone) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(UdpSocket idle, Bind());
    PELTON_CO_ASSIGN_OR_RETURN(UdpSocket busy, Bind());
    TaskScope scope;
    absl::Status idle_status;
    std::string text;
    scope.Spawn([&]() -> Task<void> { idle_status = (co_await idle.ReceiveWhenIdle()).status(); });
    scope.Spawn([&]() -> Task<void> {
      absl::StatusOr<Datagram> datagram = co_await busy.Receive();
      if (datagram.ok()) text = std::string(datagram->text());
    });
    co_await LetOthersRun();
    scope.Stop(StopPhase::kIdle, StopReason::kDraining);
    co_await LetOthersRun();
    EXPECT_TRUE(absl::IsUnavailable(idle_status)) << idle_status;
    PELTON_CO_ASSIGN_OR_RETURN(UdpSocket client, UdpSocket::Connect(busy.address()));
    PELTON_CO_RETURN_IF_ERROR(co_await client.Send("late"));
    PELTON_CO_RETURN_IF_ERROR(co_await scope.Join());
    EXPECT_EQ(text, "late");
    co_return absl::OkStatus();
  });
}

TEST_P(UdpSocketLoadTest, SocketsDieWithUnreadDatagramsAndDatagramsOutliveSockets) {
  for (const size_t largest : {0, 60'000}) {
    Run([&]() -> Task<absl::Status> {
      Datagram kept;
      {
        PELTON_CO_ASSIGN_OR_RETURN(UdpSocket server, Bind({.largest_datagram = largest}));
        PELTON_CO_ASSIGN_OR_RETURN(UdpSocket client, UdpSocket::Connect(server.address()));
        for (const char* text : {"kept", "unread", "unread too"}) {
          PELTON_CO_RETURN_IF_ERROR(co_await client.Send(text));
        }
        PELTON_CO_ASSIGN_OR_RETURN(kept, co_await server.Receive());
        co_await LetOthersRun();
      }
      co_await LetOthersRun();
      EXPECT_EQ(kept.text(), "kept");
      co_return absl::OkStatus();
    });
  }
}

TEST_P(UdpSocketLoadTest, LargeBuffersThatAreHeldMakeOthersWait) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(UdpSocket server, Bind({.largest_datagram = 20'000}));
    PELTON_CO_ASSIGN_OR_RETURN(UdpSocket client, UdpSocket::Connect(server.address()));
    std::vector<Datagram> held;
    for (size_t i = 0; i < io::MessageSocket::kLargeBuffers; ++i) {
      PELTON_CO_RETURN_IF_ERROR(co_await client.Send(std::to_string(i)));
      PELTON_CO_ASSIGN_OR_RETURN(Datagram datagram, co_await server.Receive());
      EXPECT_EQ(datagram.text(), std::to_string(i));
      held.push_back(std::move(datagram));
    }
    PELTON_CO_RETURN_IF_ERROR(co_await client.Send("last"));
    std::string last;
    TaskScope scope;
    scope.Spawn([&]() -> Task<void> {
      absl::StatusOr<Datagram> datagram = co_await server.Receive();
      if (datagram.ok()) last = std::string(datagram->text());
    });
    co_await LetOthersRun();
    EXPECT_EQ(last, "");
    held.pop_back();
    PELTON_CO_RETURN_IF_ERROR(co_await scope.Join());
    EXPECT_EQ(last, "last");
    co_return absl::OkStatus();
  });
}

TEST_P(UdpSocketLoadTest, EchoingAllocatesNothing) {
  if (!ThreadAllocationsCounted()) GTEST_SKIP() << "this build's allocator does not count";
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(UdpSocket server, Bind({.join_sent = true}));
    PELTON_CO_ASSIGN_OR_RETURN(UdpSocket client, Bind());
    const std::vector<std::string> texts = Texts(20, 64);
    const std::vector<OutgoingDatagram> queries = Outgoing(texts, server.address());
    std::array<Datagram, 16> datagrams;
    std::array<OutgoingDatagram, 16> replies;
    uint64_t before = 0;
    for (int round = 0; round < 300; ++round) {
      if (round == 50) before = ThreadAllocatedBytes();
      PELTON_CO_ASSIGN_OR_RETURN(size_t sent, co_await client.SendMany(queries));
      for (size_t echoed = 0; echoed < sent;) {
        PELTON_CO_ASSIGN_OR_RETURN(const size_t count, co_await server.ReceiveMany(datagrams));
        // pelton: bounded: what a test makes
        for (size_t i = 0; i < count; ++i) replies[i] = ReplyTo(datagrams[i]);
        PELTON_CO_ASSIGN_OR_RETURN(const size_t back,
                                   co_await server.SendMany({replies.data(), count}));
        echoed += back;
      }
      for (size_t heard = 0; heard < sent;) {
        PELTON_CO_ASSIGN_OR_RETURN(const size_t count, co_await client.ReceiveMany(datagrams));
        heard += count;
      }
      for (Datagram& datagram : datagrams) datagram = Datagram();
      PELTON_CO_RETURN_IF_ERROR(co_await client.SendTo("one", server.address()));
      PELTON_CO_ASSIGN_OR_RETURN(Datagram one, co_await server.Receive());
    }
    EXPECT_EQ(ThreadAllocatedBytes() - before, 0u);
    co_return absl::OkStatus();
  });
}

// A shard with four chunks.
class UdpStarvationTest : public DatagramTest {
 protected:
  UdpStarvationTest() : DatagramTest(4) {}
};
INSTANTIATE_TEST_SUITE_P(Modes, UdpStarvationTest, ::testing::Bool(), NameOfMode);

TEST_P(UdpStarvationTest, ReceivingGoesOnWhenChunksAreBack) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(UdpSocket server, Bind());
    PELTON_CO_ASSIGN_OR_RETURN(UdpSocket client, Bind());
    const std::vector<std::string> texts = Texts(60, 30);
    const std::vector<OutgoingDatagram> outgoing = Outgoing(texts, server.address());
    PELTON_CO_ASSIGN_OR_RETURN(size_t sent, co_await client.SendMany(outgoing));
    EXPECT_EQ(sent, texts.size());
    std::vector<Datagram> held;
    for (const std::string& text : texts) {
      PELTON_CO_ASSIGN_OR_RETURN(Datagram datagram, co_await server.Receive());
      EXPECT_EQ(datagram.text(), text);
      held.push_back(std::move(datagram));
      if (held.size() == 3) {
        co_await LetOthersRun(3);
        held.clear();
      }
    }
    co_return absl::OkStatus();
  });
}

}  // namespace
}  // namespace pelton::testing
