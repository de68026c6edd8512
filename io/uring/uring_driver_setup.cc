// How a driver is made and unmade: what the kernel has is tried, and what is wanted of it set up.

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "framework/base/log.h"
#include "framework/base/status.h"
#include "io/uring/kind_traits.h"
#include "io/uring/probe.h"
#include "io/uring/uring_driver.h"

namespace pelton::io {

absl::StatusOr<std::unique_ptr<UringDriver>> UringDriver::Create(Reactor& reactor) {
  const UringCapabilities& wanted = reactor.options().capabilities;
  PELTON_ASSIGN_OR_RETURN(std::unique_ptr<Ring> ring,
                          Ring::Create({.submission_entries = kSubmissionEntries,
                                        .deferred_work = wanted.deferred_work,
                                        .registered_ring = wanted.registered_ring,
                                        .no_iowait = wanted.no_iowait}));
  const int event_descriptor = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event_descriptor < 0) return ErrnoToStatus(errno, "eventfd for wake-ups");
  std::unique_ptr<UringDriver> driver(new UringDriver(std::move(ring), reactor, event_descriptor));
  driver->Probe();
  driver->RegisterTables();
  driver->LimitWorkers();
  driver->StartBusyPolling();
  if (driver->ring_->shrunk()) {
    LogLine(absl::StrCat("shard ", reactor.options().shard.index(),
                         ": locked memory is short: its ring has ",
                         driver->ring_->submission_entries(), " entries instead of ",
                         kSubmissionEntries, ". To fix: raise the limit (ulimit -l)"));
  }
  return driver;
}

UringDriver::UringDriver(std::unique_ptr<Ring> ring, Reactor& reactor, int event_descriptor)
    : ring_(std::move(ring)),
      reactor_(reactor),
      chunks_(reactor.chunks()),
      blocking_(reactor),
      event_descriptor_(event_descriptor) {}

UringDriver::~UringDriver() {
  // The kernel lets go of the armed wake-up when the ring goes.
  buffer_ring_.reset();
  if (buffer_table_ != nullptr) reactor_.set_buffer_registry(nullptr);
  ring_.reset();
  ::close(event_descriptor_);
}

void UringDriver::Probe() {
  probe_ = ProbeCapabilities(*ring_);
  const UringCapabilities& wanted = reactor_.options().capabilities;
  for (const CapabilityDescription& capability : AllCapabilities()) {
    capabilities_.*(capability.member) =
        wanted.*(capability.member) && probe_.found.*(capability.member);
  }
  for (int i = 0; i < kOperationKinds; ++i) {
    is_blocking_[i] = IsBlocking(static_cast<OperationKind>(i), capabilities_);
  }
}

void UringDriver::RegisterTables() {
  if (capabilities_.buffer_ring) {
    int error = 0;
    buffer_ring_ = BufferRing::Create(*ring_, chunks_, kBufferGroup, error);
    if (buffer_ring_ == nullptr) {
      Refuse(&UringCapabilities::buffer_ring, error);
      Refuse(&UringCapabilities::multishot_receive, error);
      Refuse(&UringCapabilities::multishot_receive_message, error);
    }
  }
  if (capabilities_.direct_descriptors) {
    const int result = descriptors_.Register(*ring_);
    if (result < 0) Refuse(&UringCapabilities::direct_descriptors, -result);
  }
  if (capabilities_.registered_buffers) {
    int error = 0;
    buffer_table_ = BufferTable::Create(*ring_, error);
    if (buffer_table_ == nullptr) Refuse(&UringCapabilities::registered_buffers, error);
    reactor_.set_buffer_registry(buffer_table_.get());
  }
}

void UringDriver::LimitWorkers() {
  if (!capabilities_.worker_limits) return;
  unsigned limits[] = {reactor_.options().kernel_workers_for_files,
                       reactor_.options().kernel_workers_for_others};
  const int result = ::io_uring_register_iowq_max_workers(&ring_->raw(), limits);
  if (result < 0) Refuse(&UringCapabilities::worker_limits, -result);
}

void UringDriver::StartBusyPolling() {
  const uint32_t microseconds = reactor_.options().busy_poll_us;
  if (microseconds == 0) return;
  if (capabilities_.busy_poll) {
    const int result = RegisterBusyPoll(*ring_, microseconds);
    if (result < 0) Refuse(&UringCapabilities::busy_poll, -result);
  }
  if (!capabilities_.busy_poll) busy_poll_ = SocketBusyPoll(microseconds);
}

void UringDriver::Refuse(bool UringCapabilities::* member, int error) {
  capabilities_.*member = false;
  probe_.NoteMissing(member, absl::StrCat("the kernel answers ", ErrnoName(error)));
}

}  // namespace pelton::io
