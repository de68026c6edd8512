// Where the shards of one service agree on the addresses that they listen on: every shard binds the
// port that the first one got, or listens on the one socket of a local address.
//
// Shard affinity: any shard; a mutex guards it. Used when listeners are bound, so hardly ever after
// the start.
// Ownership: the runtime's; outlives the shards.

#ifndef PELTON_IO_LISTENER_REGISTRY_H_
#define PELTON_IO_LISTENER_REGISTRY_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "framework/base/shard_id.h"
#include "io/socket_address.h"
#include "io/stream/shared_listener.h"
#include "io/stream/socket_options.h"

namespace pelton::io {

// A bound and listening socket.
struct ListeningSocket {
  int descriptor;
  SocketAddress address;
  SharedPlace place;  // among the shards that share the connections
};

// What a TCP listener is to be; fields as in TcpListener::Options.
struct ListenOptions {
  int backlog = 4096;
  int fast_open = 0;
  absl::Duration defer_accept;
  SocketOptions accepted;
};

// Makes a listening socket on `address`. With `reuse_port`, others of this user may listen there,
// too; `check_free` first makes sure that nobody does. ERRORS: the kernel's; the message names the
// address.
absl::StatusOr<ListeningSocket> Listen(const SocketAddress& address, const ListenOptions& options,
                                       bool reuse_port, bool check_free);

// Makes a UDP socket that is bound to `address`; the rest as of Listen().
absl::StatusOr<ListeningSocket> BindUdp(const SocketAddress& address, bool reuse_port,
                                        bool check_free);

class ListenerRegistry {
 public:
  // Told once per listener, when all its shards have bound it, on the shard that bound last.
  using Announce = void (*)(void* argument, std::string_view address, uint32_t shards);

  // `hand_over` gives connections to other shards; null: each shard keeps those that it accepts.
  ListenerRegistry(uint32_t shards, Announce announce, void* argument,
                   HandOverFunction hand_over = nullptr)
      : shards_(shards), announce_(announce), argument_(argument), hand_over_(hand_over) {}
  ~ListenerRegistry();

  // Binds `text`'s address for `shard`. The first, second, ... listener on the same text is the
  // same one on every shard. `every_shard` and `balance` as in TcpListener::Options.
  absl::StatusOr<ListeningSocket> Bind(std::string_view text, const SocketAddress& address,
                                       const ListenOptions& options, bool every_shard, bool balance,
                                       ShardId shard);

  // The same for datagrams, on every shard: the kernel spreads the senders over the shards.
  absl::StatusOr<ListeningSocket> BindUdp(std::string_view text, const SocketAddress& address,
                                          ShardId shard);

  // The same for a local listener, which has one socket for all shards: `open(context)` makes it on
  // the first one.
  using OpenFunction = absl::StatusOr<int> (*)(void* context);
  struct LocalSocket {
    int descriptor;
    SharedPlace place;
    bool first;  // made it
  };
  absl::StatusOr<LocalSocket> BindLocal(std::string_view text, OpenFunction open, void* context,
                                        bool every_shard, bool balance, ShardId shard);

 private:
  struct Listener {
    std::string text;
    SocketAddress address;
    int descriptor;  // of a local listener that some shards have not bound yet; else -1
    std::vector<ShardId> bound;
    std::unique_ptr<SharedListener> shared;
  };

  // The first listener on `text` that `shard` has not bound; null: it would be a new one. REQUIRES:
  // the mutex is held, as by the others.
  Listener* FindUnbound(std::string_view text, ShardId shard);
  Listener& Add(std::string_view text);
  SharedPlace Bound(Listener& listener, std::string_view name, bool balance, ShardId shard);

  const uint32_t shards_;
  const Announce announce_;
  void* const argument_;
  const HandOverFunction hand_over_;
  std::mutex mutex_;
  std::vector<Listener> listeners_;  // guarded by mutex_
};

}  // namespace pelton::io

#endif  // PELTON_IO_LISTENER_REGISTRY_H_
