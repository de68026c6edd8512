// What a disk can do: how many requests and bytes a second, and how much of both it wants in flight.
// The I/O scheduler (io_scheduler.h) prices requests and bounds what is in flight by it.
//
//   tools/calibrate_io --directory=/var/lib/service --output=disk.profile     // measures a disk
//   service --io_profile=disk.profile                                         // goes by it
//
// A profile is a text: the line `pelton-io-profile 1` (the version), then a line for each value,
// a name and a whole number. Empty lines and lines that begin with # say nothing.
//
// Shard affinity: a value.

#ifndef PELTON_IO_FILE_IO_PROFILE_H_
#define PELTON_IO_FILE_IO_PROFILE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace pelton {

struct IoProfile {
  // The default is a solid-state disk of no great speed, so that a service that was not calibrated
  // keeps it busy and divides it by shares all the same.
  uint64_t read_iops = 60'000;                     // random reads of 4 KiB a second
  uint64_t write_iops = 40'000;                    // random writes of 4 KiB a second
  uint64_t read_bytes_per_second = 1'000'000'000;  // of large reads in a row
  uint64_t write_bytes_per_second = 600'000'000;
  // What is enough to keep the disk busy. More only waits in the disk's queue, where no shares count.
  uint64_t requests_in_flight = 128;
  uint64_t bytes_in_flight = 8 << 20;

  // The part of one shard of `shards`, which divide the disk evenly: at least one request and 128
  // KiB in flight.
  IoProfile ForShard(uint32_t shards) const;

  // The profile as a file's text.
  std::string ToText() const;

  friend bool operator==(const IoProfile&, const IoProfile&) = default;
};

// The profile that a text describes; each value must be there. ERRORS: InvalidArgument names the
// line, what is wrong with it, and what was expected.
absl::StatusOr<IoProfile> ParseIoProfile(std::string_view text);

// The same from a file. ERRORS: those, and open(2)'s and read(2)'s; the message names the path.
// Blocks: for the time before shards run.
absl::StatusOr<IoProfile> ReadIoProfile(std::string_view path);

}  // namespace pelton

#endif  // PELTON_IO_FILE_IO_PROFILE_H_
