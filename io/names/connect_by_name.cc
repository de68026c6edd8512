#include "io/names/connect_by_name.h"

#include <sys/socket.h>

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "framework/base/status.h"
#include "framework/base/strings.h"
#include "io/names/address_lookup.h"
#include "io/names/connection_race.h"
#include "io/names/dns_name.h"
#include "io/names/service_port.h"

namespace pelton {
namespace {

using io::ConnectionRace;
using io::ResolverCore;

// Makes TCP connections; those that are not taken are closed with it.
class TcpAttempts final : public io::AttemptMaker {
 public:
  TcpStream Take(size_t index) { return std::move(streams_[index]); }

 private:
  Task<absl::Status> Attempt(size_t index, SocketAddress address) override {
    absl::StatusOr<TcpStream> stream = co_await TcpStream::Connect(address);
    if (!stream.ok()) co_return stream.status();
    if (streams_.size() <= index) streams_.resize(index + 1);
    streams_[index] = *std::move(stream);
    co_return absl::OkStatus();
  }

  std::deque<TcpStream> streams_;  // by index
};

ConnectionRace::Options RaceOptions(const ConnectOptions& options) {
  return {.resolution_delay = options.resolution_delay,
          .attempt_delay = options.attempt_delay,
          .max_addresses = options.max_addresses,
          .expects_ipv6 = options.family != AddressFamily::kIpv4};
}

Task<absl::StatusOr<TcpStream>> ConnectHost(ResolverCore::Hold core, std::string host,
                                            uint16_t port, ConnectOptions options) {
  const std::string what = absl::StrCat(host, host.find(':') == host.npos ? ":" : " port ", port);
  ConnectionRace::Options race_options = RaceOptions(options);
  race_options.port = port;
  if (const SocketAddress* good = core->last_good().Find(what)) race_options.preferred = *good;
  TcpAttempts attempts;
  ConnectionRace race(attempts, what, race_options);
  const absl::StatusOr<ConnectionRace::Winner> winner =
      co_await race.Run(io::LookUpAddresses(core, host, options.family, race));
  if (!winner.ok()) {
    core->last_good().Erase(what);
    co_return winner.status();
  }
  core->last_good().Put(what, winner->address);
  co_return attempts.Take(winner->index);
}

absl::Status WrongForm(std::string_view text) {
  return absl::InvalidArgumentError(
      absl::StrCat("destination ", io::QuotedName(text),
                   ": expected HOST:PORT, such as example.com:443, 127.0.0.1:80 or [::1]:80"));
}

// The two parts of HOST:PORT.
struct HostAndPort {
  std::string host;
  std::string port;
};

absl::StatusOr<HostAndPort> Split(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == text.npos) return WrongForm(text);
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  const bool in_brackets = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (in_brackets) host = host.substr(1, host.size() - 2);
  if (!in_brackets && host.find(':') != host.npos) return WrongForm(text);
  if (host.empty() || port.empty()) return WrongForm(text);
  return HostAndPort{.host = std::string(host), .port = std::string(port)};
}

Task<absl::StatusOr<TcpStream>> ConnectText(ResolverCore::Hold core, std::string text,
                                            ConnectOptions options) {
  PELTON_CO_ASSIGN_OR_RETURN(HostAndPort parts, Split(text));
  PELTON_CO_ASSIGN_OR_RETURN(const uint16_t port,
                             co_await io::LookUpServicePort(std::move(parts.port)));
  co_return co_await ConnectHost(core, std::move(parts.host), port, options);
}

// Tells a race of addresses that are known already.
Task<absl::Status> TellAll(std::vector<SocketAddress> addresses, io::AddressSink& sink) {
  sink.OnAddresses(AF_INET6, addresses);
  co_return absl::OkStatus();
}

Task<absl::StatusOr<TcpStream>> ConnectList(std::vector<SocketAddress> addresses,
                                            ConnectOptions options) {
  std::erase_if(addresses, [&](const SocketAddress& address) {
    return (options.family == AddressFamily::kIpv4 && address.IsIpv6()) ||
           (options.family == AddressFamily::kIpv6 && !address.IsIpv6());
  });
  const std::string what = absl::StrCat("one of ", addresses.size(), " addresses");
  ConnectionRace::Options race_options = RaceOptions(options);
  race_options.orders_addresses = false;
  TcpAttempts attempts;
  ConnectionRace race(attempts, what, race_options);
  PELTON_CO_ASSIGN_OR_RETURN(const ConnectionRace::Winner winner,
                             co_await race.Run(TellAll(std::move(addresses), race)));
  co_return attempts.Take(winner.index);
}

}  // namespace

Task<absl::StatusOr<TcpStream>> ConnectByName(Resolver& resolver, std::string_view host,
                                              uint16_t port, ConnectOptions options) {
  return ConnectHost(resolver.core(), std::string(host), port, options);
}

Task<absl::StatusOr<TcpStream>> ConnectByName(Resolver& resolver, std::string_view host_and_port,
                                              ConnectOptions options) {
  return ConnectText(resolver.core(), std::string(host_and_port), options);
}

Task<absl::StatusOr<TcpStream>> ConnectToAny(std::span<const SocketAddress> addresses,
                                             ConnectOptions options) {
  return ConnectList({addresses.begin(), addresses.end()}, options);
}

}  // namespace pelton
