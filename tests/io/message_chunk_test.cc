#include "io/message_chunk.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/sockets.h"

namespace pelton::io {
namespace {

using testing::Descriptor;

constexpr size_t kChunk = 256;

// A pair of local datagram sockets.
struct Pair {
  Pair() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    ours = Descriptor(ends[0]);
    theirs = Descriptor(ends[1]);
  }
  Descriptor ours;
  Descriptor theirs;
};

msghdr Room(size_t name, size_t control) {
  msghdr room = {};
  room.msg_namelen = static_cast<socklen_t>(name);
  room.msg_controllen = control;
  return room;
}

std::string_view TextOf(std::span<char> bytes) { return {bytes.data(), bytes.size()}; }

TEST(MessageChunkTest, AMessageLiesBehindItsHeaderNameAndControlData) {
  Pair pair;
  ASSERT_EQ(::send(pair.theirs.get(), "hello", 5, 0), 5);
  alignas(8) char chunk[kChunk];
  const int covered = ReceiveMessageIntoChunk(pair.ours.get(), Room(32, 24), chunk, kChunk);
  ASSERT_EQ(covered, static_cast<int>(sizeof(MessageChunkHeader) + 32 + 24 + 5));
  MessageInChunk message;
  ASSERT_TRUE(message.Parse({chunk, static_cast<size_t>(covered)}, 32, 24));
  EXPECT_EQ(TextOf(message.payload()), "hello");
  EXPECT_EQ(message.control().size(), 0u);
  EXPECT_EQ(message.flags() & MSG_TRUNC, 0u);
}

TEST(MessageChunkTest, SaysWhenAMessageDidNotFit) {
  Pair pair;
  const std::string text(kChunk, 'x');
  ASSERT_EQ(::send(pair.theirs.get(), text.data(), text.size(), 0),
            static_cast<ssize_t>(text.size()));
  alignas(8) char chunk[kChunk];
  const int covered = ReceiveMessageIntoChunk(pair.ours.get(), Room(0, 0), chunk, kChunk);
  ASSERT_EQ(covered, static_cast<int>(kChunk));
  MessageInChunk message;
  ASSERT_TRUE(message.Parse({chunk, kChunk}, 0, 0));
  EXPECT_NE(message.flags() & MSG_TRUNC, 0u);
  EXPECT_EQ(message.payload().size(), kChunk - sizeof(MessageChunkHeader));
}

TEST(MessageChunkTest, AChunkThatIsTooSmallForTheRestIsRefused) {
  Pair pair;
  alignas(8) char chunk[kChunk];
  EXPECT_EQ(ReceiveMessageIntoChunk(pair.ours.get(), Room(200, 40), chunk, kChunk), -EMSGSIZE);
  MessageInChunk message;
  EXPECT_FALSE(message.Parse({chunk, 20}, 32, 0));
}

TEST(MessageChunkTest, WithoutAMessageThereIsNothingToReceive) {
  Pair pair;
  alignas(8) char chunk[kChunk];
  char* const chunks[] = {chunk};
  int covered[1];
  EXPECT_EQ(ReceiveMessageIntoChunk(pair.ours.get(), Room(0, 0), chunk, kChunk), -EAGAIN);
  EXPECT_EQ(ReceiveMessagesIntoChunks(pair.ours.get(), Room(0, 0), chunks, kChunk, covered),
            -EAGAIN);
  EXPECT_EQ(ReceiveMessageIntoChunk(-1, Room(0, 0), chunk, kChunk), -EBADF);
}

TEST(MessageChunkTest, SeveralMessagesGoAndComeTogether) {
  Pair pair;
  const std::string_view texts[] = {"one", "", "three"};
  iovec pieces[3];
  mmsghdr messages[3] = {};
  for (size_t i = 0; i < 3; ++i) {
    pieces[i] = {const_cast<char*>(texts[i].data()), texts[i].size()};
    messages[i].msg_hdr.msg_iov = &pieces[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  ASSERT_EQ(SendMessagesNow(pair.theirs.get(), messages, 3), 3);
  alignas(8) char memory[4][kChunk];
  char* const chunks[] = {memory[0], memory[1], memory[2], memory[3]};
  int covered[4];
  ASSERT_EQ(ReceiveMessagesIntoChunks(pair.ours.get(), Room(8, 0), chunks, kChunk, covered), 3);
  for (size_t i = 0; i < 3; ++i) {
    MessageInChunk message;
    ASSERT_TRUE(message.Parse({chunks[i], static_cast<size_t>(covered[i])}, 8, 0));
    EXPECT_EQ(TextOf(message.payload()), texts[i]);
  }
}

TEST(MessageChunkTest, AFullPeerMakesASenderWait) {
  Pair pair;
  char byte = 'x';
  iovec piece = {&byte, 1};
  mmsghdr message = {};
  message.msg_hdr.msg_iov = &piece;
  message.msg_hdr.msg_iovlen = 1;
  int result = 1;
  for (int i = 0; i < 100'000 && result == 1; ++i) {
    result = SendMessagesNow(pair.theirs.get(), &message, 1);
  }
  EXPECT_EQ(result, -EAGAIN);
  mmsghdr received = {};
  received.msg_hdr.msg_iov = &piece;
  received.msg_hdr.msg_iovlen = 1;
  EXPECT_EQ(ReceiveMessagesNow(pair.ours.get(), &received, 1), 1);
  EXPECT_EQ(received.msg_len, 1u);
}

}  // namespace
}  // namespace pelton::io
