#include "framework/shard_group.h"

#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "framework/connection_hand_over.h"

namespace pelton {

ShardGroup::ShardGroup(uint32_t shards, io::ListenerRegistry::Announce announce, void* argument)
    : exchange_(shards), listeners_(shards, announce, argument, &HandOverConnection) {}

void ShardGroup::RequestStop(StopPhase phase) {
  uint32_t current = requests();
  const auto wanted = static_cast<uint32_t>(phase);
  while (current % kOneDump < wanted &&
         !requests_.compare_exchange_weak(current, current - current % kOneDump + wanted)) {
  }
}

void ShardGroup::Fail(ShardId shard, const absl::Status& status) {
  absl::Status error(status.code(), absl::StrCat("shard ", shard.index(), ": ", status.message()));
  status.ForEachPayload([&error](absl::string_view type, const absl::Cord& payload) {
    error.SetPayload(type, payload);
  });
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (first_error_.ok()) first_error_ = std::move(error);
  }
  RequestStop(StopPhase::kEverything);
}

absl::Status ShardGroup::first_error() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return first_error_;
}

}  // namespace pelton
