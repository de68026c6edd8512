// Blocker: a function for a pool's thread that holds it until the test lets go, so that a test says
// when a thread is busy instead of hoping.

#ifndef PELTON_TESTS_SCHED_BLOCKING_BLOCKER_H_
#define PELTON_TESTS_SCHED_BLOCKING_BLOCKER_H_

#include <cstddef>
#include <latch>

namespace pelton::testing {

class Blocker {
 public:
  // For `threads` threads at once.
  explicit Blocker(std::ptrdiff_t threads = 1) : held_(threads) {}

  // On a pool's thread: stays until Release().
  void Hold() {
    held_.count_down();
    released_.wait();
  }

  // On the test's thread: until all threads are held.
  void AwaitHeld() { held_.wait(); }
  void Release() { released_.count_down(); }

 private:
  std::latch held_;
  std::latch released_{1};
};

}  // namespace pelton::testing

#endif  // PELTON_TESTS_SCHED_BLOCKING_BLOCKER_H_
