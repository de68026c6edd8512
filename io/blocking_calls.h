// Runs operations whose system calls block, for drivers that cannot do better: on the threads of
// the shard's blocking pool, a bounded number at a time.
//
// Shard affinity: the driver's shard.
// Ownership: the driver's. Borrows each operation until it has completed.
// Invariants: 1. at most Options::blocking_calls of a shard are with the pool; the others wait here,
// in order; 2. one that runs cannot be cancelled: it completes when its call returns, with what
// that returned.
// Cost: no allocation once the records are there; two hand-overs between threads, some 10 µs.

#ifndef PELTON_IO_BLOCKING_CALLS_H_
#define PELTON_IO_BLOCKING_CALLS_H_

#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

#include "io/operation.h"
#include "io/reactor.h"

namespace pelton::io {

class BlockingCalls {
 public:
  explicit BlockingCalls(Reactor& reactor);
  // REQUIRES: nothing is in flight.
  ~BlockingCalls();
  BlockingCalls(const BlockingCalls&) = delete;
  BlockingCalls& operator=(const BlockingCalls&) = delete;

  // Starts an operation that the driver has taken as pending. Without a pool it is called here and
  // now, and completes before this returns.
  void Start(Operation& operation);
  // Cancels one that was started here; it completes with -ECANCELED, at once, unless it runs
  // already. Returns false when this is not where it was started.
  bool Cancel(Operation& operation);

 private:
  class Record;

  void Submit(Record& record, Operation& operation);
  void OnHome(Record& record);

  Reactor& reactor_;
  std::vector<std::unique_ptr<Record>> records_;
  std::vector<Record*> idle_;
  // Not linked through the operations: a cancellation needs their link.
  std::deque<Operation*> waiting_;
};

}  // namespace pelton::io

#endif  // PELTON_IO_BLOCKING_CALLS_H_
