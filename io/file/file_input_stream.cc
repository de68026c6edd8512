#include "io/file/file_input_stream.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "framework/base/check.h"
#include "framework/base/status.h"

namespace pelton {

FileInputStream::FileInputStream(File file, const FileInputOptions& options)
    : longest_line_(options.longest_line) {
  PELTON_CHECK(options.buffers > 0 && options.buffer_bytes > 0) << "a stream needs a buffer";
  PELTON_CHECK(options.buffer_bytes <= size_t{1} << 30) << "buffers are at most a GiB";
  record_ =
      new io::ReadAhead(std::move(file), options.offset, options.buffer_bytes, options.buffers);
}

Task<absl::StatusOr<FileInputStream>> FileInputStream::Open(std::string path,
                                                            FileInputOptions options) {
  PELTON_CO_ASSIGN_OR_RETURN(File file, co_await File::Open(std::move(path)));
  co_return FileInputStream(std::move(file), options);
}

Task<absl::Status> FileInputStream::AwaitInput() {
  while (!record_->HasInput()) {
    record_->Start();
    PELTON_CO_RETURN_IF_ERROR(co_await record_->arrived().Wait());
  }
  // Bytes before the error come first.
  if (record_->bytes().empty()) co_return record_->outcome();
  co_return absl::OkStatus();
}

Task<absl::StatusOr<std::string_view>> FileInputStream::Read() {
  Forget();
  if (HasPartOfLine()) {
    line_complete_ = true;
    co_return std::string_view(line_);
  }
  PELTON_CO_RETURN_IF_ERROR(co_await AwaitInput());
  const std::string_view bytes = record_->bytes();
  yielded_ = bytes.size();
  co_return bytes;
}

Task<absl::StatusOr<size_t>> FileInputStream::ReadInto(std::span<char> target) {
  Forget();
  size_t filled = 0;
  if (HasPartOfLine()) {
    filled = std::min(target.size(), line_.size());
    std::memcpy(target.data(), line_.data(), filled);
    line_.erase(0, filled);
  }
  while (filled < target.size()) {
    const absl::Status status = co_await AwaitInput();
    if (!status.ok() && filled == 0) co_return status;
    const std::string_view bytes =
        status.ok() ? record_->bytes().substr(0, target.size() - filled) : std::string_view();
    if (bytes.empty()) break;  // the end, or an error that the next call yields
    std::memcpy(target.data() + filled, bytes.data(), bytes.size());
    filled += bytes.size();
    record_->Consume(bytes.size());
  }
  co_return filled;
}

Task<absl::StatusOr<std::optional<std::string_view>>> FileInputStream::ReadLine() {
  Forget();
  if (line_complete_) {
    line_.clear();
    line_complete_ = false;
  }
  for (;;) {
    PELTON_CO_RETURN_IF_ERROR(co_await AwaitInput());
    const std::string_view bytes = record_->bytes();
    const size_t newline = bytes.find('\n');
    const bool ends = newline != std::string_view::npos || bytes.empty();
    const std::string_view part = bytes.substr(0, newline);
    if (line_.size() + part.size() > longest_line_) {
      record_->Consume(longest_line_ - line_.size());
      line_complete_ = true;
      co_return absl::ResourceExhaustedError(
          absl::StrCat("read from ", path(), ": the line that ends behind byte ", position(),
                       " is longer than ", longest_line_, " bytes"));
    }
    if (ends && line_.empty()) {
      if (bytes.empty()) co_return std::nullopt;
      yielded_ = part.size() + 1;
      co_return part;
    }
    line_.append(part);
    record_->Consume(part.size() + (newline != std::string_view::npos ? 1 : 0));
    if (!ends) continue;
    line_complete_ = true;
    co_return std::string_view(line_);
  }
}

}  // namespace pelton
