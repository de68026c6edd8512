// Fills a small file system and checks what it was told: every error names its path, nothing is lost
// that was acknowledged, and all goes on when there is room again.

#include <cerrno>
#include <string>
#include <string_view>

#include "absl/flags/flag.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "framework/pelton.h"
#include "io/file/atomic_file.h"
#include "io/file/copy_file.h"
#include "io/file/file.h"
#include "io/file/file_output_stream.h"
#include "io/file/paths.h"
#include "io/file/read_directory.h"
#include "io/file/whole_file.h"

ABSL_FLAG(std::string, directory, "", "where the small file system is");

namespace {

using pelton::Task;

std::string RecordOf(int number) {
  return absl::StrCat(number, ":", std::string(990, static_cast<char>('a' + number % 26)), "\n");
}

absl::Status Expect(bool condition, std::string_view what) {
  if (condition) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("expected that ", std::string(what)));
}

// Whether `status` is ENOSPC and names `path`.
absl::Status ExpectFull(const absl::Status& status, const std::string& path) {
  return Expect(
      pelton::GetErrno(status) == ENOSPC && absl::StrContains(std::string(status.message()), path),
      absl::StrCat("ENOSPC names ", path, ": ", status.ToString()));
}

// Writes until the disk is full; yields the bytes that were acknowledged.
Task<absl::StatusOr<std::string>> Fill(const std::string& path) {
  PELTON_CO_ASSIGN_OR_RETURN(
      pelton::FileOutputStream stream,
      co_await pelton::FileOutputStream::Create(path, {.buffer_bytes = 4096, .buffers = 4}));
  std::string written;
  std::string acknowledged;
  absl::Status status;
  for (int number = 0; status.ok(); ++number) {
    const std::string record = RecordOf(number);
    status = co_await stream.Write(record);
    if (!status.ok()) break;
    written += record;
    if (number % 10 != 9) continue;
    status = co_await stream.Flush();
    if (status.ok()) acknowledged = written;
  }
  PELTON_CO_RETURN_IF_ERROR(ExpectFull(status, path));
  PELTON_CO_RETURN_IF_ERROR(ExpectFull(co_await stream.Close(), path));
  co_return acknowledged;
}

Task<absl::StatusOr<int>> CountNames(const std::string& path) {
  int names = 0;
  PELTON_FOR_CO_AWAIT(const absl::StatusOr<pelton::DirectoryEntry>& entry,
                      pelton::ReadDirectory(path)) {
    PELTON_CO_RETURN_IF_ERROR(entry.status());
    ++names;
  }
  co_return names;
}

Task<absl::Status> Serve(pelton::Shard&) {
  const std::string directory = absl::GetFlag(FLAGS_directory);
  const std::string log = directory + "/log";
  const std::string state = directory + "/state";
  const std::string large(256 * 1024, 'x');
  PELTON_CO_RETURN_IF_ERROR(co_await pelton::ReplaceFile(state, "old"));
  PELTON_CO_ASSIGN_OR_RETURN(const std::string acknowledged, co_await Fill(log));
  PELTON_CO_RETURN_IF_ERROR(Expect(acknowledged.size() > 500'000, "much was acknowledged"));
  PELTON_CO_ASSIGN_OR_RETURN(const std::string found, co_await pelton::ReadFile(log));
  PELTON_CO_RETURN_IF_ERROR(
      Expect(std::string_view(found).starts_with(acknowledged), "nothing acknowledged is lost"));
  // A replacement that does not fit leaves the old file, and nothing else.
  PELTON_CO_RETURN_IF_ERROR(
      ExpectFull(co_await pelton::ReplaceFile(state, large), directory + "/.state."));
  PELTON_CO_RETURN_IF_ERROR(ExpectFull(co_await pelton::CopyFile(log, state), log));
  PELTON_CO_RETURN_IF_ERROR(
      ExpectFull(co_await pelton::WriteFile(directory + "/more", large), directory + "/more"));
  PELTON_CO_RETURN_IF_ERROR(co_await pelton::Unlink(directory + "/more"));
  PELTON_CO_ASSIGN_OR_RETURN(const std::string old, co_await pelton::ReadFile(state));
  PELTON_CO_RETURN_IF_ERROR(Expect(old == "old", "the old file is whole"));
  PELTON_CO_ASSIGN_OR_RETURN(
      pelton::File file, co_await pelton::File::Open(log, {.access = pelton::FileAccess::kWrite}));
  PELTON_CO_RETURN_IF_ERROR(
      ExpectFull(co_await file.Allocate({.offset = 0, .length = 8 << 20}), log));
  // Room again.
  PELTON_CO_RETURN_IF_ERROR(co_await file.Truncate(0));
  PELTON_CO_RETURN_IF_ERROR(co_await pelton::ReplaceFile(state, large));
  PELTON_CO_ASSIGN_OR_RETURN(const std::string replaced, co_await pelton::ReadFile(state));
  PELTON_CO_RETURN_IF_ERROR(Expect(replaced == large, "it was replaced when there was room"));
  PELTON_CO_ASSIGN_OR_RETURN(const int names, co_await CountNames(directory));
  co_return Expect(names == 2, absl::StrCat("no temporary stays: ", names, " names"));
}

}  // namespace

int main(int argc, char** argv) {
  return pelton::Main(argc, argv, Serve, "Fills a small file system.");
}
