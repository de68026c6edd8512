#include "io/names/dns_message.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "framework/base/status.h"
#include "io/names/dns_name.h"

namespace pelton::io {
namespace {

constexpr uint16_t kInternetClass = 1;
constexpr int kNoError = 0;
constexpr int kNameError = 3;
// Records of one message that are looked at.
constexpr size_t kMostSections = 1024;

absl::Status Malformed(std::string_view what) {
  return absl::UnavailableError(absl::StrCat("a malformed answer (", std::string(what), ")"));
}

// Goes through a message. Once something is missing it is bad, and yields zeroes.
class Reader {
 public:
  Reader(std::string_view message, size_t at) : message_(message), at_(at) {}

  bool bad() const { return bad_; }
  size_t at() const { return at_; }

  uint16_t Read16() { return static_cast<uint16_t>(Read(2)); }
  uint32_t Read32() { return Read(4); }
  std::string_view ReadBytes(size_t count) {
    if (bad_ || message_.size() - at_ < count) {
      bad_ = true;
      return {};
    }
    const std::string_view bytes = message_.substr(at_, count);
    at_ += count;
    return bytes;
  }
  uint8_t Read8() { return static_cast<uint8_t>(Read(1)); }

  // A name that is handed out, in lower case. Bad as well when it is no host's name.
  std::string ReadHostName() { return ReadName(/*is_host=*/true); }
  // A name in lower case, for comparisons alone.
  std::string ReadName(bool is_host = false) {
    std::string name;
    size_t at = at_;
    size_t end = 0;  // where the message goes on: behind the first pointer
    size_t limit = message_.size();
    while (true) {
      if (at >= message_.size()) return Fail();
      const auto length = static_cast<uint8_t>(message_[at]);
      if ((length & 0xc0) == 0xc0) {
        if (message_.size() - at < 2) return Fail();
        const size_t target = (length & 0x3fu) << 8 | static_cast<uint8_t>(message_[at + 1]);
        if (end == 0) end = at + 2;
        // Only backwards, and further each time: so it ends.
        if (target >= std::min(at, limit)) return Fail();
        limit = at = target;
        continue;
      }
      if ((length & 0xc0) != 0 || message_.size() - at < size_t{1} + length) return Fail();
      if (length == 0) {
        at_ = end == 0 ? at + 1 : end;
        return name;
      }
      const std::string_view label = message_.substr(at + 1, length);
      if (is_host && !IsHostLabel(label)) return Fail();
      if (!name.empty()) name += '.';
      name += LowerCase(label);
      if (name.size() > kLongestDnsName) return Fail();
      at += size_t{1} + length;
    }
  }

 private:
  uint32_t Read(size_t count) {
    uint32_t value = 0;
    for (const char byte : ReadBytes(count)) value = value << 8 | static_cast<uint8_t>(byte);
    return value;
  }
  std::string Fail() {
    bad_ = true;
    return {};
  }

  std::string_view message_;
  size_t at_;
  bool bad_ = false;
};

struct Header {
  int code = 0;
  uint16_t questions = 0;
  uint16_t answers = 0;
  uint16_t authorities = 0;
};

// A record whose data has not been looked at.
struct RawRecord {
  std::string owner;
  uint16_t type = 0;
  uint16_t record_class = 0;
  uint32_t seconds_to_live = 0;
  size_t data_at = 0;
  size_t data_bytes = 0;
};

RawRecord ReadRecord(Reader& reader) {
  RawRecord record;
  record.owner = reader.ReadName();
  record.type = reader.Read16();
  record.record_class = reader.Read16();
  record.seconds_to_live = reader.Read32();
  // RFC 2181: a time with the highest bit set is zero.
  if ((record.seconds_to_live & 0x80000000u) != 0) record.seconds_to_live = 0;
  record.data_bytes = reader.Read16();
  record.data_at = reader.at();
  reader.ReadBytes(record.data_bytes);
  return record;
}

absl::StatusOr<SocketAddress> ReadAddress(int family, std::string_view bytes) {
  if (family == AF_INET) {
    sockaddr_in ipv4 = {};
    if (bytes.size() != sizeof(ipv4.sin_addr)) return Malformed("an A record of a wrong length");
    ipv4.sin_family = AF_INET;
    std::memcpy(&ipv4.sin_addr, bytes.data(), bytes.size());
    return SocketAddress::FromSockaddr(reinterpret_cast<const sockaddr*>(&ipv4), sizeof(ipv4));
  }
  sockaddr_in6 ipv6 = {};
  if (bytes.size() != sizeof(ipv6.sin6_addr)) return Malformed("an AAAA record of a wrong length");
  ipv6.sin6_family = AF_INET6;
  std::memcpy(&ipv6.sin6_addr, bytes.data(), bytes.size());
  return SocketAddress::FromSockaddr(reinterpret_cast<const sockaddr*>(&ipv6), sizeof(ipv6));
}

// The text of a TXT record: its pieces, each behind its length, put together.
std::string ReadText(Reader& reader, size_t end) {
  std::string text;
  while (!reader.bad() && reader.at() < end) text += reader.ReadBytes(reader.Read8());
  return text;
}

// Where records of a type are collected, in an answer that has none yet.
void Prepare(DnsAnswer& answer, RecordType type) {
  switch (type) {
    case RecordType::kPointer:
      answer.records.emplace<DnsAnswer::Names>();
      break;
    case RecordType::kText:
      answer.records.emplace<DnsAnswer::Texts>();
      break;
    case RecordType::kService:
      answer.records.emplace<DnsAnswer::Services>();
      break;
    case RecordType::kMail:
      answer.records.emplace<DnsAnswer::Exchanges>();
      break;
    default:
      answer.records.emplace<DnsAnswer::Addresses>();
  }
}

// Puts a record's data behind those that the answer has.
absl::Status AppendRecord(std::string_view message, const RawRecord& record, RecordType type,
                          DnsAnswer& answer) {
  Reader data(message, record.data_at);
  const size_t end = record.data_at + record.data_bytes;
  if (auto* addresses = std::get_if<DnsAnswer::Addresses>(&answer.records)) {
    PELTON_ASSIGN_OR_RETURN(const SocketAddress address,
                            ReadAddress(type == RecordType::kAddress ? AF_INET : AF_INET6,
                                        data.ReadBytes(record.data_bytes)));
    addresses->push_back(address);
  } else if (auto* names = std::get_if<DnsAnswer::Names>(&answer.records)) {
    names->push_back(data.ReadHostName());
  } else if (auto* texts = std::get_if<DnsAnswer::Texts>(&answer.records)) {
    texts->texts.push_back(ReadText(data, end));
  } else if (auto* services = std::get_if<DnsAnswer::Services>(&answer.records)) {
    SrvRecord service;
    service.priority = data.Read16();
    service.weight = data.Read16();
    service.port = data.Read16();
    service.target = data.ReadHostName();
    services->push_back(std::move(service));
  } else {
    MxRecord exchange;
    exchange.preference = data.Read16();
    exchange.exchange = data.ReadHostName();
    std::get<DnsAnswer::Exchanges>(answer.records).push_back(std::move(exchange));
  }
  if (data.bad() || data.at() != end) {
    return Malformed(std::string(RecordTypeName(type)) + " data that cannot be read");
  }
  return absl::OkStatus();
}

// Follows the aliases from `name` on. Lowers `seconds_to_live` to the least of them.
absl::StatusOr<std::string> FollowAliases(std::string_view message,
                                          const std::vector<RawRecord>& records, std::string name,
                                          uint32_t& seconds_to_live) {
  for (int steps = 0; steps <= kMostAliases; ++steps) {
    const auto alias = std::find_if(records.begin(), records.end(), [&](const RawRecord& record) {
      return record.type == static_cast<uint16_t>(RecordType::kAlias) && record.owner == name;
    });
    if (alias == records.end()) return name;
    Reader data(message, alias->data_at);
    name = data.ReadName();
    if (data.bad()) return Malformed("CNAME data that cannot be read");
    seconds_to_live = std::min(seconds_to_live, alias->seconds_to_live);
  }
  return Malformed("a loop of aliases, or a chain of too many");
}

// RFC 2308: for how long a "no" is good, by the SOA record that comes with it.
std::optional<uint32_t> NegativeTimeToLive(std::string_view message,
                                           const std::vector<RawRecord>& authorities) {
  for (const RawRecord& record : authorities) {
    if (record.type != static_cast<uint16_t>(RecordType::kAuthority)) continue;
    constexpr size_t kMinimumBytes = 4;  // the last of the record's fields
    if (record.data_bytes < kMinimumBytes) return std::nullopt;
    Reader data(message, record.data_at + record.data_bytes - kMinimumBytes);
    uint32_t minimum = data.Read32();
    if ((minimum & 0x80000000u) != 0) minimum = 0;
    return std::min(minimum, record.seconds_to_live);
  }
  return std::nullopt;
}

const char* CodeName(int code) {
  constexpr std::array<const char*, 6> kNames = {"NOERROR",  "FORMERR", "SERVFAIL",
                                                 "NXDOMAIN", "NOTIMP",  "REFUSED"};
  return static_cast<size_t>(code) < kNames.size() ? kNames[static_cast<size_t>(code)] : "an error";
}

absl::StatusOr<Header> ReadHeader(Reader& reader, const Question& question) {
  constexpr uint16_t kResponse = 0x8000;
  Header header;
  reader.Read16();  // the number of the question, which whoever received this has compared
  const uint16_t flags = reader.Read16();
  header.code = flags & 0xf;
  header.questions = reader.Read16();
  header.answers = reader.Read16();
  header.authorities = reader.Read16();
  reader.Read16();
  if (reader.bad() || (flags & kResponse) == 0) return Malformed("no header of an answer");
  if (header.code != kNoError && header.code != kNameError) {
    return absl::UnavailableError(
        absl::StrCat("the server answered ", CodeName(header.code), " (code ", header.code, ")"));
  }
  if (header.questions != 1 || reader.ReadName() != question.name ||
      reader.Read16() != static_cast<uint16_t>(question.type) ||
      reader.Read16() != kInternetClass) {
    return Malformed("the answer to another question");
  }
  return header;
}

std::vector<RawRecord> ReadSection(Reader& reader, uint16_t count) {
  std::vector<RawRecord> records;
  for (size_t i = 0; i < std::min<size_t>(count, kMostSections) && !reader.bad(); ++i) {
    RawRecord record = ReadRecord(reader);
    if (!reader.bad() && record.record_class == kInternetClass) {
      records.push_back(std::move(record));
    }
  }
  return records;
}

}  // namespace

const char* RecordTypeName(RecordType type) {
  switch (type) {
    case RecordType::kAddress:
      return "A";
    case RecordType::kAlias:
      return "CNAME";
    case RecordType::kAuthority:
      return "SOA";
    case RecordType::kPointer:
      return "PTR";
    case RecordType::kMail:
      return "MX";
    case RecordType::kText:
      return "TXT";
    case RecordType::kAddress6:
      return "AAAA";
    case RecordType::kService:
      return "SRV";
  }
  return "?";
}

absl::StatusOr<DnsAnswer> ReadAnswer(std::string_view message, const Question& question) {
  Reader reader(message, 0);
  PELTON_ASSIGN_OR_RETURN(const Header header, ReadHeader(reader, question));
  const std::vector<RawRecord> records = ReadSection(reader, header.answers);
  if (reader.bad()) return Malformed("an answer that ends early, or a name that is none");

  DnsAnswer answer;
  Prepare(answer, question.type);
  uint32_t seconds_to_live = UINT32_MAX;
  PELTON_ASSIGN_OR_RETURN(const std::string owner,
                          FollowAliases(message, records, question.name, seconds_to_live));
  size_t found = 0;
  for (const RawRecord& record : records) {
    if (record.type != static_cast<uint16_t>(question.type) || record.owner != owner) continue;
    if (++found > kMostRecords) break;
    PELTON_RETURN_IF_ERROR(AppendRecord(message, record, question.type, answer));
    seconds_to_live = std::min(seconds_to_live, record.seconds_to_live);
  }
  if (found > 0) {
    answer.kind = DnsAnswer::Kind::kRecords;
    answer.seconds_to_live = seconds_to_live;
    return answer;
  }
  answer.kind =
      header.code == kNameError ? DnsAnswer::Kind::kNoSuchName : DnsAnswer::Kind::kNoRecords;
  // What is wrong behind the answers says only that the "no" cannot be kept.
  const std::vector<RawRecord> authorities = ReadSection(reader, header.authorities);
  if (!reader.bad()) answer.seconds_to_live = NegativeTimeToLive(message, authorities);
  return answer;
}

std::string ReverseName(const SocketAddress& address) {
  if (!address.IsIpv6()) {
    const auto* ipv4 = reinterpret_cast<const sockaddr_in*>(address.data());
    const uint32_t host = ntohl(ipv4->sin_addr.s_addr);
    return absl::StrCat(host & 0xff, ".", host >> 8 & 0xff, ".", host >> 16 & 0xff, ".", host >> 24,
                        ".in-addr.arpa");
  }
  constexpr char kDigits[] = "0123456789abcdef";
  const auto* ipv6 = reinterpret_cast<const sockaddr_in6*>(address.data());
  std::string name;
  for (int i = 15; i >= 0; --i) {
    const uint8_t byte = ipv6->sin6_addr.s6_addr[i];
    name += kDigits[byte & 0xf];
    name += '.';
    name += kDigits[byte >> 4];
    name += '.';
  }
  return name + "ip6.arpa";
}

}  // namespace pelton::io
