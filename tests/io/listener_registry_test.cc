#include "io/listener_registry.h"

#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "framework/base/status.h"
#include "gtest/gtest.h"

namespace pelton::io {
namespace {

const ListenOptions kOptions = {.backlog = 16};

// Closes what it holds.
class Sockets {
 public:
  ~Sockets() {
    for (int descriptor : descriptors_) ::close(descriptor);
  }
  SocketAddress Add(const absl::StatusOr<ListeningSocket>& socket) {
    EXPECT_TRUE(socket.ok()) << socket.status();
    if (!socket.ok()) return SocketAddress();
    descriptors_.push_back(socket->descriptor);
    return socket->address;
  }

 private:
  std::vector<int> descriptors_;
};

struct Announced {
  std::vector<std::string> lines;
  static void Record(void* self, std::string_view address, uint32_t shards) {
    static_cast<Announced*>(self)->lines.push_back(std::string(address) + " " +
                                                   std::to_string(shards));
  }
};

const SocketAddress kAnyPort = SocketAddress::Loopback(0);

TEST(ListenTest, LetsTheKernelChooseAPort) {
  Sockets sockets;
  EXPECT_NE(sockets.Add(Listen(kAnyPort, kOptions, false, false)).port(), 0);
}

TEST(ListenTest, NamesTheAddressThatIsInUse) {
  Sockets sockets;
  const SocketAddress taken = sockets.Add(Listen(kAnyPort, kOptions, false, false));
  const absl::StatusOr<ListeningSocket> again = Listen(taken, kOptions, false, false);
  EXPECT_EQ(GetErrno(again.status()), EADDRINUSE);
  EXPECT_NE(again.status().ToString().find(taken.ToString()), std::string::npos);
}

TEST(ListenTest, SharingThePortWithAnotherProcessIsRefusedWhenAsked) {
  Sockets sockets;
  // As another copy of this service would hold it.
  const SocketAddress taken = sockets.Add(Listen(kAnyPort, kOptions, true, true));
  EXPECT_EQ(GetErrno(Listen(taken, kOptions, true, true).status()), EADDRINUSE);
  sockets.Add(Listen(taken, kOptions, true, false));
}

TEST(ListenerRegistryTest, EveryShardGetsThePortOfTheFirst) {
  Sockets sockets;
  Announced announced;
  ListenerRegistry registry(3, &Announced::Record, &announced);
  const auto bind = [&](uint32_t shard) {
    return sockets.Add(
        registry.Bind("127.0.0.1:0", kAnyPort, kOptions, true, true, ShardId(shard)));
  };
  const SocketAddress first = bind(2);
  EXPECT_EQ(bind(0), first);
  EXPECT_TRUE(announced.lines.empty());
  EXPECT_EQ(bind(1), first);
  EXPECT_EQ(announced.lines, std::vector<std::string>{first.ToString() + " 3"});
}

TEST(ListenerRegistryTest, TheSecondListenerOnOneTextIsAnother) {
  Sockets sockets;
  Announced announced;
  ListenerRegistry registry(2, &Announced::Record, &announced);
  const auto bind = [&](uint32_t shard) {
    return sockets.Add(
        registry.Bind("127.0.0.1:0", kAnyPort, kOptions, true, true, ShardId(shard)));
  };
  const SocketAddress first = bind(0);
  const SocketAddress second = bind(0);
  EXPECT_FALSE(first == second);
  EXPECT_EQ(bind(1), first);
  EXPECT_EQ(bind(1), second);
  EXPECT_EQ(announced.lines.size(), 2u);
}

TEST(ListenerRegistryTest, AListenerOfOneShardIsAnnouncedAtOnce) {
  Sockets sockets;
  Announced announced;
  ListenerRegistry registry(4, &Announced::Record, &announced);
  const SocketAddress address =
      sockets.Add(registry.Bind("127.0.0.1:0", kAnyPort, kOptions, false, true, ShardId(1)));
  EXPECT_EQ(announced.lines, std::vector<std::string>{address.ToString() + " 1"});
}

TEST(ListenerRegistryTest, AFailureLeavesNothingBehind) {
  Sockets sockets;
  Announced announced;
  const SocketAddress taken = sockets.Add(Listen(kAnyPort, kOptions, false, false));
  ListenerRegistry registry(1, &Announced::Record, &announced);
  const std::string text = taken.ToString();
  EXPECT_FALSE(registry.Bind(text, taken, kOptions, true, true, ShardId(0)).ok());
  EXPECT_TRUE(announced.lines.empty());
}

}  // namespace
}  // namespace pelton::io
