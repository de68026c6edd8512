// Listing directories.

#include "io/file/read_directory.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <map>
#include <set>

#include "tests/conformance/file_test_base.h"

namespace pelton::testing {
namespace {

class ReadDirectoryTest : public FileTestBase {};

TEST_F(ReadDirectoryTest, TellsEachNameOnceWithItsType) {
  SetContents(Path("file"), "");
  std::filesystem::create_directory(Path("folder"));
  std::filesystem::create_symlink("file", Path("link"));
  std::map<std::string, FileType> types;
  Run([&]() -> Task<absl::Status> {
    PELTON_FOR_CO_AWAIT(const absl::StatusOr<DirectoryEntry>& entry, ReadDirectory(directory())) {
      PELTON_CO_RETURN_IF_ERROR(entry.status());
      EXPECT_TRUE(types.emplace(entry->name, entry->type).second) << entry->name;
      EXPECT_NE(entry->inode, 0u);
    }
    co_return absl::OkStatus();
  });
  const std::map<std::string, FileType> expected = {{"file", FileType::kRegular},
                                                    {"folder", FileType::kDirectory},
                                                    {"link", FileType::kSymbolicLink}};
  EXPECT_EQ(types, expected);
}

TEST_F(ReadDirectoryTest, AnEmptyDirectoryHasNoEntries) {
  Run([&]() -> Task<absl::Status> {
    AsyncGenerator<absl::StatusOr<DirectoryEntry>> entries = ReadDirectory(directory());
    EXPECT_EQ(co_await entries.Next(), nullptr);
    co_return absl::OkStatus();
  });
}

TEST_F(ReadDirectoryTest, ALargeDirectoryComesInBatches) {
  constexpr size_t kFiles = 700;
  const std::string stem(200, 'n');
  for (size_t i = 0; i < kFiles; ++i) SetContents(Path(stem + std::to_string(i)), "");
  std::set<std::string> names;
  Run([&]() -> Task<absl::Status> {
    const uint64_t before = reactor().statistics().started;
    PELTON_FOR_CO_AWAIT(const absl::StatusOr<DirectoryEntry>& entry, ReadDirectory(directory())) {
      PELTON_CO_RETURN_IF_ERROR(entry.status());
      names.emplace(entry->name);
    }
    const uint64_t operations = reactor().statistics().started - before;
    EXPECT_GT(operations, 3u);
    EXPECT_LT(operations, 20u);
    co_return absl::OkStatus();
  });
  EXPECT_EQ(names.size(), kFiles);
}

TEST_F(ReadDirectoryTest, AListingMayBeLeftInTheMiddleAndCancelled) {
  for (int i = 0; i < 10; ++i) SetContents(Path(std::to_string(i)), "");
  Run([&]() -> Task<absl::Status> {
    PELTON_FOR_CO_AWAIT(const absl::StatusOr<DirectoryEntry>& entry, ReadDirectory(directory())) {
      EXPECT_TRUE(entry.ok());
      break;
    }
    TaskScope scope;
    scope.Spawn([&]() -> Task<absl::Status> {
      PELTON_FOR_CO_AWAIT(const absl::StatusOr<DirectoryEntry>& entry, ReadDirectory(directory())) {
        EXPECT_TRUE(absl::IsCancelled(entry.status())) << entry.status();
      }
      co_return absl::OkStatus();
    });
    scope.Cancel();
    co_return co_await scope.Join();
  });
}

TEST_F(ReadDirectoryTest, ErrorsNameThePath) {
  SetContents(Path("file"), "");
  Run([&]() -> Task<absl::Status> {
    for (const auto& [name, error] : {std::pair("missing", ENOENT), std::pair("file", ENOTDIR)}) {
      AsyncGenerator<absl::StatusOr<DirectoryEntry>> entries = ReadDirectory(Path(name));
      const absl::StatusOr<DirectoryEntry>* entry = co_await entries.Next();
      if (entry == nullptr) co_return absl::InternalError("no error");
      EXPECT_EQ(GetErrno(entry->status()), error) << entry->status();
      EXPECT_TRUE(Says(entry->status(), Path(name))) << entry->status();
      EXPECT_EQ(co_await entries.Next(), nullptr);
    }
    co_return absl::OkStatus();
  });
}

}  // namespace
}  // namespace pelton::testing
