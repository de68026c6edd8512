// What the shards that accept for one listener know of each other: how many connections each has, and
// who takes some more.
//
// The kernel spreads connections over the shards by a hash. A few long-lived ones end up anyhow, so a
// shard that has accepted one and has clearly more than the least loaded shard gives it to that one,
// as a descriptor in the mail.
//
// Shard affinity: any shard; all members are atomic, or written before they are published.
// Ownership: the ListenerRegistry's; outlives the acceptors.
// Invariants: 1. connections(s) counts the open connections of shard s and those in the mail to it;
// 2. an acceptor with connections in the mail to it lives on until they have arrived.
// Cost: a few relaxed atomic operations for each connection accepted and closed; none for a read or a
// write.

#ifndef PELTON_IO_STREAM_SHARED_LISTENER_H_
#define PELTON_IO_STREAM_SHARED_LISTENER_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>

#include "framework/base/cache_line.h"
#include "framework/base/shard_id.h"
#include "io/stream/stream_connection.h"

namespace pelton::io {

class Acceptor;

// Sends `descriptor` to shard `to`, which calls acceptor.Arrive(descriptor) from its loop. Called on
// the shard that accepted. The runtime's.
using HandOverFunction = void (*)(ShardId to, Acceptor& acceptor, int descriptor);

class SharedListener {
 public:
  SharedListener(uint32_t shards, HandOverFunction hand_over)
      : shards_(shards), hand_over_(hand_over), members_(new Member[shards]) {}

  // How many connections more than the least loaded shard one may have without giving some away, so
  // that they do not travel for nothing.
  static uint32_t Slack(uint32_t least) { return 2 + least / 16; }

  ConnectionCount& connections(ShardId shard) { return members_[shard.index()].connections; }

  // From now on `shard` takes connections of others. REQUIRES: it did not until now.
  void Join(ShardId shard, Acceptor& acceptor) {
    Member& member = members_[shard.index()];
    member.acceptor = &acceptor;
    member.arriving.store(0, std::memory_order_release);
  }
  // From now on it takes none but those that are in the mail already. Returns how many these are.
  uint32_t Leave(ShardId shard) {
    return members_[shard.index()].arriving.fetch_or(kLeft, std::memory_order_acq_rel) & ~kLeft;
  }
  // A connection in the mail to `shard` has arrived. Returns how many are left.
  uint32_t Arrived(ShardId shard) {
    return (members_[shard.index()].arriving.fetch_sub(1, std::memory_order_acq_rel) - 1) & ~kLeft;
  }

  // Gives a connection that `shard` has accepted, and counted, to a shard with clearly fewer of them.
  // Returns false when there is none: it stays.
  bool GiveAway(ShardId shard, int descriptor);

 private:
  static constexpr uint32_t kLeft = uint32_t{1} << 31;

  struct alignas(kCacheLineBytes) Member {
    ConnectionCount connections{0};
    std::atomic<uint32_t> arriving{kLeft};  // in the mail to it; kLeft: takes no more
    Acceptor* acceptor = nullptr;           // valid while it has not left, or some are in the mail
  };

  // Counts a connection in the mail to `member`, if it takes any.
  static bool Reserve(Member& member);

  const uint32_t shards_;
  const HandOverFunction hand_over_;
  const std::unique_ptr<Member[]> members_;
};

// An acceptor's place among those of its listener; none, when it accepts alone.
struct SharedPlace {
  SharedListener* listener = nullptr;
  ShardId shard = ShardId(0);
};

}  // namespace pelton::io

#endif  // PELTON_IO_STREAM_SHARED_LISTENER_H_
