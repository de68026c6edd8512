// DirectFile on every driver. Where the file system of the test's directory has no direct I/O, most
// are skipped.

#include "io/file/direct_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "framework/base/status.h"
#include "io/file/direct_buffer.h"
#include "io/file/io_scheduler.h"
#include "sched/deadline.h"
#include "sched/in_group.h"
#include "sched/sleep.h"
#include "sched/task.h"
#include "sched/task_scope.h"
#include "tests/conformance/driver_under_test.h"

namespace pelton::testing {
namespace {

constexpr DirectFile::Options kNew = {.write = true, .create = true};

class DirectFileTest : public DriverTest {
 protected:
  DirectFileTest() = default;
  explicit DirectFileTest(const io::Reactor::Options& options) : DriverTest(options) {}

  void SetUp() override {
    DriverTest::SetUp();
    if (IsSkipped()) return;
    std::string name = ::testing::TempDir() + "/pelton_direct_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
    const int probe = ::open(Path("probe").c_str(), O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
    if (probe < 0) {
      GTEST_SKIP() << "the file system of " << directory_ << " has no direct I/O";
    }
    ::close(probe);
  }
  void TearDown() override {
    DriverTest::TearDown();
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }

  std::string Path(const std::string& name) const { return absl::StrCat(directory_, "/", name); }
  std::string Contents(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(Path(name)).rdbuf();
    return text.str();
  }

  // Runs a coroutine; it must succeed.
  template <typename Body>
  void Run(Body body) {
    const absl::Status status = harness().Run(body());
    EXPECT_TRUE(status.ok()) << status;
  }

  static void Fill(const DirectBuffer& buffer, unsigned seed) {
    for (size_t i = 0; i < buffer.size(); ++i) {
      buffer.data()[i] = static_cast<char>((i * 31 + i / 4096 + seed) % 251);
    }
  }

 private:
  std::string directory_;
};

TEST_F(DirectFileTest, ReadsBackWhatItWrote) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(DirectFile file, co_await DirectFile::Open(Path("f"), kNew));
    PELTON_CO_ASSIGN_OR_RETURN(DirectBuffer out, DirectBufferPool::Current().Allocate(64 << 10));
    PELTON_CO_ASSIGN_OR_RETURN(DirectBuffer in, DirectBufferPool::Current().Allocate(64 << 10));
    Fill(out, 1);
    PELTON_CO_RETURN_IF_ERROR(co_await file.Write(8192, out.span()));
    PELTON_CO_RETURN_IF_ERROR(co_await file.Sync());
    PELTON_CO_RETURN_IF_ERROR(co_await file.SyncData());
    PELTON_CO_ASSIGN_OR_RETURN(const size_t bytes, co_await file.Read(8192, in.span()));
    EXPECT_EQ(bytes, in.size());
    EXPECT_EQ(std::memcmp(in.data(), out.data(), in.size()), 0);
    PELTON_CO_ASSIGN_OR_RETURN(const uint64_t size, co_await file.Size());
    EXPECT_EQ(size, 8192u + (64 << 10));
    co_return co_await file.Close();
  });
}

TEST_F(DirectFileTest, MemoryOfThePoolIsRegisteredWhereTheDriverCan) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(DirectBuffer buffer, DirectBufferPool::Current().Allocate(4096));
    const DirectBufferPool::Statistics& statistics = DirectBufferPool::Current().statistics();
    const int index = DirectBufferPool::Current().IndexOf(buffer.data(), buffer.size());
    if (reactor().buffer_registry() == nullptr) {
      EXPECT_EQ(index, -1);
      EXPECT_EQ(statistics.registered_bytes, 0u);
    } else {
      EXPECT_TRUE(index >= 0 || statistics.registration_error == ENOMEM) << index;
    }
    co_return absl::OkStatus();
  });
}

TEST_F(DirectFileTest, AnyAlignedMemoryWorks) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(DirectFile file, co_await DirectFile::Open(Path("f"), kNew));
    char* const memory = static_cast<char*>(std::aligned_alloc(4096, 8192));
    std::memset(memory, 'a', 8192);
    absl::Status status = co_await file.Write(0, std::span<const char>(memory, 8192));
    std::memset(memory, 0, 8192);
    if (status.ok()) {
      const absl::StatusOr<size_t> read =
          co_await file.Read(4096, std::span<char>(memory + 4096, 4096));
      EXPECT_EQ(read.value_or(0), 4096u) << read.status();
      EXPECT_EQ(memory[4096], 'a');
      EXPECT_EQ(memory[0], 0);
    }
    std::free(memory);
    co_return status;
  });
}

TEST_F(DirectFileTest, TheLastBlockMayBeAPartOfOne) {
  std::ofstream(Path("f")) << std::string(5000, 'x');
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(DirectFile file, co_await DirectFile::Open(Path("f")));
    PELTON_CO_ASSIGN_OR_RETURN(DirectBuffer buffer, DirectBufferPool::Current().Allocate(16 << 10));
    PELTON_CO_ASSIGN_OR_RETURN(const size_t all, co_await file.Read(0, buffer.span()));
    EXPECT_EQ(all, 5000u);
    EXPECT_EQ(std::string(buffer.data(), all), std::string(5000, 'x'));
    PELTON_CO_ASSIGN_OR_RETURN(const size_t rest, co_await file.Read(4096, buffer.span()));
    EXPECT_EQ(rest, 904u);
    PELTON_CO_ASSIGN_OR_RETURN(const size_t beyond, co_await file.Read(1 << 20, buffer.span()));
    EXPECT_EQ(beyond, 0u);
    PELTON_CO_ASSIGN_OR_RETURN(const size_t nothing, co_await file.Read(0, {}));
    EXPECT_EQ(nothing, 0u);
    co_return co_await file.Close();
  });
}

TEST_F(DirectFileTest, WhatIsNotAlignedIsRefusedWithWhatIsRequired) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(DirectFile file, co_await DirectFile::Open(Path("f"), kNew));
    EXPECT_GE(file.offset_alignment(), 512u);
    EXPECT_EQ(4096 % file.offset_alignment(), 0u);
    EXPECT_EQ(4096 % file.memory_alignment(), 0u);
    PELTON_CO_ASSIGN_OR_RETURN(DirectBuffer buffer, DirectBufferPool::Current().Allocate(8192));
    const absl::Status offset = (co_await file.Read(100, buffer.span())).status();
    EXPECT_TRUE(absl::IsInvalidArgument(offset));
    EXPECT_EQ(offset.message(),
              absl::StrCat("read from ", Path("f"), ": direct I/O of this file takes offsets and ",
                           "lengths that are multiples of ", file.offset_alignment(),
                           " bytes, and memory at multiples of ", file.memory_alignment(),
                           "; given were offset 100, length 8192, and memory 0 bytes beyond such a "
                           "one"));
    const absl::Status length = co_await file.Write(0, buffer.first(100));
    EXPECT_TRUE(absl::IsInvalidArgument(length)) << length;
    EXPECT_NE(length.message().find("length 100,"), std::string::npos) << length;
    if (file.memory_alignment() > 1) {
      const absl::Status memory = co_await file.Write(0, buffer.span().subspan(1, 4096));
      EXPECT_TRUE(absl::IsInvalidArgument(memory)) << memory;
      EXPECT_NE(memory.message().find("memory 1 bytes beyond"), std::string::npos) << memory;
    }
    PELTON_CO_ASSIGN_OR_RETURN(const uint64_t size, co_await file.Size());
    EXPECT_EQ(size, 0u);
    co_return co_await file.Close();
  });
}

TEST_F(DirectFileTest, ErrorsOfOpeningNameThePath) {
  Run([&]() -> Task<absl::Status> {
    const absl::Status missing = (co_await DirectFile::Open(Path("missing"))).status();
    EXPECT_EQ(missing.message(),
              absl::StrCat("open ", Path("missing"), ": No such file or directory (ENOENT)"));
    EXPECT_EQ(GetErrno(missing), ENOENT);
    DirectFile::Options options = kNew;
    options.exclusive = true;
    const absl::Status exists = (co_await DirectFile::Open(Path("probe"), options)).status();
    EXPECT_TRUE(absl::IsAlreadyExists(exists)) << exists;
    co_return absl::OkStatus();
  });
}

TEST_F(DirectFileTest, AFileSystemWithoutDirectIoIsAClearError) {
  Run([&]() -> Task<absl::Status> {
    // procfs has none, on any kernel.
    const absl::Status status = (co_await DirectFile::Open("/proc/self/status")).status();
    EXPECT_TRUE(absl::IsUnimplemented(status)) << status;
    EXPECT_EQ(status.message(),
              "open /proc/self/status: its file system has no direct I/O (O_DIRECT); use one that "
              "has, or File");
    co_return absl::OkStatus();
  });
}

TEST_F(DirectFileTest, TruncatesAllocatesAndOpensAnew) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(DirectFile file, co_await DirectFile::Open(Path("f"), kNew));
    PELTON_CO_RETURN_IF_ERROR(co_await file.Allocate(0, 1 << 20));
    PELTON_CO_ASSIGN_OR_RETURN(const uint64_t allocated, co_await file.Size());
    EXPECT_EQ(allocated, 1u << 20);
    PELTON_CO_RETURN_IF_ERROR(co_await file.Truncate(1000));
    PELTON_CO_ASSIGN_OR_RETURN(const uint64_t cut, co_await file.Size());
    EXPECT_EQ(cut, 1000u);
    DirectFile::Options anew = kNew;
    anew.truncate = true;
    PELTON_CO_ASSIGN_OR_RETURN(file, co_await DirectFile::Open(Path("f"), anew));
    PELTON_CO_ASSIGN_OR_RETURN(const uint64_t emptied, co_await file.Size());
    EXPECT_EQ(emptied, 0u);
    co_return co_await file.Close();
  });
}

TEST_F(DirectFileTest, AWriteThatTheKernelRefusesSaysHowFarItCame) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(DirectFile file, co_await DirectFile::Open(Path("probe")));
    PELTON_CO_ASSIGN_OR_RETURN(DirectBuffer buffer, DirectBufferPool::Current().Allocate(4096));
    std::memset(buffer.data(), 0, 4096);
    const absl::Status status = co_await file.Write(0, buffer.span());
    EXPECT_EQ(GetErrno(status), EBADF) << status;
    EXPECT_EQ(status.message(),
              absl::StrCat("write to ", Path("probe"),
                           " (0 of 4096 bytes written): Bad file descriptor (EBADF)"));
    co_return co_await file.Close();
  });
}

TEST_F(DirectFileTest, ManyTransfersAtOnceDoNotMixUp) {
  constexpr int kTasks = 100;
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(DirectFile file, co_await DirectFile::Open(Path("f"), kNew));
    TaskScope tasks;
    for (unsigned i = 0; i < kTasks; ++i) {
      tasks.Spawn([](DirectFile& file, unsigned i) -> Task<absl::Status> {
        PELTON_CO_ASSIGN_OR_RETURN(DirectBuffer out, DirectBufferPool::Current().Allocate(8192));
        PELTON_CO_ASSIGN_OR_RETURN(DirectBuffer in, DirectBufferPool::Current().Allocate(8192));
        Fill(out, i);
        PELTON_CO_RETURN_IF_ERROR(co_await file.Write(i * 8192, out.span()));
        PELTON_CO_ASSIGN_OR_RETURN(const size_t bytes, co_await file.Read(i * 8192, in.span()));
        EXPECT_EQ(bytes, 8192u);
        EXPECT_EQ(std::memcmp(in.data(), out.data(), 8192), 0) << i;
        co_return absl::OkStatus();
      }(file, i));
    }
    PELTON_CO_RETURN_IF_ERROR(co_await tasks.Join());
    const IoScheduler::GroupStatistics main =
        IoScheduler::Current().group_statistics(SchedulingGroup());
    EXPECT_EQ(main.requests, 2u * kTasks);
    EXPECT_EQ(main.bytes, 2u * kTasks * 8192);
    EXPECT_EQ(main.queued + main.in_flight, 0u);
    co_return co_await file.Close();
  });
  EXPECT_EQ(Contents("f").size(), kTasks * 8192u);
}

TEST_F(DirectFileTest, AnAbandonedFileClosesItself) {
  Run([&]() -> Task<absl::Status> {
    std::optional<DirectFile> moved;
    {
      PELTON_CO_ASSIGN_OR_RETURN(DirectFile file, co_await DirectFile::Open(Path("f"), kNew));
      moved.emplace(std::move(file));
    }
    EXPECT_EQ(moved->path(), Path("f"));
    co_return absl::OkStatus();
  });
  EXPECT_EQ(reactor().in_flight(), 0u);
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    EXPECT_NE(std::filesystem::read_symlink(entry.path(), gone).string(), Path("f"));
  }
}

// Reads again and again until it is told to stop; yields why.
Task<absl::Status> ReadUntilStopped(DirectFile& file, int& completed) {
  PELTON_CO_ASSIGN_OR_RETURN(DirectBuffer buffer, DirectBufferPool::Current().Allocate(4096));
  while (true) {
    PELTON_CO_ASSIGN_OR_RETURN(const size_t bytes, co_await file.Read(0, buffer.span()));
    EXPECT_EQ(bytes, 4096u);
    ++completed;
  }
}

TEST_F(DirectFileTest, TransfersEndWhenTheirTaskIsToldToStop) {
  std::ofstream(Path("f")) << std::string(4096, 'x');
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(DirectFile file, co_await DirectFile::Open(Path("f")));
    for (int round = 0; round < 50; ++round) {
      int completed = 0;
      const absl::Status status =
          co_await WithTimeout(absl::Microseconds(round * 20), ReadUntilStopped(file, completed));
      EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
    }
    co_return co_await file.Close();
  });
}

TEST_F(DirectFileTest, ATaskThatWasToldToStopClosesAllTheSame) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(DirectFile file, co_await DirectFile::Open(Path("f"), kNew));
    absl::Status refused;
    absl::Status closed = absl::UnknownError("not closed");
    TaskScope scope;
    scope.Spawn([](DirectFile& file, absl::Status& refused,
                   absl::Status& closed) -> Task<absl::Status> {
      PELTON_CO_ASSIGN_OR_RETURN(DirectBuffer buffer, DirectBufferPool::Current().Allocate(4096));
      refused = (co_await file.Read(0, buffer.span())).status();
      closed = co_await file.Close();
      co_return absl::OkStatus();
    }(file, refused, closed));
    scope.Cancel();
    PELTON_CO_RETURN_IF_ERROR(co_await scope.Join());
    EXPECT_TRUE(absl::IsCancelled(refused)) << refused;
    EXPECT_TRUE(closed.ok()) << closed;
    co_return absl::OkStatus();
  });
}

// A shard that may have one request in flight.
class NarrowDirectFileTest : public DirectFileTest {
 protected:
  NarrowDirectFileTest() : DirectFileTest(WithOneInFlight()) {}

  static io::Reactor::Options WithOneInFlight() {
    io::Reactor::Options options;
    options.io_profile.requests_in_flight = 1;
    return options;
  }
};

TEST_F(NarrowDirectFileTest, QueuedTransfersEndWhenTheirTaskIsToldToStop) {
  std::ofstream(Path("f")) << std::string(4096, 'x');
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(DirectFile file, co_await DirectFile::Open(Path("f")));
    for (int round = 0; round < 20; ++round) {
      TaskScope readers;
      int completed = 0;
      for (int i = 0; i < 8; ++i) readers.Spawn(ReadUntilStopped(file, completed));
      PELTON_CO_RETURN_IF_ERROR(co_await SleepFor(absl::Microseconds(round * 20)));
      EXPECT_LE(IoScheduler::Current().group_statistics(SchedulingGroup()).in_flight, 1u);
      readers.Cancel();
      PELTON_CO_RETURN_IF_ERROR(co_await readers.Join());
      EXPECT_EQ(IoScheduler::Current().group_statistics(SchedulingGroup()).queued, 0u);
    }
    co_return co_await file.Close();
  });
}

TEST_F(DirectFileTest, ATransferIsCutIntoPiecesWhileAnotherGroupIsActive) {
  const SchedulingGroup bulk = SchedulingGroup::Find("direct_bulk").has_value()
                                   ? *SchedulingGroup::Find("direct_bulk")
                                   : *SchedulingGroup::Create("direct_bulk", {.shares = 10});
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(DirectFile file, co_await DirectFile::Open(Path("f"), kNew));
    absl::StatusOr<IoAdmission> reader =
        co_await IoScheduler::Current().Admit(IoDirection::kRead, 4096);
    PELTON_CO_RETURN_IF_ERROR(reader.status());
    const absl::Status status = co_await In(bulk, [](DirectFile& file) -> Task<absl::Status> {
      PELTON_CO_ASSIGN_OR_RETURN(DirectBuffer out, DirectBufferPool::Current().Allocate(1 << 20));
      PELTON_CO_ASSIGN_OR_RETURN(DirectBuffer in, DirectBufferPool::Current().Allocate(1 << 20));
      Fill(out, 7);
      PELTON_CO_RETURN_IF_ERROR(co_await file.Write(0, out.span()));
      PELTON_CO_ASSIGN_OR_RETURN(const size_t bytes, co_await file.Read(0, in.span()));
      EXPECT_EQ(bytes, in.size());
      EXPECT_EQ(std::memcmp(in.data(), out.data(), in.size()), 0);
      co_return absl::OkStatus();
    }(file));
    PELTON_CO_RETURN_IF_ERROR(status);
    EXPECT_GT(IoScheduler::Current().group_statistics(bulk).requests, 20u);
    co_return co_await file.Close();
  });
}

// Makes the limit of locked memory as small as it can be, where that means anything: root may lock
// what it likes.
TEST_F(DirectFileTest, WorksWhereNoMemoryMayBeLocked) {
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_MEMLOCK, &before), 0);
  const rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_MEMLOCK, &none), 0);
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(DirectFile file, co_await DirectFile::Open(Path("f"), kNew));
    PELTON_CO_ASSIGN_OR_RETURN(DirectBuffer buffer, DirectBufferPool::Current().Allocate(4096));
    Fill(buffer, 3);
    PELTON_CO_RETURN_IF_ERROR(co_await file.Write(0, buffer.span()));
    PELTON_CO_ASSIGN_OR_RETURN(const size_t bytes, co_await file.Read(0, buffer.span()));
    EXPECT_EQ(bytes, 4096u);
    co_return co_await file.Close();
  });
  ASSERT_EQ(::setrlimit(RLIMIT_MEMLOCK, &before), 0);
}

}  // namespace
}  // namespace pelton::testing
