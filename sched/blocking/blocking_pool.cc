#include "sched/blocking/blocking_pool.h"

#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "framework/base/check.h"
#include "framework/base/status.h"
#include "sched/clock.h"
#include "sched/mailbox.h"

namespace pelton {
namespace {

constexpr size_t kLongestThreadName = 15;
// After a thread could not be started, no other attempt is made for so long.
constexpr int64_t kThreadRetryNs = 100'000'000;

absl::Status Check(const BlockingPool::Options& options) {
  const auto wrong = [&](const auto&... parts) {
    return absl::InvalidArgumentError(
        absl::StrCat("blocking pool \"", options.name, "\": ", parts...));
  };
  if (options.max_threads < 1 || options.max_threads > BlockingPool::kMostThreads) {
    return wrong("max_threads=", options.max_threads, ": expected 1 to ",
                 BlockingPool::kMostThreads);
  }
  if (options.min_threads > options.max_threads) {
    return wrong("min_threads=", options.min_threads,
                 " is more than max_threads=", options.max_threads);
  }
  if (options.queue_limit < 1) return wrong("queue_limit=0: expected at least 1");
  if (options.idle_time < absl::ZeroDuration()) {
    return wrong("idle_time=", absl::FormatDuration(options.idle_time),
                 ": expected a duration that is not negative");
  }
  const size_t longest = kLongestThreadName - absl::StrCat("-", options.max_threads - 1).size();
  if (options.name.empty() || options.name.size() > longest) {
    return wrong("a name of ", options.name.size(), " characters: expected 1 to ", longest,
                 ", as threads are called NAME-", options.max_threads - 1);
  }
  const size_t least_stack = static_cast<size_t>(PTHREAD_STACK_MIN);
  if (options.stack_bytes != 0 && options.stack_bytes < least_stack) {
    return wrong("stack_bytes=", options.stack_bytes, ": expected 0 or at least ", least_stack);
  }
  return absl::OkStatus();
}

// Everything but what a thread raises by its own fault: blocking those would kill the process
// without a word from its handler.
sigset_t SignalsToBlock() {
  sigset_t signals;
  ::sigfillset(&signals);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT}) {
    ::sigdelset(&signals, fault);
  }
  return signals;
}

// What pthread_create() wants to know.
class ThreadAttributes {
 public:
  ThreadAttributes() { PELTON_CHECK(::pthread_attr_init(&attributes_) == 0); }
  ~ThreadAttributes() { ::pthread_attr_destroy(&attributes_); }
  ThreadAttributes(const ThreadAttributes&) = delete;
  ThreadAttributes& operator=(const ThreadAttributes&) = delete;
  pthread_attr_t* get() { return &attributes_; }

 private:
  pthread_attr_t attributes_;
};

template <typename Node, typename Link>
void PushTo(std::atomic<Node*>& list, Node& node, Link link) {
  Node* head = list.load(std::memory_order_relaxed);
  do {
    node.*link = head;
  } while (!list.compare_exchange_weak(head, &node));
}

}  // namespace

absl::StatusOr<std::unique_ptr<BlockingPool>> BlockingPool::Create(const Options& options) {
  PELTON_RETURN_IF_ERROR(Check(options));
  std::unique_ptr<BlockingPool> pool(new BlockingPool(options));
  const std::lock_guard<std::mutex> lock(pool->mutex_);
  while (pool->threads_.load() < options.min_threads && pool->StartThread()) {
  }
  if (options.min_threads > 0 && pool->threads_.load() == 0) return pool->ThreadError();
  return pool;
}

BlockingPool::BlockingPool(const Options& options)
    : options_(options),
      idle_(options.max_threads),
      workers_(std::make_unique<Worker[]>(options.max_threads)) {
  for (uint32_t i = 0; i < options.max_threads; ++i) {
    workers_[i].pool = this;
    workers_[i].index = i;
  }
}

BlockingPool::~BlockingPool() {
  const Statistics statistics = GetStatistics();
  PELTON_CHECK(statistics.queued == 0 && statistics.running == 0)
      << "the blocking pool \"" << name() << "\" was destroyed with " << statistics.queued
      << " jobs queued and " << statistics.running
      << " running; the tasks that await them must end before it";
  stopping_.store(true);
  for (uint32_t i = 0; i < options_.max_threads; ++i) {
    if (idle_.Remove(i)) workers_[i].parker.Unpark();
  }
  for (uint32_t i = 0; i < options_.max_threads; ++i) {
    pthread_t thread;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (!workers_[i].joinable) continue;
      thread = workers_[i].thread;
    }
    ::pthread_join(thread, nullptr);
  }
}

BlockingPool::Statistics BlockingPool::GetStatistics() const {
  return {.queued = unstarted_.load(),
          .running = running_.load(),
          .completed = completed_.load(),
          .withdrawn = withdrawn_count_.load(),
          .refused = refused_.load(),
          .waits = waits_.load(),
          .threads = threads_.load(),
          .threads_started = threads_started_.load(),
          .thread_failures = thread_failures_.load()};
}

absl::Status BlockingPool::ThreadError() const {
  const int error = thread_errno_.load();
  if (error == 0) return absl::OkStatus();
  absl::Status status =
      ErrnoToStatus(error, "pthread_create", absl::StrCat("of blocking pool \"", name(), "\""));
  if (error != EAGAIN) return status;
  return absl::ResourceExhaustedError(
      absl::StrCat(status.message(),
                   ". To fix: raise the limit of threads (ulimit -u, the container's "
                   "pids.max) or of memory, or give the pool fewer threads"));
}

bool BlockingPool::Admit(Job& job) {
  uint64_t unstarted = unstarted_.load(std::memory_order_relaxed);
  do {
    if (unstarted >= options_.queue_limit && job.when_full_ == Job::WhenFull::kFail) {
      refused_.fetch_add(1, std::memory_order_relaxed);
      job.refusal_ = absl::ResourceExhaustedError(absl::StrCat(
          "the queue of the blocking pool \"", name(), "\" is full: ", options_.queue_limit,
          " jobs wait for its ", options_.max_threads, " threads"));
      return false;
    }
  } while (!unstarted_.compare_exchange_weak(unstarted, unstarted + 1));
  if (unstarted >= options_.queue_limit) waits_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void BlockingPool::Submit(Job& job) {
  PushTo(submitted_, job, &Job::next_submitted_);
  // `job` may be home by now.
  if (const int idle = idle_.TakeFirst(); idle >= 0) return workers_[idle].parker.Unpark();
  if (threads_.load() == 0) Attend();
}

void BlockingPool::Withdraw(Job& job) {
  PushTo(withdrawn_, job, &Job::next_withdrawn_);
  Attend();
}

bool BlockingPool::NeedsAttention() const {
  return withdrawn_.load() != nullptr || (threads_.load() == 0 && HasJobs());
}

void BlockingPool::Attend() {
  // Between what this thread has written, or the mutex that it has let go, and what it reads now:
  // one of two threads that come here sees the other's.
  SleepFlag::FullBarrier();
  while (NeedsAttention()) {
    if (!mutex_.try_lock()) return;  // its holder comes here, too
    TakeLists();
    if (threads_.load() == 0 && queue_length_.load() > 0 && !StartThread()) RefuseQueue();
    mutex_.unlock();
    SleepFlag::FullBarrier();
  }
}

void BlockingPool::TakeLists() {
  // In this order: a job that is withdrawn was submitted before.
  Job* withdrawn = withdrawn_.exchange(nullptr);
  Job* newest = submitted_.exchange(nullptr);
  Job* oldest = nullptr;
  while (newest != nullptr) {
    Job* const before = newest->next_submitted_;
    newest->next_submitted_ = oldest;
    oldest = newest;
    newest = before;
  }
  size_t length = queue_length_.load();
  for (; oldest != nullptr; oldest = oldest->next_submitted_, ++length) queue_.PushBack(*oldest);
  queue_length_.store(length);
  while (withdrawn != nullptr) {
    Job& job = *withdrawn;
    withdrawn = job.next_withdrawn_;
    ReleaseWithdrawn(job);
  }
}

void BlockingPool::ReleaseWithdrawn(Job& job) {
  // TakeJob() may have come across it already.
  if (job.linked()) {
    job.Unlink();
    queue_length_.fetch_sub(1);
  }
  unstarted_.fetch_sub(1);
  withdrawn_count_.fetch_add(1, std::memory_order_relaxed);
  job.SendHome();
}

void BlockingPool::RefuseQueue() {
  const absl::Status error = ThreadError();
  while (Job* job = queue_.PopFront()) {
    queue_length_.fetch_sub(1);
    if (!job->ClaimAs(Job::Claim::kWithdrawn)) continue;  // its shard withdraws it
    job->refusal_ = error;
    unstarted_.fetch_sub(1);
    refused_.fetch_add(1, std::memory_order_relaxed);
    job->SendHome();
  }
}

BlockingPool::Job* BlockingPool::TakeJob() {
  TakeLists();
  while (Job* job = queue_.PopFront()) {
    queue_length_.fetch_sub(1);
    if (!job->ClaimAs(Job::Claim::kStarted)) continue;  // its shard withdraws it
    unstarted_.fetch_sub(1);
    running_.fetch_add(1);
    EnsureHelper();
    return job;
  }
  return nullptr;
}

void BlockingPool::EnsureHelper() {
  if (queue_length_.load() > 0) {
    if (const int idle = idle_.TakeFirst(); idle >= 0) return workers_[idle].parker.Unpark();
  }
  if (!idle_.Empty() || threads_.load() == options_.max_threads || stopping_.load()) return;
  if (retry_thread_at_ns_ != 0 && MonotonicClock().Now().nanoseconds() < retry_thread_at_ns_)
    return;
  StartThread();
}

bool BlockingPool::StartThread() {
  Worker* worker = workers_.get();
  while (worker->runs) ++worker;
  // One that has ended, and is on its last instructions.
  if (worker->joinable) ::pthread_join(worker->thread, nullptr);
  worker->joinable = false;
  ThreadAttributes attributes;
  if (options_.stack_bytes != 0) {
    ::pthread_attr_setstacksize(attributes.get(), options_.stack_bytes);
  }
  // A thread inherits its maker's CPUs, and a shard is pinned to one. The main thread's are the
  // process's. As many as a kernel can be built for; one that says nothing changes nothing.
  cpu_set_t cpus[8];
  if (::sched_getaffinity(::getpid(), sizeof(cpus), cpus) >= 0) {
    ::pthread_attr_setaffinity_np(attributes.get(), sizeof(cpus), cpus);
  }
  // The thread inherits the mask.
  const sigset_t signals = SignalsToBlock();
  sigset_t previous;
  ::pthread_sigmask(SIG_BLOCK, &signals, &previous);
  const int error =
      options_.create_thread(&worker->thread, attributes.get(), &BlockingPool::ThreadMain, worker);
  ::pthread_sigmask(SIG_SETMASK, &previous, nullptr);
  if (error != 0) {
    thread_failures_.fetch_add(1, std::memory_order_relaxed);
    thread_errno_.store(error);
    retry_thread_at_ns_ = MonotonicClock().Now().nanoseconds() + kThreadRetryNs;
    return false;
  }
  worker->runs = worker->joinable = true;
  retry_thread_at_ns_ = 0;
  threads_.fetch_add(1);
  threads_started_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

bool BlockingPool::MayEnd() {
  const uint32_t threads = threads_.load();
  if (threads <= options_.min_threads) return false;
  // Another one must be idle, or all are to end.
  if (threads > 1 && idle_.Empty()) return false;
  threads_.store(threads - 1);
  if (!HasJobs()) return true;
  threads_.store(threads);
  return false;
}

void* BlockingPool::ThreadMain(void* argument) {
  Worker& worker = *static_cast<Worker*>(argument);
  BlockingPool& pool = *worker.pool;
  ::pthread_setname_np(::pthread_self(), absl::StrCat(pool.name(), "-", worker.index).c_str());
  pool.Work(worker);
  return nullptr;
}

void BlockingPool::Work(Worker& worker) {
  do {
    Job* job;
    do {
      mutex_.lock();
      job = TakeJob();
      mutex_.unlock();
      Attend();
      if (job != nullptr) Execute(*job);
    } while (job != nullptr);
  } while (AwaitJobs(worker) || Revive(worker));
}

bool BlockingPool::Revive(Worker& worker) {
  SleepFlag::FullBarrier();
  while (NeedsAttention()) {
    if (!mutex_.try_lock()) return false;
    TakeLists();
    const bool needed = threads_.load() == 0 && queue_length_.load() > 0;
    if (needed) {
      threads_.store(1);
      worker.runs = true;
    }
    mutex_.unlock();
    if (needed) return true;
    SleepFlag::FullBarrier();
  }
  return false;
}

bool BlockingPool::AwaitJobs(Worker& worker) {
  idle_.Add(worker.index);
  if (HasJobs() || stopping_.load()) {
    // Claimed in between: the wake-up is on its way.
    if (!idle_.Remove(worker.index)) worker.parker.Park();
    return !stopping_.load();
  }
  const bool extra = threads_.load() > options_.min_threads;
  if (worker.parker.ParkFor(extra ? options_.idle_time : absl::InfiniteDuration())) {
    return !stopping_.load();
  }
  if (!idle_.Remove(worker.index)) {
    worker.parker.Park();
    return !stopping_.load();
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!MayEnd()) return true;
  worker.runs = false;
  return false;
}

void BlockingPool::Execute(Job& job) {
  job.Run();
  running_.fetch_sub(1);
  completed_.fetch_add(1, std::memory_order_relaxed);
  job.SendHome();
}

}  // namespace pelton
