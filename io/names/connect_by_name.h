// Connects to a host by its name, as quickly as its addresses allow (Happy Eyeballs, RFC 8305).
//
//   PELTON_CO_ASSIGN_OR_RETURN(TcpStream stream, co_await ConnectByName(resolver, "example.com:443"));
//
// IPv6 and IPv4 addresses are looked up at once, and attempted in turns, the next one 250 ms after
// the last: so an address that does not answer costs that, and not a time-out of the kernel's. The
// first connection stays, the others are closed. The address that was connected to last time is
// attempted first.
//
// Shard affinity: the resolver's.
// Cost: a few frames; a socket for each attempt.

#ifndef PELTON_IO_NAMES_CONNECT_BY_NAME_H_
#define PELTON_IO_NAMES_CONNECT_BY_NAME_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "io/names/resolver.h"
#include "io/socket_address.h"
#include "io/tcp_stream.h"
#include "sched/task.h"

namespace pelton {

struct ConnectOptions {
  AddressFamily family = AddressFamily::kAny;
  // How long an IPv4 address waits for an IPv6 one to become known.
  absl::Duration resolution_delay = absl::Milliseconds(50);
  // How long an attempt is given before the next one starts beside it.
  absl::Duration attempt_delay = absl::Milliseconds(250);
  // Addresses that are attempted at most.
  size_t max_addresses = 32;
};

// Connects to `host`, a name or an address (1.2.3.4, ::1), at `port`. The resolver may be destroyed
// meanwhile (CANCELLED). ERRORS: those of Resolver::Resolve(); when no attempt succeeds, a list of
// all of them with the code and the errno (GetErrno()) of the first. There is no limit of time:
// WithTimeout() sets one.
Task<absl::StatusOr<TcpStream>> ConnectByName(Resolver& resolver, std::string_view host,
                                              uint16_t port, ConnectOptions options = {});
// The same with HOST:PORT, where PORT is a number or a service of services(5): example.com:443,
// 127.0.0.1:80, [::1]:https. ERRORS: also INVALID_ARGUMENT when it has another form.
Task<absl::StatusOr<TcpStream>> ConnectByName(Resolver& resolver, std::string_view host_and_port,
                                              ConnectOptions options = {});

// Connects to one of `addresses`, which are attempted in their order, the families in turns.
Task<absl::StatusOr<TcpStream>> ConnectToAny(std::span<const SocketAddress> addresses,
                                             ConnectOptions options = {});

}  // namespace pelton

#endif  // PELTON_IO_NAMES_CONNECT_BY_NAME_H_
