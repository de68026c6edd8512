// Errors as values: an errno becomes an absl::Status that names the operation and what it was done
// to, and keeps the errno.
//
//   PELTON_ASSIGN_OR_RETURN(int fd, OpenSocket());              // in a function
//   PELTON_CO_ASSIGN_OR_RETURN(Chunk bytes, co_await peer.Read());  // in a coroutine
//   PELTON_CO_RETURN_IF_ERROR(co_await peer.Write(bytes));

#ifndef PELTON_FRAMEWORK_BASE_STATUS_H_
#define PELTON_FRAMEWORK_BASE_STATUS_H_

#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace pelton {

// An error for `error_number` (a positive errno value). The message reads
// `OPERATION SUBJECT: text of the errno (ENAME)`; the subject (a peer, a path) may be empty.
// COST: allocates; for error paths only.
absl::Status ErrnoToStatus(int error_number, std::string_view operation,
                           std::string_view subject = {});

// The errno that `status` was made of, or 0 when it was not made of one.
int GetErrno(const absl::Status& status);

// The name of an errno value, such as "ECONNRESET"; "errno N" for one without a name.
std::string ErrnoName(int error_number);

namespace base_internal {
inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
inline absl::Status&& StatusOf(absl::Status&& status) { return std::move(status); }
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& value) {
  return value.status();
}
template <typename T>
absl::Status StatusOf(absl::StatusOr<T>&& value) {
  return std::move(value).status();
}
}  // namespace base_internal

#define PELTON_STATUS_CONCAT_INNER(a, b) a##b
#define PELTON_STATUS_CONCAT(a, b) PELTON_STATUS_CONCAT_INNER(a, b)

// The status is taken out within the expression, so that the expression may yield a reference to
// what lives no longer than that, or to something that cannot be copied.
#define PELTON_STATUS_RETURN_IF_ERROR(return_keyword, expression)                  \
  do {                                                                             \
    if (absl::Status pelton_status{::pelton::base_internal::StatusOf(expression)}; \
        !pelton_status.ok()) [[unlikely]] {                                        \
      return_keyword pelton_status;                                                \
    }                                                                              \
  } while (false)

#define PELTON_STATUS_ASSIGN_OR_RETURN(return_keyword, temporary, declaration, ...) \
  auto temporary = (__VA_ARGS__);                                                   \
  if (!temporary.ok()) [[unlikely]] {                                               \
    return_keyword std::move(temporary).status();                                   \
  }                                                                                 \
  declaration = *std::move(temporary)

// Returns the error of a Status or StatusOr expression from the enclosing function, when it is one.
#define PELTON_RETURN_IF_ERROR(...) PELTON_STATUS_RETURN_IF_ERROR(return, (__VA_ARGS__))
// The same in a coroutine.
#define PELTON_CO_RETURN_IF_ERROR(...) PELTON_STATUS_RETURN_IF_ERROR(co_return, (__VA_ARGS__))

// Declares or assigns the value of a StatusOr expression; returns its error from the enclosing
// function.
#define PELTON_ASSIGN_OR_RETURN(declaration, ...)                                       \
  PELTON_STATUS_ASSIGN_OR_RETURN(return, PELTON_STATUS_CONCAT(pelton_value_, __LINE__), \
                                       declaration, __VA_ARGS__)
// The same in a coroutine.
#define PELTON_CO_ASSIGN_OR_RETURN(declaration, ...)                                       \
  PELTON_STATUS_ASSIGN_OR_RETURN(co_return, PELTON_STATUS_CONCAT(pelton_value_, __LINE__), \
                                 declaration, __VA_ARGS__)

}  // namespace pelton

#endif  // PELTON_FRAMEWORK_BASE_STATUS_H_
