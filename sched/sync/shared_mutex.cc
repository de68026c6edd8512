#include "sched/sync/shared_mutex.h"

namespace pelton {

SharedMutex::~SharedMutex() {
  line_.CheckEmpty("a SharedMutex");
  PELTON_CHECK(!writing_ && readers_ == 0)
      << "a SharedMutex was destroyed while it is locked; its guards go first";
}

void SharedMutex::AdmitFromLine() {
  while (!line_.empty()) {
    const bool exclusive = static_cast<Place*>(line_.front())->exclusive();
    if (!Admits(exclusive)) return;
    Enter(exclusive);
    line_.WakeFront();
  }
}

void SharedMutex::Describe(std::ostream& out, bool exclusive) const {
  out << "shared mutex " << static_cast<const void*>(this)
      << (exclusive ? " to write" : " to read");
  if (writing_) {
    out << ", held by a writer";
  } else {
    out << ", held by " << readers_ << " readers";
  }
}

}  // namespace pelton
