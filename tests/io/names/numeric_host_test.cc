#include "io/names/numeric_host.h"

#include <gtest/gtest.h>

namespace pelton::io {
namespace {

TEST(NumericHostTest, TellsAddressesFromNames) {
  for (const char* host :
       {"1.2.3.4", "::1", "[::1]", "fe80::1%lo", "1.2.3", "300.1.1.1", "7", "1.2."}) {
    EXPECT_TRUE(LooksNumeric(host)) << host;
  }
  for (const char* host : {"a", "1a", "1.2.3.x", "", "4.3.2.1.in-addr.arpa"}) {
    EXPECT_FALSE(LooksNumeric(host)) << host;
  }
}

TEST(NumericHostTest, ReadsAddresses) {
  EXPECT_EQ(ParseNumericHost("1.2.3.4", 5)->ToString(), "1.2.3.4:5");
  EXPECT_EQ(ParseNumericHost("::1", 5)->ToString(), "[::1]:5");
  EXPECT_EQ(ParseNumericHost("[::1]", 5)->ToString(), "[::1]:5");
  EXPECT_EQ(ParseNumericHost("fe80::1%lo", 5)->ToString(), "[fe80::1%lo]:5");
  EXPECT_TRUE(absl::IsNotFound(ParseNumericHost("fe80::1%none9", 5).status()));
  for (const char* host : {"", "*", "1.2.3", "300.1.1.1", "[::1", "::x"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseNumericHost(host, 5).status())) << host;
  }
}

}  // namespace
}  // namespace pelton::io
