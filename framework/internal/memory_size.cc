#include "framework/internal/memory_size.h"

#include "absl/strings/numbers.h"
#include "framework/base/strings.h"

namespace pelton {

absl::StatusOr<uint64_t> ParseMemorySize(std::string_view text) {
  absl::Status error = absl::InvalidArgumentError(
      "expected a number of bytes, with K, M, G or T for powers of 1024, such as 512M");
  if (text.empty()) return error;
  int shift = 0;
  switch (text.back()) {
    case 'K':
      shift = 10;
      break;
    case 'M':
      shift = 20;
      break;
    case 'G':
      shift = 30;
      break;
    case 'T':
      shift = 40;
      break;
    default:
      break;
  }
  if (shift > 0) text.remove_suffix(1);
  uint64_t number;
  // SimpleAtoi takes signs and spaces, which a size has not.
  if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos ||
      !absl::SimpleAtoi(ToAbsl(text), &number) || number > (UINT64_MAX >> shift)) {
    return error;
  }
  return number << shift;
}

}  // namespace pelton
