#include "io/names/dns_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/support/dns_message_writer.h"

namespace pelton::testing {
namespace {

using io::DnsAnswer;
using io::Question;
using io::ReadAnswer;
using io::RecordType;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Question kQuestion = {.type = RecordType::kAddress, .name = "host.test"};
const std::string kAddressData = "\x7f\x01\x02\x03";

std::string Message(int code, const std::vector<std::string>& answers,
                    const std::vector<std::string>& authorities = {},
                    const Question& question = kQuestion) {
  std::string message = AnswerHeader(7, code, answers.size(), authorities.size()) +
                        QuestionBytes(question.name, question.type);
  for (const std::string& record : answers) message += record;
  for (const std::string& record : authorities) message += record;
  return message;
}

std::string AddressRecord(const std::string& name, uint32_t seconds) {
  return RecordBytes(NameBytes(name), RecordType::kAddress, seconds, kAddressData);
}

std::string ErrorOf(const std::string& message) {
  const absl::StatusOr<DnsAnswer> answer = ReadAnswer(message, kQuestion);
  EXPECT_TRUE(absl::IsUnavailable(answer.status())) << answer.status();
  return std::string(answer.status().message());
}

TEST(DnsMessageTest, ReadsAddressesAndTheLeastTimeToLive) {
  const auto answer =
      ReadAnswer(Message(0, {AddressRecord("HOST.test", 60), AddressRecord("host.test", 50),
                             AddressRecord("another.test", 1)}),
                 kQuestion);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->kind, DnsAnswer::Kind::kRecords);
  EXPECT_EQ(answer->seconds_to_live, 50u);
  const auto& addresses = std::get<DnsAnswer::Addresses>(answer->records);
  ASSERT_EQ(addresses.size(), 2u);
  EXPECT_EQ(addresses[0].ToString(), "127.1.2.3:0");
}

TEST(DnsMessageTest, FollowsCompressedNames) {
  // The name of the question lies at 12.
  const auto answer = ReadAnswer(
      Message(0, {RecordBytes("\xc0\x0c", RecordType::kAlias, 9, std::string("\3www\xc0\x11", 6)),
                  RecordBytes(std::string("\3www\xc0\x11", 6), RecordType::kAddress, 20,
                              kAddressData)}),
      kQuestion);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(std::get<DnsAnswer::Addresses>(answer->records).size(), 1u);
  EXPECT_EQ(answer->seconds_to_live, 9u);
}

TEST(DnsMessageTest, EndsAtLoopsOfNames) {
  for (const std::string owner : {"\xc0\x1b", "\xc0\xff", "\x01x\xc0\x1b"}) {
    EXPECT_THAT(ErrorOf(Message(0, {RecordBytes(owner, RecordType::kAddress, 1, kAddressData)})),
                HasSubstr("malformed"));
  }
}

TEST(DnsMessageTest, EndsAtLoopsAndLongChainsOfAliases) {
  const auto alias = [](const std::string& name, const std::string& target) {
    return RecordBytes(NameBytes(name), RecordType::kAlias, 60, NameBytes(target));
  };
  EXPECT_THAT(ErrorOf(Message(0, {alias("host.test", "a.test"), alias("a.test", "host.test")})),
              HasSubstr("aliases"));
  std::vector<std::string> chain = {alias("host.test", "a0.test")};
  for (int i = 0; i < io::kMostAliases; ++i) {
    chain.push_back(alias(absl::StrCat("a", i, ".test"), absl::StrCat("a", i + 1, ".test")));
  }
  EXPECT_THAT(ErrorOf(Message(0, chain)), HasSubstr("aliases"));
  chain.pop_back();
  EXPECT_TRUE(ReadAnswer(Message(0, chain), kQuestion).ok());
}

TEST(DnsMessageTest, ATimeWithTheHighestBitIsZero) {
  const auto answer = ReadAnswer(Message(0, {AddressRecord("host.test", 0x80000001u)}), kQuestion);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->seconds_to_live, 0u);
}

TEST(DnsMessageTest, ANoIsGoodForTheLesserOfTwoTimes) {
  const auto authority = [](uint32_t seconds, uint32_t minimum) {
    return RecordBytes(NameBytes("test"), RecordType::kAuthority, seconds, AuthorityData(minimum));
  };
  auto answer = ReadAnswer(Message(3, {}, {authority(100, 20)}), kQuestion);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->kind, DnsAnswer::Kind::kNoSuchName);
  EXPECT_EQ(answer->seconds_to_live, 20u);
  answer = ReadAnswer(Message(0, {}, {authority(10, 20)}), kQuestion);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->kind, DnsAnswer::Kind::kNoRecords);
  EXPECT_EQ(answer->seconds_to_live, 10u);
  answer = ReadAnswer(Message(3, {}), kQuestion);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->seconds_to_live, std::nullopt);
}

TEST(DnsMessageTest, SaysWhatIsWrong) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("no header"));
  EXPECT_THAT(ErrorOf(Message(2, {})), HasSubstr("SERVFAIL (code 2)"));
  EXPECT_THAT(ErrorOf(Message(5, {})), HasSubstr("REFUSED"));
  EXPECT_THAT(ErrorOf(Message(11, {})), HasSubstr("code 11"));
  EXPECT_THAT(ErrorOf(Message(0, {}, {}, {.type = RecordType::kText, .name = "host.test"})),
              HasSubstr("another question"));
  EXPECT_THAT(
      ErrorOf(Message(0, {RecordBytes(NameBytes("host.test"), RecordType::kAddress, 1, "12345")})),
      HasSubstr("wrong length"));
}

TEST(DnsMessageTest, EveryShorterMessageIsAnErrorOrSaysNo) {
  const std::string whole = Message(0, {AddressRecord("host.test", 60)});
  ASSERT_TRUE(ReadAnswer(whole, kQuestion).ok());
  for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
    EXPECT_FALSE(ReadAnswer(std::string_view(whole).substr(0, bytes), kQuestion).ok()) << bytes;
  }
}

TEST(DnsMessageTest, ReadsTheOtherTypes) {
  const auto read = [](RecordType type, const std::string& data) {
    const Question question = {.type = type, .name = "host.test"};
    return ReadAnswer(
        Message(0, {RecordBytes(NameBytes("host.test"), type, 60, data)}, {}, question), question);
  };
  const auto names = read(RecordType::kPointer, NameBytes("Name.Test"));
  EXPECT_THAT(std::get<DnsAnswer::Names>(names->records), ElementsAre("name.test"));
  const auto texts = read(RecordType::kText, std::string("\2ab\0\1c", 6));
  EXPECT_THAT(std::get<DnsAnswer::Texts>(texts->records).texts, ElementsAre("abc"));
  const auto services =
      read(RecordType::kService, Bytes16(1) + Bytes16(2) + Bytes16(3) + NameBytes(""));
  EXPECT_THAT(std::get<DnsAnswer::Services>(services->records),
              ElementsAre(SrvRecord{.priority = 1, .weight = 2, .port = 3, .target = ""}));
  const auto mail = read(RecordType::kMail, Bytes16(5) + NameBytes("m.test"));
  EXPECT_THAT(std::get<DnsAnswer::Exchanges>(mail->records),
              ElementsAre(MxRecord{.preference = 5, .exchange = "m.test"}));
  // Names that somebody may print or hand to a shell are checked.
  EXPECT_FALSE(read(RecordType::kPointer, NameBytes("$(reboot).test")).ok());
  EXPECT_FALSE(read(RecordType::kText, "\5ab").ok());
}

TEST(DnsMessageTest, KeepsABoundedNumberOfRecords) {
  const std::vector<std::string> records(io::kMostRecords + 5, AddressRecord("host.test", 60));
  const auto answer = ReadAnswer(Message(0, records), kQuestion);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(std::get<DnsAnswer::Addresses>(answer->records).size(), io::kMostRecords);
}

TEST(DnsMessageTest, NamesOfAddresses) {
  EXPECT_EQ(io::ReverseName(*SocketAddress::Parse("192.0.2.1:9")), "1.2.0.192.in-addr.arpa");
  EXPECT_EQ(io::ReverseName(*SocketAddress::Parse("[2001:db8::567:89ab]:9")),
            "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

}  // namespace
}  // namespace pelton::testing
