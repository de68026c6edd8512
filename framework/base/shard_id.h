// The name of a shard: its index, 0 to shards - 1.

#ifndef PELTON_FRAMEWORK_BASE_SHARD_ID_H_
#define PELTON_FRAMEWORK_BASE_SHARD_ID_H_

#include <compare>
#include <cstdint>
#include <ostream>

namespace pelton {

// A shard's index as a type of its own, so that it is never mixed up with a CPU number or a count.
class ShardId {
 public:
  constexpr explicit ShardId(uint32_t index) : index_(index) {}

  constexpr uint32_t index() const { return index_; }

  friend constexpr auto operator<=>(ShardId, ShardId) = default;
  friend std::ostream& operator<<(std::ostream& out, ShardId id) { return out << id.index_; }

 private:
  uint32_t index_;
};

}  // namespace pelton

#endif  // PELTON_FRAMEWORK_BASE_SHARD_ID_H_
