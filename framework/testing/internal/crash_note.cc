#include "framework/testing/internal/crash_note.h"

#include <unistd.h>

#include <sstream>
#include <string_view>
#include <utility>

#include "framework/base/check.h"
#include "sched/backtrace.h"
#include "sched/scheduler.h"

namespace pelton::testing_internal {
namespace {

// What the handler may use.
const std::string* current_text = nullptr;

void Write(std::string_view text) {
  // There is nobody left to tell when it fails.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace

CrashNote::CrashNote(std::string text) : text_(std::move(text)) {
  PELTON_CHECK(current_text == nullptr) << "two tests run at once";
  current_text = &text_;
  struct sigaction action = {};
  action.sa_handler = &CrashNote::OnAbort;
  // abort() raises the signal again, without the handler, when this one has returned.
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  PELTON_CHECK(::sigaction(SIGABRT, &action, &previous_) == 0);
}

CrashNote::~CrashNote() {
  PELTON_CHECK(::sigaction(SIGABRT, &previous_, nullptr) == 0);
  current_text = nullptr;
}

void CrashNote::OnAbort(int) {
  Write(*current_text);
  if (Scheduler::Current() == nullptr) return;
  // Almost always the cause is a failed check, and this code may do what any code may. If it is the
  // allocator that gave up, what follows may hang: not for long.
  constexpr unsigned kPatienceSeconds = 5;
  ::alarm(kPatienceSeconds);
  std::ostringstream dump;
  dump << "tasks of the shard:\n";
  DumpTasks(dump);
  Write(dump.str());
}

}  // namespace pelton::testing_internal
