// Which faults a FaultDriver injects, how often, and what it has injected.
//
//   FaultOptions options = FaultOptions::Transparent();
//   options.seed = 7;
//
// Transparent faults are what a kernel may do on any good day: correct code does not notice.
// Visible ones are errors: correct code hands them on and loses nothing that was acknowledged.
//
// Shard affinity: values.

#ifndef PELTON_IO_FAULT_FAULT_OPTIONS_H_
#define PELTON_IO_FAULT_FAULT_OPTIONS_H_

#include <cstdint>
#include <string>

namespace pelton::io {

// Rates are per thousand operations that the fault can befall; turns are of the loop.
struct FaultOptions {
  // The same seed makes the same decisions for the same operations in the same order.
  uint64_t seed = 1;

  // Transparent, in time alone.
  uint32_t late_submission = 0;    // the kernel hears of an operation some turns later
  uint32_t late_completion = 0;    // a result is held back some turns, so that others overtake it
  uint32_t late_cancellation = 0;  // the operation may complete before its cancellation arrives
  uint32_t spurious_wakeup = 0;    // a wait ends for no reason; per thousand waits
  uint32_t most_turns = 6;         // how late is late

  // Transparent.
  uint32_t short_transfer = 0;  // fewer bytes than there are, at least one
  uint32_t interruption = 0;  // -EINTR, and of an accept -EAGAIN and -ECONNABORTED; nothing is done
  uint32_t no_chunk = 0;      // -ENOBUFS of a receive into a chunk
  uint32_t early_end = 0;     // a multishot operation ends after a few completions

  // Visible.
  // An errno that the kind may fail with; nothing is done, but a close closes and a stream is shut
  // down in both directions when the error is of the connection
  uint32_t error = 0;

  // Lateness alone: what depends on neither turns nor time does not notice.
  static FaultOptions Timing();
  // Timing(), and the other transparent ones.
  static FaultOptions Transparent();
  // Transparent(), and errors.
  static FaultOptions Visible();
};

// How often each has struck.
struct FaultStatistics {
  uint64_t operations = 0;
  uint64_t late_submissions = 0;
  uint64_t late_completions = 0;
  uint64_t overtaken = 0;  // completions that were delivered after a later one
  uint64_t late_cancellations = 0;
  uint64_t cancelled_before =
      0;                         // cancellations that came before the kernel heard of the operation
  uint64_t cancelled_while = 0;  // that were handed to the driver
  uint64_t cancelled_after = 0;  // that came when the result was already held
  uint64_t withdrawn_results = 0;  // of the last, those whose result became -ECANCELED
  uint64_t spurious_wakeups = 0;
  uint64_t short_transfers = 0;
  uint64_t interruptions = 0;
  uint64_t no_chunks = 0;
  uint64_t early_ends = 0;
  uint64_t errors = 0;

  FaultStatistics& operator+=(const FaultStatistics& other);
  // One line for people: every count that is not 0.
  std::string ToString() const;
};

}  // namespace pelton::io

#endif  // PELTON_IO_FAULT_FAULT_OPTIONS_H_
