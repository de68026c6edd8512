// Copying files.

#include "io/file/copy_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "io/file/file.h"
#include "io/file/paths.h"
#include "tests/conformance/file_test_base.h"

namespace pelton::testing {
namespace {

// Bytes that take several steps to copy.
constexpr size_t kSteps = 9'000'000;

class CopyFileTest : public FileTestBase {};

TEST_F(CopyFileTest, CopiesBytesAndPermissions) {
  Run([&]() -> Task<absl::Status> {
    for (const size_t size : {0, 1, 100'000, 9'000'000}) {
      const std::string bytes = Pattern(size);
      // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
      SetContents(Path("a"), bytes);
      std::filesystem::permissions(Path("a"), std::filesystem::perms(0640));
      PELTON_CO_RETURN_IF_ERROR(co_await CopyFile(Path("a"), Path("b")));
      // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
      EXPECT_TRUE(Contents(Path("b")) == bytes) << size;
      PELTON_CO_ASSIGN_OR_RETURN(const FileStatus status, co_await Stat(Path("b")));
      EXPECT_EQ(status.permissions, 0640u);
    }
    co_return absl::OkStatus();
  });
  EXPECT_EQ(CountNames(directory()), 2u) << "a temporary file stayed";
}

TEST_F(CopyFileTest, KeepsHoles) {
  Run([&]() -> Task<absl::Status> {
    constexpr uint64_t kSize = 64 << 20;
    PELTON_CO_ASSIGN_OR_RETURN(File file, co_await File::Open(Path("a"), kNewFile));
    PELTON_CO_RETURN_IF_ERROR(co_await file.WriteAll("begin", 0));
    PELTON_CO_RETURN_IF_ERROR(co_await file.WriteAll("middle", 32 << 20));
    PELTON_CO_RETURN_IF_ERROR(co_await file.Truncate(kSize));
    PELTON_CO_RETURN_IF_ERROR(co_await CopyFile(Path("a"), Path("b")));
    PELTON_CO_ASSIGN_OR_RETURN(const FileStatus original, co_await file.Stat());
    PELTON_CO_ASSIGN_OR_RETURN(const FileStatus copy, co_await Stat(Path("b")));
    EXPECT_EQ(copy.size_bytes, kSize);
    // Only where the file system has holes at all.
    if (original.allocated_bytes < kSize) EXPECT_LT(copy.allocated_bytes, kSize / 2);
    PELTON_CO_ASSIGN_OR_RETURN(File copied, co_await File::Open(Path("b")));
    char bytes[6];
    PELTON_CO_RETURN_IF_ERROR(co_await copied.ReadExactly(bytes, 32 << 20));
    EXPECT_EQ(std::string_view(bytes, 6), "middle");
    co_return absl::OkStatus();
  });
}

TEST_F(CopyFileTest, CopiesFilesOfOtherFileSystemsAndThoseThatDoNotTellTheirSize) {
  SetContents(Path("a"), "old");
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_RETURN_IF_ERROR(co_await CopyFile("/proc/self/limits", Path("a")));
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    EXPECT_NE(Contents(Path("a")).find("Max open files"), std::string::npos);
    co_return absl::OkStatus();
  });
}

TEST_F(CopyFileTest, TellsItsProgress) {
  SetContents(Path("a"), std::string(kSteps, 'x'));
  std::vector<uint64_t> steps;
  Run([&]() -> Task<absl::Status> {
    co_return co_await CopyFile(
        Path("a"), Path("b"),
        {.durable = true,
         .progress =
             [](void* argument, uint64_t copied, uint64_t all) {
               EXPECT_EQ(all, kSteps);
               static_cast<std::vector<uint64_t>*>(argument)->push_back(copied);
             },
         .progress_argument = &steps});
  });
  ASSERT_GE(steps.size(), 2u);
  EXPECT_TRUE(std::is_sorted(steps.begin(), steps.end()));
  EXPECT_EQ(steps.back(), kSteps);
}

TEST_F(CopyFileTest, AnErrorOrACancellationLeavesNothingBehind) {
  SetContents(Path("a"), std::string(kSteps, 'x'));
  SetContents(Path("b"), "old");
  Run([&]() -> Task<absl::Status> {
    TaskScope scope;
    TaskScope* const scopes[] = {&scope};
    scope.Spawn([&]() -> Task<absl::Status> {
      const absl::Status status = co_await CopyFile(
          Path("a"), Path("b"),
          {.progress = [](void* argument, uint64_t,
                          uint64_t) { (*static_cast<TaskScope* const*>(argument))->Cancel(); },
           .progress_argument = const_cast<TaskScope**>(scopes)});
      EXPECT_TRUE(absl::IsCancelled(status)) << status;
      co_return absl::OkStatus();
    });
    PELTON_CO_RETURN_IF_ERROR(co_await scope.Join());
    const absl::Status missing = co_await CopyFile(Path("no"), Path("b"));
    EXPECT_TRUE(Says(missing, "open " + Path("no"))) << missing;
    const absl::Status folder = co_await CopyFile(directory(), Path("b"));
    EXPECT_TRUE(absl::IsInvalidArgument(folder)) << folder;
    const absl::Status nowhere = co_await CopyFile(Path("a"), Path("no/b"));
    EXPECT_TRUE(Says(nowhere, Path("no"))) << nowhere;
    EXPECT_EQ(GetErrno(co_await CopyFile(Path("a"), directory())), EISDIR);
    co_return absl::OkStatus();
  });
  EXPECT_EQ(Contents(Path("b")), "old");
  EXPECT_EQ(CountNames(directory()), 2u) << "a temporary file stayed";
}

}  // namespace
}  // namespace pelton::testing
