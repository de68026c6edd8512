#include "framework/internal/cpu_list.h"

#include <charconv>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "framework/base/status.h"
#include "framework/base/strings.h"

namespace pelton {
namespace {

constexpr std::string_view kExpected = "expected CPU numbers and ranges such as 0-3,8";

struct Range {
  int first;
  int last;
};

absl::Status Wrong(std::string_view part, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat("\"", absl::CHexEscape(ToAbsl(part.substr(0, 80))),
                                                 "\" ", why, ": ", ToAbsl(kExpected)));
}

absl::StatusOr<int> ParseCpu(std::string_view part, std::string_view digits) {
  int cpu = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, cpu);
  // from_chars takes a minus sign, which a CPU number never has.
  if (digits.empty() || digits[0] == '-' || error == std::errc::invalid_argument || stop != end) {
    return Wrong(part, part.empty() ? "is an empty part of the list" : "is not a CPU number");
  }
  if (error != std::errc() || cpu > kLargestCpuNumber) {
    return Wrong(part, absl::StrCat("is above the largest CPU number ", kLargestCpuNumber));
  }
  return cpu;
}

absl::StatusOr<Range> ParseRange(std::string_view part) {
  const size_t dash = part.find('-');
  PELTON_ASSIGN_OR_RETURN(const int first, ParseCpu(part, part.substr(0, dash)));
  if (dash == part.npos) return Range{first, first};
  PELTON_ASSIGN_OR_RETURN(const int last, ParseCpu(part, part.substr(dash + 1)));
  if (last < first) return Wrong(part, "is a range that runs backwards");
  return Range{first, last};
}

}  // namespace

absl::StatusOr<std::vector<int>> ParseCpuList(std::string_view text) {
  std::vector<int> cpus;
  std::vector<bool> is_named(kLargestCpuNumber + 1);
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    PELTON_ASSIGN_OR_RETURN(const Range range, ParseRange(text.substr(begin, end - begin)));
    for (int cpu = range.first; cpu <= range.last; ++cpu) {
      if (is_named[cpu]) return Wrong(text, absl::StrCat("names CPU ", cpu, " twice"));
      is_named[cpu] = true;
      cpus.push_back(cpu);
    }
    begin = end + 1;
  }
  return cpus;
}

std::string FormatCpuList(const std::vector<int>& cpus) {
  std::string text;
  for (size_t i = 0; i < cpus.size();) {
    size_t last = i;
    while (last + 1 < cpus.size() && cpus[last + 1] == cpus[last] + 1) ++last;
    absl::StrAppend(&text, text.empty() ? "" : ",", cpus[i]);
    if (last > i) absl::StrAppend(&text, "-", cpus[last]);
    i = last + 1;
  }
  return text;
}

}  // namespace pelton
