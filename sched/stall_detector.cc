#include "sched/stall_detector.h"

#include <time.h>

#include <cerrno>

#include "framework/base/check.h"

namespace pelton {
namespace {

// Room for a frame with the widest registers that processors have (11 KiB), several times over.
constexpr size_t kSignalStackBytes = size_t{64} << 10;

}  // namespace

StallBell::StallBell() { PELTON_CHECK(::sem_init(&rings_, /*pshared=*/0, /*value=*/0) == 0); }

StallBell::~StallBell() { ::sem_destroy(&rings_); }

void StallBell::Ring() { ::sem_post(&rings_); }

void StallBell::RingIfResting() {
  SleepFlag::FullBarrier();
  if (resting_.ClaimWake()) Ring();
}

void StallBell::WaitUntil(Timestamp until) {
  // A signal ends the wait early, which does no harm: the caller looks around and waits again.
  if (until.infinite()) {
    ::sem_wait(&rings_);
    return;
  }
  const timespec time = {.tv_sec = until.nanoseconds() / 1'000'000'000,
                         .tv_nsec = until.nanoseconds() % 1'000'000'000};
  ::sem_clockwait(&rings_, CLOCK_MONOTONIC, &time);
}

StallDetector::StallDetector(absl::Duration threshold, StallBell& bell)
    : threshold_ns_(absl::ToInt64Nanoseconds(threshold)),
      bell_(bell),
      stall_(std::make_unique<Stall>()) {
  PELTON_CHECK(threshold_ns_ > 0) << "a threshold of " << threshold_ns_ << " ns";
}

StallDetector::~StallDetector() {
  PELTON_CHECK(scheduler_ == nullptr) << "a stall detector dies while a thread is attached to it";
}

void StallDetector::Attach(Scheduler& scheduler) {
  PELTON_CHECK(current_ == nullptr) << "this thread has a stall detector already";
  signal();
  signal_stack_ = std::make_unique<unsigned char[]>(kSignalStackBytes);
  const stack_t stack = {.ss_sp = signal_stack_.get(), .ss_flags = 0, .ss_size = kSignalStackBytes};
  PELTON_CHECK(::sigaltstack(&stack, &previous_signal_stack_) == 0) << "errno " << errno;
  thread_ = ::pthread_self();
  scheduler_ = &scheduler;
  current_ = this;
}

void StallDetector::Detach() {
  PELTON_CHECK(current_ == this) << "another thread is attached to this stall detector";
  turn_.store(kIdle, std::memory_order_release);
  current_ = nullptr;
  scheduler_ = nullptr;
  PELTON_CHECK(::sigaltstack(&previous_signal_stack_, nullptr) == 0) << "errno " << errno;
  signal_stack_.reset();
}

int StallDetector::signal() {
  static const int number = InstallHandler();
  return number;
}

int StallDetector::InstallHandler() {
  for (int number = SIGRTMAX; number >= SIGRTMIN; --number) {
    struct sigaction action;
    PELTON_CHECK(::sigaction(number, nullptr, &action) == 0) << "errno " << errno;
    if ((action.sa_flags & SA_SIGINFO) != 0 || action.sa_handler != SIG_DFL) continue;
    action = {};
    action.sa_sigaction = &StallDetector::OnSignal;
    // Restart: a blocking call that the kernel can go on with does not notice.
    action.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK;
    // Nothing else runs on the signal's stack meanwhile.
    ::sigfillset(&action.sa_mask);
    PELTON_CHECK(::sigaction(number, &action, nullptr) == 0) << "errno " << errno;
    return number;
  }
  PELTON_FATAL() << "all real-time signals are taken; the stall detector needs one of them";
}

void StallDetector::OnSignal(int number, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  if (current_ != nullptr) current_->Capture(*static_cast<const ucontext_t*>(context));
  errno = saved_errno;
}

bool StallDetector::Claim(State from, State to) {
  return state_.compare_exchange_strong(from, to, std::memory_order_acq_rel,
                                        std::memory_order_relaxed);
}

void StallDetector::Capture(const ucontext_t& context) {
  if (!Claim(State::kRequested, State::kWriting)) return;
  const int64_t turn = turn_.load(std::memory_order_relaxed);
  if (turn != suspect_.load(std::memory_order_relaxed)) {  // it has ended meanwhile
    state_.store(State::kFree, std::memory_order_release);
    return;
  }
  stall_->turn = turn;
  stall_->captured = true;
  stall_->captured_at = scheduler_->PreciseNow().nanoseconds();
  stall_->in_task = scheduler_->InTask();
  if (stall_->in_task) {
    stall_->group = SchedulingGroup::FromIndex(scheduler_->current_context().group());
  }
  stall_->native.Capture(context);
  stall_->tasks = Backtrace::OfRunningTask(*scheduler_);
  ended_at_.store(0, std::memory_order_relaxed);
  state_.store(State::kFilled, std::memory_order_release);
  bell_.Ring();
}

void StallDetector::ChangeSlow(int64_t before, int64_t now) {
  if (before == kIdle) {
    bell_.RingIfResting();
    return;
  }
  if (settled_turn_.load(std::memory_order_acquire) == before) return;
  // This thread's handler may have come first, but none that finds the turn going on comes later.
  if (state_.load(std::memory_order_acquire) == State::kFilled && stall_->turn == before) {
    ended_at_.store(now, std::memory_order_release);
    bell_.Ring();
    return;
  }
  // A request that is pending may be turned down by this thread's handler in between.
  if (!Claim(State::kFree, State::kWriting) && !Claim(State::kRequested, State::kWriting) &&
      !Claim(State::kFree, State::kWriting)) {
    missed_.fetch_add(1, std::memory_order_relaxed);  // an earlier one is not reported yet
    return;
  }
  if (settled_turn_.load(std::memory_order_relaxed) == before) {  // just now
    state_.store(State::kFree, std::memory_order_release);
    return;
  }
  stall_->turn = before;
  stall_->captured = false;
  ended_at_.store(now, std::memory_order_relaxed);
  state_.store(State::kFilled, std::memory_order_release);
  bell_.Ring();
}

bool StallDetector::RequestCapture(int64_t turn) {
  suspect_.store(turn, std::memory_order_relaxed);
  if (!Claim(State::kFree, State::kRequested)) return false;
  // Fails for a thread that has ended, and so has its turn.
  (void)::pthread_kill(thread_, signal());
  return true;
}

bool StallDetector::WithdrawRequest() { return Claim(State::kRequested, State::kFree); }

void StallDetector::Release() {
  Settle(stall_->turn);
  state_.store(State::kFree, std::memory_order_release);
}

}  // namespace pelton
