// The io_uring driver: the one that matters.
//
// Operations become submission entries at the end of the turn; one io_uring_enter(2) submits them
// all and runs the kernel's deferred completions. Chunks reach the kernel through a provided-buffer
// ring.
//
// Shard affinity: created, used and destroyed on the shard's thread; Wake() from any thread,
// WakePeer() from another shard's.
// Cost: one system call a turn at most, two when the shard goes to sleep; no allocation.

#ifndef PELTON_IO_URING_URING_DRIVER_H_
#define PELTON_IO_URING_URING_DRIVER_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "io/blocking_calls.h"
#include "io/operation.h"
#include "io/reactor.h"
#include "io/socket_busy_poll.h"
#include "io/uring/buffer_ring.h"
#include "io/uring/buffer_table.h"
#include "io/uring/descriptor_table.h"
#include "io/uring/probe.h"
#include "io/uring/ring.h"
#include "io/uring_capabilities.h"

namespace pelton::io {

class UringDriver {
 public:
  static constexpr const char* kName = "uring";
  static constexpr unsigned kSubmissionEntries = 1024;

  // Uses the capabilities that the kernel has and the reactor's options want. `reactor` must outlive
  // the driver. ERRORS: those of Ring::Create(), and of eventfd(2).
  static absl::StatusOr<std::unique_ptr<UringDriver>> Create(Reactor& reactor);
  // REQUIRES: reactor.in_flight() is 0.
  ~UringDriver();

  void Submit(Reactor& reactor);
  void Reap(Reactor& reactor);
  bool HasCompletions() const { return ring_->HasCompletions() || ring_->NeedsEnter(); }
  void Wait(int64_t timeout_ns);
  void Wake();
  // Wakes `peer` by a message from this ring to its; goes out with this shard's next Submit().
  void WakePeer(UringDriver& peer);

  const UringCapabilities& capabilities() const { return capabilities_; }
  // What was tried, for reports.
  const UringProbe& probe() const { return probe_; }
  const Ring& ring() const { return *ring_; }
  // How many direct descriptors there may be.
  size_t descriptor_slots() const { return descriptors_.slots(); }

 private:
  static constexpr int kBufferGroup = 0;

  UringDriver(std::unique_ptr<Ring> ring, Reactor& reactor, int event_descriptor);

  void Probe();
  void RegisterTables();
  void LimitWorkers();
  void StartBusyPolling();
  void Refuse(bool UringCapabilities::* member, int error);
  io_uring_sqe* NextEntry();
  void Start(Operation& operation);
  void TransferMessages(Operation& operation);
  bool ReceivesInBatches(const Operation& operation) const;
  bool KernelReceives(const Operation& operation) const;
  void ReceiveBatches(Operation& operation);
  void Prepare(Operation& operation);
  uint64_t StartWorkerOperation(OperationKind kind);
  uint64_t PrepareReceiveChunk(Operation& operation, io_uring_sqe* entry);
  uint64_t PrepareReceiveMessageChunk(Operation& operation, io_uring_sqe* entry);
  void PrepareCancellation(Operation& operation);
  bool UseDirect(int descriptor);
  void PrepareClose(Operation& operation);
  bool ArmWakeup();
  int Enter(bool wait, int64_t timeout_ns);
  void OnCompletion(Reactor& reactor, const io_uring_cqe& entry);
  bool OnBadDescriptor(Reactor& reactor, Operation& operation, uint64_t tag);
  void OnReady(Reactor& reactor, Operation& operation, int result);
  void OnZeroCopy(Reactor& reactor, Operation& operation, const io_uring_cqe& entry);
  uint64_t TagOf(const Operation& operation) const;

  std::unique_ptr<Ring> ring_;
  Reactor& reactor_;
  ChunkPool& chunks_;
  BlockingCalls blocking_;
  bool is_blocking_[kOperationKinds] = {};  // kinds that the ring does not do here
  UringCapabilities capabilities_;
  UringProbe probe_;
  SocketBusyPoll busy_poll_{0};  // off where the ring does it
  const int event_descriptor_;
  uint64_t event_value_ = 0;
  bool wakeup_armed_ = false;

  DescriptorTable descriptors_;
  std::unique_ptr<BufferRing> buffer_ring_;    // null: there is none
  std::unique_ptr<BufferTable> buffer_table_;  // the same
};

}  // namespace pelton::io

#endif  // PELTON_IO_URING_URING_DRIVER_H_
