#include "sched/defer.h"

namespace pelton {

Defer::~Defer() {
  PELTON_CHECK(functions_.empty()) << "a Defer was destroyed with " << functions_.size()
                                   << " functions that have not run; co_await Run() on every path, "
                                      "or use WithDefer()";
}

Task<absl::Status> Defer::Run() {
  absl::Status first_error;
  std::exception_ptr first_exception;
  while (!functions_.empty()) {
    Task<absl::Status> function = std::move(functions_.back());
    functions_.pop_back();
    try {
      const absl::Status status = co_await Shield(std::move(function), options_);
      if (first_error.ok()) first_error = status;
    } catch (...) {
      if (!first_exception) first_exception = std::current_exception();
    }
  }
  if (first_exception) std::rethrow_exception(first_exception);
  co_return first_error;
}

}  // namespace pelton
