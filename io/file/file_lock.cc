// The locks of File.

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>

#include "absl/time/time.h"
#include "framework/base/status.h"
#include "io/file/file.h"
#include "sched/sleep.h"

namespace pelton {
namespace {

// Calls flock(2). It may have to ask another machine, so it is called on a thread.
Task<absl::StatusOr<bool>> CallFlock(io::FileRecord& record, int operation, const char* name) {
  const io::RecordUse use(record);
  const int fd = record.descriptor();
  const int result = co_await io::FileCallAwaiter(
      [fd, operation] { return ::flock(fd, operation | LOCK_NB) == 0 ? 0 : -errno; });
  if (result == -EWOULDBLOCK) co_return false;
  if (result < 0) co_return record.Error(result, name);
  co_return true;
}

// The same with fcntl(2) on a range; `type` is F_RDLCK, F_WRLCK or F_UNLCK.
Task<absl::StatusOr<bool>> CallRangeLock(io::FileRecord& record, FileRange range, short type,
                                         const char* name) {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(range.offset);
  lock.l_len = static_cast<off_t>(range.length);
  const io::RecordUse use(record);
  const int fd = record.descriptor();
  const int result = co_await io::FileCallAwaiter(
      [fd, lock] { return ::fcntl(fd, F_OFD_SETLK, &lock) == 0 ? 0 : -errno; });
  if (result == -EAGAIN || result == -EACCES) co_return false;
  if (result < 0) co_return record.Error(result, name);
  co_return true;
}

// Calls `attempt()`, a task of whether there was success, until there is.
template <typename Attempt>
Task<absl::Status> RepeatUntilTaken(Attempt attempt) {
  constexpr absl::Duration kFirst = absl::Milliseconds(1);
  constexpr absl::Duration kLongest = absl::Milliseconds(50);
  for (absl::Duration interval = kFirst;; interval = std::min(interval * 2, kLongest)) {
    PELTON_CO_ASSIGN_OR_RETURN(const bool taken, co_await attempt());
    if (taken) co_return absl::OkStatus();
    PELTON_CO_RETURN_IF_ERROR(co_await SleepFor(interval));
  }
}

}  // namespace

Task<absl::StatusOr<bool>> File::TryLock(LockMode mode) {
  return CallFlock(*record_, mode == LockMode::kShared ? LOCK_SH : LOCK_EX, "lock");
}

Task<absl::Status> File::Lock(LockMode mode) {
  return RepeatUntilTaken([this, mode] { return TryLock(mode); });
}

Task<absl::Status> File::Unlock() {
  PELTON_CO_RETURN_IF_ERROR(co_await CallFlock(*record_, LOCK_UN, "unlock"));
  co_return absl::OkStatus();
}

Task<absl::StatusOr<bool>> File::TryLockRange(FileRange range, LockMode mode) {
  return CallRangeLock(*record_, range, mode == LockMode::kShared ? F_RDLCK : F_WRLCK,
                       "lock a range of");
}

Task<absl::Status> File::LockRange(FileRange range, LockMode mode) {
  return RepeatUntilTaken([this, range, mode] { return TryLockRange(range, mode); });
}

Task<absl::Status> File::UnlockRange(FileRange range) {
  PELTON_CO_RETURN_IF_ERROR(co_await CallRangeLock(*record_, range, F_UNLCK, "unlock a range of"));
  co_return absl::OkStatus();
}

}  // namespace pelton
