#include "sched/future/outcome.h"

#include "absl/strings/str_cat.h"
#include "framework/base/strings.h"
#include "sched/task_scope.h"

namespace pelton::sched_internal {

absl::Status ExceptionToStatus(std::string_view what, const std::exception_ptr& exception) {
  return absl::InternalError(
      absl::StrCat(ToAbsl(what), " ended by an exception: ", DescribeException(exception)));
}

}  // namespace pelton::sched_internal
