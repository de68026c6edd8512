#include "io/descriptor_passing.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "tests/support/sockets.h"

namespace pelton {
namespace {

using testing::Descriptor;
using testing::SocketPair;

bool IsOpen(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

OwnedDescriptor OpenNull() { return OwnedDescriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

// A message of one byte with control data.
void Send(int fd, io::DescriptorsToSend& rights) {
  char byte = 'x';
  iovec piece = {&byte, 1};
  msghdr message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = rights.data();
  message.msg_controllen = rights.size();
  ASSERT_EQ(::sendmsg(fd, &message, 0), 1);
}

struct Received {
  io::ReceivedControl control;
  int flags;
};
Received Receive(int fd, size_t room) {
  char byte;
  iovec piece = {&byte, 1};
  std::vector<char> control(room);
  msghdr message = {};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  EXPECT_EQ(::recvmsg(fd, &message, MSG_CMSG_CLOEXEC), 1);
  return {io::TakeControl(message), message.msg_flags};
}

TEST(DescriptorPassingTest, AnOwnedDescriptorClosesItself) {
  int fd;
  {
    OwnedDescriptor first = OpenNull();
    fd = first.get();
    OwnedDescriptor second = std::move(first);
    EXPECT_FALSE(first.valid());
    EXPECT_TRUE(second.valid());
    EXPECT_TRUE(IsOpen(fd));
  }
  EXPECT_FALSE(IsOpen(fd));
  OwnedDescriptor released = OpenNull();
  fd = released.Release();
  released.Close();
  EXPECT_TRUE(IsOpen(fd));
  EXPECT_EQ(::close(fd), 0);
}

TEST(DescriptorPassingTest, DescriptorsArriveOpenAndCloseOnExec) {
  SocketPair pair = testing::UnixPair();
  OwnedDescriptor files[] = {OpenNull(), OpenNull(), OpenNull()};
  io::DescriptorsToSend rights;
  ASSERT_TRUE(rights.Add(files).ok());
  Send(pair.ours.get(), rights);
  Received received = Receive(pair.theirs.get(), io::ControlRoom(3, false));
  EXPECT_EQ(received.flags & MSG_CTRUNC, 0);
  ASSERT_EQ(received.control.descriptors.size(), 3u);
  for (const OwnedDescriptor& descriptor : received.control.descriptors) {
    EXPECT_EQ(::fcntl(descriptor.get(), F_GETFD), FD_CLOEXEC);
  }
}

TEST(DescriptorPassingTest, CutOffControlDataLeaksNothing) {
  SocketPair pair = testing::UnixPair();
  OwnedDescriptor files[] = {OpenNull(), OpenNull(), OpenNull()};
  io::DescriptorsToSend rights;
  ASSERT_TRUE(rights.Add(files).ok());
  Send(pair.ours.get(), rights);
  int next_free;
  {
    const OwnedDescriptor probe = OpenNull();
    next_free = probe.get();
  }
  {
    // Room for one: alignment leaves place for a second.
    const Received received = Receive(pair.theirs.get(), io::ControlRoom(1, false));
    EXPECT_NE(received.flags & MSG_CTRUNC, 0);
    EXPECT_GE(received.control.descriptors.size(), 1u);
    EXPECT_LT(received.control.descriptors.size(), 3u);
  }
  const OwnedDescriptor probe = OpenNull();
  EXPECT_EQ(probe.get(), next_free);
}

TEST(DescriptorPassingTest, RefusesWhatCannotBePassed) {
  io::DescriptorsToSend rights;
  EXPECT_TRUE(rights.empty());
  EXPECT_EQ(rights.data(), nullptr);
  EXPECT_EQ(rights.Add(-1).code(), absl::StatusCode::kInvalidArgument);
  for (size_t i = 0; i < io::kMostDescriptors; ++i) ASSERT_TRUE(rights.Add(0).ok());
  EXPECT_EQ(rights.Add(0).code(), absl::StatusCode::kResourceExhausted);
}

TEST(DescriptorPassingTest, CredentialsNameThisProcess) {
  SocketPair pair = testing::UnixPair();
  const PeerCredentials own = {::getpid(), ::getuid(), ::getgid()};
  absl::StatusOr<PeerCredentials> peer = PeerCredentialsOf(pair.ours.get());
  ASSERT_TRUE(peer.ok()) << peer.status();
  EXPECT_EQ(*peer, own);
  ASSERT_TRUE(ReceiveCredentials(pair.theirs.get()).ok());
  io::DescriptorsToSend nothing;
  Send(pair.ours.get(), nothing);
  const Received received = Receive(pair.theirs.get(), io::ControlRoom(0, true));
  ASSERT_TRUE(received.control.credentials.has_value());
  EXPECT_EQ(*received.control.credentials, own);
  EXPECT_FALSE(PeerCredentialsOf(-1).ok());
  EXPECT_FALSE(ReceiveCredentials(-1).ok());
}

}  // namespace
}  // namespace pelton
