#include "sched/race.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace pelton::sched_internal {

absl::Status AllFailed(const std::vector<absl::Status>& errors, const absl::Status& stopped) {
  std::string message = absl::StrCat("none of ", errors.size(), " succeeded: ");
  for (size_t i = 0; i < errors.size(); ++i) {
    absl::StrAppend(&message, i == 0 ? "" : "; ", "[", i, "] ", errors[i].ToString());
  }
  return absl::Status(stopped.ok() ? errors.front().code() : stopped.code(), message);
}

}  // namespace pelton::sched_internal
