#include "io/datagram/send_batch.h"

#include <gtest/gtest.h>
#include <netinet/udp.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "io/datagram/datagram.h"

namespace pelton::io {
namespace {

const SocketAddress kFirst = SocketAddress::Loopback(1);
const SocketAddress kSecond = SocketAddress::Loopback(2);

class SendBatchTest : public ::testing::Test {
 protected:
  void Add(const SocketAddress& destination, size_t bytes, uint16_t segment_bytes = 0) {
    datagrams_.push_back({.destination = destination,
                          .payload = std::string_view(bytes_).substr(0, bytes),
                          .segment_bytes = segment_bytes});
  }
  size_t Build(bool join) { return batch_.Build(datagrams_, join); }
  // How many datagrams each message holds.
  std::vector<size_t> Shape() {
    std::vector<size_t> shape;
    for (size_t i = 0; i < batch_.message_count(); ++i) {
      shape.push_back(batch_.messages()[i].msg_hdr.msg_iovlen);
    }
    return shape;
  }
  // The size of the segments of a message; 0 when it has none.
  uint16_t SegmentOf(size_t message) {
    msghdr& header = batch_.messages()[message].msg_hdr;
    const cmsghdr* control = CMSG_FIRSTHDR(&header);
    if (control == nullptr) return 0;
    EXPECT_EQ(control->cmsg_type, UDP_SEGMENT);
    uint16_t size;
    std::memcpy(&size, CMSG_DATA(control), sizeof(size));
    return size;
  }

  const std::string bytes_ = std::string(65'535, 'x');
  std::vector<OutgoingDatagram> datagrams_;
  SendBatch batch_;
};

using Counts = std::vector<size_t>;

TEST_F(SendBatchTest, EachDatagramIsAMessageUnlessTheyAreJoined) {
  for (int i = 0; i < 3; ++i) Add(kFirst, 100);
  EXPECT_EQ(Build(/*join=*/false), 3u);
  EXPECT_EQ(Shape(), (Counts{1, 1, 1}));
  EXPECT_EQ(SegmentOf(0), 0);
  EXPECT_FALSE(batch_.FirstIsJoined());
  EXPECT_EQ(Build(/*join=*/true), 3u);
  EXPECT_EQ(Shape(), Counts{3});
  EXPECT_EQ(SegmentOf(0), 100);
  EXPECT_TRUE(batch_.FirstIsJoined());
  EXPECT_EQ(batch_.DatagramsIn(1), 3u);
}

TEST_F(SendBatchTest, AShorterOneIsTheLastOfItsMessage) {
  Add(kFirst, 100);
  Add(kFirst, 60);
  Add(kFirst, 60);
  Add(kFirst, 100);
  EXPECT_EQ(Build(/*join=*/true), 4u);
  EXPECT_EQ(Shape(), (Counts{2, 1, 1}));
  EXPECT_EQ(batch_.DatagramsIn(2), 3u);
}

TEST_F(SendBatchTest, OtherDestinationsSourcesSegmentsAndEmptyOnesStandAlone) {
  Add(kFirst, 100);
  Add(kSecond, 100);
  Add(kSecond, 100);
  datagrams_.back().source = &kFirst;
  Add(kSecond, 100, 40);
  Add(kSecond, 0);
  Add(kSecond, 0);
  EXPECT_EQ(Build(/*join=*/true), 6u);
  EXPECT_EQ(Shape(), (Counts{1, 1, 1, 1, 1, 1}));
  EXPECT_EQ(SegmentOf(3), 40);
}

TEST_F(SendBatchTest, AMessageHasABoundOfBytesAndABatchOneOfDatagrams) {
  for (int i = 0; i < 3; ++i) Add(kFirst, 30'000);
  EXPECT_EQ(Build(/*join=*/true), 3u);
  EXPECT_EQ(Shape(), (Counts{2, 1}));
  datagrams_.clear();
  for (size_t i = 0; i < SendBatch::kMost + 10; ++i) Add(kFirst, 10);
  EXPECT_EQ(Build(/*join=*/true), SendBatch::kMost);
  EXPECT_EQ(Shape(), Counts{SendBatch::kMostSegments});
}

TEST_F(SendBatchTest, WithoutADestinationItGoesToThePeer) {
  Add(SocketAddress(), 10);
  EXPECT_EQ(Build(/*join=*/true), 1u);
  EXPECT_EQ(batch_.messages()[0].msg_hdr.msg_name, nullptr);
}

}  // namespace
}  // namespace pelton::io
