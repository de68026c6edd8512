// FaultDriver: a decorator over any driver that injects, by seed, what kernels, networks and disks
// do on bad days: short transfers, interruptions, errors, late and reordered completions,
// cancellations that race, waits that end for no reason (fault_options.h).
//
//   PELTON_ASSIGN_OR_RETURN(auto driver, io::FaultDriver<io::UringDriver>::Create(
//       reactor, io::FaultOptions::Transparent()));
//
// For tests alone.
//
// Shard affinity: as the driver below.
// Ownership: of the driver below, and of everything between.
// Cost: that of tests: a search among the operations in flight for each that completes.

#ifndef PELTON_IO_FAULT_FAULT_DRIVER_H_
#define PELTON_IO_FAULT_FAULT_DRIVER_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "io/driver.h"
#include "io/fault/fault_injector.h"
#include "io/fault/fault_options.h"
#include "io/reactor.h"

namespace pelton::io {

template <Driver D>
class FaultDriver {
 public:
  static constexpr const char* kName = D::kName;

  // `reactor` must outlive the driver. ERRORS: those of D::Create().
  static absl::StatusOr<std::unique_ptr<FaultDriver>> Create(Reactor& reactor,
                                                             const FaultOptions& options) {
    std::unique_ptr<FaultDriver> driver(new FaultDriver(reactor, options));
    absl::StatusOr<std::unique_ptr<D>> below = D::Create(driver->injector_.inner());
    if (!below.ok()) return below.status();
    driver->below_ = *std::move(below);
    reactor.set_buffer_registry(driver->injector_.inner().buffer_registry());
    return driver;
  }
  ~FaultDriver() { reactor_.set_buffer_registry(nullptr); }

  void Submit(Reactor&) {
    injector_.BeforeSubmit();
    below_->Submit(injector_.inner());
  }
  void Reap(Reactor&) {
    below_->Reap(injector_.inner());
    injector_.AfterReap();
  }
  bool HasCompletions() const { return injector_.HasWork() || below_->HasCompletions(); }
  void Wait(int64_t timeout_ns) {
    if (injector_.HasWork() || injector_.NextWaitIsSpurious()) return;
    below_->Wait(timeout_ns);
  }
  void Wake() { below_->Wake(); }
  void WakePeer(FaultDriver& peer) { below_->WakePeer(*peer.below_); }

  // What was injected.
  const FaultStatistics& statistics() const { return injector_.statistics(); }

 private:
  FaultDriver(Reactor& reactor, const FaultOptions& options)
      : reactor_(reactor), injector_(reactor, options) {}

  Reactor& reactor_;
  FaultInjector injector_;
  std::unique_ptr<D> below_;
};

}  // namespace pelton::io

#endif  // PELTON_IO_FAULT_FAULT_DRIVER_H_
