#include "framework/base/log.h"

#include <unistd.h>

#include <string>

namespace pelton {

void LogLine(std::string_view text) {
  std::string line(text);
  line += '\n';
  // A failure has nobody to be told to: stderr is where it would go.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace pelton
