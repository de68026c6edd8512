// File: opening, reading and writing.

#include "io/file/file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <string>
#include <vector>

#include "tests/conformance/file_test_base.h"

namespace pelton::testing {
namespace {

class FileTest : public FileTestBase {};

TEST_F(FileTest, WritesAndReadsAtOffsets) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(File file, co_await File::Open(Path("f"), kNewFile));
    PELTON_CO_ASSIGN_OR_RETURN(const size_t written, co_await file.WriteAt("hello, disk", 5));
    EXPECT_EQ(written, 11u);
    char bytes[32];
    PELTON_CO_ASSIGN_OR_RETURN(const size_t count, co_await file.ReadAt(bytes, 12));
    EXPECT_EQ(std::string_view(bytes, count), "disk");
    co_return co_await file.Close();
  });
  EXPECT_EQ(Contents(Path("f")), std::string(5, '\0') + "hello, disk");
}

TEST_F(FileTest, ReadsPastTheEndAsNothing) {
  SetContents(Path("f"), "1234");
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(File file, co_await File::Open(Path("f")));
    char bytes[8];
    PELTON_CO_ASSIGN_OR_RETURN(const size_t at_end, co_await file.ReadAt(bytes, 4));
    EXPECT_EQ(at_end, 0u);
    PELTON_CO_ASSIGN_OR_RETURN(const size_t behind, co_await file.ReadAt(bytes, 1000));
    EXPECT_EQ(behind, 0u);
    PELTON_CO_ASSIGN_OR_RETURN(const size_t none, co_await file.ReadAt({}, 0));
    EXPECT_EQ(none, 0u);
    co_return absl::OkStatus();
  });
}

TEST_F(FileTest, ReadsAndWritesAtItsOwnPosition) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(File file, co_await File::Open(Path("f"), kNewFile));
    PELTON_CO_RETURN_IF_ERROR(co_await file.Write("ab"));
    PELTON_CO_RETURN_IF_ERROR(co_await file.WriteAll("cd"));
    PELTON_CO_ASSIGN_OR_RETURN(File reader, co_await File::Open(Path("f")));
    char bytes[3];
    PELTON_CO_ASSIGN_OR_RETURN(size_t count, co_await reader.Read(bytes));
    EXPECT_EQ(std::string_view(bytes, count), "abc");
    PELTON_CO_ASSIGN_OR_RETURN(count, co_await reader.Read(bytes));
    EXPECT_EQ(std::string_view(bytes, count), "d");
    co_return absl::OkStatus();
  });
}

TEST_F(FileTest, CachedReadsTakeNoOperation) {
  SetContents(Path("f"), Pattern(8192));
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(File file, co_await File::Open(Path("f")));
    char bytes[4096];
    PELTON_CO_RETURN_IF_ERROR(co_await file.ReadAt(bytes, 0));
    const uint64_t before = reactor().statistics().started;
    constexpr int kReads = 100;
    for (int i = 0; i < kReads; ++i) {
      PELTON_CO_ASSIGN_OR_RETURN(const size_t count, co_await file.ReadAt(bytes, 4096));
      EXPECT_EQ(count, 4096u);
    }
    // A read at which its task should give way goes through the driver.
    EXPECT_LE(reactor().statistics().started - before, 2u);
    EXPECT_EQ(std::string_view(bytes, 4096), Pattern(8192).substr(4096));
    co_return absl::OkStatus();
  });
}

TEST_F(FileTest, TransfersVectors) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(File file, co_await File::Open(Path("f"), kNewFile));
    const std::string_view pieces[] = {"one", "", "three"};
    PELTON_CO_ASSIGN_OR_RETURN(const size_t written, co_await file.WriteVectorAt(pieces, 1));
    EXPECT_EQ(written, 8u);
    char first[4];
    char second[10];
    const std::span<char> targets[] = {first, second};
    PELTON_CO_ASSIGN_OR_RETURN(const size_t count, co_await file.ReadVectorAt(targets, 1));
    EXPECT_EQ(count, 8u);
    EXPECT_EQ(std::string_view(first, 4), "onet");
    EXPECT_EQ(std::string_view(second, 4), "hree");
    co_return absl::OkStatus();
  });
}

TEST_F(FileTest, ReadExactlyAndWriteAllMoveManyMegabytes) {
  const std::string bytes = Pattern(5'000'001);
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(File file, co_await File::Open(Path("f"), kNewFile));
    PELTON_CO_RETURN_IF_ERROR(co_await file.WriteAll(bytes, 3));
    std::string read(bytes.size(), '\0');
    PELTON_CO_RETURN_IF_ERROR(co_await file.ReadExactly(read, 3));
    EXPECT_TRUE(read == bytes);
    const absl::Status early = co_await file.ReadExactly(read, 4);
    EXPECT_TRUE(absl::IsOutOfRange(early)) << early;
    EXPECT_TRUE(Says(early, "read from " + Path("f"))) << early;
    EXPECT_TRUE(Says(early, "1 bytes early")) << early;
    co_return absl::OkStatus();
  });
}

TEST_F(FileTest, AppendsWhereverItIsTold) {
  SetContents(Path("f"), "old ");
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(
        File file, co_await File::Open(Path("f"), {.access = FileAccess::kWrite, .append = true}));
    PELTON_CO_RETURN_IF_ERROR(co_await file.WriteAt("new", 0));
    co_return absl::OkStatus();
  });
  EXPECT_EQ(Contents(Path("f")), "old new");
}

TEST_F(FileTest, ErrorsNameOperationPathAndErrno) {
  Run([&]() -> Task<absl::Status> {
    const absl::Status missing = (co_await File::Open(Path("missing"))).status();
    EXPECT_TRUE(absl::IsNotFound(missing)) << missing;
    EXPECT_EQ(missing.message(),
              "open " + Path("missing") + ": No such file or directory (ENOENT)");
    EXPECT_EQ(GetErrno(missing), ENOENT);
    PELTON_CO_ASSIGN_OR_RETURN(File file, co_await File::Open(Path("f"), kNewFile));
    PELTON_CO_ASSIGN_OR_RETURN(File reader, co_await File::Open(Path("f")));
    const absl::Status write = (co_await reader.WriteAt("x", 0)).status();
    EXPECT_EQ(write.message(), "write to " + Path("f") + ": Bad file descriptor (EBADF)");
    const absl::Status truncate = co_await reader.Truncate(0);
    EXPECT_TRUE(Says(truncate, "truncate " + Path("f") + ": ")) << truncate;
    char byte;
    PELTON_CO_ASSIGN_OR_RETURN(File folder, co_await File::Open(directory()));
    const absl::Status read = (co_await folder.ReadAt({&byte, 1}, 0)).status();
    EXPECT_EQ(read.message(), "read from " + directory() + ": Is a directory (EISDIR)");
    co_return absl::OkStatus();
  });
}

TEST_F(FileTest, AFullDeviceIsAnErrorThatNamesIt) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(File file,
                               co_await File::Open("/dev/full", {.access = FileAccess::kWrite}));
    const absl::Status full = (co_await file.WriteAt("x", 0)).status();
    EXPECT_EQ(full.message(), "write to /dev/full: No space left on device (ENOSPC)");
    EXPECT_TRUE(absl::IsResourceExhausted(full)) << full;
    co_return absl::OkStatus();
  });
}

TEST_F(FileTest, CreationSaysWhatMustBeThere) {
  Run([&]() -> Task<absl::Status> {
    const OpenOptions fresh = {
        .access = FileAccess::kWrite, .creation = FileCreation::kMustBeNew, .permissions = 0640};
    PELTON_CO_RETURN_IF_ERROR(co_await File::Open(Path("f"), fresh));
    const absl::Status again = (co_await File::Open(Path("f"), fresh)).status();
    EXPECT_TRUE(absl::IsAlreadyExists(again)) << again;
    PELTON_CO_ASSIGN_OR_RETURN(File file, co_await File::Open(Path("f")));
    PELTON_CO_ASSIGN_OR_RETURN(const FileStatus status, co_await file.Stat());
    EXPECT_EQ(status.permissions & 0700u, 0600u);
    std::filesystem::create_symlink("f", Path("s"));
    const absl::Status link = (co_await File::Open(Path("s"), {.follow_links = false})).status();
    EXPECT_EQ(GetErrno(link), ELOOP) << link;
    PELTON_CO_RETURN_IF_ERROR(co_await File::Open(Path("s")));
    co_return absl::OkStatus();
  });
}

TEST_F(FileTest, OptionsThatContradictEachOtherAreRefused) {
  SetContents(Path("f"), "text");
  Run([&]() -> Task<absl::Status> {
    const OpenOptions refused[] = {
        {.truncate = true},
        {.append = true},
        {.creation = FileCreation::kIfMissing, .permissions = 0100644},
    };
    for (const OpenOptions& options : refused) {
      const absl::Status status = (co_await File::Open(Path("f"), options)).status();
      EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    }
    co_return absl::OkStatus();
  });
  EXPECT_EQ(Contents(Path("f")), "text");
}

TEST_F(FileTest, APathWithAZeroByteIsRefused) {
  Run([&]() -> Task<absl::Status> {
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    SetContents(Path("f"), "");
    const absl::Status refused =
        (co_await File::Open(Path("f") + std::string("\0.txt", 5))).status();
    EXPECT_TRUE(absl::IsInvalidArgument(refused)) << refused;
    EXPECT_TRUE(Says(refused, Path("f"))) << refused;
    co_return absl::OkStatus();
  });
}

TEST_F(FileTest, AllocatesPunchesTruncatesAndTellsTheStatus) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(File file, co_await File::Open(Path("f"), kNewFile));
    PELTON_CO_RETURN_IF_ERROR(co_await file.Reserve({.offset = 0, .length = 65536}));
    PELTON_CO_ASSIGN_OR_RETURN(FileStatus status, co_await file.Stat());
    EXPECT_EQ(status.size_bytes, 0u);
    EXPECT_GE(status.allocated_bytes, 65536u);
    PELTON_CO_RETURN_IF_ERROR(co_await file.Allocate({.offset = 0, .length = 65536}));
    PELTON_CO_RETURN_IF_ERROR(co_await file.WriteAll(std::string(65536, 'x'), 0));
    PELTON_CO_RETURN_IF_ERROR(co_await file.PunchHole({.offset = 4096, .length = 8192}));
    std::string bytes(65536, '?');
    PELTON_CO_RETURN_IF_ERROR(co_await file.ReadExactly(bytes, 0));
    EXPECT_TRUE(bytes == std::string(4096, 'x') + std::string(8192, '\0') +
                             std::string(65536 - 4096 - 8192, 'x'));
    PELTON_CO_RETURN_IF_ERROR(co_await file.Advise({}, FileAdvice::kRandom));
    PELTON_CO_RETURN_IF_ERROR(
        co_await file.Advise({.length = uint64_t{1} << 40}, FileAdvice::kDontNeed));
    PELTON_CO_RETURN_IF_ERROR(co_await file.Truncate(100));
    PELTON_CO_RETURN_IF_ERROR(co_await file.SetPermissions(0400));
    PELTON_CO_ASSIGN_OR_RETURN(status, co_await file.Stat());
    EXPECT_EQ(status.size_bytes, 100u);
    EXPECT_EQ(status.permissions, 0400u);
    EXPECT_TRUE(status.is_regular());
    EXPECT_EQ(status.link_count, 1u);
    EXPECT_EQ(status.owner, ::geteuid());
    EXPECT_GT(status.modified, absl::UnixEpoch());
    PELTON_CO_RETURN_IF_ERROR(co_await file.Sync());
    PELTON_CO_RETURN_IF_ERROR(co_await file.SyncData());
    const absl::Status nothing = co_await file.Allocate({});
    EXPECT_TRUE(Says(nothing, "allocate space of " + Path("f"))) << nothing;
    EXPECT_EQ(GetErrno(nothing), EINVAL);
    co_return co_await file.Close();
  });
}

TEST_F(FileTest, WithoutDescriptorsOpeningFailsAndLaterWorks) {
  rlimit old;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &old), 0);
  Run([&]() -> Task<absl::Status> {
    std::vector<File> files;
    rlimit low = old;
    // The listing of the directory takes one itself.
    low.rlim_cur = OpenDescriptors() + 8;
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
    absl::Status status;
    while (status.ok() && files.size() < 100) {
      absl::StatusOr<File> file = co_await File::Open(Path("f"), kNewFile);
      status = file.status();
      if (file.ok()) files.push_back(*std::move(file));
    }
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &old), 0);
    EXPECT_EQ(status.message(), "open " + Path("f") + ": Too many open files (EMFILE)");
    EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
    EXPECT_GE(files.size(), 1u);
    // Those that are open were not harmed.
    for (File& file : files) PELTON_CO_RETURN_IF_ERROR(co_await file.WriteAt("x", 0));
    PELTON_CO_RETURN_IF_ERROR(co_await File::Open(Path("f")));
    co_return absl::OkStatus();
  });
}

TEST_F(FileTest, BeyondTheLimitOfSizeAWriteFailsAndWhatIsBelowStays) {
  rlimit old;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  struct sigaction ignored = {};
  struct sigaction previous;
  ignored.sa_handler = SIG_IGN;
  ASSERT_EQ(::sigaction(SIGXFSZ, &ignored, &previous), 0);
  rlimit low = old;
  low.rlim_cur = 100'000;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &low), 0);
  const std::string bytes = Pattern(300'000);
  absl::Status status = RunToStatus([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(File file, co_await File::Open(Path("f"), kNewFile));
    co_return co_await file.WriteAll(bytes, 0);
  });
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old), 0);
  ASSERT_EQ(::sigaction(SIGXFSZ, &previous, nullptr), 0);
  EXPECT_EQ(status.message(), "write to " + Path("f") + ": File too large (EFBIG)");
  EXPECT_TRUE(Contents(Path("f")) == bytes.substr(0, 100'000));
}

TEST_F(FileTest, ManyOperationsGoOnAtOnce) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(File file, co_await File::Open(Path("f"), kNewFile));
    const std::string bytes = Pattern(64 * 4096);
    TaskScope writers;
    for (size_t i = 0; i < 64; ++i) {
      writers.Spawn([&file, &bytes, i]() -> Task<absl::Status> {
        co_return co_await file.WriteAll(std::string_view(bytes).substr(i * 4096, 4096), i * 4096);
      });
    }
    PELTON_CO_RETURN_IF_ERROR(co_await writers.Join());
    std::string read(bytes.size(), '\0');
    PELTON_CO_RETURN_IF_ERROR(co_await file.ReadExactly(read, 0));
    EXPECT_TRUE(read == bytes);
    co_return absl::OkStatus();
  });
}

TEST_F(FileTest, AMovedFileIsTheSame) {
  Run([&]() -> Task<absl::Status> {
    File file;
    EXPECT_FALSE(file.valid());
    PELTON_CO_ASSIGN_OR_RETURN(file, co_await File::Open(Path("f"), kNewFile));
    File moved = std::move(file);
    PELTON_CO_RETURN_IF_ERROR(co_await moved.WriteAt("x", 0));
    EXPECT_EQ(moved.path(), Path("f"));
    co_return co_await moved.Close();
  });
}

}  // namespace
}  // namespace pelton::testing
