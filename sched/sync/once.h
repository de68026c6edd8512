// Once: initialises something once, asynchronously, when the first task needs it.
//
//   PELTON_CO_RETURN_IF_ERROR(co_await connected.Run([&] { return Connect(); }));
//
// Shard affinity: the owning shard alone.
// Ownership: outlives its runs (checked).
// Invariants: 1. one initialiser runs at a time, in the flow of the task that brought it, and none after
// one has succeeded; 2. an initialiser that fails, throws or is cancelled is its caller's failure
// alone: the next in line tries its own; 3. who waits goes on in the order of arrival; 4. a task
// that was given the turn before it was told to stop still starts its initialiser, whose awaits then
// end early, and the turn goes on to the next.
// Cost: one frame of the pool, no other allocation.

#ifndef PELTON_SCHED_SYNC_ONCE_H_
#define PELTON_SCHED_SYNC_ONCE_H_

#include <functional>
#include <ostream>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "framework/base/check.h"
#include "framework/base/status.h"
#include "sched/sync/internal/wait_queue.h"
#include "sched/task.h"

namespace pelton {

class Once {
 public:
  Once() = default;
  Once(const Once&) = delete;
  Once& operator=(const Once&) = delete;
  ~Once() {
    line_.CheckEmpty("a Once");
    PELTON_CHECK(!running_) << "a Once was destroyed while its initialiser runs";
  }

  // Yields OK when the initialisation is done, by whomever. Runs `initialise()`, which returns a
  // Task<void> or a Task<absl::Status>, when it is this task's turn to try; then yields its error, or
  // rethrows its exception. Yields the stop status when the task is told to stop while it waits.
  template <typename Initialise>
  Task<absl::Status> Run(Initialise initialise) {
    using Returned = std::invoke_result_t<Initialise>;
    static_assert(AnyTask<Returned>, "Run() takes a function that returns a Task");
    PELTON_CO_ASSIGN_OR_RETURN(Turn turn, co_await TurnAwaiter(*this));
    if (!turn.mine()) co_return absl::OkStatus();
    absl::Status status;
    if constexpr (std::is_void_v<typename Returned::value_type>) {
      co_await std::invoke(initialise);
    } else {
      status = co_await std::invoke(initialise);
    }
    if (status.ok()) turn.Succeed();
    co_return status;
  }

  // Whether an initialiser has succeeded.
  bool done() const { return done_; }

 private:
  // The right to run an initialiser. Passes it on when it dies without success, also by an exception.
  class Turn {
   public:
    explicit Turn(Once* once) : once_(once) {}
    Turn(Turn&& other) noexcept : once_(std::exchange(other.once_, nullptr)) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (once_ != nullptr) once_->PassOn();
    }
    bool mine() const { return once_ != nullptr; }
    void Succeed() { std::exchange(once_, nullptr)->Finish(); }

   private:
    Once* once_;
  };

  class [[nodiscard("co_await it")]] TurnAwaiter final
      : public sched_internal::QueuedAwaiter<TurnAwaiter> {
   public:
    explicit TurnAwaiter(Once& once) : once_(once) {}
    absl::StatusOr<Turn> await_resume() {
      if (stopped()) [[unlikely]]
        return Outcome();
      return Turn(mine_ ? &once_ : nullptr);
    }
    void Describe(std::ostream& out) const override {
      out << "initialisation " << static_cast<const void*>(&once_) << ", which another task runs";
    }

   private:
    friend class sched_internal::QueuedAwaiter<TurnAwaiter>;
    friend class Once;
    bool TryFinish() {
      if (once_.done_) return true;
      if (once_.running_) return false;
      once_.running_ = mine_ = true;
      return true;
    }
    sched_internal::WaitQueue& line() { return once_.line_; }

    Once& once_;
    bool mine_ = false;
  };

  void Finish() {
    running_ = false;
    done_ = true;
    line_.WakeAll();
  }
  void PassOn() {
    running_ = !line_.empty();
    if (!running_) return;
    static_cast<TurnAwaiter*>(line_.front())->mine_ = true;
    line_.WakeFront();
  }

  bool running_ = false;  // some task has the turn
  bool done_ = false;
  sched_internal::WaitQueue line_;
};

}  // namespace pelton

#endif  // PELTON_SCHED_SYNC_ONCE_H_
