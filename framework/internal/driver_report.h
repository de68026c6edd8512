// What --driver_report prints: which driver would serve the shards here, and of each capability of
// the kernel's whether it is there, or why not, what is used instead and what that costs.
//
// Shard affinity: none; makes a driver of its own and drops it. COST: some milliseconds.

#ifndef PELTON_FRAMEWORK_INTERNAL_DRIVER_REPORT_H_
#define PELTON_FRAMEWORK_INTERNAL_DRIVER_REPORT_H_

#include <string>

#include "io/reactor.h"

namespace pelton {

// Several lines, each with its newline. `may_use_uring` is false when epoll was asked for, and the
// report then says what io_uring would offer all the same.
std::string DriverReport(const io::Reactor::Options& options, bool may_use_uring);

}  // namespace pelton

#endif  // PELTON_FRAMEWORK_INTERNAL_DRIVER_REPORT_H_
