#include "io/names/dns_name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace pelton::io {
namespace {

using ::testing::HasSubstr;

std::string ErrorOf(const std::string& text) {
  const absl::StatusOr<DnsName> name = ParseDnsName(text);
  EXPECT_TRUE(absl::IsInvalidArgument(name.status())) << text;
  return std::string(name.status().message());
}

TEST(DnsNameTest, IsInLowerCaseWithoutADotAtTheEnd) {
  const absl::StatusOr<DnsName> name = ParseDnsName("WWW.Example-1.COM.");
  ASSERT_TRUE(name.ok()) << name.status();
  EXPECT_EQ(name->text, "www.example-1.com");
  EXPECT_TRUE(name->absolute);
  EXPECT_EQ(name->dots, 2);
  EXPECT_FALSE(ParseDnsName("_ldap._tcp.x")->absolute);
}

TEST(DnsNameTest, TheLongestNamesAreAllowedAndLongerOnesAreNot) {
  const std::string label(63, 'a');
  EXPECT_TRUE(ParseDnsName(label).ok());
  EXPECT_THAT(ErrorOf(label + "a"), HasSubstr("64 characters: expected 63"));
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'a');
  ASSERT_EQ(longest.size(), kLongestDnsName);
  EXPECT_TRUE(ParseDnsName(longest + ".").ok());
  EXPECT_THAT(ErrorOf(longest + "a"), HasSubstr("254 characters: expected 253"));
}

TEST(DnsNameTest, ErrorsSayWhatIsWrong) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("is empty"));
  EXPECT_THAT(ErrorOf("."), HasSubstr("an empty label"));
  EXPECT_THAT(ErrorOf(".a"), HasSubstr("an empty label"));
  EXPECT_THAT(ErrorOf("a..b"), HasSubstr("an empty label"));
  EXPECT_THAT(ErrorOf(std::string("a\0b", 3)), HasSubstr("character \"\\x00\""));
  EXPECT_THAT(ErrorOf("a\nb"), HasSubstr("name \"a\\nb\""));
  EXPECT_THAT(ErrorOf("\xc3\xa4.test"), HasSubstr("xn-- form"));
}

TEST(DnsNameTest, HostLabelsHaveNothingThatAShellKnows) {
  EXPECT_TRUE(IsHostLabel("a-b_9"));
  for (const char* label : {"", "a b", "$(x)", "a.b", "a/b", "\xff"}) {
    EXPECT_FALSE(IsHostLabel(label)) << label;
  }
}

}  // namespace
}  // namespace pelton::io
