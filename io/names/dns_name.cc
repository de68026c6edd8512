#include "io/names/dns_name.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "framework/base/strings.h"

namespace pelton::io {
namespace {

bool IsHostCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_';
}

absl::Status Invalid(std::string_view text, const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("name ", QuotedName(text), ": ", what));
}

absl::Status CheckLabel(std::string_view text, std::string_view label) {
  if (label.empty()) {
    return Invalid(text, "has an empty label: expected labels with single dots between them");
  }
  if (label.size() > kLongestDnsLabel) {
    return Invalid(text, absl::StrCat("has a label of ", label.size(), " characters: expected ",
                                      kLongestDnsLabel, " at most"));
  }
  const auto wrong = std::find_if_not(label.begin(), label.end(), IsHostCharacter);
  if (wrong == label.end()) return absl::OkStatus();
  if ((static_cast<unsigned char>(*wrong) & 0x80) != 0) {
    return Invalid(
        text, "has a character that is not ASCII: expected the xn-- form of such a name (IDNA)");
  }
  return Invalid(text, absl::StrCat("has the character ", QuotedName({&*wrong, 1}),
                                    ": expected letters, digits, '-', '_' and '.'"));
}

}  // namespace

std::string QuotedName(std::string_view text) {
  constexpr size_t kLongest = 80;
  const bool is_cut = text.size() > kLongest;
  return absl::StrCat("\"", absl::CHexEscape(ToAbsl(text.substr(0, kLongest))), is_cut ? "..." : "",
                      "\"");
}

std::string LowerCase(std::string_view text) { return absl::AsciiStrToLower(ToAbsl(text)); }

bool IsHostLabel(std::string_view label) {
  return !label.empty() && std::all_of(label.begin(), label.end(), IsHostCharacter);
}

absl::StatusOr<DnsName> ParseDnsName(std::string_view text) {
  DnsName name;
  std::string_view rest = text;
  if (rest.size() > 1 && rest.back() == '.') {
    name.absolute = true;
    rest.remove_suffix(1);
  }
  if (rest.empty()) return Invalid(text, "is empty: expected a host's name");
  if (rest.size() > kLongestDnsName) {
    return Invalid(text, absl::StrCat("has ", rest.size(), " characters: expected ",
                                      kLongestDnsName, " at most"));
  }
  name.text = LowerCase(rest);
  while (true) {
    const size_t dot = rest.find('.');
    if (absl::Status checked = CheckLabel(text, rest.substr(0, dot)); !checked.ok()) return checked;
    if (dot == rest.npos) return name;
    ++name.dots;
    rest.remove_prefix(dot + 1);
  }
}

}  // namespace pelton::io
