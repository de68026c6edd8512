// Connecting by name: real connections over loopback.

#include "io/names/connect_by_name.h"

#include <gmock/gmock.h>
#include <sys/socket.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "framework/base/status.h"
#include "sched/deadline.h"
#include "tests/conformance/resolver_test.h"

namespace pelton::testing {
namespace {

using io::RecordType;
using ::testing::AllOf;
using ::testing::HasSubstr;

class ConnectByNameTest : public ResolverTestBase {
 protected:
  // Delays that are short for a test, and long beside a connection over loopback.
  static ConnectOptions Quick() {
    return {.resolution_delay = absl::Milliseconds(20), .attempt_delay = absl::Milliseconds(20)};
  }
  // Another address of a stalling listener's machine at its port, where nobody listens.
  static SocketAddress Elsewhere(const char* host, const SocketAddress& address) {
    return *SocketAddress::Parse(std::string(absl::StrCat(host, ":", address.port())));
  }
};

TEST_F(ConnectByNameTest, ConnectsToAName) {
  const Listener listener = ListenOnLoopback();
  server().AddAddress("host.test", "127.0.0.1");
  Run([&]() -> Task<absl::Status> {
    Resolver resolver(Options());
    PELTON_CO_ASSIGN_OR_RETURN(
        TcpStream stream, co_await ConnectByName(resolver, "host.test", listener.address.port()));
    EXPECT_EQ(stream.peer_address(), listener.address);
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    const Descriptor peer(::accept(listener.descriptor.get(), nullptr, nullptr));
    PELTON_CO_RETURN_IF_ERROR(co_await stream.Write("hello"));
    EXPECT_EQ(ReceiveExactly(peer.get(), 5), "hello");
    PELTON_CO_ASSIGN_OR_RETURN(
        stream, co_await ConnectByName(
                    resolver, std::string(absl::StrCat("host.test:", listener.address.port()))));
    PELTON_CO_ASSIGN_OR_RETURN(
        stream, co_await ConnectByName(
                    resolver, std::string(absl::StrCat("[127.0.0.1]:", listener.address.port()))));
    EXPECT_EQ(stream.peer_address(), listener.address);
    co_return absl::OkStatus();
  });
}

TEST_F(ConnectByNameTest, GoesAroundAnAddressThatDoesNotAnswer) {
  const StallingListener stalling;
  Run([&]() -> Task<absl::Status> {
    // One whose queue is full, and one that answers, at another address.
    const Listener listener = ListenOnLoopback();
    const SocketAddress addresses[] = {stalling.address(), listener.address};
    const Timestamp begin = Scheduler::Current()->PreciseNow();
    PELTON_CO_ASSIGN_OR_RETURN(TcpStream stream, co_await ConnectToAny(addresses, Quick()));
    const absl::Duration taken = Scheduler::Current()->PreciseNow() - begin;
    EXPECT_EQ(stream.peer_address(), listener.address);
    EXPECT_GE(taken, absl::Milliseconds(20));
    co_return absl::OkStatus();
  });
}

TEST_F(ConnectByNameTest, GoesOnAtOnceWhenAnAddressRefuses) {
  const Listener refusing = BindOnLoopback();
  const Listener listener = ListenOnLoopback();
  Run([&]() -> Task<absl::Status> {
    const SocketAddress addresses[] = {refusing.address, listener.address};
    ConnectOptions options;
    options.attempt_delay = absl::Hours(1);
    PELTON_CO_ASSIGN_OR_RETURN(TcpStream stream, co_await ConnectToAny(addresses, options));
    EXPECT_EQ(stream.peer_address(), listener.address);
    co_return absl::OkStatus();
  });
}

TEST_F(ConnectByNameTest, ListsEveryAttemptWithItsErrno) {
  const Listener refusing = BindOnLoopback();
  server().AddAddress("host.test", "127.0.0.1");
  server().AddAddress("host.test", "::1");
  Run([&]() -> Task<absl::Status> {
    Resolver resolver(Options());
    const auto result =
        co_await ConnectByName(resolver, "host.test", refusing.address.port(), Quick());
    EXPECT_TRUE(absl::IsUnavailable(result.status())) << result.status();
    EXPECT_EQ(GetErrno(result.status()), ECONNREFUSED);
    EXPECT_THAT(std::string(result.status().message()),
                AllOf(HasSubstr(absl::StrCat("connect to host.test:", refusing.address.port())),
                      HasSubstr("2 attempts failed"), HasSubstr("127.0.0.1:"), HasSubstr("[::1]:"),
                      HasSubstr("ECONNREFUSED")));
    co_return absl::OkStatus();
  });
}

TEST_F(ConnectByNameTest, SaysWhyThereIsNoAddress) {
  Run([&]() -> Task<absl::Status> {
    Resolver resolver(Options());
    auto result = co_await ConnectByName(resolver, "no.test", 80, Quick());
    EXPECT_TRUE(absl::IsNotFound(result.status())) << result.status();
    for (const char* wrong : {"host.test", "::1:80", "host.test:", ":80", "a b:80", "h:99999"}) {
      result = co_await ConnectByName(resolver, wrong, Quick());
      EXPECT_TRUE(absl::IsInvalidArgument(result.status())) << wrong << ": " << result.status();
    }
    result = co_await ConnectToAny({}, Quick());
    EXPECT_TRUE(absl::IsNotFound(result.status())) << result.status();
    co_return absl::OkStatus();
  });
}

TEST_F(ConnectByNameTest, DoesNotWaitLongForASlowFamily) {
  const Listener listener = ListenOnLoopback();
  server().AddAddress("host.test", "127.0.0.1");
  server().Behave("host.test", RecordType::kAddress6, DnsBehaviour::kHold);
  Run([&]() -> Task<absl::Status> {
    Resolver resolver(Options());
    PELTON_CO_ASSIGN_OR_RETURN(
        TcpStream stream,
        co_await ConnectByName(resolver, "host.test", listener.address.port(), Quick()));
    EXPECT_EQ(stream.peer_address(), listener.address);
    EXPECT_EQ(server().held(), 1u);
    co_return absl::OkStatus();
  });
}

TEST_F(ConnectByNameTest, TriesTheAddressThatWorkedLastTimeFirst) {
  const StallingListener stalling;
  server().AddAddress("host.test", "127.0.0.1");
  server().AddAddress("host.test", "127.0.0.2");
  Run([&]() -> Task<absl::Status> {
    // Nobody gets through at 127.0.0.1; somebody listens at 127.0.0.2, at the same port.
    const SocketAddress good = Elsewhere("127.0.0.2", stalling.address());
    const Descriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    PELTON_CHECK(::bind(listener.get(), good.data(), good.size()) == 0) << ErrnoName(errno);
    PELTON_CHECK(::listen(listener.get(), 8) == 0);
    Resolver resolver(Options());
    PELTON_CO_ASSIGN_OR_RETURN(TcpStream first,
                               co_await ConnectByName(resolver, "host.test", good.port(), Quick()));
    EXPECT_EQ(first.peer_address(), good);
    // Without it this would take the hour.
    ConnectOptions patient;
    patient.attempt_delay = absl::Hours(1);
    PELTON_CO_ASSIGN_OR_RETURN(TcpStream second,
                               co_await ConnectByName(resolver, "host.test", good.port(), patient));
    EXPECT_EQ(second.peer_address(), good);
    co_return absl::OkStatus();
  });
}

TEST_F(ConnectByNameTest, StopsWhenItIsTold) {
  const StallingListener stalling;
  server().AddAddress("host.test", "127.0.0.1");
  server().Behave("held.test", DnsBehaviour::kHold);
  Run([&]() -> Task<absl::Status> {
    Resolver resolver(Options());
    for (const char* name : {"host.test", "held.test"}) {
      const auto result =
          co_await WithTimeout(absl::Milliseconds(30),
                               ConnectByName(resolver, name, stalling.address().port(), Quick()));
      EXPECT_TRUE(absl::IsDeadlineExceeded(result.status())) << result.status();
    }
    co_return absl::OkStatus();
  });
}

}  // namespace
}  // namespace pelton::testing
