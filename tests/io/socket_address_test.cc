#include "io/socket_address.h"

#include <net/if.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "framework/base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pelton {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

SocketAddress MustParse(std::string_view text) {
  absl::StatusOr<SocketAddress> address = SocketAddress::Parse(text);
  EXPECT_TRUE(address.ok()) << address.status();
  return address.value_or(SocketAddress());
}

std::string ErrorOf(std::string_view text) {
  absl::StatusOr<SocketAddress> address = SocketAddress::Parse(text);
  EXPECT_FALSE(address.ok()) << "\"" << text << "\" gives " << *address;
  return std::string(address.status().message());
}

std::string LoopbackInterfaceName() {
  char name[IF_NAMESIZE];
  EXPECT_NE(if_indextoname(1, name), nullptr);
  return name;
}

// Closes the socket when the test ends.
class Socket {
 public:
  Socket(int family, int type) : fd_(socket(family, type | SOCK_CLOEXEC, 0)) { EXPECT_GE(fd_, 0); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() { close(fd_); }
  int fd() const { return fd_; }

 private:
  int fd_;
};

struct ValidCase {
  std::string text;
  int family;
  uint16_t port;
  std::string printed;
};

class SocketAddressValidTest : public ::testing::TestWithParam<ValidCase> {};

TEST_P(SocketAddressValidTest, IsParsedAndPrinted) {
  const ValidCase& valid = GetParam();
  const SocketAddress address = MustParse(valid.text);
  EXPECT_EQ(address.family(), valid.family);
  EXPECT_EQ(address.IsIpv6(), valid.family == AF_INET6);
  EXPECT_EQ(address.port(), valid.port);
  EXPECT_EQ(address.ToString(), valid.printed);
  EXPECT_EQ(MustParse(address.ToString()), address);
}

INSTANTIATE_TEST_SUITE_P(
    Addresses, SocketAddressValidTest,
    ::testing::Values(
        ValidCase{"1.2.3.4:80", AF_INET, 80, "1.2.3.4:80"},
        ValidCase{"255.255.255.255:65535", AF_INET, 65535, "255.255.255.255:65535"},
        ValidCase{"0.0.0.0:0", AF_INET, 0, "0.0.0.0:0"},
        ValidCase{":80", AF_INET, 80, "0.0.0.0:80"}, ValidCase{"*:80", AF_INET, 80, "0.0.0.0:80"},
        ValidCase{"[::1]:80", AF_INET6, 80, "[::1]:80"}, ValidCase{"[::]:0", AF_INET6, 0, "[::]:0"},
        ValidCase{"[2001:DB8:0:0:0:0:0:1]:443", AF_INET6, 443, "[2001:db8::1]:443"},
        ValidCase{"[::ffff:1.2.3.4]:80", AF_INET6, 80, "[::ffff:1.2.3.4]:80"},
        ValidCase{"[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535", AF_INET6, 65535,
                  "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
        ValidCase{"[fe80::1]:80", AF_INET6, 80, "[fe80::1]:80"},
        ValidCase{"[fe80::1%4294967295]:80", AF_INET6, 80, "[fe80::1%4294967295]:80"}));

struct InvalidCase {
  std::string text;
  std::vector<std::string> message_parts;
};

class SocketAddressInvalidTest : public ::testing::TestWithParam<InvalidCase> {};

TEST_P(SocketAddressInvalidTest, IsRefusedWithWhatWasExpected) {
  const std::string message = ErrorOf(GetParam().text);
  for (const std::string& part : GetParam().message_parts) EXPECT_THAT(message, HasSubstr(part));
}

const char kPortRule[] = "expected a decimal number from 0 to 65535";

INSTANTIATE_TEST_SUITE_P(
    Ports, SocketAddressInvalidTest,
    ::testing::Values(InvalidCase{"", {"address \"\"", "has no port", "[::1]:80"}},
                      InvalidCase{"1.2.3.4", {"\"1.2.3.4\"", "has no port", "1.2.3.4:80"}},
                      InvalidCase{"80", {"has no port"}}, InvalidCase{"[::1]", {"has no port"}},
                      InvalidCase{"1.2.3.4:", {"port \"\"", kPortRule}},
                      InvalidCase{":", {"port \"\"", kPortRule}},
                      InvalidCase{"1.2.3.4:65536", {"port \"65536\"", kPortRule}},
                      InvalidCase{"1.2.3.4:99999999999", {kPortRule}},
                      InvalidCase{"1.2.3.4:-1", {"port \"-1\"", kPortRule}},
                      InvalidCase{"1.2.3.4:+80", {"port \"+80\"", kPortRule}},
                      InvalidCase{"1.2.3.4: 80", {"port \" 80\"", kPortRule}},
                      InvalidCase{"1.2.3.4:80 ", {"port \"80 \"", kPortRule}},
                      InvalidCase{"1.2.3.4:080", {"port \"080\"", kPortRule}},
                      InvalidCase{"1.2.3.4:0x50", {"port \"0x50\"", kPortRule}},
                      InvalidCase{"1.2.3.4:http", {"port \"http\"", kPortRule}},
                      InvalidCase{"[::1]:", {"port \"\"", kPortRule}}));

INSTANTIATE_TEST_SUITE_P(
    Hosts, SocketAddressInvalidTest,
    ::testing::Values(
        InvalidCase{"localhost:80", {"host \"localhost\"", "names are not resolved here"}},
        InvalidCase{"1.2.3:80", {"host \"1.2.3\"", "not a numeric address"}},
        InvalidCase{"1.2.3.256:80", {"host \"1.2.3.256\""}},
        InvalidCase{"1.2.3.04:80", {"host \"1.2.3.04\""}},
        InvalidCase{" 1.2.3.4:80", {"host \" 1.2.3.4\""}},
        InvalidCase{"::1", {"in brackets", "[::1]:80"}}, InvalidCase{"::1:80", {"in brackets"}},
        InvalidCase{"a:b:80", {"has no port"}}, InvalidCase{"[::1:80", {"expected \"]\""}},
        InvalidCase{"[::1]80:80", {"expected \"]\""}},
        InvalidCase{"[::1]x]:80", {"host \"::1]x\"", "not an IPv6 address"}},
        InvalidCase{"::1]:80", {"has no port"}},
        InvalidCase{"[]:80", {"host \"\"", "not an IPv6 address"}},
        InvalidCase{"[:80", {"expected \"]\""}},
        InvalidCase{"[1.2.3.4]:80", {"host \"1.2.3.4\"", "not an IPv6 address"}},
        InvalidCase{"[::1::]:80", {"host \"::1::\""}},
        InvalidCase{"[:::::::::::::::::::::::::::::::::::::::::::::::::::::1]:80",
                    {"not an IPv6 address"}}));

INSTANTIATE_TEST_SUITE_P(
    Scopes, SocketAddressInvalidTest,
    ::testing::Values(InvalidCase{"[::1%lo]:80", {"scope \"lo\"", "only link-local"}},
                      InvalidCase{"[2001:db8::1%1]:80", {"scope \"1\"", "only link-local"}},
                      InvalidCase{"[fe80::1%]:80", {"scope \"\"", "neither the name"}},
                      InvalidCase{"[fe80::1%0]:80", {"scope \"0\"", "index of 1 or more"}},
                      InvalidCase{"[fe80::1%no_such_if]:80", {"scope \"no_such_if\""}},
                      InvalidCase{"[fe80::1%4294967296]:80", {"scope \"4294967296\""}}));

TEST(SocketAddressTest, ParsesAScopeByNameAndByIndex) {
  const std::string interface = LoopbackInterfaceName();
  const SocketAddress by_name = MustParse("[fe80::1%" + interface + "]:80");
  const SocketAddress by_index = MustParse("[fe80::1%1]:80");
  EXPECT_EQ(by_name, by_index);
  EXPECT_EQ(by_index.ToString(), "[fe80::1%" + interface + "]:80");
  EXPECT_FALSE(by_name == MustParse("[fe80::1]:80"));
}

TEST(SocketAddressTest, RefusesAnEmbeddedNul) {
  EXPECT_THAT(ErrorOf(std::string_view("1.2.3.4\0x:80", 12)), HasSubstr("1.2.3.4\\x00"));
  ErrorOf(std::string_view("[::1\0x]:80", 10));
  ErrorOf(std::string_view("[fe80::1%lo\0]:80", 16));
}

TEST(SocketAddressTest, KeepsErrorMessagesShortAndPrintable) {
  const std::string message = ErrorOf(std::string(5000, 'a') + "\n:80");
  EXPECT_LT(message.size(), 400u);
  EXPECT_THAT(message, HasSubstr("..."));
  EXPECT_THAT(ErrorOf("a\nb:80"), Not(HasSubstr("\n")));
}

TEST(SocketAddressTest, IsAnyIpv4AddressByDefault) {
  EXPECT_EQ(SocketAddress().ToString(), "0.0.0.0:0");
  EXPECT_EQ(SocketAddress(), MustParse("*:0"));
}

TEST(SocketAddressTest, LoopbackIsOfIpv4) {
  EXPECT_EQ(SocketAddress::Loopback(7000).ToString(), "127.0.0.1:7000");
}

TEST(SocketAddressTest, WithPortChangesThePortAlone) {
  EXPECT_EQ(MustParse("1.2.3.4:80").WithPort(65535), MustParse("1.2.3.4:65535"));
  EXPECT_EQ(MustParse("[fe80::1%1]:80").WithPort(0), MustParse("[fe80::1%1]:0"));
}

TEST(SocketAddressTest, DiffersByFamilyHostScopeAndPort) {
  const std::vector<std::string> distinct = {
      "0.0.0.0:0", "1.2.3.4:80",          "1.2.3.4:81",   "1.2.3.5:80",     "[::]:0",
      "[::1]:80",  "[::ffff:1.2.3.4]:80", "[fe80::1]:80", "[fe80::1%1]:80", "[fe80::1%2]:80"};
  for (const std::string& a : distinct) {
    for (const std::string& b : distinct) {
      EXPECT_EQ(MustParse(a) == MustParse(b), a == b) << a << " and " << b;
    }
  }
  absl::flat_hash_map<SocketAddress, std::string> map;
  for (const std::string& text : distinct) map[MustParse(text)] = text;
  EXPECT_EQ(map.size(), distinct.size());
  for (const std::string& text : distinct) EXPECT_EQ(map[MustParse(text)], text);
  EXPECT_EQ(map.size(), distinct.size());
}

TEST(SocketAddressTest, HashesTheSameHoweverItWasWritten) {
  absl::flat_hash_map<SocketAddress, int> map;
  map[MustParse("[::1]:80")] = 1;
  map[MustParse("*:80")] = 2;
  EXPECT_EQ(map[MustParse("[0:0:0::1]:80")], 1);
  EXPECT_EQ(map[SocketAddress().WithPort(80)], 2);
}

TEST(SocketAddressTest, StreamsAsItPrints) {
  std::ostringstream out;
  out << MustParse("[::1]:80");
  EXPECT_EQ(out.str(), "[::1]:80");
}

TEST(SocketAddressTest, CopiesASockaddrWithoutWhatHasNoMeaning) {
  sockaddr_in ipv4;
  std::memset(&ipv4, 0xff, sizeof(ipv4));
  ipv4.sin_family = AF_INET;
  ipv4.sin_port = htons(80);
  ipv4.sin_addr.s_addr = htonl(0x01020304);
  EXPECT_EQ(*SocketAddress::FromSockaddr(reinterpret_cast<sockaddr*>(&ipv4), sizeof(ipv4)),
            MustParse("1.2.3.4:80"));

  sockaddr_in6 ipv6{};
  ipv6.sin6_family = AF_INET6;
  ipv6.sin6_port = htons(80);
  ipv6.sin6_addr = in6addr_loopback;
  ipv6.sin6_flowinfo = 0x12345678;
  ipv6.sin6_scope_id = 7;  // of no meaning: ::1 is not link-local
  EXPECT_EQ(*SocketAddress::FromSockaddr(reinterpret_cast<sockaddr*>(&ipv6), sizeof(ipv6)),
            MustParse("[::1]:80"));
}

TEST(SocketAddressTest, GivesBackTheSockaddrThatItWasMadeOf) {
  for (const char* text : {"1.2.3.4:80", "[2001:db8::1]:80", "[fe80::1%1]:80"}) {
    const SocketAddress address = MustParse(text);
    EXPECT_EQ(*SocketAddress::FromSockaddr(address.data(), address.size()), address);
  }
  EXPECT_EQ(MustParse("1.2.3.4:80").size(), sizeof(sockaddr_in));
  EXPECT_EQ(MustParse("[::1]:80").size(), sizeof(sockaddr_in6));
}

TEST(SocketAddressTest, RefusesASockaddrThatIsTooShortOrOfAnotherFamily) {
  const auto error_of = [](const void* address, socklen_t size) {
    return std::string(SocketAddress::FromSockaddr(static_cast<const sockaddr*>(address), size)
                           .status()
                           .message());
  };
  sockaddr_in ipv4{};
  ipv4.sin_family = AF_INET;
  EXPECT_THAT(error_of(&ipv4, sizeof(ipv4) - 1), HasSubstr("15 bytes: expected 16"));
  EXPECT_THAT(error_of(&ipv4, 1), HasSubstr("1 bytes has no family"));
  EXPECT_THAT(error_of(&ipv4, 0), HasSubstr("0 bytes has no family"));
  sockaddr_in6 ipv6{};
  ipv6.sin6_family = AF_INET6;
  EXPECT_THAT(error_of(&ipv6, sizeof(ipv6) - 1), HasSubstr("27 bytes: expected 28"));
  sockaddr_un local{};
  local.sun_family = AF_UNIX;
  EXPECT_THAT(error_of(&local, sizeof(local)), HasSubstr("family 1: expected AF_INET (2)"));
}

void ExpectBothEndsAreTold(const SocketAddress& any_port) {
  Socket listener(any_port.family(), SOCK_STREAM);
  Socket client(any_port.family(), SOCK_STREAM);
  ASSERT_EQ(bind(listener.fd(), any_port.data(), any_port.size()), 0);
  ASSERT_EQ(listen(listener.fd(), 1), 0);
  const absl::StatusOr<SocketAddress> server = LocalAddressOf(listener.fd());
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_NE(server->port(), 0);
  EXPECT_EQ(server->WithPort(0), any_port);

  ASSERT_EQ(connect(client.fd(), server->data(), server->size()), 0);
  EXPECT_EQ(*PeerAddressOf(client.fd()), *server);
  EXPECT_EQ(LocalAddressOf(client.fd())->WithPort(0), any_port);
}

TEST(SocketAddressTest, TellsBothEndsOfAnIpv4Connection) {
  ExpectBothEndsAreTold(SocketAddress::Loopback(0));
}

TEST(SocketAddressTest, TellsBothEndsOfAnIpv6Connection) {
  const int probe = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const SocketAddress loopback = MustParse("[::1]:0");
  const bool has_ipv6 = probe >= 0 && bind(probe, loopback.data(), loopback.size()) == 0;
  if (probe >= 0) close(probe);
  if (!has_ipv6) GTEST_SKIP() << "this machine has no IPv6 loopback";
  ExpectBothEndsAreTold(loopback);
}

TEST(SocketAddressTest, TellsWhyADescriptorHasNoAddress) {
  Socket unconnected(AF_INET, SOCK_STREAM);
  const absl::Status not_connected = PeerAddressOf(unconnected.fd()).status();
  EXPECT_EQ(GetErrno(not_connected), ENOTCONN);
  EXPECT_THAT(std::string(not_connected.message()), HasSubstr("getpeername fd "));
  EXPECT_EQ(GetErrno(LocalAddressOf(-1).status()), EBADF);

  Socket local(AF_UNIX, SOCK_STREAM);
  EXPECT_EQ(LocalAddressOf(local.fd()).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace pelton
