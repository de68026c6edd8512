#include "sched/sync/mutex.h"

namespace pelton {

Mutex::~Mutex() {
  line_.CheckEmpty("a Mutex");
  PELTON_CHECK(!locked_) << "a Mutex was destroyed while it is locked (at "
                         << locked_at_.file_name() << ":" << locked_at_.line()
                         << "); its guards go first";
}

void Mutex::Describe(std::ostream& out) const {
  out << "mutex " << static_cast<const void*>(this);
  if (!locked_) return;
  if (holder_ != nullptr) {
    out << " held by task " << static_cast<const void*>(holder_);
  } else {
    out << " held by no task";
  }
  out << ", locked at " << locked_at_.file_name() << ":" << locked_at_.line();
}

}  // namespace pelton
