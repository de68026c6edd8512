#include "framework/internal/driver_report.h"

#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "io/uring/kernel_features.h"
#include "io/uring/ring.h"
#include "io/uring/uring_driver.h"
#include "io/uring_capabilities.h"

namespace pelton {
namespace {

using Row = std::array<std::string, 4>;

// Columns as wide as their widest cell; the last one is as long as it is.
std::string Table(const std::vector<Row>& rows) {
  std::array<size_t, 4> widths = {};
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      line.append(widths[i] - row[i].size() + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string Kernel() {
  utsname name;
  return ::uname(&name) == 0 ? absl::StrCat(name.sysname, " ", name.release) : "unknown kernel";
}

// How the ring was set up.
std::string RingLine(const io::Ring& ring) {
  const char* work = ring.deferred_work() ? "DEFER_TASKRUN, SINGLE_ISSUER"
                     : (ring.setup_flags() & IORING_SETUP_COOP_TASKRUN) != 0 ? "COOP_TASKRUN"
                                                                             : "none";
  const std::string shrunk = ring.shrunk()
                                 ? absl::StrCat(" instead of ", io::UringDriver::kSubmissionEntries,
                                                ", as locked memory is short (ulimit -l)")
                                 : "";
  return absl::StrCat("ring: ", ring.submission_entries(), " submission entries", shrunk, ", ",
                      ring.completion_entries(), " completion entries; set-up flags: ", work,
                      (ring.setup_flags() & IORING_SETUP_SUBMIT_ALL) != 0 ? ", SUBMIT_ALL" : "",
                      "\n");
}

std::string WorkersLine(const io::UringDriver& driver, const io::Reactor::Options& options) {
  if (!driver.capabilities().worker_limits) return "kernel threads: as many as the kernel likes\n";
  return absl::StrCat("kernel threads: at most ", options.kernel_workers_for_files,
                      " for files and ", options.kernel_workers_for_others,
                      " for everything else, for each shard\n");
}

std::string BusyPollLine(const io::UringDriver& driver, const io::Reactor::Options& options) {
  if (options.busy_poll_us == 0) return "busy polling: off (--busy_poll)\n";
  return absl::StrCat("busy polling: ", options.busy_poll_us, " us, ",
                      driver.capabilities().busy_poll ? "by the ring\n" : "socket by socket\n");
}

std::string Capabilities(const io::UringDriver& driver, const io::UringCapabilities& wanted) {
  std::vector<Row> rows = {{"CAPABILITY", "STATE", "USED INSTEAD", "WHICH COSTS"}};
  for (size_t i = 0; i < io::AllCapabilities().size(); ++i) {
    const io::CapabilityDescription& capability = io::AllCapabilities()[i];
    if (driver.capabilities().*(capability.member)) {
      rows.push_back({capability.name, "present", "", ""});
      continue;
    }
    const std::string& why_not = driver.probe().why_not[i];
    const bool is_off = !(wanted.*(capability.member));
    rows.push_back({capability.name, is_off ? "turned off" : absl::StrCat("missing: ", why_not),
                    capability.instead, capability.cost});
  }
  return Table(rows);
}

std::string Features() {
  const absl::StatusOr<std::vector<io::KernelFeature>> features = io::TryKernelFeatures();
  if (!features.ok()) return absl::StrCat(features.status().message(), "\n");
  std::vector<Row> rows = {{"KERNEL FEATURE", "STATE", "USE", ""}};
  for (const io::KernelFeature& feature : *features) {
    rows.push_back(
        {feature.name,
         feature.why_not.empty() ? "present" : absl::StrCat("missing: ", feature.why_not),
         feature.use, ""});
  }
  return Table(rows);
}

}  // namespace

std::string DriverReport(const io::Reactor::Options& options, bool may_use_uring) {
  io::Reactor reactor(options);
  const absl::StatusOr<std::unique_ptr<io::UringDriver>> driver = io::UringDriver::Create(reactor);
  if (!driver.ok()) {
    return absl::StrCat("driver: epoll, on ", Kernel(), "\nio_uring: ", driver.status().message(),
                        "\nfiles: calls on the blocking pool, which cost two hand-overs between "
                        "threads, some 10 us, each\nsockets: a system call for each operation\n");
  }
  return absl::StrCat(
      "driver: ", may_use_uring ? "io_uring" : "epoll, as asked for; io_uring would offer", ", on ",
      Kernel(), "\n", RingLine((*driver)->ring()),
      "direct descriptors: ", (*driver)->descriptor_slots(), "\n", WorkersLine(**driver, options),
      BusyPollLine(**driver, options), "\n", Capabilities(**driver, options.capabilities), "\n",
      Features());
}

}  // namespace pelton
