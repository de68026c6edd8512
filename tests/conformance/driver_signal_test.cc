// What a signal to the shard's thread does to a driver: nothing but an early end of its wait. The
// stall detector sends them.

#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>

#include <atomic>
#include <csignal>
#include <thread>
#include <utility>

#include "absl/time/time.h"
#include "framework/base/check.h"
#include "tests/conformance/driver_under_test.h"
#include "tests/support/sockets.h"

namespace pelton::testing {
namespace {

using io::OperationKind;

std::atomic<int> handled = 0;

// Sends signals to the thread that makes it, whose handler only counts, as long as it lives.
class Signals {
 public:
  Signals() {
    struct sigaction action = {};
    action.sa_handler = [](int) { ++handled; };
    action.sa_flags = SA_RESTART;
    PELTON_CHECK(::sigaction(SIGRTMAX, &action, &previous_) == 0);
    sender_ = std::thread([this, target = ::pthread_self()] {
      while (!stopping_) {
        PELTON_CHECK(::pthread_kill(target, SIGRTMAX) == 0);
        ::poll(nullptr, 0, 1);
      }
    });
  }
  ~Signals() {
    stopping_ = true;
    sender_.join();
    PELTON_CHECK(::sigaction(SIGRTMAX, &previous_, nullptr) == 0);
  }

 private:
  struct sigaction previous_;
  std::atomic<bool> stopping_ = false;
  std::thread sender_;
};

class DriverSignalTest : public DriverTest {};

TEST_F(DriverSignalTest, ASignalEndsAWaitAndNothingElse) {
  harness().Turn();
  const Signals signals;
  for (int i = 0; i < 20; ++i) {
    const int before = handled;
    // Without signals this would be 20 minutes.
    while (handled == before) driver().Wait(absl::ToInt64Nanoseconds(absl::Minutes(1)));
    driver().Reap(reactor());
  }
}

TEST_F(DriverSignalTest, OperationsCompleteUnderSignals) {
  SocketPair pair = UnixPair();
  const Signals signals;
  const int before = handled;
  for (int round = 0; round < 2000 || handled < before + 5; ++round) {
    char byte = 0;
    RecordedOperation receive(OperationKind::kReceive, pair.ours.get());
    receive.address = &byte;
    receive.length = 1;
    reactor().Start(receive);
    SendAll(pair.theirs.get(), "x");
    ASSERT_TRUE(harness().TurnUntil([&] { return receive.done(); }));
    ASSERT_EQ(receive.result(), 1);
    ASSERT_EQ(byte, 'x');
  }
  Close(std::move(pair.ours));
}

}  // namespace
}  // namespace pelton::testing
