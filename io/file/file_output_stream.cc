#include "io/file/file_output_stream.h"

#include "framework/base/check.h"
#include "framework/base/status.h"

namespace pelton {
namespace {

Task<absl::StatusOr<FileOutputStream>> OpenStream(std::string path, OpenOptions open,
                                                  FileOutputOptions options) {
  PELTON_CO_ASSIGN_OR_RETURN(File file, co_await File::Open(std::move(path), open));
  co_return FileOutputStream(std::move(file), options);
}

}  // namespace

FileOutputStream::FileOutputStream(File file, const FileOutputOptions& options) {
  PELTON_CHECK(options.buffers > 0 && options.buffer_bytes > 0) << "a stream needs a buffer";
  PELTON_CHECK(options.buffer_bytes <= size_t{1} << 30) << "buffers are at most a GiB";
  record_ =
      new io::WriteBehind(std::move(file), options.offset, options.buffer_bytes, options.buffers);
}

Task<absl::StatusOr<FileOutputStream>> FileOutputStream::Create(std::string path,
                                                                FileOutputOptions options) {
  return OpenStream(
      std::move(path),
      {.access = FileAccess::kWrite, .creation = FileCreation::kIfMissing, .truncate = true},
      options);
}

Task<absl::StatusOr<FileOutputStream>> FileOutputStream::Append(std::string path,
                                                                FileOutputOptions options) {
  return OpenStream(
      std::move(path),
      {.access = FileAccess::kWrite, .creation = FileCreation::kIfMissing, .append = true},
      options);
}

absl::Status FileOutputStream::TellError() {
  record_->NoteTold();
  return ErrnoToStatus(record_->error(), "write to", path());
}

Task<absl::Status> FileOutputStream::Write(std::string_view bytes) {
  for (;;) {
    bytes.remove_prefix(record_->Take(bytes));
    if (record_->error() != 0) co_return TellError();
    if (bytes.empty()) co_return absl::OkStatus();
    record_->progress().Reset();
    PELTON_CO_RETURN_IF_ERROR(co_await record_->progress().Wait());
    record_->StartWriting();
  }
}

Task<absl::Status> FileOutputStream::Flush() {
  record_->StartWriting();
  while (!record_->settled()) {
    record_->progress().Reset();
    PELTON_CO_RETURN_IF_ERROR(co_await record_->progress().Wait());
    record_->StartWriting();
  }
  co_return record_->error() != 0 ? TellError() : absl::OkStatus();
}

Task<absl::Status> FileOutputStream::Sync() {
  PELTON_CO_RETURN_IF_ERROR(co_await Flush());
  co_return co_await record_->file().Sync();
}

Task<absl::Status> FileOutputStream::Close() {
  const absl::Status flushed = co_await Flush();
  if (!record_->settled()) co_return flushed;  // told to stop
  const absl::Status written = record_->error() != 0 ? TellError() : absl::OkStatus();
  File file = std::exchange(record_, nullptr)->TakeApart();
  const absl::Status closed = co_await file.Close();
  co_return written.ok() ? closed : written;
}

}  // namespace pelton
