#include "io/names/resolv_conf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pelton::io {
namespace {

using ::testing::ElementsAre;

TEST(ResolvConfTest, ReadsServersDomainsAndOptions) {
  const ResolvConf conf = ParseResolvConf(
      "# a comment\n"
      "; another\n"
      "nameserver 10.0.0.1\n"
      "nameserver\t::1 trailing\n"
      "nameserver fe80::1%lo\n"
      "search A.test b.test\n"
      "options ndots:3 timeout:7 attempts:4 rotate edns0 use-vc unknown\n");
  ASSERT_EQ(conf.servers.size(), 3u);
  EXPECT_EQ(conf.servers[0].ToString(), "10.0.0.1:53");
  EXPECT_EQ(conf.servers[1].ToString(), "[::1]:53");
  EXPECT_EQ(conf.servers[2].ToString(), "[fe80::1%lo]:53");
  EXPECT_THAT(conf.domains, ElementsAre("a.test", "b.test"));
  EXPECT_EQ(conf.ndots, 3);
  EXPECT_EQ(conf.timeout, absl::Seconds(7));
  EXPECT_EQ(conf.attempts, 4);
  EXPECT_TRUE(conf.rotate);
  EXPECT_TRUE(conf.extended);
  EXPECT_TRUE(conf.use_tcp);
}

TEST(ResolvConfTest, AnEmptyFileMeansThisHost) {
  const ResolvConf conf = ParseResolvConf("");
  ASSERT_EQ(conf.servers.size(), 1u);
  EXPECT_EQ(conf.servers[0].ToString(), "127.0.0.1:53");
  EXPECT_TRUE(conf.domains.empty());
  EXPECT_EQ(conf.ndots, 1);
  EXPECT_EQ(conf.attempts, 2);
  EXPECT_EQ(conf.timeout, absl::Seconds(5));
}

TEST(ResolvConfTest, PassesOverWhatItDoesNotUnderstand) {
  const ResolvConf conf = ParseResolvConf(
      "nameserver nonsense\nnameserver\nnameserver 10.0.0.2\r\nsearch a..b ok.test\n"
      "options ndots:x ndots: timeout:0 attempts:99\nfoo bar\nnameserver 10.0.0.3");
  ASSERT_EQ(conf.servers.size(), 2u);
  EXPECT_EQ(conf.servers[1].ToString(), "10.0.0.3:53");
  EXPECT_THAT(conf.domains, ElementsAre("ok.test"));
  EXPECT_EQ(conf.ndots, 1);
  EXPECT_EQ(conf.timeout, absl::Seconds(1));
  EXPECT_EQ(conf.attempts, 5);
}

TEST(ResolvConfTest, TheLastOfDomainAndSearchCounts) {
  EXPECT_THAT(ParseResolvConf("search a.test b.test\ndomain c.test d.test\n").domains,
              ElementsAre("c.test"));
}

TEST(ResolvConfTest, TakesABoundedNumberOfServers) {
  std::string text;
  for (int i = 1; i <= 100; ++i) text += "nameserver 10.0.0." + std::to_string(i) + "\n";
  EXPECT_EQ(ParseResolvConf(text).servers.size(), 8u);
}

}  // namespace
}  // namespace pelton::io
