#include "io/process/exit_status.h"

#include <cstring>

#include "absl/strings/str_cat.h"

namespace pelton {

std::string ExitStatus::ToString() const {
  if (signal == 0) return absl::StrCat("exited with code ", code);
  const char* const name = ::sigabbrev_np(signal);
  return absl::StrCat("was killed by signal ", signal,
                      name != nullptr ? absl::StrCat(" (SIG", name, ")") : "",
                      dumped_core ? ", core dumped" : "");
}

}  // namespace pelton
