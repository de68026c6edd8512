// What the tests of TcpStream and TcpListener share: a fixture that runs coroutines, with multishot
// receives on and off.

#ifndef PELTON_TESTS_CONFORMANCE_TCP_TEST_H_
#define PELTON_TESTS_CONFORMANCE_TCP_TEST_H_

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "framework/base/status.h"
#include "io/await_operation.h"
#include "io/tcp_listener.h"
#include "io/tcp_stream.h"
#include "sched/deadline.h"
#include "sched/task.h"
#include "sched/task_scope.h"
#include "sched/when.h"
#include "tests/conformance/driver_under_test.h"
#include "tests/support/sockets.h"

namespace pelton::testing {

// A stream under test, and the raw socket at its other end.
struct StreamAndPeer {
  TcpStream stream;
  Descriptor peer;
};

class TcpTest : public DriverTest, public ::testing::WithParamInterface<bool> {
 protected:
  TcpTest() : TcpTest(io::Reactor::Options().chunks) {}
  explicit TcpTest(size_t chunks)
      : DriverTest({.chunks = chunks, .multishot_receive = GetParam()}) {}

  // Runs the coroutine that `body()` returns to its end.
  template <typename Body>
  absl::Status RunToStatus(Body body) {
    return harness().Run(body());
  }
  // The same; it must succeed.
  template <typename Body>
  void Run(Body body) {
    const absl::Status status = RunToStatus(std::move(body));
    EXPECT_TRUE(status.ok()) << status;
  }

  // A stream over loopback TCP. REQUIRES: called inside Run().
  static StreamAndPeer MakeStream() { return MakeStream(TcpPair()); }
  // The same with small socket buffers.
  static StreamAndPeer MakeSmallStream() {
    SocketPair pair = TcpPair();
    SetBufferSizes(pair.ours.get(), 64 * 1024);
    SetBufferSizes(pair.theirs.get(), 64 * 1024);
    return MakeStream(std::move(pair));
  }

 private:
  static StreamAndPeer MakeStream(SocketPair pair) {
    const SocketAddress peer = *PeerAddressOf(pair.ours.get());
    return {TcpStream::Adopt(pair.ours.Release(), peer), std::move(pair.theirs)};
  }
};

// Reads until `bytes` bytes have arrived. ERRORS: the read's; OutOfRange at an early end.
inline Task<absl::StatusOr<std::string>> ReadExactly(TcpStream& stream, size_t bytes) {
  std::string text;
  while (text.size() < bytes) {
    PELTON_CO_ASSIGN_OR_RETURN(Chunk chunk, co_await stream.Read());
    if (chunk.empty()) co_return absl::OutOfRangeError("the stream ended early");
    text += chunk.text();
  }
  co_return text;
}

// Awaits the next turn of the loop: everything that is ready runs, and what the kernel has
// completed is delivered.
class [[nodiscard("co_await it")]] NextTurn final : public io::OperationAwaiter {
 public:
  NextTurn() : OperationAwaiter(io::OperationKind::kNop) {}
  void await_resume() const {}
};

// Lets `turns` turns go by.
inline Task<void> LetOthersRun(int turns = 10) {
  for (int i = 0; i < turns; ++i) co_await NextTurn();
}

// Writes back what it reads, until the peer closes.
inline Task<absl::Status> Echo(TcpStream peer) {
  for (;;) {
    PELTON_CO_ASSIGN_OR_RETURN(Chunk bytes, co_await peer.Read());
    if (bytes.empty()) co_return absl::OkStatus();
    PELTON_CO_RETURN_IF_ERROR(co_await peer.Write(bytes));
  }
}

inline std::string NameOfMode(const ::testing::TestParamInfo<bool>& test) {
  return test.param ? "MultishotReceive" : "ReceivePerRead";
}

}  // namespace pelton::testing

#endif  // PELTON_TESTS_CONFORMANCE_TCP_TEST_H_
