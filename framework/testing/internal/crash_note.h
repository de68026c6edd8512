// Says which test a process died in, and under which seed: a failed check ends the process before
// GoogleTest can tell.
//
// Shard affinity: one note at a time in a process; written by whichever thread dies.
// Ownership: the text lives as long as the note.

#ifndef PELTON_FRAMEWORK_TESTING_INTERNAL_CRASH_NOTE_H_
#define PELTON_FRAMEWORK_TESTING_INTERNAL_CRASH_NOTE_H_

#include <csignal>
#include <string>

namespace pelton::testing_internal {

// While it lives, abort(3) writes `text` to stderr first, and the tasks of the shard that aborts.
class CrashNote {
 public:
  explicit CrashNote(std::string text);
  ~CrashNote();
  CrashNote(const CrashNote&) = delete;
  CrashNote& operator=(const CrashNote&) = delete;

 private:
  static void OnAbort(int signal);

  const std::string text_;
  struct sigaction previous_ = {};
};

}  // namespace pelton::testing_internal

#endif  // PELTON_FRAMEWORK_TESTING_INTERNAL_CRASH_NOTE_H_
