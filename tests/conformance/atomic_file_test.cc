// Replacing files whole. What a kill does to it: tests/integration/files.

#include "io/file/atomic_file.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "io/file/paths.h"
#include "sched/random.h"
#include "tests/conformance/file_test_base.h"

namespace pelton::testing {
namespace {

class AtomicFileTest : public FileTestBase {};

TEST_F(AtomicFileTest, TheNameLeadsToTheOldBytesUntilTheCommit) {
  SetContents(Path("f"), "old");
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(AtomicFile file, co_await AtomicFile::Create(Path("f")));
    PELTON_CO_RETURN_IF_ERROR(co_await file.file().WriteAll("new", 0));
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    EXPECT_EQ(Contents(Path("f")), "old");
    EXPECT_TRUE(file.valid());
    PELTON_CO_RETURN_IF_ERROR(co_await file.Commit());
    EXPECT_FALSE(file.valid());
    co_return absl::OkStatus();
  });
  EXPECT_EQ(Contents(Path("f")), "new");
  EXPECT_EQ(CountNames(directory()), 1u);
}

TEST_F(AtomicFileTest, OneThatIsNotCommittedLeavesNothing) {
  SetContents(Path("f"), "old");
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(AtomicFile file, co_await AtomicFile::Create(Path("f")));
    PELTON_CO_RETURN_IF_ERROR(co_await file.file().WriteAll("new", 0));
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    EXPECT_EQ(CountNames(directory()), 2u);
    co_return absl::OkStatus();
  });
  EXPECT_EQ(Contents(Path("f")), "old");
  EXPECT_EQ(CountNames(directory()), 1u);
}

TEST_F(AtomicFileTest, KeepsPermissionsOrSetsThem) {
  Run([&]() -> Task<absl::Status> {
    const auto permissions = [this] {
      return static_cast<unsigned>(std::filesystem::status(Path("f")).permissions());
    };
    PELTON_CO_RETURN_IF_ERROR(co_await ReplaceFile(Path("f"), "1"));
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    EXPECT_EQ(permissions() & 0600u, 0600u);
    std::filesystem::permissions(Path("f"), std::filesystem::perms(0604));
    PELTON_CO_RETURN_IF_ERROR(co_await ReplaceFile(Path("f"), "2"));
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    EXPECT_EQ(permissions(), 0604u);
    PELTON_CO_RETURN_IF_ERROR(co_await ReplaceFile(Path("f"), "3", {.permissions = 0400}));
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    EXPECT_EQ(permissions(), 0400u);
    PELTON_CO_RETURN_IF_ERROR(co_await ReplaceFile(Path("f"), "4", {.durable = false}));
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    EXPECT_EQ(Contents(Path("f")), "4");
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    EXPECT_EQ(permissions(), 0400u);
    co_return absl::OkStatus();
  });
}

TEST_F(AtomicFileTest, OfManyAtOnceOneWinsWholly) {
  Run([&]() -> Task<absl::Status> {
    TaskScope writers;
    for (int i = 0; i < 16; ++i) {
      writers.Spawn([this, i]() -> Task<absl::Status> {
        const std::string bytes(100'000, static_cast<char>('a' + i));
        co_return co_await ReplaceFile(Path("f"), bytes, {.durable = i % 4 == 0});
      });
    }
    PELTON_CO_RETURN_IF_ERROR(co_await writers.Join());
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    const std::string bytes = Contents(Path("f"));
    EXPECT_TRUE(bytes == std::string(100'000, bytes[0]));
    co_return absl::OkStatus();
  });
  EXPECT_EQ(CountNames(directory()), 1u);
}

TEST_F(AtomicFileTest, ACancellationAtAnyTimeLeavesTheFileWholeAndNothingElse) {
  const std::string bytes[] = {std::string(50'000, 'a'), std::string(70'000, 'b')};
  SetContents(Path("f"), bytes[1]);
  Run([&]() -> Task<absl::Status> {
    Random random(3);
    int replaced = 0;
    for (int round = 0; round < 150; ++round) {
      TaskScope scope;
      scope.Spawn([&]() -> Task<absl::Status> {
        const absl::Status status =
            co_await ReplaceFile(Path("f"), bytes[round % 2], {.durable = round % 8 == 0});
        EXPECT_TRUE(status.ok() || absl::IsCancelled(status)) << status;
        replaced += status.ok() ? 1 : 0;
        co_return absl::OkStatus();
      });
      for (uint64_t turns = random.Below(40); turns > 0; --turns) co_await FileTestTurn();
      if (round % 10 != 0) scope.Cancel();
      PELTON_CO_RETURN_IF_ERROR(co_await scope.Join());
      // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
      const std::string found = Contents(Path("f"));
      EXPECT_TRUE(found == bytes[0] || found == bytes[1]) << "torn, in round " << round;
    }
    EXPECT_GE(replaced, 15);
    co_return absl::OkStatus();
  });
  EXPECT_EQ(CountNames(directory()), 1u) << "a temporary file stayed";
}

TEST_F(AtomicFileTest, TheDirectoryMayBeRenamedMeanwhile) {
  std::filesystem::create_directory(Path("d"));
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(AtomicFile file, co_await AtomicFile::Create(Path("d/f")));
    PELTON_CO_ASSIGN_OR_RETURN(AtomicFile other, co_await AtomicFile::Create(Path("d/g")));
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    std::filesystem::rename(Path("d"), Path("e"));
    PELTON_CO_RETURN_IF_ERROR(co_await file.file().WriteAll("new", 0));
    co_return co_await file.Commit();
  });
  EXPECT_EQ(Contents(Path("e/f")), "new");
  EXPECT_EQ(CountNames(Path("e")), 1u);
}

TEST_F(AtomicFileTest, ErrorsNameThePathAndLeaveNothing) {
  std::filesystem::create_directory(Path("d"));
  Run([&]() -> Task<absl::Status> {
    for (const std::string& path : {Path("d"), Path("d/"), Path("."), std::string("/")}) {
      const absl::Status status = co_await ReplaceFile(path, "x");
      EXPECT_EQ(GetErrno(status), EISDIR) << status;
      EXPECT_TRUE(Says(status, "replace " + path)) << status;
    }
    const absl::Status nowhere = co_await ReplaceFile(Path("no/f"), "x");
    EXPECT_EQ(nowhere.message(), "open " + Path("no") + ": No such file or directory (ENOENT)");
    const std::string longest(255, 'n');
    PELTON_CO_RETURN_IF_ERROR(co_await ReplaceFile(Path(longest), "x"));
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    EXPECT_EQ(Contents(Path(longest)), "x");
    const absl::Status too_long = co_await ReplaceFile(Path(longest + "n"), "x");
    EXPECT_EQ(GetErrno(too_long), ENAMETOOLONG) << too_long;
    co_return absl::OkStatus();
  });
  EXPECT_EQ(CountNames(directory()), 2u);
}

TEST_F(AtomicFileTest, AFileOfTheCurrentDirectoryHasNoSlash) {
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(directory());
  Run([&]() -> Task<absl::Status> { co_return co_await ReplaceFile("f", "here"); });
  std::filesystem::current_path(before);
  EXPECT_EQ(Contents(Path("f")), "here");
}

}  // namespace
}  // namespace pelton::testing
