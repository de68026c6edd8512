// The driver that a run of the conformance suite is about, chosen on the command line, so that the
// suite is compiled once.
//
//   conformance_test --driver=uring --without=buffer_ring
//   conformance_test --driver=epoll --faults=1-20
//
// With --faults the suite runs once per seed, each time on a driver that injects faults, and prints
// a row of a table for all of them (fault_run.h).
//
// Shard affinity: as any driver's.

#ifndef PELTON_TESTS_CONFORMANCE_DRIVER_UNDER_TEST_H_
#define PELTON_TESTS_CONFORMANCE_DRIVER_UNDER_TEST_H_

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "framework/base/check.h"
#include "io/driver.h"
#include "io/epoll/epoll_driver.h"
#include "io/fault/fault_driver.h"
#include "io/fault/fault_options.h"
#include "io/uring/uring_driver.h"
#include "tests/support/driver_harness.h"
#include "tests/support/sockets.h"

namespace pelton::testing {

// One driver of those that there are.
using AnyDriver = std::variant<std::unique_ptr<io::UringDriver>, std::unique_ptr<io::EpollDriver>,
                               std::unique_ptr<io::FaultDriver<io::UringDriver>>,
                               std::unique_ptr<io::FaultDriver<io::EpollDriver>>>;

class DriverUnderTest {
 public:
  static constexpr const char* kName = "the driver under test";

  // Reads --driver=uring|epoll, --without=CAPABILITY and --faults=SEED-SEED; returns false and
  // explains itself when it cannot.
  static bool Choose(int argc, char** argv);
  // Whether the chosen driver has capabilities of io_uring that may be missing here.
  static bool IsUring();
  // Those that it may use.
  static const io::UringCapabilities& capabilities();

  // Makes the chosen driver, under the faults that SetFaults() has said last.
  static absl::StatusOr<std::unique_ptr<DriverUnderTest>> Create(io::Reactor& reactor);
  static void SetFaults(const std::optional<io::FaultOptions>& faults);

  // What was injected into this one.
  io::FaultStatistics fault_statistics() const;

  void Submit(io::Reactor& reactor) {
    std::visit([&](auto& driver) { driver->Submit(reactor); }, driver_);
  }
  void Reap(io::Reactor& reactor) {
    std::visit([&](auto& driver) { driver->Reap(reactor); }, driver_);
  }
  bool HasCompletions() const {
    return std::visit([](const auto& driver) { return driver->HasCompletions(); }, driver_);
  }
  void Wait(int64_t timeout_ns) {
    std::visit([&](auto& driver) { driver->Wait(timeout_ns); }, driver_);
  }
  void Wake() {
    std::visit([](auto& driver) { driver->Wake(); }, driver_);
  }
  // REQUIRES: both are of one kind.
  void WakePeer(DriverUnderTest& peer);

 private:
  explicit DriverUnderTest(AnyDriver driver) : driver_(std::move(driver)) {}

  AnyDriver driver_;
};

static_assert(io::Driver<DriverUnderTest>);

using Harness = DriverHarness<DriverUnderTest>;

// What a test can stand when the suite runs under faults.
enum class FaultProfile {
  kTiming,       // FaultOptions::Timing(): tests of the driver's seam, which name every byte
  kTransparent,  // FaultOptions::Transparent(): whoever uses public classes
  kVisible,      // FaultOptions::Visible(), also in runs without --faults: tests of errors
};

// A fixture with a loop on the driver under test. Skips where the kernel forbids the driver. Checks
// at the end that nothing is in flight and that every chunk has come back. A fixture whose name
// begins with "Driver" is of kTiming, unless it says otherwise, and others of kTransparent.
class DriverTest : public ::testing::Test {
 protected:
  DriverTest() : DriverTest(io::Reactor::Options()) {}
  explicit DriverTest(const io::Reactor::Options& options) : options_(options) {}
  DriverTest(const io::Reactor::Options& options, FaultProfile profile)
      : options_(options), profile_(profile) {}

  void SetUp() override;
  void TearDown() override;

  Harness& harness() { return *harness_; }
  DriverUnderTest& driver() { return harness_->driver(); }
  io::Reactor& reactor() { return harness_->reactor(); }

  // Closes a descriptor that the driver has seen, as the contract wants it before its number is
  // used again.
  void Close(Descriptor descriptor);

 private:
  FaultProfile profile() const;

  const io::Reactor::Options options_;
  const std::optional<FaultProfile> profile_;
  std::unique_ptr<Harness> harness_;
};

// An operation that writes down what becomes of it.
class RecordedOperation : public io::Operation {
 public:
  explicit RecordedOperation(io::OperationKind kind, int fd = -1) : Operation(kind) {
    descriptor = fd;
  }
  virtual ~RecordedOperation() {
    PELTON_CHECK(idle()) << "a test ends while its operation is in flight";
  }

  void OnCompletion(const io::Completion& completion) override;

  // Whether it has been started and has completed finally as often.
  bool done() const { return finals_ > 0 && idle(); }
  // Final completions.
  int finals() const { return finals_; }
  // REQUIRES: there is a completion.
  int result() const { return completions_.back().result; }
  const std::vector<io::Completion>& completions() const { return completions_; }

 private:
  std::vector<io::Completion> completions_;
  int finals_ = 0;
};

}  // namespace pelton::testing

#endif  // PELTON_TESTS_CONFORMANCE_DRIVER_UNDER_TEST_H_
