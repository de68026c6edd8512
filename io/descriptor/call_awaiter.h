// A call that may block, made on a thread of the shard's blocking pool through its driver.
//
//   const auto probe = [&] { return ::access(path, R_OK) == 0 ? 0 : -errno; };
//   const int result = co_await CallAwaiter(probe, "access");
//
// Shard affinity: the awaiting task's; the function runs on any thread.
// Ownership: the function lives until the await returns.
// Cancellation: a call that has not begun is dropped, and the await yields -ECANCELED; one that has
// begun is awaited to its end.

#ifndef PELTON_IO_DESCRIPTOR_CALL_AWAITER_H_
#define PELTON_IO_DESCRIPTOR_CALL_AWAITER_H_

#include <cerrno>
#include <coroutine>
#include <ostream>

#include "io/file_operation.h"
#include "io/reactor.h"
#include "sched/scheduler.h"

namespace pelton::io {

// `Function` is called without arguments and returns an int: not negative, or a negative errno.
template <typename Function>
class [[nodiscard("co_await it")]] CallAwaiter final : private FileOperation, private Suspension {
 public:
  // `name` says in backtraces what is waited for; a literal.
  CallAwaiter(Function& function, const char* name)
      : FileOperation(OperationKind::kCall), name_(name) {
    Operation::address = const_cast<void*>(static_cast<const void*>(&function));
    second_address = reinterpret_cast<const void*>(&Invoke);
  }

  bool await_ready() const noexcept { return false; }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    if (StoppedBeforeWaiting()) return Requeue(task.promise());
    Suspend(task.promise());
    Reactor::Current()->Start(*this);
  }
  int await_resume() const { return result_; }

 private:
  static int Invoke(void* function) { return (*static_cast<Function*>(function))(); }

  void OnCompletion(const Completion& completion) override {
    result_ = completion.result;
    Resume();
  }
  void Interrupt() override { Reactor::Current()->Cancel(*this); }
  void Describe(std::ostream& out) const override { out << name_ << " on the blocking pool"; }

  const char* const name_;
  int result_ = -ECANCELED;
};

}  // namespace pelton::io

#endif  // PELTON_IO_DESCRIPTOR_CALL_AWAITER_H_
