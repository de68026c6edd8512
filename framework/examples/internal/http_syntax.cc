#include "framework/examples/internal/http_syntax.h"

namespace pelton::http_internal {
namespace {

template <Alphabet alphabet>
bool IsAllOf(std::string_view text) {
  return Skip<alphabet>(text.data(), text.data() + text.size()) == text.data() + text.size();
}

bool IsPort(std::string_view digits) {
  constexpr int kLargestPort = 65535;
  int port = 0;
  for (char c : digits) {
    if (c < '0' || c > '9') return false;
    port = port * 10 + (c - '0');
    if (port > kLargestPort) return false;
  }
  return true;
}

}  // namespace

bool IsAuthority(std::string_view text, bool needs_port) {
  std::string_view rest;
  if (!text.empty() && text.front() == '[') {
    const size_t bracket = text.find(']');
    if (bracket == text.npos) return false;
    const std::string_view address = text.substr(1, bracket - 1);
    if (address.size() < 2 || !IsAllOf<kIpv6>(address) || address.find(':') == address.npos) {
      return false;
    }
    rest = text.substr(bracket + 1);
    if (!rest.empty() && rest.front() != ':') return false;
  } else {
    const size_t colon = text.find(':');
    const std::string_view name = text.substr(0, colon);
    if (name.empty() || !IsAllOf<kHost>(name)) return false;
    if (colon != text.npos) rest = text.substr(colon);
  }
  const std::string_view digits = rest.empty() ? rest : rest.substr(1);
  return IsPort(digits) && (!needs_port || !digits.empty());
}

}  // namespace pelton::http_internal
