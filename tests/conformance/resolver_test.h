// What the tests of names share: a loop, a name server, and a resolver that asks it.

#ifndef PELTON_TESTS_CONFORMANCE_RESOLVER_TEST_H_
#define PELTON_TESTS_CONFORMANCE_RESOLVER_TEST_H_

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "io/names/resolver.h"
#include "tests/conformance/driver_under_test.h"
#include "tests/conformance/tcp_test.h"
#include "tests/support/dns_server.h"

namespace pelton::testing {

class ResolverTestBase : public DriverTest {
 protected:
  // Runs the coroutine that `body()` returns to its end; it must succeed.
  template <typename Body>
  void Run(Body body) {
    const absl::Status status = harness().Run(body());
    EXPECT_TRUE(status.ok()) << status;
  }

  DnsServer& server() { return server_; }

  // A resolver that asks the server alone.
  Resolver::Options Options() {
    Resolver::Options options;
    options.resolv_conf = "";
    options.hosts = "";
    options.servers = {server_.address()};
    options.timeout = absl::Seconds(5);
    return options;
  }

  // Lets turns go by until the server holds `count` questions.
  Task<void> AwaitHeld(size_t count) {
    while (server_.held() < count) co_await NextTurn();
  }

  static std::vector<std::string> Texts(const std::vector<SocketAddress>& addresses) {
    std::vector<std::string> texts;
    for (const SocketAddress& address : addresses) texts.push_back(address.ToString());
    return texts;
  }

 private:
  DnsServer server_;
};

}  // namespace pelton::testing

#endif  // PELTON_TESTS_CONFORMANCE_RESOLVER_TEST_H_
