// An operation that a task awaits: it lives in the awaiter, so in the frame of the waiting task,
// and is cancelled with it.

#ifndef PELTON_IO_AWAIT_OPERATION_H_
#define PELTON_IO_AWAIT_OPERATION_H_

#include <coroutine>
#include <ostream>

#include "io/operation.h"
#include "io/reactor.h"
#include "sched/scheduler.h"

namespace pelton::io {

// Base of awaiters that wait for one single-shot operation. A derived class fills the operation in
// before it is awaited, and turns result() into what the await yields.
class OperationAwaiter : public Operation, public Suspension {
 public:
  bool await_ready() const noexcept { return false; }

  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    if (StoppedBeforeWaiting()) return RefuseAndRequeue(task.promise());
    Suspend(task.promise());
    Reactor::Current()->Start(*this);
  }

  void OnCompletion(const Completion& completion) override {
    result_ = completion.result;
    Resume();
  }
  // The frame must live until the kernel has let go of it, so that the task goes on at the
  // operation's completion and not here.
  void Interrupt() override { Reactor::Current()->Cancel(*this); }
  void Describe(std::ostream& out) const override {
    out << OperationKindName(kind) << " on descriptor " << descriptor;
  }

 protected:
  explicit OperationAwaiter(OperationKind kind, StopPhase interrupted_from = StopPhase::kEverything)
      : Operation(kind), Suspension(interrupted_from) {}
  ~OperationAwaiter() = default;

  // Not negative, or a negative errno; -ECANCELED when the task was told to stop.
  int result() const { return result_; }
  void set_result(int result) { result_ = result; }

  // Lets the task go on with `-ECANCELED` without having started anything.
  void RefuseAndRequeue(PromiseBase& leaf) {
    result_ = -kCancelled;
    Requeue(leaf);
  }

  static constexpr int kCancelled = 125;  // ECANCELED

 private:
  int result_ = 0;
};

}  // namespace pelton::io

#endif  // PELTON_IO_AWAIT_OPERATION_H_
