// What the tests of datagram sockets share: a fixture that runs coroutines, with the kernel's
// multishot receive and without.

#ifndef PELTON_TESTS_CONFORMANCE_DATAGRAM_TEST_H_
#define PELTON_TESTS_CONFORMANCE_DATAGRAM_TEST_H_

#include <string>
#include <string_view>

#include "io/datagram/udp_socket.h"
#include "tests/conformance/tcp_test.h"

namespace pelton::testing {

class DatagramTest : public TcpTest {
 protected:
  using TcpTest::TcpTest;

  static constexpr std::string_view kAnyPort = "127.0.0.1:0";

  // A socket on a port of its own, of this shard alone.
  static absl::StatusOr<UdpSocket> Bind(UdpSocket::Options options = {}) {
    options.every_shard = false;
    return UdpSocket::Bind(kAnyPort, options);
  }
};

}  // namespace pelton::testing

#endif  // PELTON_TESTS_CONFORMANCE_DATAGRAM_TEST_H_
