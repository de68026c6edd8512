// Files under cancellation, deadlines and signals.

#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>

#include <atomic>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "framework/base/check.h"
#include "io/file/file.h"
#include "io/file/paths.h"
#include "sched/random.h"
#include "tests/conformance/file_test_base.h"

namespace pelton::testing {
namespace {

class FileCancelTest : public FileTestBase {
 protected:
  // Spawns `body` and cancels it after some turns of the loop, mostly, many times over.
  template <typename Body>
  Task<absl::Status> CancelAtAnyTime(int rounds, Body body) {
    Random random(17);
    for (int round = 0; round < rounds; ++round) {
      TaskScope scope;
      scope.Spawn(body, round);
      // On the pool an operation takes many turns.
      const uint64_t most = round % 3 == 0 ? 300 : 6;
      for (uint64_t turns = random.Below(most); turns > 0; --turns) co_await FileTestTurn();
      if (round % 10 != 0) scope.Cancel();
      PELTON_CO_RETURN_IF_ERROR(co_await scope.Join());
    }
    co_return absl::OkStatus();
  }
};

// TearDown() counts the descriptors.
TEST_F(FileCancelTest, ACancelledOpenLosesNoDescriptor) {
  int opened = 0;
  int stopped = 0;
  Run([&]() -> Task<absl::Status> {
    return CancelAtAnyTime(400, [&](int round) -> Task<absl::Status> {
      const OpenOptions options = round % 2 == 0 ? kNewFile : OpenOptions();
      const absl::StatusOr<File> file =
          co_await File::Open(round % 2 == 0 ? Path("f") : "/", options);
      EXPECT_TRUE(file.ok() || absl::IsCancelled(file.status())) << file.status();
      ++(file.ok() ? opened : stopped);
      co_return absl::OkStatus();
    });
  });
  EXPECT_GT(opened, 0);
  EXPECT_GT(stopped, 0);
}

TEST_F(FileCancelTest, ACancelledTransferIsDoneOrNot) {
  const std::string bytes = Pattern(256 * 1024);
  SetContents(Path("f"), bytes);
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(File file,
                               co_await File::Open(Path("f"), {.access = FileAccess::kReadWrite}));
    PELTON_CO_RETURN_IF_ERROR(co_await CancelAtAnyTime(200, [&](int round) -> Task<absl::Status> {
      absl::Status status;
      if (round % 4 == 0) {
        status = (co_await file.WriteAt(bytes, 0)).status();
      } else if (round % 4 == 1) {
        status = co_await file.Advise({}, FileAdvice::kDontNeed);
      } else if (round % 4 == 2) {
        std::string target(bytes.size(), '\0');
        const absl::StatusOr<size_t> count = co_await file.ReadAt(target, 0);
        status = count.status();
        if (count.ok()) {
          EXPECT_TRUE(target.substr(0, *count) == bytes.substr(0, *count));
        }
      } else {
        status = co_await file.SyncData();
      }
      EXPECT_TRUE(status.ok() || absl::IsCancelled(status)) << status;
      co_return absl::OkStatus();
    }));
    std::string target(bytes.size(), '\0');
    PELTON_CO_RETURN_IF_ERROR(co_await file.ReadExactly(target, 0));
    EXPECT_TRUE(target == bytes);
    co_return co_await file.Close();
  });
}

TEST_F(FileCancelTest, AStoppedTaskBeginsNothing) {
  SetContents(Path("f"), "text");
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(File file,
                               co_await File::Open(Path("f"), {.access = FileAccess::kReadWrite}));
    TaskScope scope;
    scope.Spawn([&]() -> Task<absl::Status> {
      char bytes[4];
      EXPECT_TRUE(absl::IsCancelled((co_await file.ReadAt(bytes, 0)).status()));
      EXPECT_TRUE(absl::IsCancelled((co_await file.WriteAt("x", 0)).status()));
      EXPECT_TRUE(absl::IsCancelled(co_await file.Truncate(0)));
      EXPECT_TRUE(absl::IsCancelled((co_await file.Stat()).status()));
      EXPECT_TRUE(absl::IsCancelled((co_await File::Open(Path("g"), kNewFile)).status()));
      EXPECT_TRUE(absl::IsCancelled(co_await Unlink(Path("f"))));
      // But closing.
      EXPECT_TRUE((co_await file.Close()).ok());
      co_return absl::OkStatus();
    });
    scope.Cancel();
    co_return co_await scope.Join();
  });
  EXPECT_EQ(Contents(Path("f")), "text");
  EXPECT_FALSE(std::filesystem::exists(Path("g")));
}

TEST_F(FileCancelTest, ADeadlineStopsALongWrite) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(File file, co_await File::Open(Path("f"), kNewFile));
    const std::string bytes(4 << 20, 'x');
    const absl::Status status =
        co_await WithTimeout(absl::Milliseconds(5), [&]() -> Task<absl::Status> {
          for (;;) PELTON_CO_RETURN_IF_ERROR(co_await file.WriteAll(bytes, 0));
        }());
    EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
    co_return absl::OkStatus();
  });
}

std::atomic<int> handled = 0;

// Sends signals to this process, which interrupt system calls, as long as it lives.
class Interruptions {
 public:
  Interruptions() {
    struct sigaction action = {};
    action.sa_handler = [](int) { ++handled; };
    PELTON_CHECK(::sigaction(SIGRTMAX, &action, &previous_) == 0);
    sender_ = std::thread([this, shard = ::pthread_self()] {
      while (!stopping_) {
        PELTON_CHECK(::pthread_kill(shard, SIGRTMAX) == 0);
        // To whichever thread takes it: those of the pool as well.
        PELTON_CHECK(::kill(::getpid(), SIGRTMAX) == 0);
        ::poll(nullptr, 0, 1);
      }
    });
  }
  ~Interruptions() {
    stopping_ = true;
    sender_.join();
    PELTON_CHECK(::sigaction(SIGRTMAX, &previous_, nullptr) == 0);
  }

 private:
  struct sigaction previous_;
  std::atomic<bool> stopping_ = false;
  std::thread sender_;
};

TEST_F(FileCancelTest, InterruptionsBySignalsAreNotSeen) {
  const std::string bytes = Pattern(100'000);
  const Interruptions interruptions;
  const int before = handled;
  Run([&]() -> Task<absl::Status> {
    for (int round = 0; round < 100 || handled < before + 20; ++round) {
      PELTON_CO_ASSIGN_OR_RETURN(File file, co_await File::Open(Path("f"), kNewFile));
      PELTON_CO_RETURN_IF_ERROR(co_await file.WriteAll(bytes, 0));
      PELTON_CO_RETURN_IF_ERROR(co_await file.Lock(LockMode::kExclusive));
      std::string read(bytes.size(), '\0');
      PELTON_CO_RETURN_IF_ERROR(co_await file.ReadExactly(read, 0));
      EXPECT_TRUE(read == bytes);
      PELTON_CO_RETURN_IF_ERROR(co_await file.Truncate(0));
      PELTON_CO_RETURN_IF_ERROR(co_await file.Close());
      PELTON_CO_RETURN_IF_ERROR(co_await Rename(Path("f"), Path("g")));
      PELTON_CO_RETURN_IF_ERROR(co_await Unlink(Path("g")));
    }
    co_return absl::OkStatus();
  });
}

}  // namespace
}  // namespace pelton::testing
