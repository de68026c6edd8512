// The ring's table of direct descriptors: operations on them save the kernel a look-up and two
// counts.
//
// A descriptor takes the slot of its own number at its first operation, and leaves it when it is
// closed. The entry that fills the slot goes into the queue ahead of the operation, which therefore
// finds it filled. The kernel may refuse one, such as a ring's own descriptor: then what was started
// on it directly fails with EBADF and is started again, indirectly.
//
// Shard affinity: the ring's.
// Invariants: 1. a slot that is kFilled holds the file of its number, or a completion that refuses
// it is still to come; 2. what an entry points to stays until the kernel has taken it.
// Cost: an array look-up; at the first operation on a descriptor an entry more.

#ifndef PELTON_IO_URING_DESCRIPTOR_TABLE_H_
#define PELTON_IO_URING_DESCRIPTOR_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "io/uring/ring.h"

namespace pelton::io {

class DescriptorTable {
 public:
  // What becomes of a descriptor's slot at an operation.
  enum class Use : uint8_t {
    kDirect,    // it is filled
    kFill,      // PrepareFill() an entry, then it is filled
    kIndirect,  // it will not be
  };

  DescriptorTable() = default;
  DescriptorTable(const DescriptorTable&) = delete;
  DescriptorTable& operator=(const DescriptorTable&) = delete;

  // Makes the kernel's table, with as many slots as the process may have descriptors, at most
  // 65536. Returns 0, or a negative errno: then every use is kIndirect.
  int Register(Ring& ring);
  size_t slots() const { return slots_.size(); }

  Use UseOf(int descriptor) const {
    const size_t slot = static_cast<size_t>(static_cast<unsigned>(descriptor));
    if (slot >= slots_.size()) return Use::kIndirect;
    if (slots_[slot] == State::kFilled) [[likely]]
      return Use::kDirect;
    // Only so many: what the entries point to must not move.
    if (slots_[slot] == State::kRefused || updates_.size() == updates_.capacity()) {
      return Use::kIndirect;
    }
    return Use::kFill;
  }
  // Turns a cleared entry into one that fills the slot. REQUIRES: UseOf() said kFill.
  void PrepareFill(int descriptor, io_uring_sqe* entry);
  // The completion of that entry.
  void OnFilled(int descriptor, int result);
  // Whether operations that were started directly may find that the kernel refused the slot.
  bool IsRefused(int descriptor) const {
    const size_t slot = static_cast<size_t>(static_cast<unsigned>(descriptor));
    return slot < slots_.size() && slots_[slot] == State::kRefused;
  }
  // The descriptor is closed. Returns whether its slot is to be emptied, because it holds the file
  // open.
  bool Forget(int descriptor);
  // The kernel has taken all entries.
  void OnSubmitted() { updates_.clear(); }

 private:
  enum class State : uint8_t { kEmpty, kFilled, kRefused };

  std::vector<State> slots_;
  std::vector<int> updates_;  // what entries that were not submitted yet point to
};

}  // namespace pelton::io

#endif  // PELTON_IO_URING_DESCRIPTOR_TABLE_H_
