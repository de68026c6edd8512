#include "io/uring_capabilities.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace pelton::io {
namespace {

using C = UringCapabilities;

constexpr CapabilityDescription kAll[] = {
    {"deferred_work", &C::deferred_work, "completions that the kernel runs when it likes",
     "2 to 7 % of an echo"},
    {"registered_ring", &C::registered_ring, "the ring's descriptor",
     "some 40 ns for each system call"},
    {"no_iowait", &C::no_iowait, "nothing",
     "a shard that sleeps counts as one that waits for a disk"},
    {"multishot_accept", &C::multishot_accept, "one accept at a time",
     "one submission for each connection"},
    {"multishot_receive", &C::multishot_receive, "one receive at a time",
     "one submission for each read, if streams were to receive by themselves"},
    {"multishot_receive_message", &C::multishot_receive_message, "one receive at a time",
     "one submission for each datagram"},
    {"multishot_poll", &C::multishot_poll, "one poll at a time",
     "one submission for each event of a descriptor that is watched"},
    {"buffer_ring", &C::buffer_ring, "poll, then receive into a chunk",
     "two system calls for each read of a waiting connection once chunks are scarce"},
    {"message_ring", &C::message_ring, "eventfd",
     "a system call for each wake-up of another shard"},
    {"direct_descriptors", &C::direct_descriptors, "the process's table of descriptors",
     "some 2 % at many connections"},
    {"send_zero_copy", &C::send_zero_copy, "a send that copies",
     "a copy of each large write on networks that could do without"},
    {"file_operations", &C::file_operations, "calls on the blocking pool",
     "two hand-overs between threads, some 10 us, for each operation on a file"},
    {"path_operations", &C::path_operations, "calls on the blocking pool",
     "two hand-overs between threads, some 10 us, for each open, stat, rename and the like"},
    {"truncate", &C::truncate, "a call on the blocking pool",
     "two hand-overs between threads, some 10 us, for each truncate"},
    {"splice", &C::splice, "a call on the blocking pool",
     "two hand-overs between threads, some 10 us, for each splice"},
    {"worker_limits", &C::worker_limits, "the kernel's own limits",
     "files that block may start thousands of kernel threads"},
    {"busy_poll", &C::busy_poll, "SO_BUSY_POLL on each socket",
     "--busy_poll looks for packets at each receive, but not while the shard waits"},
    {"registered_buffers", &C::registered_buffers, "reads and writes of memory like any other",
     "the kernel pins the pages of each direct transfer, some 5 % of its CPU time"},
};

}  // namespace

std::span<const CapabilityDescription> AllCapabilities() { return kAll; }

absl::Status TurnOffCapabilities(std::string_view names, UringCapabilities& capabilities) {
  while (!names.empty()) {
    const size_t comma = names.find(',');
    const std::string_view name = names.substr(0, comma);
    names = comma == std::string_view::npos ? std::string_view() : names.substr(comma + 1);
    const CapabilityDescription* found = nullptr;
    std::string known;
    for (const CapabilityDescription& capability : kAll) {
      if (name == capability.name) found = &capability;
      absl::StrAppend(&known, known.empty() ? "" : ", ", capability.name);
    }
    if (found == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat("no capability of io_uring is called \"",
                                                     std::string(name), "\"; expected ", known));
    }
    capabilities.*(found->member) = false;
  }
  return absl::OkStatus();
}

}  // namespace pelton::io
