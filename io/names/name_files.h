// Reads resolv.conf and hosts, and reads them again when they have changed.
//
// Shard affinity: none; made for a thread that may block: LoadNameFiles() makes blocking calls.
// COST: a stat(2) for each file; reading and parsing when it is not the one that was read before.

#ifndef PELTON_IO_NAMES_NAME_FILES_H_
#define PELTON_IO_NAMES_NAME_FILES_H_

#include <sys/types.h>

#include <ctime>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "io/names/hosts_table.h"
#include "io/names/resolv_conf.h"

namespace pelton::io {

// What tells one version of a file from another; all zero when there is no file.
struct FileVersion {
  dev_t device = 0;
  ino_t inode = 0;
  off_t bytes = 0;
  int64_t modified_ns = 0;
  int64_t changed_ns = 0;

  friend bool operator==(const FileVersion&, const FileVersion&) = default;
};

// What to read, and what came of it.
struct NameFilesJob {
  // An empty path stands for an empty file.
  std::string resolv_conf_path;
  std::string hosts_path;
  // The versions that were read last; none: read them whatever they are. Replaced by those that are
  // read.
  std::optional<FileVersion> resolv_conf_version;
  std::optional<FileVersion> hosts_version;

  // Set when the file is another one than before. A file that does not exist is an empty one.
  std::optional<ResolvConf> resolv_conf;
  std::optional<HostsTable> hosts;
  // What went wrong, naming the path: EACCES, EIO, a file of more than 4 MiB. What could be read is
  // set all the same.
  absl::Status status;
};

// Does the job. Blocks.
void LoadNameFiles(NameFilesJob& job);

}  // namespace pelton::io

#endif  // PELTON_IO_NAMES_NAME_FILES_H_
