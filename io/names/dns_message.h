// Reads the answers of name servers.
//
// Whatever bytes a server sends, reading ends: each step goes forward or to an earlier place of the
// message, and chains of aliases are followed a bounded number of times.
//
// Shard affinity: none; pure. COST: linear in the message; allocates what it hands out.
// Source: RFC 1035 section 4 (messages, compression), RFC 2181 section 8 (times to live), RFC 2308
// (answers that say no), RFC 3596 (AAAA), RFC 2782 (SRV).

#ifndef PELTON_IO_NAMES_DNS_MESSAGE_H_
#define PELTON_IO_NAMES_DNS_MESSAGE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "io/names/dns_records.h"
#include "io/socket_address.h"

namespace pelton::io {

enum class RecordType : uint16_t {
  kAddress = 1,    // A
  kAlias = 5,      // CNAME; not to be asked for
  kAuthority = 6,  // SOA; not to be asked for
  kPointer = 12,   // PTR
  kMail = 15,      // MX
  kText = 16,      // TXT
  kAddress6 = 28,  // AAAA
  kService = 33,   // SRV
};

// Its name in messages, such as "AAAA".
const char* RecordTypeName(RecordType type);

struct Question {
  RecordType type = RecordType::kAddress;
  std::string name;  // in lower case, without a dot at the end

  friend bool operator==(const Question&, const Question&) = default;
  template <typename H>
  friend H AbslHashValue(H state, const Question& question) {
    return H::combine(std::move(state), static_cast<uint16_t>(question.type), question.name);
  }
};

// What a server knows of a question.
struct DnsAnswer {
  enum class Kind : uint8_t {
    kRecords,
    kNoRecords,   // the name exists, without records of this type
    kNoSuchName,  // NXDOMAIN
  };
  using Addresses = std::vector<SocketAddress>;  // A, AAAA; of port 0
  using Names = std::vector<std::string>;        // PTR
  struct Texts {                                 // TXT; the pieces of each are put together
    std::vector<std::string> texts;
  };
  using Services = std::vector<SrvRecord>;
  using Exchanges = std::vector<MxRecord>;

  Kind kind = Kind::kNoRecords;
  // For how long it is good; none: it says no, and not for how long.
  std::optional<uint32_t> seconds_to_live;
  std::variant<Addresses, Names, Texts, Services, Exchanges> records;
};

// The most records of one answer that are kept; what is beyond is dropped.
inline constexpr size_t kMostRecords = 64;
// The most aliases (CNAME) that lead from the name to its records.
inline constexpr int kMostAliases = 16;

// Reads a server's whole message, which answers `question`. ERRORS: UNAVAILABLE with what is wrong
// with a message that cannot be read, among that too long a chain of aliases, or a loop; or with the
// server's code (SERVFAIL, REFUSED, ...).
absl::StatusOr<DnsAnswer> ReadAnswer(std::string_view message, const Question& question);

// The name under which the records of an address's host names are: 1.0.0.127.in-addr.arpa.
std::string ReverseName(const SocketAddress& address);

}  // namespace pelton::io

#endif  // PELTON_IO_NAMES_DNS_MESSAGE_H_
