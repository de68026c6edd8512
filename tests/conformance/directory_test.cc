// Directory: paths that do not lead out of it.

#include "io/file/directory.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <vector>

#include "tests/conformance/file_test_base.h"

namespace pelton::testing {
namespace {

class DirectoryTest : public FileTestBase {
 protected:
  void SetUp() override {
    FileTestBase::SetUp();
    if (IsSkipped()) return;
    std::filesystem::create_directories(Path("in/sub"));
    std::filesystem::create_directories(Path("out"));
    SetContents(Path("out/secret"), "secret");
    SetContents(Path("in/file"), "text");
    std::filesystem::create_directory_symlink("../out", Path("in/escape"));
    std::filesystem::create_directory_symlink("sub", Path("in/inside"));
    std::filesystem::create_symlink(Path("out/secret"), Path("in/absolute"));
  }
};

TEST_F(DirectoryTest, PathsStartAtIt) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Directory in, co_await Directory::Open(Path("in")));
    PELTON_CO_ASSIGN_OR_RETURN(File file, co_await in.OpenFile("inside/new", kNewFile));
    EXPECT_EQ(file.path(), Path("in/inside/new"));
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    EXPECT_TRUE(std::filesystem::exists(Path("in/sub/new")));
    PELTON_CO_RETURN_IF_ERROR(co_await in.Rename("sub/new", "moved", RenameMode::kNoReplace));
    PELTON_CO_ASSIGN_OR_RETURN(const FileStatus status, co_await in.Stat("moved"));
    EXPECT_TRUE(status.is_regular());
    PELTON_CO_RETURN_IF_ERROR(co_await in.MakeDirectory("sub/deeper"));
    PELTON_CO_ASSIGN_OR_RETURN(Directory sub, co_await in.OpenDirectory("sub"));
    PELTON_CO_RETURN_IF_ERROR(co_await sub.RemoveDirectory("deeper/"));
    PELTON_CO_RETURN_IF_ERROR(co_await in.Unlink("moved"));
    PELTON_CO_RETURN_IF_ERROR(co_await in.Sync());
    const absl::Status missing = (co_await in.OpenFile("no/file")).status();
    EXPECT_EQ(missing.message(),
              "open " + Path("in/no/file") + ": No such file or directory (ENOENT)");
    PELTON_CO_RETURN_IF_ERROR(co_await in.RemoveTree("sub"));
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    EXPECT_FALSE(std::filesystem::exists(Path("in/sub")));
    co_return absl::OkStatus();
  });
}

TEST_F(DirectoryTest, NoPathLeadsOut) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Directory in, co_await Directory::Open(Path("in")));
    for (const std::string path : {"../out/secret", "sub/../../out/secret", "escape/secret",
                                   "absolute", "/etc/passwd", "..", "/"}) {
      EXPECT_EQ(GetErrno((co_await in.OpenFile(path)).status()), EXDEV) << path;
    }
    for (const std::string path : {"../out/secret", "escape/secret", "/etc/passwd", "..", "sub/..",
                                   "/", "../", ".", "sub/../../out/secret"}) {
      EXPECT_EQ(GetErrno((co_await in.Stat(path)).status()), EXDEV) << path;
      EXPECT_EQ(GetErrno(co_await in.Unlink(path)), EXDEV) << path;
      EXPECT_EQ(GetErrno(co_await in.RemoveTree(path)), EXDEV) << path;
      EXPECT_EQ(GetErrno(co_await in.MakeDirectory(path)), EXDEV) << path;
      EXPECT_EQ(GetErrno(co_await in.Rename("file", path)), EXDEV) << path;
    }
    for (const std::string path : {"../out", "escape", "/etc", "..", "sub/../.."}) {
      EXPECT_EQ(GetErrno((co_await in.OpenDirectory(path)).status()), EXDEV) << path;
    }
    const absl::Status refused = co_await in.Unlink("escape/secret");
    EXPECT_TRUE(Says(refused, Path("in/escape"))) << refused;
    // A link itself may be removed.
    PELTON_CO_RETURN_IF_ERROR(co_await in.RemoveTree("escape"));
    co_return absl::OkStatus();
  });
  EXPECT_EQ(Contents(Path("out/secret")), "secret");
}

TEST_F(DirectoryTest, StaysTheSameWhenItIsRenamed) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Directory in, co_await Directory::Open(Path("in")));
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    std::filesystem::rename(Path("in"), Path("elsewhere"));
    PELTON_CO_RETURN_IF_ERROR(co_await in.OpenFile("file"));
    co_return absl::OkStatus();
  });
}

TEST_F(DirectoryTest, ListsAgainAndAgain) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(Directory in, co_await Directory::Open(Path("in")));
    for (int i = 0; i < 2; ++i) {
      size_t count = 0;
      PELTON_FOR_CO_AWAIT(const absl::StatusOr<DirectoryEntry>& entry, in.Read()) {
        PELTON_CO_RETURN_IF_ERROR(entry.status());
        ++count;
      }
      EXPECT_EQ(count, 5u);
    }
    co_return absl::OkStatus();
  });
}

TEST_F(DirectoryTest, IsNoFile) {
  Run([&]() -> Task<absl::Status> {
    const absl::Status refused = (co_await Directory::Open(Path("in/file"))).status();
    EXPECT_EQ(refused.message(), "open " + Path("in/file") + ": Not a directory (ENOTDIR)");
    co_return absl::OkStatus();
  });
}

}  // namespace
}  // namespace pelton::testing
