// Where the shards of one service agree on the addresses that they listen on: every shard binds the
// port that the first one got.
//
// Shard affinity: any shard; a mutex guards it. Used when listeners are bound, so hardly ever after
// the start.
// Ownership: the runtime's; outlives the shards.

#ifndef PELTON_IO_LISTENER_REGISTRY_H_
#define PELTON_IO_LISTENER_REGISTRY_H_

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "framework/base/shard_id.h"
#include "io/socket_address.h"

namespace pelton::io {

// A bound and listening socket.
struct ListeningSocket {
  int descriptor;
  SocketAddress address;
};

// Makes a listening socket on `address`. With `reuse_port`, others of this user may listen there,
// too; `check_free` first makes sure that nobody does. ERRORS: the kernel's; the message names the
// address.
absl::StatusOr<ListeningSocket> Listen(const SocketAddress& address, int backlog, bool reuse_port,
                                       bool check_free);

class ListenerRegistry {
 public:
  // Told once per listener, when all its shards have bound it, on the shard that bound last.
  using Announce = void (*)(void* argument, const SocketAddress& address, uint32_t shards);

  ListenerRegistry(uint32_t shards, Announce announce, void* argument)
      : shards_(shards), announce_(announce), argument_(argument) {}

  // Binds `text`'s address for `shard`. The first, second, ... listener on the same text is the
  // same one on every shard. `every_shard` as in TcpListener::Options.
  absl::StatusOr<ListeningSocket> Bind(std::string_view text, const SocketAddress& address,
                                       int backlog, bool every_shard, ShardId shard);

 private:
  struct Listener {
    std::string text;
    SocketAddress address;
    std::vector<ShardId> bound;
  };

  const uint32_t shards_;
  const Announce announce_;
  void* const argument_;
  std::mutex mutex_;
  std::vector<Listener> listeners_;  // guarded by mutex_
};

}  // namespace pelton::io

#endif  // PELTON_IO_LISTENER_REGISTRY_H_
