#include "io/watch/directory_watcher.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "framework/base/status.h"
#include "sched/deadline.h"
#include "sched/task_scope.h"
#include "sched/when.h"
#include "tests/conformance/process_test.h"
#include "tests/conformance/tcp_test.h"
#include "tests/support/sockets.h"

namespace pelton::testing {
namespace {

class DirectoryWatcherTest : public CoroutineTest {
 protected:
  DirectoryWatcherTest() : folder_(::testing::TempDir() + "/watch_XXXXXX") {
    PELTON_CHECK(::mkdtemp(folder_.data()) != nullptr);
  }
  ~DirectoryWatcherTest() override {
    for (const std::string& path : made_) (void)::remove(path.c_str());
    ::rmdir(folder_.c_str());
  }

  const std::string& folder() const { return folder_; }
  std::string Path(const std::string& name) { return made_.emplace_back(folder_ + "/" + name); }
  std::string Touch(const std::string& name) {
    std::string path = Path(name);
    const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    PELTON_CHECK(file.get() >= 0);
    return path;
  }

 private:
  std::string folder_;
  std::vector<std::string> made_;
};

TEST_F(DirectoryWatcherTest, TellsWhatHappensInADirectoryWithNames) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(DirectoryWatcher watcher, DirectoryWatcher::Create());
    PELTON_CO_ASSIGN_OR_RETURN(const WatchId watch,
                               co_await watcher.Add(folder(), IN_CREATE | IN_DELETE));
    auto change = [&]() -> Task<absl::Status> {
      co_await LetOthersRun();
      // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
      const std::string path = Touch("a file");
      PELTON_CHECK(::mkdir(Path("directory").c_str(), 0700) == 0);
      PELTON_CHECK(::unlink(path.c_str()) == 0);
      co_return absl::OkStatus();
    };
    const auto [event, changed] = co_await WhenAll(watcher.Next(), change());
    PELTON_CO_RETURN_IF_ERROR(event);
    EXPECT_EQ(event->watch, watch);
    EXPECT_EQ(event->path, folder());
    EXPECT_EQ(event->name, "a file");
    EXPECT_TRUE(event->Is(IN_CREATE) && !event->directory() && !event->lost && !event->ended);
    PELTON_CO_ASSIGN_OR_RETURN(const WatchEvent made, co_await watcher.Next());
    EXPECT_TRUE(made.name == "directory" && made.Is(IN_CREATE) && made.directory());
    PELTON_CO_ASSIGN_OR_RETURN(const WatchEvent deleted, co_await watcher.Next());
    EXPECT_TRUE(deleted.name == "a file" && deleted.Is(IN_DELETE));
    co_return absl::OkStatus();
  });
}

TEST_F(DirectoryWatcherTest, BothHalvesOfARenameHaveOneCookie) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(DirectoryWatcher watcher, DirectoryWatcher::Create());
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    const std::string from = Touch("old");
    PELTON_CO_RETURN_IF_ERROR(co_await watcher.Add(folder()));
    PELTON_CHECK(::rename(from.c_str(), Path("new").c_str()) == 0);
    PELTON_CO_ASSIGN_OR_RETURN(const WatchEvent left, co_await watcher.Next());
    PELTON_CO_ASSIGN_OR_RETURN(const WatchEvent came, co_await watcher.Next());
    EXPECT_TRUE(left.Is(IN_MOVED_FROM) && left.name == "old");
    EXPECT_TRUE(came.Is(IN_MOVED_TO) && came.name == "new");
    EXPECT_NE(left.cookie, 0u);
    EXPECT_EQ(left.cookie, came.cookie);
    co_return absl::OkStatus();
  });
}

TEST_F(DirectoryWatcherTest, AWatchEndsWhenItIsRemovedOrItsFileIsGone) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(DirectoryWatcher watcher, DirectoryWatcher::Create());
    PELTON_CO_ASSIGN_OR_RETURN(const WatchId watch, co_await watcher.Add(folder()));
    PELTON_CO_RETURN_IF_ERROR(watcher.Remove(watch));
    PELTON_CO_ASSIGN_OR_RETURN(const WatchEvent removed, co_await watcher.Next());
    EXPECT_TRUE(removed.ended && removed.watch == watch && removed.path == folder());
    EXPECT_TRUE(absl::IsNotFound(watcher.Remove(watch)));
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    const std::string path = Touch("file");
    PELTON_CO_ASSIGN_OR_RETURN(const WatchId file, co_await watcher.Add(path, IN_DELETE_SELF));
    PELTON_CHECK(::unlink(path.c_str()) == 0);
    PELTON_CO_ASSIGN_OR_RETURN(const WatchEvent deleted, co_await watcher.Next());
    EXPECT_TRUE(deleted.Is(IN_DELETE_SELF) && deleted.watch == file && deleted.path == path);
    // The kernel has ended it, which was not told yet.
    PELTON_CO_RETURN_IF_ERROR(watcher.Remove(file));
    PELTON_CO_ASSIGN_OR_RETURN(const WatchEvent gone, co_await watcher.Next());
    EXPECT_TRUE(gone.ended && gone.watch == file);
    co_return absl::OkStatus();
  });
}

TEST_F(DirectoryWatcherTest, SaysThatEventsWereLost) {
  const std::string one = Touch("one");
  const std::string other = Touch("other");
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(DirectoryWatcher watcher, DirectoryWatcher::Create());
    PELTON_CO_RETURN_IF_ERROR(co_await watcher.Add(folder(), IN_ATTRIB));
    // fs.inotify.max_queued_events is 16384 by default.
    constexpr int kChanges = 16384 + 100;
    // pelton: bounded: what a test makes
    for (int i = 0; i < kChanges; ++i) {
      PELTON_CHECK(::chmod(i % 2 == 0 ? one.c_str() : other.c_str(), 0600) == 0);
    }
    int told = 0;
    for (;;) {
      const auto event = co_await WithTimeout(absl::Milliseconds(100), watcher.Next());
      PELTON_CO_RETURN_IF_ERROR(event);
      if (event->lost) break;
      ++told;
    }
    EXPECT_GT(told, 1000);
    EXPECT_LT(told, kChanges);
    PELTON_CHECK(::chmod(one.c_str(), 0600) == 0);
    PELTON_CO_ASSIGN_OR_RETURN(const WatchEvent event, co_await watcher.Next());
    EXPECT_EQ(event.name, "one") << "it goes on afterwards";
    co_return absl::OkStatus();
  });
}

TEST_F(DirectoryWatcherTest, ErrorsNameThePath) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(DirectoryWatcher watcher, DirectoryWatcher::Create());
    const absl::StatusOr<WatchId> missing = co_await watcher.Add(folder() + "/missing");
    EXPECT_EQ(GetErrno(missing.status()), ENOENT);
    EXPECT_TRUE(Says(missing.status(), {"watch ", "/missing: No such file"}));
    const absl::StatusOr<WatchId> no_events = co_await watcher.Add(folder(), 0);
    EXPECT_EQ(GetErrno(no_events.status()), EINVAL);
    const absl::StatusOr<WatchId> no_directory =
        // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
        co_await watcher.Add(Touch("file"), IN_CREATE | IN_ONLYDIR);
    EXPECT_EQ(GetErrno(no_directory.status()), ENOTDIR);
    EXPECT_TRUE(absl::IsNotFound(watcher.Remove(static_cast<WatchId>(12345))));
    co_return absl::OkStatus();
  });
}

TEST_F(DirectoryWatcherTest, ACancelledWaitLosesNoEvent) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(DirectoryWatcher watcher, DirectoryWatcher::Create());
    PELTON_CO_RETURN_IF_ERROR(co_await watcher.Add(folder(), IN_CREATE));
    constexpr int kFiles = 50;
    int told = 0;
    for (int i = 0; i < kFiles; ++i) {
      auto change = [&](int turns) -> Task<absl::Status> {
        co_await LetOthersRun(turns);
        // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
        Touch("file" + std::to_string(i));
        co_return absl::OkStatus();
      };
      const auto [event, changed] =
          co_await WhenAll(WithTimeout(absl::Microseconds(i * 4), watcher.Next()), change(i % 5));
      if (event.ok()) EXPECT_EQ(event->name, "file" + std::to_string(told++));
    }
    while (told < kFiles) {
      PELTON_CO_ASSIGN_OR_RETURN(const WatchEvent event, co_await watcher.Next());
      EXPECT_EQ(event.name, "file" + std::to_string(told++));
    }
    co_return absl::OkStatus();
  });
}

TEST_F(DirectoryWatcherTest, AnEventThatComesBeforeAddReturnsHasItsPath) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(DirectoryWatcher watcher, DirectoryWatcher::Create());
    bool stop = false;
    auto read = [&]() -> Task<absl::Status> {
      for (int i = 0; i < 20; ++i) {
        PELTON_CO_ASSIGN_OR_RETURN(const WatchEvent event, co_await watcher.Next());
        EXPECT_EQ(event.path, folder());
      }
      stop = true;
      co_return absl::OkStatus();
    };
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    const std::string path = Touch("file");
    auto change = [&]() -> Task<absl::Status> {
      while (!stop) {
        PELTON_CHECK(::chmod(path.c_str(), 0600) == 0);
        co_await NextTurn();
      }
      co_return absl::OkStatus();
    };
    auto add = [&]() -> Task<absl::Status> {
      PELTON_CO_RETURN_IF_ERROR(co_await watcher.Add(folder(), IN_ATTRIB));
      co_return absl::OkStatus();
    };
    co_return co_await WhenAll(FailFast(), read(), change(), add());
  });
}

}  // namespace
}  // namespace pelton::testing
