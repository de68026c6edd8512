#include "io/process/line_reader.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "framework/base/status.h"

namespace pelton {

Task<absl::StatusOr<std::optional<std::string_view>>> LineReader::Next() {
  size_t searched = begin_;
  for (;;) {
    const char* const data = buffer_.data();
    const void* const found =
        end_ > searched ? std::memchr(data + searched, '\n', end_ - searched) : nullptr;
    const size_t line_end =
        found != nullptr ? static_cast<size_t>(static_cast<const char*>(found) - data) : end_;
    if (line_end - begin_ > longest_line_) {
      co_return absl::ResourceExhaustedError(absl::StrCat(
          "read from ", source_.name(), ": a line of more than ", longest_line_, " bytes"));
    }
    if (found != nullptr) {
      const std::string_view line(data + begin_, line_end - begin_);
      begin_ = line_end + 1;
      co_return line;
    }
    // Make room behind what is there.
    std::copy(buffer_.begin() + static_cast<ptrdiff_t>(begin_),
              buffer_.begin() + static_cast<ptrdiff_t>(end_), buffer_.begin());
    end_ -= begin_;
    begin_ = 0;
    searched = end_;
    if (buffer_.size() - end_ < kReadBytes) {
      buffer_.resize(std::max(buffer_.size() * 2, end_ + kReadBytes));
    }
    PELTON_CO_ASSIGN_OR_RETURN(
        const size_t count,
        co_await source_.ReadInto({buffer_.data() + end_, buffer_.size() - end_}));
    end_ += count;
    if (count == 0) {
      if (end_ == 0) co_return std::nullopt;
      const std::string_view line(buffer_.data(), end_);
      begin_ = end_;
      co_return line;
    }
  }
}

}  // namespace pelton
