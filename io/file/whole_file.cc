#include "io/file/whole_file.h"

#include <algorithm>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "framework/base/status.h"
#include "io/file/file.h"

namespace pelton {

Task<absl::StatusOr<std::string>> ReadFile(std::string path, size_t most_bytes) {
  constexpr size_t kFirstBytes = 4096;  // of a file that says it is empty
  constexpr size_t kStepBytes = size_t{1} << 20;
  PELTON_CO_ASSIGN_OR_RETURN(File file, co_await File::Open(std::move(path)));
  PELTON_CO_ASSIGN_OR_RETURN(const FileStatus status, co_await file.Stat());
  // A byte more than is there, to see the end.
  std::string bytes(std::clamp<uint64_t>(status.size_bytes, kFirstBytes - 1, most_bytes) + 1, '\0');
  size_t filled = 0;
  for (;;) {
    const size_t step = std::min(bytes.size() - filled, kStepBytes);
    PELTON_CO_ASSIGN_OR_RETURN(
        const size_t count, co_await file.ReadAt(std::span(bytes).subspan(filled, step), filled));
    if (count == 0) break;
    filled += count;
    if (filled > most_bytes) {
      co_return absl::ResourceExhaustedError(absl::StrCat(
          "read from ", file.path(), ": it holds more than the ", most_bytes, " bytes allowed"));
    }
    if (filled == bytes.size()) bytes.resize(std::min(2 * filled, most_bytes + 1));
  }
  bytes.resize(filled);
  co_return std::move(bytes);
}

Task<absl::Status> WriteFile(std::string path, std::string_view bytes, uint32_t permissions) {
  PELTON_CO_ASSIGN_OR_RETURN(
      File file, co_await File::Open(std::move(path), {.access = FileAccess::kWrite,
                                                       .creation = FileCreation::kIfMissing,
                                                       .truncate = true,
                                                       .permissions = permissions}));
  PELTON_CO_RETURN_IF_ERROR(co_await file.WriteAll(bytes, 0));
  co_return co_await file.Close();
}

}  // namespace pelton
