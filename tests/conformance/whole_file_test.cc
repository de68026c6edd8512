// Reading and writing files whole.

#include "io/file/whole_file.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "tests/conformance/file_test_base.h"

namespace pelton::testing {
namespace {

class WholeFileTest : public FileTestBase {};

TEST_F(WholeFileTest, ReadsWhatWasWrittenWhateverItsSize) {
  Run([&]() -> Task<absl::Status> {
    for (const size_t size : {0, 1, 4095, 4096, 4097, 3'000'000}) {
      const std::string bytes = Pattern(size);
      PELTON_CO_RETURN_IF_ERROR(co_await WriteFile(Path("f"), bytes));
      PELTON_CO_ASSIGN_OR_RETURN(const std::string read, co_await ReadFile(Path("f")));
      EXPECT_TRUE(read == bytes) << size;
    }
    co_return absl::OkStatus();
  });
}

TEST_F(WholeFileTest, ReadsFilesThatDoNotTellTheirSize) {
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(const std::string status, co_await ReadFile("/proc/self/status"));
    EXPECT_NE(status.find("VmRSS"), std::string::npos);
    PELTON_CO_ASSIGN_OR_RETURN(const std::string maps, co_await ReadFile("/proc/self/maps"));
    EXPECT_EQ(maps.back(), '\n');
    EXPECT_GT(maps.size(), 4096u) << "more than the first read asks for";
    co_return absl::OkStatus();
  });
}

TEST_F(WholeFileTest, ReadsNoMoreThanAllowed) {
  SetContents(Path("f"), Pattern(10'000));
  Run([&]() -> Task<absl::Status> {
    PELTON_CO_ASSIGN_OR_RETURN(const std::string whole, co_await ReadFile(Path("f"), 10'000));
    EXPECT_EQ(whole.size(), 10'000u);
    for (const size_t most : {0, 100, 9'999}) {
      const absl::Status refused = (co_await ReadFile(Path("f"), most)).status();
      EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
      EXPECT_TRUE(Says(refused, Path("f"))) << refused;
    }
    const absl::Status endless = (co_await ReadFile("/dev/zero", 100'000)).status();
    EXPECT_TRUE(absl::IsResourceExhausted(endless)) << endless;
    co_return absl::OkStatus();
  });
}

TEST_F(WholeFileTest, ErrorsNameThePath) {
  Run([&]() -> Task<absl::Status> {
    EXPECT_EQ((co_await ReadFile(Path("no"))).status().message(),
              "open " + Path("no") + ": No such file or directory (ENOENT)");
    EXPECT_EQ((co_await WriteFile("/dev/full", "x")).message(),
              "write to /dev/full: No space left on device (ENOSPC)");
    co_return absl::OkStatus();
  });
}

}  // namespace
}  // namespace pelton::testing
