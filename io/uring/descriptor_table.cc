#include "io/uring/descriptor_table.h"

#include <sys/resource.h>

#include <algorithm>

#include "framework/base/check.h"

namespace pelton::io {

int DescriptorTable::Register(Ring& ring) {
  // The kernel allows as many slots as the process may open files. Each takes 8 bytes of the
  // kernel's memory.
  constexpr rlim_t kMostSlots = 65536;
  rlimit limit;
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_cur = 1024;
  const unsigned slots = static_cast<unsigned>(std::min(limit.rlim_cur, kMostSlots));
  const int result = ::io_uring_register_files_sparse(&ring.raw(), slots);
  if (result != 0) return result;
  slots_.resize(slots, State::kEmpty);
  updates_.reserve(ring.submission_entries());
  return 0;
}

void DescriptorTable::PrepareFill(int descriptor, io_uring_sqe* entry) {
  PELTON_DCHECK(UseOf(descriptor) == Use::kFill);
  updates_.push_back(descriptor);
  ::io_uring_prep_files_update(entry, &updates_.back(), 1, descriptor);
  slots_[static_cast<size_t>(descriptor)] = State::kFilled;
}

void DescriptorTable::OnFilled(int descriptor, int result) {
  if (result != 1) slots_[static_cast<size_t>(descriptor)] = State::kRefused;
}

bool DescriptorTable::Forget(int descriptor) {
  const size_t slot = static_cast<size_t>(static_cast<unsigned>(descriptor));
  if (slot >= slots_.size()) return false;
  const bool filled = slots_[slot] == State::kFilled;
  slots_[slot] = State::kEmpty;
  return filled;
}

}  // namespace pelton::io
