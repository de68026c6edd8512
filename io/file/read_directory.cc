#include "io/file/read_directory.h"

#include <dirent.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <utility>

#include "framework/base/check.h"

namespace pelton {
namespace io {
namespace {

constexpr size_t kBatchBytes = 32 * 1024;

// Where the kernel puts things into a record of getdents64(2), which has the layout of dirent64.
struct RawEntry {
  uint64_t inode;
  uint16_t bytes;  // of the record
  uint8_t type;
  std::string_view name;
};

RawEntry ParseEntry(const char* record) {
  RawEntry entry = {};
  std::memcpy(&entry.inode, record + offsetof(dirent64, d_ino), sizeof(entry.inode));
  std::memcpy(&entry.bytes, record + offsetof(dirent64, d_reclen), sizeof(entry.bytes));
  std::memcpy(&entry.type, record + offsetof(dirent64, d_type), sizeof(entry.type));
  entry.name = record + offsetof(dirent64, d_name);
  return entry;
}

}  // namespace

AsyncGenerator<absl::StatusOr<DirectoryEntry>> ReadOpenDirectory(File& directory) {
  const int fd = directory.descriptor();
  const auto batch = std::make_unique_for_overwrite<char[]>(kBatchBytes);
  for (bool first = true;; first = false) {
    const int result = co_await FileCallAwaiter([fd, first, memory = batch.get()] {
      if (first && ::lseek(fd, 0, SEEK_SET) != 0) return -errno;
      const long bytes = ::syscall(SYS_getdents64, fd, memory, kBatchBytes);
      return bytes >= 0 ? static_cast<int>(bytes) : -errno;
    });
    if (result < 0) {
      co_yield absl::StatusOr<DirectoryEntry>(directory.record().Error(result, "read directory"));
      co_return;
    }
    if (result == 0) co_return;
    for (int at = 0; at < result;) {
      const RawEntry raw = ParseEntry(batch.get() + at);
      at += raw.bytes;
      if (raw.name == "." || raw.name == "..") continue;
      co_yield absl::StatusOr<DirectoryEntry>(
          DirectoryEntry{.name = raw.name,
                         .type = FileTypeOfMode(DTTOIF(static_cast<uint32_t>(raw.type))),
                         .inode = raw.inode});
    }
  }
}

}  // namespace io

AsyncGenerator<absl::StatusOr<DirectoryEntry>> ReadDirectory(std::string path) {
  absl::StatusOr<File> directory = co_await io::OpenDirectoryAt(
      io::FromCurrentDirectory(std::move(path)), /*follow_links=*/true);
  if (!directory.ok()) {
    co_yield absl::StatusOr<DirectoryEntry>(directory.status());
    co_return;
  }
  AsyncGenerator<absl::StatusOr<DirectoryEntry>> entries = io::ReadOpenDirectory(*directory);
  while (absl::StatusOr<DirectoryEntry>* entry = co_await entries.Next()) co_yield *entry;
}

}  // namespace pelton
