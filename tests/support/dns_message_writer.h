// Writes messages of the Domain Name System, for tests: what a server sends.
//
// Shard affinity: none; pure.

#ifndef PELTON_TESTS_SUPPORT_DNS_MESSAGE_WRITER_H_
#define PELTON_TESTS_SUPPORT_DNS_MESSAGE_WRITER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "io/names/dns_message.h"

namespace pelton::testing {

inline std::string Bytes16(uint32_t value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value)};
}
inline std::string Bytes32(uint32_t value) { return Bytes16(value >> 16) + Bytes16(value); }

// A name, not compressed.
inline std::string NameBytes(std::string_view name) {
  std::string bytes;
  while (!name.empty()) {
    const std::string_view label = name.substr(0, name.find('.'));
    bytes += static_cast<char>(label.size());
    bytes += label;
    name.remove_prefix(label.size() == name.size() ? name.size() : label.size() + 1);
  }
  bytes += '\0';
  return bytes;
}

// A header of an answer to question `number`, with the counts of what follows.
inline std::string AnswerHeader(uint16_t number, int code, size_t answers, size_t authorities = 0,
                                bool truncated = false) {
  return Bytes16(number) +
         Bytes16(0x8180u | (truncated ? 0x0200u : 0u) | static_cast<uint32_t>(code)) + Bytes16(1) +
         Bytes16(static_cast<uint32_t>(answers)) + Bytes16(static_cast<uint32_t>(authorities)) +
         Bytes16(0);
}

inline std::string QuestionBytes(std::string_view name, io::RecordType type) {
  return NameBytes(name) + Bytes16(static_cast<uint32_t>(type)) + Bytes16(1);
}

inline std::string RecordBytes(const std::string& owner_bytes, io::RecordType type,
                               uint32_t seconds, const std::string& data) {
  return owner_bytes + Bytes16(static_cast<uint32_t>(type)) + Bytes16(1) + Bytes32(seconds) +
         Bytes16(static_cast<uint32_t>(data.size())) + data;
}

// The data of a SOA record with this minimum.
inline std::string AuthorityData(uint32_t minimum) {
  return NameBytes("ns.test") + NameBytes("admin.test") + Bytes32(1) + Bytes32(2) + Bytes32(3) +
         Bytes32(4) + Bytes32(minimum);
}

}  // namespace pelton::testing

#endif  // PELTON_TESTS_SUPPORT_DNS_MESSAGE_WRITER_H_
