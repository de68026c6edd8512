#include "io/names/hosts_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pelton::io {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

SocketAddress Address(const char* text) { return *SocketAddress::Parse(text); }

TEST(HostsTableTest, FindsNamesAndAddresses) {
  const HostsTable table = HostsTable::Parse(
      "127.0.0.1 localhost\n"
      "  10.0.0.1\tBox box.test # 10.0.0.9 not\n"
      "::5 box\n"
      "10.0.0.1 box\n");
  EXPECT_THAT(table.AddressesOf("box"), ElementsAre(Address("10.0.0.1:0"), Address("[::5]:0")));
  EXPECT_THAT(table.AddressesOf("not"), IsEmpty());
  EXPECT_THAT(table.NamesOf(Address("10.0.0.1:0")), ElementsAre("box", "box.test", "box"));
  EXPECT_THAT(table.NamesOf(Address("10.0.0.2:0")), IsEmpty());
  EXPECT_EQ(table.size(), 3u);
}

TEST(HostsTableTest, PassesOverWhatItDoesNotUnderstand) {
  const HostsTable table = HostsTable::Parse(
      "nonsense box\n10.0.0.300 box\n\n10.0.0.1\n* x\n"
      "10.0.0.1 a..b c$d good\n");
  EXPECT_EQ(table.size(), 1u);
  EXPECT_THAT(table.AddressesOf("good"), ElementsAre(Address("10.0.0.1:0")));
}

}  // namespace
}  // namespace pelton::io
