#include "io/names/dns_cache.h"

#include <gtest/gtest.h>

#include <string>

namespace pelton::io {
namespace {

Question Ask(const std::string& name) { return {.type = RecordType::kAddress, .name = name}; }

DnsAnswer Yes(std::optional<uint32_t> seconds) {
  return {.kind = DnsAnswer::Kind::kRecords,
          .seconds_to_live = seconds,
          .records = DnsAnswer::Addresses{SocketAddress::Loopback(0)}};
}
DnsAnswer No(std::optional<uint32_t> seconds) {
  return {.kind = DnsAnswer::Kind::kNoSuchName, .seconds_to_live = seconds, .records = {}};
}

Timestamp At(int64_t seconds) { return Timestamp::FromNanoseconds(0) + absl::Seconds(seconds); }

TEST(DnsCacheTest, KeepsAnAnswerUntilItsEndOfLife) {
  DnsCache cache({});
  cache.Insert(Ask("a"), Yes(10), At(100));
  ASSERT_NE(cache.Find(Ask("a"), At(109)), nullptr);
  EXPECT_EQ(cache.Find({.type = RecordType::kAddress6, .name = "a"}, At(100)), nullptr);
  EXPECT_EQ(cache.Find(Ask("a"), At(110)), nullptr);
  EXPECT_EQ(cache.size(), 0u);
}

TEST(DnsCacheTest, BoundsTheTimes) {
  DnsCache cache({.most_entries = 10,
                  .min_ttl = absl::Seconds(5),
                  .max_ttl = absl::Seconds(50),
                  .max_negative_ttl = absl::Seconds(20)});
  cache.Insert(Ask("short"), Yes(0), At(0));
  EXPECT_NE(cache.Find(Ask("short"), At(4)), nullptr);
  EXPECT_EQ(cache.Find(Ask("short"), At(5)), nullptr);
  cache.Insert(Ask("huge"), Yes(0x7fffffff), At(0));
  EXPECT_NE(cache.Find(Ask("huge"), At(49)), nullptr);
  EXPECT_EQ(cache.Find(Ask("huge"), At(50)), nullptr);
  cache.Insert(Ask("no"), No(1000), At(0));
  EXPECT_NE(cache.Find(Ask("no"), At(19)), nullptr);
  EXPECT_EQ(cache.Find(Ask("no"), At(20)), nullptr);
}

TEST(DnsCacheTest, DoesNotKeepWhatIsGoodForNoTime) {
  DnsCache cache({});
  cache.Insert(Ask("a"), Yes(0), At(0));
  cache.Insert(Ask("b"), No(std::nullopt), At(0));
  EXPECT_EQ(cache.size(), 0u);
}

TEST(DnsCacheTest, IsBounded) {
  DnsCache cache({.most_entries = 3});
  for (int i = 0; i < 10; ++i) cache.Insert(Ask(std::to_string(i)), Yes(10), At(0));
  EXPECT_EQ(cache.size(), 3u);
  EXPECT_EQ(cache.evictions(), 7u);
  EXPECT_NE(cache.Find(Ask("9"), At(0)), nullptr);
  EXPECT_EQ(cache.Find(Ask("6"), At(0)), nullptr);
  cache.Clear();
  EXPECT_EQ(cache.Find(Ask("9"), At(0)), nullptr);
}

}  // namespace
}  // namespace pelton::io
