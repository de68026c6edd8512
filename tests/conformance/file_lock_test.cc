// The locks of File.

#include <gtest/gtest.h>

#include <cerrno>

#include "absl/time/time.h"
#include "io/file/file.h"
#include "tests/conformance/file_test_base.h"
#include "tests/conformance/tcp_test.h"

namespace pelton::testing {
namespace {

class FileLockTest : public FileTestBase {
 protected:
  // Two openings of one file.
  struct Pair {
    File first;
    File second;
  };
  Task<absl::StatusOr<Pair>> OpenTwice() {
    Pair pair;
    PELTON_CO_ASSIGN_OR_RETURN(pair.first, co_await File::Open(Path("f"), kNewFile));
    PELTON_CO_ASSIGN_OR_RETURN(pair.second, co_await File::Open(Path("f"), kNewFile));
    co_return std::move(pair);
  }
};

TEST_F(FileLockTest, SharedLocksGoTogetherAndExclusiveOnesDoNot) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Pair files, co_await OpenTwice());
    PELTON_CO_ASSIGN_OR_RETURN(bool taken, co_await files.first.TryLock(LockMode::kShared));
    EXPECT_TRUE(taken);
    PELTON_CO_ASSIGN_OR_RETURN(taken, co_await files.second.TryLock(LockMode::kShared));
    EXPECT_TRUE(taken);
    PELTON_CO_ASSIGN_OR_RETURN(taken, co_await files.second.TryLock(LockMode::kExclusive));
    EXPECT_FALSE(taken);
    PELTON_CO_RETURN_IF_ERROR(co_await files.first.Unlock());
    PELTON_CO_ASSIGN_OR_RETURN(taken, co_await files.second.TryLock(LockMode::kExclusive));
    EXPECT_TRUE(taken);
    PELTON_CO_ASSIGN_OR_RETURN(taken, co_await files.first.TryLock(LockMode::kShared));
    EXPECT_FALSE(taken);
    co_return absl::OkStatus();
  });
}

TEST_F(FileLockTest, AWaiterGetsTheLockWhenItIsGivenUpOrItsFileIsClosed) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Pair files, co_await OpenTwice());
    for (const bool by_closing : {false, true}) {
      PELTON_CO_RETURN_IF_ERROR(co_await files.first.Lock(LockMode::kExclusive));
      bool got_it = false;
      TaskScope waiter;
      waiter.Spawn([&]() -> Task<absl::Status> {
        PELTON_CO_RETURN_IF_ERROR(co_await files.second.Lock(LockMode::kExclusive));
        got_it = true;
        co_return co_await files.second.Unlock();
      });
      co_await LetOthersRun();
      EXPECT_FALSE(got_it);
      PELTON_CO_RETURN_IF_ERROR(by_closing ? co_await files.first.Close()
                                           : co_await files.first.Unlock());
      PELTON_CO_RETURN_IF_ERROR(co_await waiter.Join());
      EXPECT_TRUE(got_it);
    }
    co_return absl::OkStatus();
  });
}

TEST_F(FileLockTest, WaitingForALockCanBeCancelledAndHasADeadline) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Pair files, co_await OpenTwice());
    PELTON_CO_RETURN_IF_ERROR(co_await files.first.Lock(LockMode::kExclusive));
    const absl::Status late =
        co_await WithTimeout(absl::Milliseconds(10), files.second.Lock(LockMode::kShared));
    EXPECT_TRUE(absl::IsDeadlineExceeded(late)) << late;
    TaskScope waiters;
    // More than the pool has threads: waiting takes none.
    PELTON_CO_RETURN_IF_ERROR(co_await files.first.LockRange({}, LockMode::kExclusive));
    for (int i = 0; i < 20; ++i) {
      waiters.Spawn([&]() -> Task<absl::Status> {
        const absl::Status status = co_await files.second.LockRange({}, LockMode::kExclusive);
        EXPECT_TRUE(absl::IsCancelled(status)) << status;
        co_return absl::OkStatus();
      });
    }
    co_await LetOthersRun();
    waiters.Cancel();
    PELTON_CO_RETURN_IF_ERROR(co_await waiters.Join());
    co_return co_await files.first.Unlock();
  });
}

TEST_F(FileLockTest, RangesAreLockedByThemselves) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Pair files, co_await OpenTwice());
    const FileRange low = {.offset = 0, .length = 100};
    const FileRange high = {.offset = 100};
    PELTON_CO_RETURN_IF_ERROR(co_await files.first.LockRange(low, LockMode::kExclusive));
    PELTON_CO_ASSIGN_OR_RETURN(bool taken,
                               co_await files.second.TryLockRange(low, LockMode::kShared));
    EXPECT_FALSE(taken);
    PELTON_CO_ASSIGN_OR_RETURN(taken,
                               co_await files.second.TryLockRange(high, LockMode::kExclusive));
    EXPECT_TRUE(taken);
    PELTON_CO_RETURN_IF_ERROR(co_await files.first.UnlockRange(low));
    PELTON_CO_ASSIGN_OR_RETURN(taken, co_await files.second.TryLockRange(low, LockMode::kShared));
    EXPECT_TRUE(taken);
    PELTON_CO_ASSIGN_OR_RETURN(File reader, co_await File::Open(Path("f")));
    const absl::Status refused =
        (co_await reader.TryLockRange({.offset = 500, .length = 1}, LockMode::kExclusive)).status();
    EXPECT_EQ(refused.message(), "lock a range of " + Path("f") + ": Bad file descriptor (EBADF)");
    co_return absl::OkStatus();
  });
}

}  // namespace
}  // namespace pelton::testing
