// How the result of a task becomes a value that callbacks and futures can carry: errors are
// absl::Status, and so are exceptions.
//
//   Task<int> and Task<absl::StatusOr<int>> have the outcome absl::StatusOr<int>;
//   Task<void> and Task<absl::Status> have the outcome absl::Status.

#ifndef PELTON_SCHED_FUTURE_OUTCOME_H_
#define PELTON_SCHED_FUTURE_OUTCOME_H_

#include <exception>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace pelton {

namespace sched_internal {

template <typename T>
struct OutcomeOf {
  static_assert(!std::is_reference_v<T>, "an outcome is a value: use a pointer");
  using Value = T;
  using type = absl::StatusOr<T>;
};
template <>
struct OutcomeOf<void> {
  using Value = void;
  using type = absl::Status;
};
template <>
struct OutcomeOf<absl::Status> : OutcomeOf<void> {};
template <typename T>
struct OutcomeOf<absl::StatusOr<T>> : OutcomeOf<T> {};

// An INTERNAL error that says that `what` ended by `exception`, with its text.
absl::Status ExceptionToStatus(std::string_view what, const std::exception_ptr& exception);

}  // namespace sched_internal

// What a function or task that returns T computes when all goes well: T without absl::Status and
// absl::StatusOr around it.
template <typename T>
using OutcomeValue = typename sched_internal::OutcomeOf<T>::Value;

// absl::StatusOr<OutcomeValue<T>>, or absl::Status when that is void.
template <typename T>
using Outcome = typename sched_internal::OutcomeOf<T>::type;

}  // namespace pelton

#endif  // PELTON_SCHED_FUTURE_OUTCOME_H_
