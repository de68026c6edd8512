// Comments that do not excuse.

#include <unistd.h>

#include <vector>

#include "framework/pelton.h"

namespace {

using pelton::Task;

void Process(int item);

Task<void> GivesNoReason(const std::vector<int>& items) {
  // pelton: bounded
  for (const int item : items) Process(item);  // expect: pelton-await-free-loop
  co_return;
}

Task<void> SpeaksOfAnotherCheck(const std::vector<int>& items) {
  // NOLINTNEXTLINE(pelton-blocking-call)
  for (const int item : items) Process(item);  // expect: pelton-await-free-loop
  // NOLINTNEXTLINE(bugprone-*)
  usleep(1);  // expect: pelton-blocking-call
  // NOLINTBEGIN(pelton-blocking-call)
  usleep(1);
  // NOLINTEND(pelton-blocking-call)
  usleep(1);  // expect: pelton-blocking-call
  co_return;
}

Task<void> SpeaksOfAnotherLoop(const std::vector<int>& items) {
  for (const int item : items) Process(item);  // pelton: bounded: at most ten
  for (const int item : items) Process(item);  // expect: pelton-await-free-loop
  co_return;
}

// The word alone, in a string, is no comment.
Task<const char*> SaysItInAString() {
  const char* word = (usleep(1), "NOLINT");  // expect: pelton-blocking-call
  co_return word;
}

}  // namespace
