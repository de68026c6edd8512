// DirectoryWatcher: what happens to files and in directories, as a stream of events. inotify(7).
//
//   PELTON_CO_ASSIGN_OR_RETURN(DirectoryWatcher watcher, DirectoryWatcher::Create());
//   PELTON_CO_ASSIGN_OR_RETURN(WatchId config, co_await watcher.Add("/etc/service"));
//   for (;;) {
//     PELTON_CO_ASSIGN_OR_RETURN(WatchEvent event, co_await watcher.Next());
//     if (event.lost) ... look at everything anew ...
//     else if (event.Is(IN_CLOSE_WRITE)) ... event.path, event.name ...
//   }
//
// Not recursive: a directory below is watched by an Add() of its own; what was made in it before that is
// found by looking. Changes that come over a network file system from elsewhere are not seen, nor are
// those of mapped memory. Equal events in a row may be told once.
//
// Shard affinity: the shard that made it. Ownership: movable; destroying it ends all watches.
// Cost: some 1 KiB of the kernel's memory a watch; an event costs a copy of its name, and a share of a
// read of up to 16 KiB of them.

#ifndef PELTON_IO_WATCH_DIRECTORY_WATCHER_H_
#define PELTON_IO_WATCH_DIRECTORY_WATCHER_H_

#include <sys/inotify.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sched/task.h"

namespace pelton {

// Names a watch. Equal ones of one watcher are about the same file.
enum class WatchId : int { kNone = -1 };

struct WatchEvent {
  WatchId watch = WatchId::kNone;
  std::string path;     // as it was given to Add()
  std::string name;     // of the file in the directory `path`; empty when `path` itself is meant
  uint32_t events = 0;  // IN_* of inotify(7)
  // Both halves of a rename, IN_MOVED_FROM and IN_MOVED_TO, have the same, which is not 0. They mostly
  // come one after the other, but others may come in between, or none when the file leaves or enters
  // what is watched.
  uint32_t cookie = 0;
  // Events were dropped, since they came faster than Next() took them (IN_Q_OVERFLOW). It is about no
  // watch: everything may have changed.
  bool lost = false;
  // The watch has ended: it was removed, or what it was about is gone (IN_IGNORED).
  bool ended = false;

  // Whether one of these IN_* has come.
  bool Is(uint32_t wanted) const { return (events & wanted) != 0; }
  // Whether the file that `name` means is a directory.
  bool directory() const { return Is(IN_ISDIR); }
};

class DirectoryWatcher {
 public:
  // What is watched unless it is said otherwise: everything but reading and opening.
  static constexpr uint32_t kChanges = IN_CREATE | IN_DELETE | IN_MODIFY | IN_ATTRIB |
                                       IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO |
                                       IN_DELETE_SELF | IN_MOVE_SELF;

  // ERRORS: RESOURCE_EXHAUSTED: EMFILE says which limit it was, and how to raise it.
  static absl::StatusOr<DirectoryWatcher> Create();

  DirectoryWatcher(DirectoryWatcher&& other) noexcept;
  DirectoryWatcher& operator=(DirectoryWatcher&& other) noexcept;
  // REQUIRES: no task awaits Next() or Add().
  ~DirectoryWatcher();

  // Begins to watch `path`, a directory or a file, for `events` (IN_*, and flags such as IN_ONLYDIR and
  // IN_ONESHOT). A path to a file that is watched already changes what that watch is about, and yields
  // its id. ERRORS: the kernel's, naming the path: NOT_FOUND, PERMISSION_DENIED; RESOURCE_EXHAUSTED
  // (ENOSPC) when the user has too many watches, with the sysctl that mends it; INVALID_ARGUMENT for no
  // events; the stop status, with which a watch may have begun that was new. COST: a call on the blocking
  // pool, as looking a path up may wait for a disk.
  Task<absl::StatusOr<WatchId>> Add(std::string path, uint32_t events = kChanges);
  // Ends a watch. Events that came before are still told, and then that it has ended. ERRORS: NOT_FOUND
  // when there is none.
  absl::Status Remove(WatchId watch);

  // Suspends until something has happened, and yields it. One task at a time. ERRORS: the stop status;
  // no event is lost by that. COST: two frames.
  Task<absl::StatusOr<WatchEvent>> Next();

 private:
  class State;

  explicit DirectoryWatcher(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace pelton

#endif  // PELTON_IO_WATCH_DIRECTORY_WATCHER_H_
