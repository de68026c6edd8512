#include "io/stream/shared_listener.h"

namespace pelton::io {

bool SharedListener::Reserve(Member& member) {
  uint32_t arriving = member.arriving.load(std::memory_order_acquire);
  do {
    if ((arriving & kLeft) != 0) return false;
  } while (!member.arriving.compare_exchange_weak(arriving, arriving + 1, std::memory_order_acq_rel,
                                                  std::memory_order_acquire));
  return true;
}

bool SharedListener::GiveAway(ShardId shard, int descriptor) {
  const uint32_t own = members_[shard.index()].connections.load(std::memory_order_relaxed);
  uint32_t least = own;
  uint32_t to = shard.index();
  for (uint32_t i = 0; i < shards_; ++i) {
    const Member& member = members_[i];
    if ((member.arriving.load(std::memory_order_relaxed) & kLeft) != 0) continue;
    const uint32_t connections = member.connections.load(std::memory_order_relaxed);
    if (connections >= least) continue;
    least = connections;
    to = i;
  }
  if (own <= least + Slack(least) || !Reserve(members_[to])) return false;
  members_[to].connections.fetch_add(1, std::memory_order_relaxed);
  members_[shard.index()].connections.fetch_sub(1, std::memory_order_relaxed);
  hand_over_(ShardId(to), *members_[to].acceptor, descriptor);
  return true;
}

}  // namespace pelton::io
