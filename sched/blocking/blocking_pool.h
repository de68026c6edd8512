// BlockingPool: a bounded number of OS threads that run what would block a shard: file systems
// without asynchronous I/O, getaddrinfo(3), other people's libraries, long computations.
//
//   PELTON_ASSIGN_OR_RETURN(auto pool, BlockingPool::Create({.name = "disk", .max_threads = 4}));
//   PELTON_CO_RETURN_IF_ERROR(co_await RunBlocking(*pool, [&] { return Fsync(file); }));
//
// Jobs start in the order in which all shards have handed them in. Those in excess of queue_limit
// are not refused: the task that awaits such a job waits as it would for a place, in the same order,
// and its job needs no memory but the awaiter's own.
//
// Shard affinity: any shard hands in; made and destroyed by one thread, which the latter blocks.
// Ownership: the creator's. It must outlive its jobs (checked), and end before the runtime of the
// shards that use it: its threads may be about to wake one.
// Invariants: 1. a shard never waits for a lock: it hands in and withdraws through lock-free lists,
// and empties the latter only when try_lock() gives it the mutex; whoever holds that looks at the
// lists again after it has let go. 2. While there are fewer than max_threads, one thread is idle: a
// thread that leaves none idle starts the next one before it runs its job, so that shards start
// none. 3. Signals are blocked in its threads, but for those that a thread raises itself.
// Cost: handing in is two atomic instructions, and a futex(2) call when a thread is idle. An idle
// thread beyond min_threads wakes once per idle_time; the others never.

#ifndef PELTON_SCHED_BLOCKING_BLOCKING_POOL_H_
#define PELTON_SCHED_BLOCKING_BLOCKING_POOL_H_

#include <pthread.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "framework/base/intrusive_list.h"
#include "sched/blocking/blocking_job.h"
#include "sched/blocking/parker.h"
#include "sched/blocking/thread_set.h"

namespace pelton {

class BlockingPool {
 public:
  // No pool may have more.
  static constexpr uint32_t kMostThreads = 1024;

  struct Options {
    // Threads are called NAME-0, NAME-1 and so on; the kernel keeps 15 characters.
    std::string name = "blocking";
    // How many threads are kept when there is nothing to do, and started by Create(). With 0, the
    // first job after a pause has its shard start a thread, which takes some 20 µs.
    uint32_t min_threads = 1;
    // 1 to kMostThreads.
    uint32_t max_threads = 16;
    // How many jobs that have not started make the queue full. At least 1.
    size_t queue_limit = 1024;
    // A thread beyond min_threads that had nothing to do for so long ends.
    absl::Duration idle_time = absl::Seconds(10);
    // Of each thread; 0: the system's default (`ulimit -s`). It is reserved, not used.
    size_t stack_bytes = 0;
    // How threads are made; tests make it fail.
    int (*create_thread)(pthread_t*, const pthread_attr_t*, void* (*)(void*),
                         void*) = &::pthread_create;
  };

  // A moment's figures, each exact by itself.
  struct Statistics {
    uint64_t queued;           // jobs that have not started
    uint64_t running;          // jobs on a thread
    uint64_t completed;        // functions that have returned or thrown, ever
    uint64_t withdrawn;        // jobs that were cancelled before they started, ever
    uint64_t refused;          // jobs refused: by a full queue, or for want of any thread, ever
    uint64_t waits;            // jobs that found the queue full and waited, ever
    uint64_t threads;          // now
    uint64_t threads_started;  // ever
    uint64_t thread_failures;  // attempts to start a thread that failed, ever
  };

  // ERRORS: InvalidArgument names the option that is wrong; RESOURCE_EXHAUSTED when none of
  // min_threads could be started (EAGAIN). When only some could, the pool goes on with those, and
  // tries again when it needs more.
  static absl::StatusOr<std::unique_ptr<BlockingPool>> Create(const Options& options);
  // Ends the threads and waits until they are gone, which takes a moment. REQUIRES: no task awaits
  // one of its jobs (checked).
  ~BlockingPool();
  BlockingPool(const BlockingPool&) = delete;
  BlockingPool& operator=(const BlockingPool&) = delete;

  const std::string& name() const { return options_.name; }
  // Any thread.
  Statistics GetStatistics() const;
  // Why the last attempt to start a thread failed; OK when none has. Any thread.
  absl::Status ThreadError() const;

 private:
  friend class sched_internal::BlockingJob;
  using Job = sched_internal::BlockingJob;

  struct Worker {
    BlockingPool* pool = nullptr;
    uint32_t index = 0;
    Parker parker;
    pthread_t thread = {};
    bool runs = false;      // under mutex_
    bool joinable = false;  // under mutex_
  };

  explicit BlockingPool(const Options& options);

  // On shards. Whether `job` may be submitted; it is counted then, and told why not otherwise.
  bool Admit(Job& job);
  void Submit(Job& job);
  // REQUIRES: the caller has claimed `job`.
  void Withdraw(Job& job);

  // Does what cannot wait for a thread: withdrawals, and jobs that no thread is there for. Any
  // thread; never waits for the mutex.
  void Attend();
  bool NeedsAttention() const;
  bool HasJobs() const { return submitted_.load() != nullptr || queue_length_.load() > 0; }

  // Under mutex_.
  void TakeLists();
  void ReleaseWithdrawn(Job& job);
  void RefuseQueue();
  Job* TakeJob();
  void EnsureHelper();
  bool StartThread();
  bool MayEnd();

  // The threads' own.
  static void* ThreadMain(void* argument);
  void Work(Worker& worker);
  // Returns false when the thread is to end.
  bool AwaitJobs(Worker& worker);
  // Attend() for a thread that has ended but for this. Returns whether it has to go on instead: a
  // thread cannot start its own successor, whom it may have to make room for.
  bool Revive(Worker& worker);
  void Execute(Job& job);

  const Options options_;

  // Lists that shards push to, and the set that they take idle threads from. They, threads_,
  // queue_length_ and stopping_ are sequentially consistent: each side writes one and then reads
  // another's.
  std::atomic<Job*> submitted_ = nullptr;
  std::atomic<Job*> withdrawn_ = nullptr;
  ThreadSet idle_;
  std::atomic<uint32_t> threads_ = 0;
  std::atomic<size_t> queue_length_ = 0;
  std::atomic<bool> stopping_ = false;

  std::mutex mutex_;  // of the pool's threads; shards only try it
  IntrusiveList<Job> queue_;
  const std::unique_ptr<Worker[]> workers_;
  int64_t retry_thread_at_ns_ = 0;

  std::atomic<uint64_t> unstarted_ = 0;
  std::atomic<uint64_t> running_ = 0;
  std::atomic<uint64_t> completed_ = 0;
  std::atomic<uint64_t> withdrawn_count_ = 0;
  std::atomic<uint64_t> refused_ = 0;
  std::atomic<uint64_t> waits_ = 0;
  std::atomic<uint64_t> threads_started_ = 0;
  std::atomic<uint64_t> thread_failures_ = 0;
  std::atomic<int> thread_errno_ = 0;
};

}  // namespace pelton

#endif  // PELTON_SCHED_BLOCKING_BLOCKING_POOL_H_
