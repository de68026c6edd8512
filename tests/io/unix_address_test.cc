#include "io/unix_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <string>
#include <string_view>

#include "tests/support/sockets.h"

namespace pelton {
namespace {

using testing::Descriptor;
using ::testing::HasSubstr;

UnixAddress MustParse(std::string_view text) {
  absl::StatusOr<UnixAddress> address = UnixAddress::Parse(text);
  EXPECT_TRUE(address.ok()) << address.status();
  return address.value_or(UnixAddress());
}

std::string ErrorOf(std::string_view text) {
  absl::StatusOr<UnixAddress> address = UnixAddress::Parse(text);
  EXPECT_FALSE(address.ok()) << address->ToString();
  return std::string(address.status().message());
}

TEST(UnixAddressTest, ReadsPathsAndAbstractNames) {
  const UnixAddress path = MustParse("/run/a.sock");
  EXPECT_EQ(path.kind(), UnixAddress::Kind::kPath);
  EXPECT_EQ(path.name(), "/run/a.sock");
  EXPECT_EQ(path.ToString(), "/run/a.sock");
  EXPECT_EQ(path.data()->sa_family, AF_UNIX);
  const UnixAddress abstract = MustParse("@service");
  EXPECT_EQ(abstract.kind(), UnixAddress::Kind::kAbstract);
  EXPECT_EQ(abstract.name(), "service");
  EXPECT_EQ(abstract.ToString(), "@service");
  EXPECT_EQ(UnixAddress().ToString(), "(unnamed)");
  EXPECT_EQ(UnixAddress().name(), "");
}

TEST(UnixAddressTest, EqualAddressesAreEqual) {
  EXPECT_EQ(MustParse("/a"), MustParse("/a"));
  EXPECT_FALSE(MustParse("/a") == MustParse("/b"));
  EXPECT_FALSE(MustParse("a") == MustParse("@a"));
  EXPECT_FALSE(MustParse("@a") == UnixAddress());
}

TEST(UnixAddressTest, SaysWhatIsWrongWithAText) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("expected a path or @NAME"));
  EXPECT_THAT(ErrorOf("@"), HasSubstr("names nothing"));
  EXPECT_THAT(ErrorOf(std::string(108, 'a')), HasSubstr("has 108 bytes: expected at most 107"));
  EXPECT_THAT(ErrorOf("@" + std::string(108, 'a')), HasSubstr("108 bytes"));
  EXPECT_THAT(ErrorOf(std::string_view("/a\0b", 4)), HasSubstr("holds a zero byte"));
}

TEST(UnixAddressTest, TheLongestNamesBindAndComeBack) {
  for (const std::string& text : {"@" + std::string(107, 'n'), std::string("@with\0zero", 10)}) {
    const UnixAddress address = MustParse(text);
    Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(socket.get(), address.data(), address.size()), 0) << address;
    absl::StatusOr<UnixAddress> bound = LocalUnixAddressOf(socket.get());
    ASSERT_TRUE(bound.ok()) << bound.status();
    EXPECT_EQ(*bound, address);
  }
}

TEST(UnixAddressTest, TheKernelChoosesANameForTheUnnamed) {
  Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(LocalUnixAddressOf(socket.get())->kind(), UnixAddress::Kind::kUnnamed);
  const UnixAddress any;
  ASSERT_EQ(::bind(socket.get(), any.data(), any.size()), 0);
  EXPECT_EQ(LocalUnixAddressOf(socket.get())->kind(), UnixAddress::Kind::kAbstract);
  EXPECT_FALSE(PeerUnixAddressOf(socket.get()).ok());
}

TEST(UnixAddressTest, TellsOtherFamiliesApart) {
  sockaddr other = {};
  other.sa_family = AF_INET;
  EXPECT_THAT(std::string(UnixAddress::FromSockaddr(&other, sizeof(other)).status().message()),
              HasSubstr("expected AF_UNIX"));
  EXPECT_EQ(UnixAddress::FromSockaddr(&other, 0)->kind(), UnixAddress::Kind::kUnnamed);
}

}  // namespace
}  // namespace pelton
