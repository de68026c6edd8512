// The seam between the shard's loop and the kernel: a proactor that starts operations and delivers
// their completions.
//
// A driver is chosen once, when a shard starts; the loop is a template on it, so no call below is
// virtual. Every driver passes tests/conformance.
//
// Shard affinity: created, used and destroyed on the shard's thread, except Wake().

#ifndef PELTON_IO_DRIVER_H_
#define PELTON_IO_DRIVER_H_

#include <concepts>
#include <cstdint>

#include "io/reactor.h"

namespace pelton::io {

template <typename D>
concept Driver = requires(D& driver, const D& constant, Reactor& reactor, int64_t timeout_ns) {
  // Starts what was handed in since the last call and cancels what is to be cancelled. Never
  // blocks. May complete operations.
  { driver.Submit(reactor) } -> std::same_as<void>;
  // Delivers the completions that have arrived. Resumes nothing. Never blocks.
  { driver.Reap(reactor) } -> std::same_as<void>;
  // Whether a completion has arrived, without a system call. May miss some (false negatives); for
  // spinning before a sleep.
  { constant.HasCompletions() } -> std::same_as<bool>;
  // Blocks until a completion has arrived, Wake() was called, or `timeout_ns` have passed
  // (negative: no limit). May return early.
  { driver.Wait(timeout_ns) } -> std::same_as<void>;
  // Ends a Wait() that is going on or is about to begin. Any thread.
  { driver.Wake() } -> std::same_as<void>;
  // The driver's name in messages: "uring", "epoll".
  { D::kName } -> std::convertible_to<const char*>;
};

}  // namespace pelton::io

#endif  // PELTON_IO_DRIVER_H_
