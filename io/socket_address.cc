#include "io/socket_address.h"

#include <arpa/inet.h>
#include <net/if.h>

#include <cerrno>
#include <charconv>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "framework/base/status.h"
#include "framework/base/strings.h"

namespace pelton {
namespace {

constexpr char kForms[] = "1.2.3.4:80, [::1]:80 or :80";

// `text` in quotes, fit for one line of an error message whatever bytes a user or a peer put there.
std::string Quoted(std::string_view text) {
  constexpr size_t kLongest = 80;
  const bool is_cut = text.size() > kLongest;
  return absl::StrCat("\"", absl::CHexEscape(ToAbsl(text.substr(0, kLongest))), is_cut ? "..." : "",
                      "\"");
}

absl::Status Invalid(std::string_view text, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("address ", Quoted(text), ": ", what));
}

std::optional<uint32_t> ParseNumber(std::string_view digits, uint32_t largest) {
  uint32_t number = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, number);
  if (error != std::errc() || stop != end || number > largest) return std::nullopt;
  if (digits.size() > 1 && digits[0] == '0') return std::nullopt;
  return number;
}

// inet_pton reads a C string: a NUL inside `host` would end it early, and so is refused here.
template <typename T>
bool ReadHost(int family, std::string_view host, T* result) {
  char buffer[INET6_ADDRSTRLEN];
  if (host.size() >= sizeof(buffer) || host.find('\0') != host.npos) return false;
  host.copy(buffer, host.size());
  buffer[host.size()] = '\0';
  return inet_pton(family, buffer, result) == 1;
}

// Only these addresses mean something on one interface alone; the kernel ignores the scope of all
// others.
bool HasScope(const in6_addr& host) {
  return IN6_IS_ADDR_LINKLOCAL(&host) || IN6_IS_ADDR_MC_LINKLOCAL(&host) ||
         IN6_IS_ADDR_MC_NODELOCAL(&host);
}

// The index of the interface that `scope` names; 0 when there is none.
uint32_t InterfaceIndex(std::string_view scope) {
  char name[IF_NAMESIZE];
  if (scope.size() < sizeof(name) && scope.find('\0') == scope.npos) {
    scope.copy(name, scope.size());
    name[scope.size()] = '\0';
    if (const uint32_t index = if_nametoindex(name); index != 0) return index;
  }
  return ParseNumber(scope, UINT32_MAX).value_or(0);
}

// What is wrong with a text that has no port where one was expected.
std::string ExplainMissingPort(std::string_view text) {
  in6_addr host;
  if (ReadHost(AF_INET6, text, &host)) {
    return absl::StrCat("expected an IPv6 address in brackets and a port, such as [", ToAbsl(text),
                        "]:80");
  }
  return absl::StrCat("has no port: expected HOST:PORT, such as ", kForms);
}

using NameCall = int (*)(int, sockaddr*, socklen_t*);

absl::StatusOr<SocketAddress> AddressOf(int fd, NameCall call, std::string_view call_name) {
  sockaddr_storage storage;
  socklen_t size = sizeof(storage);
  if (call(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) {
    return ErrnoToStatus(errno, call_name, std::string(absl::StrCat("fd ", fd)));
  }
  return SocketAddress::FromSockaddr(reinterpret_cast<const sockaddr*>(&storage), size);
}

}  // namespace

SocketAddress::SocketAddress() {
  std::memset(&storage_, 0, sizeof(storage_));
  storage_.any.sa_family = AF_INET;
}

SocketAddress SocketAddress::OfIpv4(in_addr host, uint16_t port) {
  SocketAddress result;
  result.storage_.ipv4.sin_addr = host;
  result.storage_.ipv4.sin_port = htons(port);
  return result;
}

SocketAddress SocketAddress::OfIpv6(const in6_addr& host, uint32_t scope, uint16_t port) {
  SocketAddress result;
  result.storage_.any.sa_family = AF_INET6;
  result.storage_.ipv6.sin6_addr = host;
  result.storage_.ipv6.sin6_scope_id = HasScope(host) ? scope : 0;
  result.storage_.ipv6.sin6_port = htons(port);
  return result;
}

SocketAddress SocketAddress::Loopback(uint16_t port) {
  return OfIpv4(in_addr{htonl(INADDR_LOOPBACK)}, port);
}

uint16_t SocketAddress::port() const {
  return ntohs(IsIpv6() ? storage_.ipv6.sin6_port : storage_.ipv4.sin_port);
}

SocketAddress SocketAddress::WithPort(uint16_t port) const {
  SocketAddress result = *this;
  (IsIpv6() ? result.storage_.ipv6.sin6_port : result.storage_.ipv4.sin_port) = htons(port);
  return result;
}

absl::StatusOr<SocketAddress> SocketAddress::Parse(std::string_view text) {
  const size_t colon = text.rfind(':');
  const bool colon_is_in_host =
      colon != text.npos && text.substr(0, colon).find(':') != text.npos && text[0] != '[';
  const bool ends_in_bracket = !text.empty() && text.back() == ']';
  if (colon == text.npos || colon_is_in_host || ends_in_bracket) {
    return Invalid(text, ExplainMissingPort(text));
  }
  const std::string_view digits = text.substr(colon + 1);
  const std::optional<uint32_t> port = ParseNumber(digits, 65535);
  if (!port.has_value()) {
    return Invalid(text, absl::StrCat("port ", Quoted(digits),
                                      " is wrong: expected a decimal number from 0 to 65535"));
  }
  const std::string_view host = text.substr(0, colon);
  if (host.empty() || host == "*") return OfIpv4(in_addr{INADDR_ANY}, *port);
  if (host.front() != '[') return ParseIpv4(text, host, *port);
  if (host.back() != ']') {
    return Invalid(text, "expected \"]\" between the IPv6 address and the port, as in [::1]:80");
  }
  return ParseIpv6(text, host.substr(1, host.size() - 2), *port);
}

absl::StatusOr<SocketAddress> SocketAddress::ParseIpv4(std::string_view text, std::string_view host,
                                                       uint16_t port) {
  in_addr address;
  if (ReadHost(AF_INET, host, &address)) return OfIpv4(address, port);
  return Invalid(text, absl::StrCat("host ", Quoted(host),
                                    " is not a numeric address (names are not resolved here): "
                                    "expected ",
                                    kForms));
}

absl::StatusOr<SocketAddress> SocketAddress::ParseIpv6(std::string_view text, std::string_view host,
                                                       uint16_t port) {
  const size_t percent = host.find('%');
  in6_addr address;
  if (!ReadHost(AF_INET6, host.substr(0, percent), &address)) {
    return Invalid(text, absl::StrCat("host ", Quoted(host.substr(0, percent)),
                                      " is not an IPv6 address: expected one such as [::1]:80"));
  }
  if (percent == host.npos) return OfIpv6(address, 0, port);

  const std::string_view scope = host.substr(percent + 1);
  if (!HasScope(address)) {
    return Invalid(text, absl::StrCat("scope ", Quoted(scope),
                                      " has no meaning here: only link-local addresses "
                                      "(fe80::/10, ff01::/16, ff02::/16) have one"));
  }
  const uint32_t index = InterfaceIndex(scope);
  if (index == 0) {
    return absl::NotFoundError(
        absl::StrCat("address ", Quoted(text), ": scope ", Quoted(scope),
                     " is neither the name of a network interface here nor an index of 1 or more"));
  }
  return OfIpv6(address, index, port);
}

absl::StatusOr<SocketAddress> SocketAddress::FromSockaddr(const sockaddr* address, socklen_t size) {
  if (size < sizeof(sa_family_t)) {
    return absl::InvalidArgumentError(
        absl::StrCat("socket address of ", size, " bytes has no family (an unnamed socket?)"));
  }
  sa_family_t family;
  std::memcpy(&family, &address->sa_family, sizeof(family));
  if (family != AF_INET && family != AF_INET6) {
    return absl::InvalidArgumentError(absl::StrCat("socket address of family ", family,
                                                   ": expected AF_INET (", AF_INET,
                                                   ") or AF_INET6 (", AF_INET6, ")"));
  }
  const size_t needed = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  if (size < needed) {
    return absl::InvalidArgumentError(absl::StrCat("socket address of family ", family, " and ",
                                                   size, " bytes: expected ", needed, " bytes"));
  }
  if (family == AF_INET) {
    sockaddr_in ipv4;
    std::memcpy(&ipv4, address, sizeof(ipv4));
    return OfIpv4(ipv4.sin_addr, ntohs(ipv4.sin_port));
  }
  sockaddr_in6 ipv6;
  std::memcpy(&ipv6, address, sizeof(ipv6));
  return OfIpv6(ipv6.sin6_addr, ipv6.sin6_scope_id, ntohs(ipv6.sin6_port));
}

std::string SocketAddress::ToString() const {
  char host[INET6_ADDRSTRLEN];
  if (!IsIpv6()) {
    inet_ntop(AF_INET, &storage_.ipv4.sin_addr, host, sizeof(host));
    return absl::StrCat(host, ":", port());
  }
  inet_ntop(AF_INET6, &storage_.ipv6.sin6_addr, host, sizeof(host));
  const uint32_t scope = storage_.ipv6.sin6_scope_id;
  if (scope == 0) return absl::StrCat("[", host, "]:", port());
  char name[IF_NAMESIZE];
  if (if_indextoname(scope, name) != nullptr) {
    return absl::StrCat("[", host, "%", name, "]:", port());
  }
  return absl::StrCat("[", host, "%", scope, "]:", port());
}

absl::StatusOr<SocketAddress> LocalAddressOf(int fd) {
  return AddressOf(fd, &getsockname, "getsockname");
}

absl::StatusOr<SocketAddress> PeerAddressOf(int fd) {
  return AddressOf(fd, &getpeername, "getpeername");
}

}  // namespace pelton
