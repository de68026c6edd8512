// Happy Eyeballs in virtual time: exactly when what is attempted (RFC 8305).

#include "io/names/connection_race.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "framework/base/status.h"
#include "io/names/numeric_host.h"
#include "sched/deadline.h"
#include "sched/sleep.h"
#include "tests/support/task_harness.h"

namespace pelton::testing {
namespace {

using io::ConnectionRace;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

SocketAddress Host(const std::string& text) { return *io::ParseNumericHost(text, 0); }

// Makes no connections, and writes down when it was to.
class FakeAttempts final : public io::AttemptMaker {
 public:
  struct Plan {
    absl::Duration takes;
    int error = 0;  // an errno; 0: success
  };

  // What is not planned never ends.
  std::map<std::string, Plan> plans;
  // "HOST at MILLISECONDS", and "HOST given up at ...".
  std::vector<std::string> log;

  Task<absl::Status> Attempt(size_t, SocketAddress address) override {
    const std::string host = address.ToString();
    Log(host, " at ");
    const auto plan = plans.find(host);
    const absl::Duration takes = plan == plans.end() ? absl::Hours(9) : plan->second.takes;
    const absl::Status slept = co_await SleepFor(takes);
    if (!slept.ok()) Log(host, " given up at ");
    PELTON_CO_RETURN_IF_ERROR(slept);
    if (plan->second.error == 0) co_return absl::OkStatus();
    co_return ErrnoToStatus(plan->second.error, "connect to", host);
  }

 private:
  void Log(const std::string& host, const char* what) {
    const int64_t ns = Scheduler::Current()->PreciseNow().nanoseconds();
    // A timer fires up to a tick late.
    log.push_back(absl::StrCat(host, what, (ns + 500'000) / 1'000'000));
  }
};

// Addresses that become known after a while.
struct Known {
  absl::Duration after;
  int family;
  std::vector<std::string> hosts;
};

class ConnectionRaceTest : public ::testing::Test {
 protected:
  static Task<absl::Status> Tell(std::vector<Known> news, io::AddressSink& sink,
                                 absl::Status outcome) {
    for (const Known& one : news) {
      PELTON_CO_RETURN_IF_ERROR(co_await SleepFor(one.after));
      std::vector<SocketAddress> addresses;
      // pelton: bounded by what the test lists
      for (const std::string& host : one.hosts) addresses.push_back(Host(host));
      sink.OnAddresses(one.family, addresses);
    }
    co_return outcome;
  }
  // Who wins, or the error.
  Task<std::string> Race(std::vector<Known> news, ConnectionRace::Options options = {},
                         absl::Status outcome = absl::OkStatus()) {
    options.port = 80;
    options.orders_addresses = ordered_;
    ConnectionRace race(attempts_, "host.test:80", options);
    const auto winner = co_await race.Run(Tell(std::move(news), race, std::move(outcome)));
    status_ = winner.status();
    co_return winner.ok() ? winner->address.ToString() : std::string(status_.message());
  }

  TaskHarness harness_;
  FakeAttempts attempts_;
  absl::Status status_;
  bool ordered_ = false;  // the best address first, and not the one that was told first
};

TEST_F(ConnectionRaceTest, TheNextAttemptStartsAfter250MillisecondsAndTheFamiliesTakeTurns) {
  attempts_.plans["10.0.0.2:80"] = {.takes = absl::Milliseconds(20)};
  EXPECT_EQ(harness_.Run(Race({{absl::ZeroDuration(), AF_INET6, {"2001:db8::1", "2001:db8::2"}},
                               {absl::ZeroDuration(), AF_INET, {"10.0.0.1", "10.0.0.2"}}})),
            "10.0.0.2:80");
  EXPECT_THAT(attempts_.log,
              ElementsAre("[2001:db8::1]:80 at 0", "10.0.0.1:80 at 250", "[2001:db8::2]:80 at 500",
                          "10.0.0.2:80 at 750", "[2001:db8::1]:80 given up at 770",
                          "10.0.0.1:80 given up at 770", "[2001:db8::2]:80 given up at 770"));
}

TEST_F(ConnectionRaceTest, AnIpv4AddressWaits50MillisecondsForIpv6) {
  attempts_.plans["10.0.0.1:80"] = {.takes = absl::Milliseconds(5)};
  EXPECT_EQ(harness_.Run(Race({{absl::Milliseconds(10), AF_INET, {"10.0.0.1"}},
                               {absl::Seconds(9), AF_INET6, {"2001:db8::1"}}})),
            "10.0.0.1:80");
  EXPECT_THAT(attempts_.log, ElementsAre("10.0.0.1:80 at 60"));
}

TEST_F(ConnectionRaceTest, AnIpv6AddressThatComesInTimeGoesFirst) {
  attempts_.plans["[::1]:80"] = {.takes = absl::Milliseconds(5)};
  ordered_ = true;
  EXPECT_EQ(harness_.Run(Race({{absl::Milliseconds(10), AF_INET, {"127.0.0.1"}},
                               {absl::Milliseconds(30), AF_INET6, {"::1"}}})),
            "[::1]:80");
  EXPECT_THAT(attempts_.log, ElementsAre("[::1]:80 at 40"));
}

TEST_F(ConnectionRaceTest, ANoForIpv6EndsTheDelay) {
  attempts_.plans["10.0.0.1:80"] = {.takes = absl::ZeroDuration()};
  EXPECT_EQ(harness_.Run(Race({{absl::Milliseconds(10), AF_INET, {"10.0.0.1"}},
                               {absl::Milliseconds(5), AF_INET6, {}}})),
            "10.0.0.1:80");
  EXPECT_THAT(attempts_.log, ElementsAre("10.0.0.1:80 at 15"));
}

TEST_F(ConnectionRaceTest, AFailureStartsTheNextAttemptAtOnce) {
  attempts_.plans["[2001:db8::1]:80"] = {.takes = absl::Milliseconds(7), .error = ENETUNREACH};
  attempts_.plans["10.0.0.1:80"] = {.takes = absl::Milliseconds(3)};
  EXPECT_EQ(harness_.Run(Race({{absl::ZeroDuration(), AF_INET6, {"2001:db8::1"}},
                               {absl::ZeroDuration(), AF_INET, {"10.0.0.1"}}})),
            "10.0.0.1:80");
  EXPECT_THAT(attempts_.log, ElementsAre("[2001:db8::1]:80 at 0", "10.0.0.1:80 at 7"));
}

TEST_F(ConnectionRaceTest, AddressesThatComeLateJoinTheRace) {
  attempts_.plans["10.0.0.1:80"] = {.takes = absl::Milliseconds(1)};
  EXPECT_EQ(harness_.Run(Race({{absl::ZeroDuration(), AF_INET6, {"2001:db8::1"}},
                               {absl::Milliseconds(400), AF_INET, {"10.0.0.1"}}})),
            "10.0.0.1:80");
  EXPECT_THAT(attempts_.log, ElementsAre("[2001:db8::1]:80 at 0", "10.0.0.1:80 at 400",
                                         "[2001:db8::1]:80 given up at 401"));
}

TEST_F(ConnectionRaceTest, TheAddressThatWasGoodLastTimeGoesFirstAndAtOnce) {
  attempts_.plans["10.0.0.2:80"] = {.takes = absl::Milliseconds(1)};
  ConnectionRace::Options options;
  options.preferred = Host("10.0.0.2").WithPort(80);
  EXPECT_EQ(harness_.Run(Race({{absl::ZeroDuration(), AF_INET, {"10.0.0.1", "10.0.0.2"}},
                               {absl::Seconds(1), AF_INET6, {"2001:db8::1"}}},
                              options)),
            "10.0.0.2:80");
  EXPECT_THAT(attempts_.log, ElementsAre("10.0.0.2:80 at 0"));
}

TEST_F(ConnectionRaceTest, AnErrorListsAllAttempts) {
  attempts_.plans["[2001:db8::1]:80"] = {.takes = absl::Milliseconds(300), .error = EHOSTUNREACH};
  attempts_.plans["10.0.0.1:80"] = {.takes = absl::Milliseconds(1), .error = ECONNREFUSED};
  const std::string error = harness_.Run(Race({{absl::ZeroDuration(), AF_INET6, {"2001:db8::1"}},
                                               {absl::ZeroDuration(), AF_INET, {"10.0.0.1"}}}));
  EXPECT_THAT(error, HasSubstr("connect to host.test:80: 2 attempts failed: connect to "
                               "10.0.0.1:80: Connection refused (ECONNREFUSED); connect to "
                               "[2001:db8::1]:80: No route to host (EHOSTUNREACH)"));
  EXPECT_EQ(GetErrno(status_), ECONNREFUSED);
}

TEST_F(ConnectionRaceTest, WithoutAnAddressTheLookupSaysWhy) {
  EXPECT_EQ(harness_.Run(Race({}, {}, absl::NotFoundError("no such name"))), "no such name");
  EXPECT_THAT(harness_.Run(Race({{absl::ZeroDuration(), AF_INET6, {}}})),
              HasSubstr("there is no address"));
}

TEST_F(ConnectionRaceTest, AttemptsABoundedNumberOfAddressesOnceEach) {
  ConnectionRace::Options options;
  options.max_addresses = 3;
  std::vector<std::string> hosts = {"10.0.0.1", "10.0.0.1"};
  for (int i = 1; i < 20; ++i) {
    hosts.push_back(absl::StrCat("10.0.0.", i));
    attempts_.plans[absl::StrCat("10.0.0.", i, ":80")] = {.takes = absl::Seconds(1),
                                                          .error = ECONNREFUSED};
  }
  EXPECT_THAT(
      harness_.Run(Race(
          {{absl::ZeroDuration(), AF_INET6, {}}, {absl::ZeroDuration(), AF_INET, hosts}}, options)),
      HasSubstr("3 attempts failed"));
  EXPECT_THAT(attempts_.log,
              ElementsAre("10.0.0.1:80 at 0", "10.0.0.2:80 at 250", "10.0.0.3:80 at 500"));
}

TEST_F(ConnectionRaceTest, ADeadlineEndsEverything) {
  harness_.Run([this]() -> Task<void> {
    const auto late = co_await WithTimeout(
        absl::Milliseconds(300),
        Race({{absl::ZeroDuration(), AF_INET6, {"2001:db8::1", "2001:db8::2"}}}));
    EXPECT_TRUE(late.ok());
    EXPECT_TRUE(absl::IsDeadlineExceeded(status_)) << status_;
  }());
  EXPECT_EQ(attempts_.log.size(), 4u);  // two begin, and both are given up
}

}  // namespace
}  // namespace pelton::testing
