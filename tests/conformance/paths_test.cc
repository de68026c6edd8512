// What services do to paths.

#include "io/file/paths.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <set>

#include "io/file/directory.h"
#include "tests/conformance/file_test_base.h"

namespace pelton::testing {
namespace {

class PathsTest : public FileTestBase {};

TEST_F(PathsTest, RenamesInThreeWays) {
  SetContents(Path("a"), "a");
  SetContents(Path("b"), "b");
  Run([&]() -> Task<absl::Status> {
    const absl::Status taken = co_await Rename(Path("a"), Path("b"), RenameMode::kNoReplace);
    EXPECT_TRUE(absl::IsAlreadyExists(taken)) << taken;
    EXPECT_EQ(taken.message(),
              "rename " + Path("a") + " to " + Path("b") + ": File exists (EEXIST)");
    PELTON_CO_RETURN_IF_ERROR(co_await Rename(Path("a"), Path("b"), RenameMode::kExchange));
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    EXPECT_EQ(Contents(Path("a")), "b");
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    EXPECT_EQ(Contents(Path("b")), "a");
    PELTON_CO_RETURN_IF_ERROR(co_await Rename(Path("a"), Path("b")));
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    EXPECT_EQ(Contents(Path("b")), "b");
    PELTON_CO_RETURN_IF_ERROR(co_await Rename(Path("b"), Path("c"), RenameMode::kNoReplace));
    EXPECT_EQ(GetErrno(co_await Rename(Path("b"), Path("c"), RenameMode::kExchange)), ENOENT);
    co_return absl::OkStatus();
  });
}

TEST_F(PathsTest, LinksUnlinksAndReadsLinks) {
  SetContents(Path("a"), "text");
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_RETURN_IF_ERROR(co_await Link(Path("a"), Path("b")));
    PELTON_CO_RETURN_IF_ERROR(co_await SymbolicLink("a", Path("s")));
    PELTON_CO_ASSIGN_OR_RETURN(const std::string target, co_await ReadLink(Path("s")));
    EXPECT_EQ(target, "a");
    PELTON_CO_ASSIGN_OR_RETURN(const FileStatus a, co_await Stat(Path("a")));
    PELTON_CO_ASSIGN_OR_RETURN(const FileStatus b, co_await Stat(Path("b")));
    PELTON_CO_ASSIGN_OR_RETURN(const FileStatus s, co_await Stat(Path("s")));
    PELTON_CO_ASSIGN_OR_RETURN(const FileStatus link, co_await StatLink(Path("s")));
    EXPECT_EQ(a.link_count, 2u);
    EXPECT_EQ(a.size_bytes, 4u);
    EXPECT_TRUE(a.IsSameFileAs(b));
    EXPECT_TRUE(a.IsSameFileAs(s));
    EXPECT_TRUE(link.is_symbolic_link());
    EXPECT_FALSE(a.IsSameFileAs(link));
    PELTON_CO_RETURN_IF_ERROR(co_await Unlink(Path("a")));
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    EXPECT_EQ(Contents(Path("b")), "text");
    const absl::Status gone = co_await Unlink(Path("a"));
    EXPECT_EQ(gone.message(), "unlink " + Path("a") + ": No such file or directory (ENOENT)");
    const absl::Status no_link = (co_await ReadLink(Path("b"))).status();
    EXPECT_EQ(no_link.message(), "read link " + Path("b") + ": Invalid argument (EINVAL)");
    PELTON_CO_ASSIGN_OR_RETURN(bool exists, co_await Exists(Path("b")));
    EXPECT_TRUE(exists);
    PELTON_CO_ASSIGN_OR_RETURN(exists, co_await Exists(Path("s")));
    EXPECT_FALSE(exists) << "the link leads to nothing";
    PELTON_CO_ASSIGN_OR_RETURN(exists, co_await Exists(Path("b/below")));
    EXPECT_FALSE(exists);
    EXPECT_FALSE((co_await Exists(std::string(5000, 'x'))).ok());
    co_return absl::OkStatus();
  });
}

TEST_F(PathsTest, MakesAndRemovesDirectories) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_RETURN_IF_ERROR(co_await MakeDirectory(Path("d"), 0700));
    EXPECT_TRUE(absl::IsAlreadyExists(co_await MakeDirectory(Path("d"))));
    PELTON_CO_RETURN_IF_ERROR(co_await MakeDirectories(Path("d/e//f/g")));
    PELTON_CO_RETURN_IF_ERROR(co_await MakeDirectories(Path("d/e/f/g")));
    PELTON_CO_ASSIGN_OR_RETURN(const FileStatus status, co_await Stat(Path("d/e/f/g")));
    EXPECT_TRUE(status.is_directory());
    PELTON_CO_RETURN_IF_ERROR(co_await SyncDirectory(Path("d/e")));
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    SetContents(Path("file"), "");
    EXPECT_EQ(GetErrno(co_await MakeDirectories(Path("file"))), EEXIST);
    EXPECT_EQ(GetErrno(co_await MakeDirectories(Path("file/d"))), ENOTDIR);
    EXPECT_EQ(GetErrno(co_await SyncDirectory(Path("file"))), ENOTDIR);
    const absl::Status full = co_await RemoveDirectory(Path("d/e"));
    EXPECT_EQ(full.message(),
              "remove directory " + Path("d/e") + ": Directory not empty (ENOTEMPTY)");
    PELTON_CO_RETURN_IF_ERROR(co_await RemoveDirectory(Path("d/e/f/g")));
    co_return absl::OkStatus();
  });
  EXPECT_FALSE(std::filesystem::exists(Path("d/e/f/g")));
}

TEST_F(PathsTest, RemovesATreeAndNothingThatItsLinksLeadTo) {
  namespace fs = std::filesystem;
  fs::create_directories(Path("outside/kept"));
  SetContents(Path("outside/kept/file"), "");
  fs::create_directories(Path("tree/a/b/c/d"));
  for (int i = 0; i < 300; ++i) SetContents(Path("tree/a/" + std::to_string(i)), "");
  SetContents(Path("tree/a/b/c/d/deep"), "");
  fs::create_directory_symlink(Path("outside"), Path("tree/a/b/link"));
  fs::create_symlink("nowhere", Path("tree/dangling"));
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_RETURN_IF_ERROR(co_await RemoveTree(Path("tree")));
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    EXPECT_FALSE(fs::exists(Path("tree")));
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    EXPECT_TRUE(fs::exists(Path("outside/kept/file")));
    PELTON_CO_RETURN_IF_ERROR(co_await RemoveTree(Path("tree")));  // nothing is there
    PELTON_CO_RETURN_IF_ERROR(co_await RemoveTree(Path("outside/kept/file")));
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    EXPECT_FALSE(fs::exists(Path("outside/kept/file")));
    fs::create_directory_symlink("outside", Path("link"));
    PELTON_CO_RETURN_IF_ERROR(co_await RemoveTree(Path("link")));
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    EXPECT_TRUE(fs::exists(Path("outside")));
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    EXPECT_FALSE(fs::exists(fs::symlink_status(Path("link"))));
    co_return absl::OkStatus();
  });
}

TEST_F(PathsTest, TemporaryDirectoriesAreNewAndOnesOwn) {
  Run([&]() -> Task<absl::Status> {
    std::set<std::string> paths;
    for (int i = 0; i < 10; ++i) {
      PELTON_CO_ASSIGN_OR_RETURN(const std::string path,
                                 co_await MakeTemporaryDirectory(Path("t-")));
      PELTON_CO_ASSIGN_OR_RETURN(const FileStatus status, co_await Stat(path));
      EXPECT_EQ(status.permissions & 077u, 0u);
      paths.insert(path);
    }
    EXPECT_EQ(paths.size(), 10u);
    const absl::Status missing = (co_await MakeTemporaryDirectory(Path("no/t-"))).status();
    EXPECT_TRUE(Says(missing, "make directory " + Path("no/t-"))) << missing;
    co_return absl::OkStatus();
  });
}

TEST_F(PathsTest, APathWithAZeroByteIsRefused) {
  Run([&]() -> Task<absl::Status> {
    const std::string bad = Path("a") + std::string("\0b", 2);
    EXPECT_TRUE(absl::IsInvalidArgument(co_await Unlink(bad)));
    EXPECT_TRUE(absl::IsInvalidArgument(co_await MakeDirectory(bad)));
    EXPECT_TRUE(absl::IsInvalidArgument(co_await Rename(bad, Path("c"))));
    EXPECT_TRUE(absl::IsInvalidArgument(co_await RemoveTree(bad)));
    EXPECT_TRUE(absl::IsInvalidArgument((co_await Stat(bad)).status()));
    co_return absl::OkStatus();
  });
}

}  // namespace
}  // namespace pelton::testing
