// The resolver in virtual time, without sockets: what it keeps for how long, and what is shared.

#include "io/names/resolver_core.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "framework/base/status.h"
#include "io/names/resolver.h"
#include "sched/deadline.h"
#include "sched/sleep.h"
#include "sched/when.h"
#include "tests/io/names/fake_upstream.h"
#include "tests/support/task_harness.h"

namespace pelton::testing {
namespace {

using io::RecordType;
using ::testing::HasSubstr;

const std::string kAddressData = "\x7f\x01\x02\x03";
const std::string kAddress6Data = std::string(15, '\0') + '\1';

class ResolverCoreTest : public ::testing::Test {
 protected:
  static Resolver::Options Options() {
    Resolver::Options options;
    options.resolv_conf = "";
    options.hosts = "";
    return options;
  }
  // The address; "" when there is no such name.
  static Task<std::string> AddressOf(Resolver& resolver, std::string name) {
    const auto addresses = co_await resolver.Resolve(name, 1, AddressFamily::kIpv4);
    if (!addresses.ok()) EXPECT_TRUE(absl::IsNotFound(addresses.status())) << addresses.status();
    co_return addresses.ok() ? addresses->at(0).ToString() : "";
  }

  TaskHarness harness_;
  FakeZone zone_;
};

TEST_F(ResolverCoreTest, AnswersAreKeptForTheirTimeToLive) {
  zone_.Add("a.test", RecordType::kAddress, kAddressData, /*seconds=*/60);
  harness_.Run([](FakeZone& zone) -> Task<void> {
    Resolver resolver(Options(), zone.Factory());
    EXPECT_EQ(co_await AddressOf(resolver, "a.test"), "127.1.2.3:1");
    EXPECT_TRUE((co_await SleepFor(absl::Seconds(59))).ok());
    EXPECT_EQ(co_await AddressOf(resolver, "a.test"), "127.1.2.3:1");
    EXPECT_EQ(zone.asked, 1);
    EXPECT_TRUE((co_await SleepFor(absl::Seconds(2))).ok());
    EXPECT_EQ(co_await AddressOf(resolver, "a.test"), "127.1.2.3:1");
    EXPECT_EQ(zone.asked, 2);
    EXPECT_EQ(resolver.statistics().hits, 1u);
    EXPECT_EQ(resolver.statistics().misses, 2u);
  }(zone_));
}

TEST_F(ResolverCoreTest, ANoIsKeptForItsTimeAndNoLongerThanTheOptionSays) {
  zone_.Add("short.test", RecordType::kAddress, "", /*seconds=*/5);
  zone_.Add("long.test", RecordType::kAddress, "", /*seconds=*/100'000);
  harness_.Run([](FakeZone& zone) -> Task<void> {
    Resolver resolver(Options(), zone.Factory());
    EXPECT_EQ(co_await AddressOf(resolver, "short.test"), "");
    EXPECT_EQ(co_await AddressOf(resolver, "long.test"), "");
    EXPECT_TRUE((co_await SleepFor(absl::Seconds(4))).ok());
    EXPECT_EQ(co_await AddressOf(resolver, "short.test"), "");
    EXPECT_EQ(zone.asked, 2);
    EXPECT_TRUE((co_await SleepFor(absl::Seconds(2))).ok());
    EXPECT_EQ(co_await AddressOf(resolver, "short.test"), "");
    EXPECT_EQ(zone.asked, 3);
    EXPECT_TRUE((co_await SleepFor(absl::Minutes(5))).ok());
    EXPECT_EQ(co_await AddressOf(resolver, "long.test"), "");
    EXPECT_EQ(zone.asked, 4);
  }(zone_));
}

TEST_F(ResolverCoreTest, FailuresAreNotKept) {
  zone_.Fail("a.test", RecordType::kAddress, absl::DeadlineExceededError("no server answered"));
  harness_.Run([](FakeZone& zone) -> Task<void> {
    Resolver resolver(Options(), zone.Factory());
    for (int round = 1; round <= 2; ++round) {
      const auto result = co_await resolver.Resolve("a.test", 1, AddressFamily::kIpv4);
      EXPECT_TRUE(absl::IsDeadlineExceeded(result.status())) << result.status();
      EXPECT_EQ(result.status().message(),
                "resolve a.test (A): no server answered (asked the fake)");
      EXPECT_EQ(zone.asked, round);
    }
    EXPECT_EQ(resolver.statistics().failures, 2u);
  }(zone_));
}

TEST_F(ResolverCoreTest, WaitersShareAQuestionThoughItIsNotKept) {
  zone_.Add("a.test", RecordType::kAddress, kAddressData, /*seconds=*/0);
  harness_.Run([](FakeZone& zone) -> Task<void> {
    Resolver resolver(Options(), zone.Factory());
    const auto [first, second] =
        co_await WhenAll(AddressOf(resolver, "a.test"), AddressOf(resolver, "A.TEST."));
    EXPECT_EQ(first, "127.1.2.3:1");
    EXPECT_EQ(second, first);
    EXPECT_EQ(zone.asked, 1);
    EXPECT_EQ(resolver.statistics().joined, 1u);
    EXPECT_EQ(resolver.statistics().cached, 0u);
  }(zone_));
}

TEST_F(ResolverCoreTest, OneWaiterTimesOutAndTheOthersDoNot) {
  zone_.Add("a.test", RecordType::kAddress, kAddressData, 60, absl::Seconds(3));
  harness_.Run([](FakeZone& zone) -> Task<void> {
    Resolver resolver(Options(), zone.Factory());
    const auto [late, patient] = co_await WhenAll(
        WithTimeout(absl::Seconds(1), resolver.Resolve("a.test", 1, AddressFamily::kIpv4)),
        AddressOf(resolver, "a.test"));
    EXPECT_TRUE(absl::IsDeadlineExceeded(late.status())) << late.status();
    EXPECT_EQ(patient, "127.1.2.3:1");
    EXPECT_EQ(zone.asked, 1);
  }(zone_));
}

TEST_F(ResolverCoreTest, OneFamilyIsEnough) {
  zone_.Add("a.test", RecordType::kAddress6, kAddress6Data, 60);
  zone_.Fail("a.test", RecordType::kAddress, absl::UnavailableError("SERVFAIL"));
  zone_.Add("b.test", RecordType::kAddress6, "", 60);
  zone_.Fail("b.test", RecordType::kAddress, absl::UnavailableError("SERVFAIL"));
  harness_.Run([](FakeZone& zone) -> Task<void> {
    Resolver resolver(Options(), zone.Factory());
    const auto found = co_await resolver.Resolve("a.test", 1);
    EXPECT_TRUE(found.ok() && found->size() == 1) << found.status();
    // Whether this one exists is not known.
    const auto unknown = co_await resolver.Resolve("b.test", 1);
    EXPECT_TRUE(absl::IsUnavailable(unknown.status())) << unknown.status();
  }(zone_));
}

TEST_F(ResolverCoreTest, SearchesOnAfterAFailureAndNotAfterSilence) {
  zone_.Fail("a.one.test", RecordType::kAddress, absl::UnavailableError("SERVFAIL"));
  zone_.Add("a.two.test", RecordType::kAddress, kAddressData, 60);
  zone_.Fail("b.one.test", RecordType::kAddress, absl::DeadlineExceededError("silence"));
  harness_.Run([](FakeZone& zone) -> Task<void> {
    Resolver::Options options = Options();
    options.search = {"one.test", "two.test"};
    Resolver resolver(options, zone.Factory());
    EXPECT_EQ(co_await AddressOf(resolver, "a"), "127.1.2.3:1");
    const auto silent = co_await resolver.Resolve("b", 1, AddressFamily::kIpv4);
    EXPECT_TRUE(absl::IsDeadlineExceeded(silent.status())) << silent.status();
    EXPECT_EQ(zone.asked, 3);
  }(zone_));
}

TEST_F(ResolverCoreTest, ADestroyedResolverTellsWhoeverWaits) {
  zone_.Add("a.test", RecordType::kAddress, kAddressData, 60, absl::Hours(1));
  harness_.Run([](FakeZone& zone) -> Task<void> {
    std::optional<Resolver> resolver(std::in_place, Options(), zone.Factory());
    std::optional<absl::Status> outcome;
    TaskScope scope;
    scope.Spawn([](Resolver& asked, std::optional<absl::Status>& told) -> Task<void> {
      told = (co_await asked.Resolve("a.test", 1, AddressFamily::kIpv4)).status();
    }(*resolver, outcome));
    EXPECT_TRUE((co_await SleepFor(absl::Seconds(1))).ok());
    // One that has not begun, and will find nobody.
    Task<absl::StatusOr<ResolvedAddresses>> later = resolver->Resolve("a.test", 1);
    resolver.reset();
    EXPECT_TRUE((co_await scope.Join()).ok());
    EXPECT_TRUE(outcome.has_value() && absl::IsCancelled(*outcome)) << *outcome;
    EXPECT_TRUE(absl::IsCancelled((co_await std::move(later)).status()));
  }(zone_));
}

}  // namespace
}  // namespace pelton::testing
