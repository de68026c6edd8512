// Answers of name servers, from whom anything may come.

#include <string>

#include "framework/base/check.h"
#include "io/names/dns_message.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/dns_message_writer.h"

namespace pelton {
namespace {

using io::DnsAnswer;
using io::RecordType;

constexpr RecordType kTypes[] = {RecordType::kAddress, RecordType::kAddress6, RecordType::kPointer,
                                 RecordType::kText,    RecordType::kService,  RecordType::kMail};

std::string Answer(RecordType type, const std::string& data) {
  using testing::AnswerHeader;
  using testing::AuthorityData;
  using testing::NameBytes;
  using testing::QuestionBytes;
  using testing::RecordBytes;
  return AnswerHeader(1, 0, 2, 1) + QuestionBytes("a.test", type) +
         RecordBytes("\xc0\x0c", RecordType::kAlias, 60, std::string("\1b\xc0\x0e", 4)) +
         RecordBytes(std::string("\1b\xc0\x0e", 4), type, 60, data) +
         RecordBytes(NameBytes("test"), RecordType::kAuthority, 60, AuthorityData(9));
}

}  // namespace

std::vector<std::string> FuzzSeeds() {
  return {Answer(RecordType::kAddress, "1234"),
          Answer(RecordType::kAddress6, "1234567890123456"),
          Answer(RecordType::kPointer, std::string("\1c\xc0\x0e", 4)),
          Answer(RecordType::kText, "\3abc\1d"),
          Answer(RecordType::kService, std::string("\0\1\0\2\0\3\1c\xc0\x0e", 10)),
          Answer(RecordType::kMail, std::string("\0\1\1c\xc0\x0e", 6)),
          testing::AnswerHeader(1, 3, 0) + testing::QuestionBytes("a.test", RecordType::kAddress)};
}

std::vector<std::string> FuzzWords() {
  return {"\xc0\x0c", "\xc0\x1c", "\xff\xff", std::string("\0\0", 2), std::string("\1\0", 2),
          "\x3f"};
}

}  // namespace pelton

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using pelton::io::DnsAnswer;
  const std::string_view message(reinterpret_cast<const char*>(data), size);
  for (const pelton::io::RecordType type : pelton::kTypes) {
    const auto answer = pelton::io::ReadAnswer(message, {.type = type, .name = "a.test"});
    if (!answer.ok()) continue;
    const size_t records = std::visit(
        [](const auto& all) {
          if constexpr (requires { all.texts; }) {
            return all.texts.size();
          } else {
            return all.size();
          }
        },
        answer->records);
    PELTON_CHECK(records <= pelton::io::kMostRecords);
    PELTON_CHECK((records > 0) == (answer->kind == DnsAnswer::Kind::kRecords));
    PELTON_CHECK(records == 0 || answer->seconds_to_live.has_value());
  }
  return 0;
}
