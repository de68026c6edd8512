#include "io/file/file_status.h"

#include <sys/sysmacros.h>

namespace pelton::io {
namespace {

absl::Time ToTime(const statx_timestamp& time) {
  return absl::FromUnixSeconds(time.tv_sec) + absl::Nanoseconds(time.tv_nsec);
}

}  // namespace

const uint32_t kStatusMask = STATX_BASIC_STATS | STATX_BTIME;

FileType FileTypeOfMode(uint32_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return FileType::kRegular;
    case S_IFDIR:
      return FileType::kDirectory;
    case S_IFLNK:
      return FileType::kSymbolicLink;
    case S_IFBLK:
      return FileType::kBlockDevice;
    case S_IFCHR:
      return FileType::kCharacterDevice;
    case S_IFIFO:
      return FileType::kPipe;
    case S_IFSOCK:
      return FileType::kSocket;
    default:
      return FileType::kUnknown;
  }
}

FileStatus MakeFileStatus(const struct statx& status) {
  constexpr uint64_t kStatBlockBytes = 512;  // whatever the file system's blocks are
  FileStatus made = {
      .type = FileTypeOfMode(status.stx_mode),
      .permissions = status.stx_mode & 07777u,
      .size_bytes = status.stx_size,
      .allocated_bytes = status.stx_blocks * kStatBlockBytes,
      .block_bytes = status.stx_blksize,
      .owner = status.stx_uid,
      .group = status.stx_gid,
      .link_count = status.stx_nlink,
      .inode = status.stx_ino,
      .device = makedev(status.stx_dev_major, status.stx_dev_minor),
      .modified = ToTime(status.stx_mtime),
      .changed = ToTime(status.stx_ctime),
      .accessed = ToTime(status.stx_atime),
      .created = std::nullopt,
  };
  if ((status.stx_mask & STATX_BTIME) != 0) made.created = ToTime(status.stx_btime);
  return made;
}

}  // namespace pelton::io
