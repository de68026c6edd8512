#include "framework/base/check.h"

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>

namespace pelton::base_internal {
namespace {

std::atomic<void (*)(std::ostream&)> fatal_annotator = nullptr;

}  // namespace

void SetFatalAnnotator(void (*annotate)(std::ostream& out)) {
  fatal_annotator.store(annotate, std::memory_order_release);
}

FatalMessage::FatalMessage(const char* file, int line, const char* condition) {
  stream_ << "FATAL " << file << ":" << line << ": ";
  if (condition != nullptr) stream_ << "Check failed: " << condition << " ";
}

FatalMessage::~FatalMessage() {
  // A check that fails in the annotator must not annotate itself.
  if (auto* annotate = fatal_annotator.exchange(nullptr)) annotate(stream_);
  stream_ << "\n";
  const std::string text = stream_.str();
  // One write, so that lines of two dying threads do not mix. There is nobody left to tell when it
  // fails.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
  std::abort();
}

}  // namespace pelton::base_internal
