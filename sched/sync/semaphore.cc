#include "sched/sync/semaphore.h"

#include <limits>

namespace pelton {

Semaphore::~Semaphore() {
  line_.CheckEmpty("a Semaphore");
  PELTON_CHECK(held_ == 0) << "a Semaphore was destroyed while " << held_
                           << " of its permits are held; they go first";
}

void Semaphore::Release(uint64_t count) {
  PELTON_CHECK(count <= std::numeric_limits<uint64_t>::max() - available_)
      << "a Semaphore of " << available_ << " permits was given " << count << " more";
  available_ += count;
  if (!line_.empty()) GrantFromLine();
}

void Semaphore::GrantFromLine() {
  while (!line_.empty()) {
    const uint64_t count = static_cast<AcquireAwaiter*>(line_.front())->count_;
    if (count > available_) return;
    Take(count);
    line_.WakeFront();
  }
}

void Semaphore::Describe(std::ostream& out, uint64_t count) const {
  out << count << " permits of semaphore " << static_cast<const void*>(this) << ", which has "
      << available_ << " left";
}

}  // namespace pelton
