// Main: a service's whole main function.
//
//   int main(int argc, char** argv) { return pelton::Main(argc, argv, Serve); }
//
// Parses the flags that every service shares and those that the program defines (ABSL_FLAG), runs
// `serve` on every shard, and drains on SIGTERM and SIGINT. The shared flags: --shards, --cpus,
// --driver, --memory, --grace_period, --spin, --blocking_threads, --blocking_queue,
// --stall_threshold, --without, --busy_poll, --driver_report, --help.

#ifndef PELTON_FRAMEWORK_MAIN_H_
#define PELTON_FRAMEWORK_MAIN_H_

#include <string_view>

#include "framework/shard.h"

namespace pelton {

// Runs a service; call it from main() and return what it returns. `usage` is the first paragraph of
// --help. Returns 0 when the service has ended or was drained; 1 after one line on stderr that says
// what failed.
int Main(int argc, char** argv, const ServeFunction& serve, std::string_view usage = {});

}  // namespace pelton

#endif  // PELTON_FRAMEWORK_MAIN_H_
