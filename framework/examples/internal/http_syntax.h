// The alphabets of HTTP/1.1 (RFC 9110, RFC 9112, RFC 3986) and how to run over them quickly. Pure
// functions; none reads at or beyond `end`, none allocates.

#ifndef PELTON_FRAMEWORK_EXAMPLES_INTERNAL_HTTP_SYNTAX_H_
#define PELTON_FRAMEWORK_EXAMPLES_INTERNAL_HTTP_SYNTAX_H_

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace pelton::http_internal {

// Alphabets, as bits of kAlphabets.
enum Alphabet : uint8_t {
  kToken = 1,       // of methods and field names
  kPath = 2,        // of a path: RFC 3986 pchar and "/", but for "%", which two digits must follow
  kQuery = 4,       // of a query: those, "?", and []\^`{|}, which browsers leave as they are
  kUri = 8,         // of a target that is no path: all that a scheme, host, path or query may have
  kHost = 16,       // of a host name: RFC 3986 unreserved
  kIpv6 = 32,       // between the brackets of an IPv6 address
  kFieldText = 64,  // of a field value: tab, space, visible ASCII, and 0x80 to 0xff
};

namespace alphabet_internal {

constexpr bool IsLetterOrDigit(int c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

constexpr bool IsIn(int c, std::string_view set) {
  return c != 0 && set.find(static_cast<char>(c)) != set.npos;
}

constexpr std::array<uint8_t, 256> MakeAlphabets() {
  std::array<uint8_t, 256> alphabets{};
  for (int c = 0; c < 256; ++c) {
    const bool is_host = IsLetterOrDigit(c) || IsIn(c, "-._~");
    const bool is_path = is_host || IsIn(c, "!$&'()*+,;=:@/");
    const bool is_query = is_path || IsIn(c, "?[]\\^`{|}");
    if (IsLetterOrDigit(c) || IsIn(c, "!#$%&'*+-.^_`|~")) alphabets[c] |= kToken;
    if (is_path) alphabets[c] |= kPath;
    if (is_query) alphabets[c] |= kQuery | kUri;
    if (is_host) alphabets[c] |= kHost;
    if (IsIn(c, "0123456789abcdefABCDEF:.")) alphabets[c] |= kIpv6;
    if (c == '\t' || (c >= ' ' && c != 0x7f)) alphabets[c] |= kFieldText;
  }
  return alphabets;
}

}  // namespace alphabet_internal

inline constexpr std::array<uint8_t, 256> kAlphabets = alphabet_internal::MakeAlphabets();

inline bool IsOf(Alphabet alphabet, char c) {
  return (kAlphabets[static_cast<unsigned char>(c)] & alphabet) != 0;
}

// The first byte in [begin, end) that is not of `alphabet`, or `end`.
template <Alphabet alphabet>
const char* Skip(const char* begin, const char* end) {
  while (end - begin >= 4) {
    if (!IsOf(alphabet, begin[0])) return begin;
    if (!IsOf(alphabet, begin[1])) return begin + 1;
    if (!IsOf(alphabet, begin[2])) return begin + 2;
    if (!IsOf(alphabet, begin[3])) return begin + 3;
    begin += 4;
  }
  while (begin < end && IsOf(alphabet, *begin)) ++begin;
  return begin;
}

// The same for kFieldText, eight bytes at a time: field values are most of a head.
inline const char* SkipFieldText(const char* begin, const char* end) {
  if constexpr (std::endian::native == std::endian::little) {
    constexpr uint64_t kOnes = 0x0101010101010101;
    constexpr uint64_t kTops = 0x8080808080808080;
    while (end - begin >= 8) {
      uint64_t bytes;
      std::memcpy(&bytes, begin, sizeof(bytes));
      // The top bit of each byte below 0x20, and of each that is 0x7f. A borrow may set the bit of
      // a byte above a true one too, never below: the lowest bit is exact.
      const uint64_t deleted = bytes ^ (kOnes * 0x7f);
      const uint64_t stops =
          (((bytes - kOnes * 0x20) & ~bytes) | ((deleted - kOnes) & ~deleted)) & kTops;
      if (stops == 0) {
        begin += 8;
        continue;
      }
      begin += std::countr_zero(stops) / 8;
      if (*begin != '\t') return begin;
      ++begin;
    }
  }
  return Skip<kFieldText>(begin, end);
}

// The value of a hexadecimal digit, or -1.
inline int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = c | 0x20;
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// Whether `text` is `lower_case` but for the case of its letters.
inline bool EqualsIgnoringCase(std::string_view text, std::string_view lower_case) {
  if (text.size() != lower_case.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if ((c >= 'A' && c <= 'Z' ? c | 0x20 : c) != lower_case[i]) return false;
  }
  return true;
}

// `text` without the spaces and tabs at its ends.
inline std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Takes the next element off a comma-separated list; empty elements are given as they are.
// REQUIRES: `list` is not empty.
inline std::string_view TakeElement(std::string_view* list) {
  const size_t comma = list->find(',');
  const std::string_view element = list->substr(0, comma);
  list->remove_prefix(comma == list->npos ? list->size() : comma + 1);
  return Trim(element);
}

// Whether `text` is HOST or HOST:PORT with a host name, an IPv4 address or an IPv6 address in
// brackets, and a port of at most 65535 or none. Stricter than RFC 3986: no percent-encoding, no
// punctuation that host names never have, no user information, no IPvFuture.
bool IsAuthority(std::string_view text, bool needs_port);

}  // namespace pelton::http_internal

#endif  // PELTON_FRAMEWORK_EXAMPLES_INTERNAL_HTTP_SYNTAX_H_
