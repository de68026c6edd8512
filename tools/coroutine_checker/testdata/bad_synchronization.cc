// Threads' locks and waits in coroutines.

#include <atomic>
#include <barrier>
#include <chrono>
#include <condition_variable>
#include <future>
#include <latch>
#include <mutex>
#include <semaphore>
#include <shared_mutex>
#include <thread>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "framework/pelton.h"

namespace {

using pelton::Task;

std::mutex mutex;
std::shared_mutex shared_mutex;
absl::Mutex absl_mutex;

Task<void> Sleeps(std::chrono::steady_clock::time_point deadline) {
  std::this_thread::sleep_for(std::chrono::seconds(1));  // expect: pelton-blocking-call
  std::this_thread::sleep_until(deadline);               // expect: pelton-blocking-call
  co_return;
}

Task<void> Locks() {
  mutex.lock();                                  // expect: pelton-blocking-call
  shared_mutex.lock_shared();                    // expect: pelton-blocking-call
  std::lock_guard<std::mutex> guard(mutex);      // expect: pelton-blocking-call
  std::lock_guard deduced(mutex);                // expect: pelton-blocking-call
  std::unique_lock unique(mutex);                // expect: pelton-blocking-call
  std::scoped_lock scoped(mutex, shared_mutex);  // expect: pelton-blocking-call
  std::shared_lock shared(shared_mutex);         // expect: pelton-blocking-call
  std::unique_lock later(mutex, std::defer_lock);
  later.lock();                            // expect: pelton-blocking-call
  absl::MutexLock absl_lock(&absl_mutex);  // expect: pelton-blocking-call
  absl_mutex.Lock();                       // expect: pelton-blocking-call
  std::lock(mutex, shared_mutex);          // expect: pelton-blocking-call
  co_return;
}

Task<void> Waits(std::condition_variable& condition, absl::Notification& notification,
                 std::thread& thread) {
  std::unique_lock lock(mutex);                       // expect: pelton-blocking-call
  condition.wait(lock);                               // expect: pelton-blocking-call
  condition.wait(lock, [] { return true; });          // expect: pelton-blocking-call
  condition.wait_for(lock, std::chrono::seconds(1));  // expect: pelton-blocking-call
  notification.WaitForNotification();                 // expect: pelton-blocking-call
  thread.join();                                      // expect: pelton-blocking-call
  std::latch latch(1);
  latch.wait();  // expect: pelton-blocking-call
  std::counting_semaphore<8> semaphore(1);
  semaphore.acquire();  // expect: pelton-blocking-call
  std::atomic<int> value = 0;
  value.wait(0);  // expect: pelton-blocking-call
  std::atomic_flag flag;
  flag.wait(false);  // expect: pelton-blocking-call
  co_return;
}

Task<int> Futures(std::future<int> future, std::shared_future<int> shared) {
  future.wait();                                  // expect: pelton-blocking-call
  future.wait_for(std::chrono::milliseconds(5));  // expect: pelton-blocking-call
  shared.wait();                                  // expect: pelton-blocking-call
  (void)shared.get();                             // expect: pelton-blocking-call
  co_return future.get();                         // expect: pelton-blocking-call
}

template <typename Mutex>
class Guarded {
 public:
  Task<int> Get() {
    std::lock_guard lock(mutex_);  // expect: pelton-blocking-call
    co_return value_;
  }

 private:
  Mutex mutex_;
  int value_ = 0;
};

Task<int> UsesIt(Guarded<std::mutex>& guarded) { co_return co_await guarded.Get(); }

Task<void> HoldsOverAnAwait(absl::Duration pause) {
  {
    std::lock_guard held(mutex);  // expect: pelton-blocking-call pelton-lock-across-await
    co_await pelton::Yield();
  }
  {
    std::unique_lock held(mutex, std::try_to_lock);  // expect: pelton-lock-across-await
    if (held.owns_lock()) (void)co_await pelton::SleepFor(pause);
    held.unlock();
  }
  if (std::scoped_lock l(mutex); true) {  // expect: pelton-blocking-call pelton-lock-across-await
    co_await pelton::Yield();
  }
  absl::MutexLock held(&absl_mutex);  // expect: pelton-blocking-call pelton-lock-across-await
  for (int i = 0; i < 3; ++i) co_await pelton::Yield();
}

}  // namespace
