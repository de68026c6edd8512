#include "io/file/io_profile.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "framework/base/status.h"
#include "framework/base/strings.h"

namespace pelton {
namespace {

constexpr std::string_view kHeader = "pelton-io-profile 1";
constexpr uint64_t kLeastBytesInFlight = 128 << 10;
// More than any profile has: a file that is larger is something else.
constexpr size_t kMostBytes = 64 << 10;

struct Value {
  const char* name;
  uint64_t IoProfile::* member;
  uint64_t least;
  uint64_t most;
};
constexpr uint64_t kMostRate = uint64_t{1} << 50;
constexpr Value kValues[] = {
    {"read_iops", &IoProfile::read_iops, 1, 1'000'000'000},
    {"write_iops", &IoProfile::write_iops, 1, 1'000'000'000},
    {"read_bytes_per_second", &IoProfile::read_bytes_per_second, 1024, kMostRate},
    {"write_bytes_per_second", &IoProfile::write_bytes_per_second, 1024, kMostRate},
    {"requests_in_flight", &IoProfile::requests_in_flight, 1, 1 << 20},
    {"bytes_in_flight", &IoProfile::bytes_in_flight, kLeastBytesInFlight, kMostRate},
};

std::string KnownNames() {
  std::string names;
  for (const Value& value : kValues) absl::StrAppend(&names, names.empty() ? "" : ", ", value.name);
  return names;
}

absl::Status LineError(int line, std::string_view text, std::string_view problem) {
  return absl::InvalidArgumentError(
      absl::StrCat("I/O profile, line ", line, ": \"", ToAbsl(text), "\": ", ToAbsl(problem)));
}

// Reads one line, `NAME NUMBER`, and notes in `seen` which value it gave.
absl::Status ParseLine(int number, std::string_view line, IoProfile& profile, uint32_t& seen) {
  const size_t space = line.find(' ');
  const std::string_view name = line.substr(0, space);
  for (size_t i = 0; i < std::size(kValues); ++i) {
    const Value& value = kValues[i];
    if (name != value.name) continue;
    if ((seen >> i & 1) != 0) return LineError(number, line, "given twice");
    seen |= 1u << i;
    uint64_t& target = profile.*(value.member);
    const std::string_view text =
        space == std::string_view::npos ? std::string_view() : line.substr(space + 1);
    if (!absl::SimpleAtoi(ToAbsl(text), &target) || target < value.least || target > value.most) {
      return LineError(number, line,
                       absl::StrCat("expected ", value.name, " and a whole number from ",
                                    value.least, " to ", value.most));
    }
    return absl::OkStatus();
  }
  return LineError(number, line, "no such value; expected one of " + KnownNames());
}

}  // namespace

IoProfile IoProfile::ForShard(uint32_t shards) const {
  IoProfile part = *this;
  for (const Value& value : kValues) {
    uint64_t& rate = part.*(value.member);
    rate = std::max(rate / shards, value.least);
  }
  return part;
}

std::string IoProfile::ToText() const {
  std::string text = absl::StrCat(ToAbsl(kHeader), "\n");
  for (const Value& value : kValues) {
    absl::StrAppend(&text, value.name, " ", this->*(value.member), "\n");
  }
  return text;
}

absl::StatusOr<IoProfile> ParseIoProfile(std::string_view text) {
  IoProfile profile;
  bool has_header = false;
  uint32_t seen = 0;
  for (int number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    const size_t last = line.find_last_not_of(" \t\r");
    line = last == std::string_view::npos ? std::string_view() : line.substr(0, last + 1);
    if (line.empty() || line.front() == '#') continue;
    if (has_header) {
      PELTON_RETURN_IF_ERROR(ParseLine(number, line, profile, seen));
    } else if (line == kHeader) {
      has_header = true;
    } else {
      return LineError(number, line, absl::StrCat("expected \"", ToAbsl(kHeader), "\""));
    }
  }
  if (!has_header) {
    return absl::InvalidArgumentError(
        absl::StrCat("I/O profile: empty; expected \"", ToAbsl(kHeader), "\" in the first line"));
  }
  for (size_t i = 0; i < std::size(kValues); ++i) {
    if ((seen >> i & 1) == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("I/O profile: no line gives ", kValues[i].name));
    }
  }
  return profile;
}

absl::StatusOr<IoProfile> ReadIoProfile(std::string_view path) {
  const std::string name(path);
  const int descriptor = ::open(name.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return ErrnoToStatus(errno, "open I/O profile", path);
  std::string text(kMostBytes, '\0');
  size_t filled = 0;
  ssize_t got = 0;
  while (filled < text.size()) {
    got = ::read(descriptor, text.data() + filled, text.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    filled += static_cast<size_t>(got);
  }
  const int error = errno;
  ::close(descriptor);
  if (got < 0) return ErrnoToStatus(error, "read I/O profile", path);
  text.resize(filled);
  absl::StatusOr<IoProfile> profile = ParseIoProfile(text);
  if (profile.ok()) return profile;
  return absl::Status(profile.status().code(),
                      absl::StrCat(name, ": ", profile.status().message()));
}

}  // namespace pelton
