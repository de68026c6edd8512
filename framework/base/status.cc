#include "framework/base/status.h"

#include <cerrno>
#include <cstring>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "framework/base/strings.h"

namespace pelton {
namespace {

constexpr char kErrnoPayload[] = "pelton/errno";

}  // namespace

std::string ErrnoName(int error_number) {
  const char* name = strerrorname_np(error_number);
  return name != nullptr ? std::string(name) : absl::StrCat("errno ", error_number);
}

absl::Status ErrnoToStatus(int error_number, std::string_view operation, std::string_view subject) {
  char buffer[128];
  const char* text = strerror_r(error_number, buffer, sizeof(buffer));
  absl::Status status(absl::ErrnoToStatusCode(error_number),
                      absl::StrCat(ToAbsl(operation), subject.empty() ? "" : " ", ToAbsl(subject),
                                   ": ", text, " (", ErrnoName(error_number), ")"));
  // From a view: the constructor from a std::string is a template that GCC, which built Debian's
  // Abseil, and Clang name differently.
  status.SetPayload(kErrnoPayload, absl::Cord(absl::string_view(absl::StrCat(error_number))));
  return status;
}

int GetErrno(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kErrnoPayload);
  int error_number = 0;
  if (payload.has_value() && !absl::SimpleAtoi(std::string(*payload), &error_number)) return 0;
  return error_number;
}

}  // namespace pelton
