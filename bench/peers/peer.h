// What every peer server needs and what is not the subject of the comparison: flags, pinning, a
// listening socket, the line that says "ready". No code of Pelton's is in here: the peers are the
// yardstick.
//
// Flags of every peer: --port (0: the kernel chooses), --cpu (the core to run on), --buffer_size
// (bytes). Ownership: descriptors returned belong to the caller, who keeps them until the process
// ends.
//
//   Begin(argc, argv);
//   const int listener = ListenOnLoopback();
//   Announce(PortOf(listener), "raw-epoll");

#ifndef PELTON_BENCH_PEERS_PEER_H_
#define PELTON_BENCH_PEERS_PEER_H_

#include <cstddef>
#include <string_view>

namespace pelton::peers {

// Parses the flags, pins the process to --cpu, raises the limit of descriptors to the hard one and
// ignores SIGPIPE.
void Begin(int argc, char** argv);

// The values of --port and --buffer_size.
int Port();
size_t BufferSize();

// A non-blocking listening socket on 127.0.0.1:--port whose accepted sockets inherit TCP_NODELAY.
int ListenOnLoopback();

// The local port of a bound socket.
int PortOf(int descriptor);

// Blocks SIGTERM and SIGINT, and returns a non-blocking signalfd that becomes readable when one
// arrives.
int StopSignals();

// Prints `listening on 127.0.0.1:PORT shards=1 driver=NAME` on stdout: the server takes connections
// from now on.
void Announce(int port, std::string_view driver);

// Prints `what: text of the errno` on stderr and exits with 1. For start-up and for defects, never
// for what a peer does.
[[noreturn]] void Die(std::string_view what, int error_number);

}  // namespace pelton::peers

#endif  // PELTON_BENCH_PEERS_PEER_H_
