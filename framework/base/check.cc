#include "framework/base/check.h"

#include <unistd.h>

#include <cstdlib>
#include <string>

namespace pelton::base_internal {

FatalMessage::FatalMessage(const char* file, int line, const char* condition) {
  stream_ << "FATAL " << file << ":" << line << ": ";
  if (condition != nullptr) stream_ << "Check failed: " << condition << " ";
}

FatalMessage::~FatalMessage() {
  stream_ << "\n";
  const std::string text = stream_.str();
  // One write, so that lines of two dying threads do not mix. There is nobody left to tell when it
  // fails.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
  std::abort();
}

}  // namespace pelton::base_internal
