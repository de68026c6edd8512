#include "io/names/address_order.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>

#include "absl/status/statusor.h"

namespace pelton::io {
namespace {

// An address as RFC 6724 looks at it: IPv4 addresses as IPv4-mapped ones (::ffff:1.2.3.4).
using Bytes = std::array<uint8_t, 16>;

Bytes BytesOf(const SocketAddress& address) {
  Bytes bytes = {};
  if (address.IsIpv6()) {
    std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in6*>(address.data())->sin6_addr,
                bytes.size());
  } else {
    bytes[10] = bytes[11] = 0xff;
    std::memcpy(&bytes[12], &reinterpret_cast<const sockaddr_in*>(address.data())->sin_addr, 4);
  }
  return bytes;
}

// How many bits at the beginning are the same.
int CommonPrefix(const Bytes& a, const Bytes& b) {
  for (size_t i = 0; i < a.size(); ++i) {
    const auto difference = static_cast<uint8_t>(a[i] ^ b[i]);
    if (difference != 0) return static_cast<int>(i * 8) + std::countl_zero(difference);
  }
  return 128;
}

struct Policy {
  Bytes prefix;
  int bits;
  int precedence;
  int label;
};

// RFC 6724 section 2.1, the longest prefix first.
constexpr std::array<Policy, 9> kPolicies = {{
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128, 50, 0},  // ::1
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96, 35, 4},         // ::ffff:0:0, IPv4
    {{}, 96, 1, 3},                                                  // IPv4-compatible
    {{0x20, 0x01, 0, 0}, 32, 5, 5},                                  // 2001::, Teredo
    {{0x20, 0x02}, 16, 30, 2},                                       // 2002::, 6to4
    {{0x3f, 0xfe}, 16, 1, 12},                                       // 3ffe::, 6bone
    {{0xfe, 0xc0}, 10, 1, 11},                                       // fec0::, site-local
    {{0xfc}, 7, 3, 13},                                              // fc00::, unique local
    {{}, 0, 40, 1},                                                  // everything else
}};

const Policy& PolicyOf(const Bytes& bytes) {
  return *std::find_if(kPolicies.begin(), kPolicies.end(), [&](const Policy& policy) {
    return CommonPrefix(policy.prefix, bytes) >= policy.bits;
  });
}

constexpr int kLinkLocal = 0x2;
constexpr int kSiteLocal = 0x5;
constexpr int kGlobal = 0xe;

// The scope, as in a multicast address (RFC 4291 section 2.7).
int ScopeOf(const SocketAddress& address) {
  const Bytes bytes = BytesOf(address);
  if (!address.IsIpv6()) {
    const bool is_link_local = bytes[12] == 127 || (bytes[12] == 169 && bytes[13] == 254);
    return is_link_local ? kLinkLocal : kGlobal;
  }
  if (bytes[0] == 0xff) return bytes[1] & 0xf;
  const Bytes loopback = kPolicies[0].prefix;
  if (bytes == loopback || (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80)) return kLinkLocal;
  if (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0xc0) return kSiteLocal;
  return kGlobal;
}

// What the rules compare.
struct Ranked {
  Destination destination;
  bool reachable;
  bool scope_matches;
  bool label_matches;
  int precedence;
  int scope;
  int common_prefix;  // of IPv6 with its source, within the first 64 bits
  size_t position;

  Ranked(const Destination& d, size_t at)
      : destination(d), reachable(d.source.has_value()), position(at) {
    const Bytes bytes = BytesOf(d.address);
    const Policy& policy = PolicyOf(bytes);
    precedence = policy.precedence;
    scope = ScopeOf(d.address);
    scope_matches = reachable && ScopeOf(*d.source) == scope;
    label_matches = reachable && PolicyOf(BytesOf(*d.source)).label == policy.label;
    common_prefix =
        reachable && d.address.IsIpv6() ? std::min(CommonPrefix(bytes, BytesOf(*d.source)), 64) : 0;
  }
};

bool IsBetter(const Ranked& a, const Ranked& b) {
  if (a.reachable != b.reachable) return a.reachable;                    // rule 1
  if (a.scope_matches != b.scope_matches) return a.scope_matches;        // rule 2
  if (a.label_matches != b.label_matches) return a.label_matches;        // rule 5
  if (a.precedence != b.precedence) return a.precedence > b.precedence;  // rule 6
  if (a.scope != b.scope) return a.scope < b.scope;                      // rule 8
  // Rule 9. It could go in circles if the families were not told apart by now: their precedences
  // differ.
  const bool both_ipv6 = a.destination.address.IsIpv6() && b.destination.address.IsIpv6();
  if (both_ipv6 && a.common_prefix != b.common_prefix) return a.common_prefix > b.common_prefix;
  return a.position < b.position;  // rule 10
}

// Finds out which own addresses the kernel would use, by datagram sockets that send nothing.
class SourceFinder {
 public:
  SourceFinder() = default;
  SourceFinder(const SourceFinder&) = delete;
  SourceFinder& operator=(const SourceFinder&) = delete;
  ~SourceFinder() {
    for (const int descriptor : {ipv4_, ipv6_}) {
      if (descriptor >= 0) ::close(descriptor);
    }
  }

  std::optional<SocketAddress> Find(const SocketAddress& address) {
    int& descriptor = address.IsIpv6() ? ipv6_ : ipv4_;
    if (descriptor < 0) {
      descriptor = ::socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
      if (descriptor < 0) return std::nullopt;
    } else {
      // A source that was chosen once would stay.
      const sockaddr none = {.sa_family = AF_UNSPEC, .sa_data = {}};
      if (::connect(descriptor, &none, sizeof(none)) != 0) return std::nullopt;
    }
    const SocketAddress target = address.port() == 0 ? address.WithPort(kAnyPort) : address;
    if (::connect(descriptor, target.data(), target.size()) != 0) return std::nullopt;
    absl::StatusOr<SocketAddress> source = LocalAddressOf(descriptor);
    if (!source.ok()) return std::nullopt;
    return *source;
  }

 private:
  static constexpr uint16_t kAnyPort = 53;

  int ipv4_ = -1;
  int ipv6_ = -1;
};

}  // namespace

void OrderDestinations(std::vector<Destination>& destinations) {
  std::vector<Ranked> ranked;
  ranked.reserve(destinations.size());
  for (const Destination& destination : destinations) {
    ranked.emplace_back(destination, ranked.size());
  }
  std::sort(ranked.begin(), ranked.end(), IsBetter);
  destinations.clear();
  for (const Ranked& one : ranked) destinations.push_back(one.destination);
}

void OrderAddresses(std::vector<SocketAddress>& addresses) {
  if (addresses.size() < 2) return;
  SourceFinder finder;
  std::vector<Destination> destinations;
  destinations.reserve(addresses.size());
  for (const SocketAddress& address : addresses) {
    destinations.push_back({.address = address, .source = finder.Find(address)});
  }
  OrderDestinations(destinations);
  addresses.clear();
  for (const Destination& one : destinations) addresses.push_back(one.address);
}

}  // namespace pelton::io
