#include "io/file/io_profile.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "framework/base/status.h"

namespace pelton {
namespace {

constexpr IoProfile kProfile = {.read_iops = 70'000,
                                .write_iops = 50'000,
                                .read_bytes_per_second = 2'000'000'000,
                                .write_bytes_per_second = 1'500'000'000,
                                .requests_in_flight = 32,
                                .bytes_in_flight = 2 << 20};

std::string ErrorOf(const std::string& text) {
  return std::string(ParseIoProfile(text).status().message());
}

TEST(IoProfileTest, ItsTextIsReadBack) {
  const absl::StatusOr<IoProfile> read = ParseIoProfile(kProfile.ToText());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, kProfile);
}

TEST(IoProfileTest, CommentsEmptyLinesAndBlanksAtTheEndSayNothing) {
  const std::string text = absl::StrReplaceAll(kProfile.ToText(), {{"\n", "  \r\n\n# why\n"}});
  const absl::StatusOr<IoProfile> read = ParseIoProfile("# the disk\n\n" + text);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, kProfile);
}

TEST(IoProfileTest, ErrorsNameTheLineAndWhatWasExpected) {
  EXPECT_EQ(ErrorOf("pelton-io-profile 2\n"),
            "I/O profile, line 1: \"pelton-io-profile 2\": expected \"pelton-io-profile 1\"");
  EXPECT_EQ(ErrorOf("# a disk\nread_iops 5\n"),
            "I/O profile, line 2: \"read_iops 5\": expected \"pelton-io-profile 1\"");
  EXPECT_EQ(ErrorOf("pelton-io-profile 1\n\nread_iops many\n"),
            "I/O profile, line 3: \"read_iops many\": expected read_iops and a whole number from 1 "
            "to 1000000000");
  for (const std::string number : {"", " ", " 0", " -1", " 1.5", " 1000000001", " 5 6"}) {
    EXPECT_NE(ErrorOf("pelton-io-profile 1\nread_iops" + number).find("line 2"), std::string::npos)
        << number;
  }
  EXPECT_EQ(ErrorOf("pelton-io-profile 1\nread_iops 5\nread_iops 5\n"),
            "I/O profile, line 3: \"read_iops 5\": given twice");
  EXPECT_NE(
      ErrorOf("pelton-io-profile 1\nreads 5\n").find("no such value; expected one of read_iops, "),
      std::string::npos);
}

TEST(IoProfileTest, EachValueMustBeThere) {
  EXPECT_EQ(ErrorOf(""), "I/O profile: empty; expected \"pelton-io-profile 1\" in the first line");
  EXPECT_EQ(ErrorOf("pelton-io-profile 1\nread_iops 5\n"), "I/O profile: no line gives write_iops");
}

TEST(IoProfileTest, ShardsDivideTheDisk) {
  const IoProfile part = kProfile.ForShard(4);
  EXPECT_EQ(part.read_iops, 17'500u);
  EXPECT_EQ(part.write_bytes_per_second, 375'000'000u);
  EXPECT_EQ(part.requests_in_flight, 8u);
  EXPECT_EQ(part.bytes_in_flight, 512u << 10);
  EXPECT_EQ(kProfile.ForShard(1), kProfile);
}

TEST(IoProfileTest, EvenTheSmallestPartKeepsARequestInFlight) {
  const IoProfile part = kProfile.ForShard(1000);
  EXPECT_EQ(part.requests_in_flight, 1u);
  EXPECT_EQ(part.bytes_in_flight, 128u << 10);
}

TEST(IoProfileTest, AFileIsReadAndNamedInErrors) {
  const std::string path = absl::StrCat(::testing::TempDir(), "/io_profile_test.profile");
  std::ofstream(path) << kProfile.ToText();
  const absl::StatusOr<IoProfile> read = ReadIoProfile(path);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, kProfile);
  std::ofstream(path) << "nonsense\n";
  EXPECT_EQ(ReadIoProfile(path).status().message(),
            path + ": I/O profile, line 1: \"nonsense\": expected \"pelton-io-profile 1\"");
  const absl::Status missing = ReadIoProfile(path + ".not").status();
  EXPECT_EQ(GetErrno(missing), ENOENT) << missing;
  EXPECT_NE(missing.message().find(path + ".not"), std::string::npos) << missing;
}

}  // namespace
}  // namespace pelton
