#include "bench/echo/stream_pattern.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>

#include "gtest/gtest.h"

namespace pelton::bench {
namespace {

std::string Piece(const StreamPattern& pattern, uint64_t offset, size_t size) {
  return std::string(pattern.At(offset), size);
}

TEST(StreamPatternTest, IsTheSameStreamHoweverItIsCut) {
  const StreamPattern pattern;
  for (const uint64_t offset : {uint64_t{0}, uint64_t{8190}, uint64_t{8191}, uint64_t{1} << 40}) {
    const std::string whole = Piece(pattern, offset, 4096);
    EXPECT_EQ(whole, Piece(pattern, offset, 1000) + Piece(pattern, offset + 1000, 3096)) << offset;
  }
}

TEST(StreamPatternTest, GivesTheLongestRunFromTheLastByteOfThePeriod) {
  const StreamPattern pattern;
  const uint64_t last = StreamPattern::kPeriod - 1;
  EXPECT_EQ(Piece(pattern, last, StreamPattern::kMaxRun).substr(1),
            Piece(pattern, 0, StreamPattern::kMaxRun - 1));
}

TEST(StreamPatternTest, NoticesOneWrongByte) {
  const StreamPattern pattern;
  std::string message = Piece(pattern, 12345, 64);
  EXPECT_TRUE(pattern.Matches(12345, message.data(), message.size()));
  message[63] ^= 1;
  EXPECT_FALSE(pattern.Matches(12345, message.data(), message.size()));
}

TEST(StreamPatternTest, NoticesALostByteAndASwappedMessage) {
  const StreamPattern pattern;
  const std::string message = Piece(pattern, 640, 64);
  EXPECT_FALSE(pattern.Matches(641, message.data(), message.size()));
  EXPECT_FALSE(pattern.Matches(704, message.data(), message.size()));
}

TEST(StreamPatternTest, StartsConnectionsAtDifferentPlaces) {
  std::set<uint64_t> starts;
  for (uint64_t index = 0; index < 4096; ++index) starts.insert(StreamPattern::StartOf(index));
  EXPECT_EQ(starts.size(), 4096u);
}

}  // namespace
}  // namespace pelton::bench
