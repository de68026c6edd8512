// Debian packages Abseil with an absl::string_view of its own, which does not convert to
// std::string_view. Public signatures use std::string_view; these cross the border.

#ifndef PELTON_FRAMEWORK_BASE_STRINGS_H_
#define PELTON_FRAMEWORK_BASE_STRINGS_H_

#include <string_view>

#include "absl/strings/string_view.h"

namespace pelton {

inline absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view ToStd(absl::string_view text) { return {text.data(), text.size()}; }

}  // namespace pelton

#endif  // PELTON_FRAMEWORK_BASE_STRINGS_H_
