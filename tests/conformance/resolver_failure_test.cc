// Resolver against name servers that lie, keep silent, refuse, and are gone; and tasks that give up.

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <optional>

#include "absl/strings/str_cat.h"
#include "framework/base/status.h"
#include "io/names/cares_channel.h"
#include "io/names/resolver.h"
#include "sched/deadline.h"
#include "sched/preemption.h"
#include "sched/task_scope.h"
#include "tests/conformance/resolver_test.h"

namespace pelton::testing {
namespace {

using io::RecordType;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ResolverFailureTest : public ResolverTestBase {
 protected:
  static Task<absl::StatusOr<ResolvedAddresses>> Ask(Resolver& resolver, std::string_view name) {
    return resolver.Resolve(name, 1, AddressFamily::kIpv4);
  }
  static void Write(const std::string& path, const char* text) {
    std::FILE* file = std::fopen(path.c_str(), "w");
    PELTON_CHECK(file != nullptr && std::fputs(text, file) >= 0 && std::fclose(file) == 0);
  }
  // Keeps what comes of asking.
  static Task<absl::Status> AskInto(Resolver& resolver, std::string name,
                                    std::optional<absl::Status>* outcome) {
    *outcome = (co_await Ask(resolver, name)).status();
    co_return absl::OkStatus();
  }
};

TEST_F(ResolverFailureTest, BelievesNoLies) {
  const DnsBehaviour lies[] = {DnsBehaviour::kWrongNumber, DnsBehaviour::kWrongQuestion,
                               DnsBehaviour::kGarbage, DnsBehaviour::kEmptyDatagram,
                               DnsBehaviour::kFlood};
  Run([&]() -> Task<absl::Status> {
    Resolver::Options options = Options();
    options.attempts = 1;
    for (const DnsBehaviour lie : lies) {
      const std::string name = absl::StrCat("lie", static_cast<int>(lie), ".test");
      server().AddAddress(name, "127.0.0.2");
      server().Behave(name, lie);
      Resolver resolver(options);
      const auto addresses = co_await Ask(resolver, name);
      EXPECT_TRUE(addresses.ok()) << name << ": " << addresses.status();
      if (addresses.ok()) EXPECT_THAT(Texts(*addresses), ElementsAre("127.0.0.2:1"));
      EXPECT_EQ(resolver.statistics().timeouts, 0u);
    }
    co_return absl::OkStatus();
  });
}

TEST_F(ResolverFailureTest, SaysThatAnAnswerCannotBeRead) {
  const DnsBehaviour broken[] = {DnsBehaviour::kNameLoop, DnsBehaviour::kShort,
                                 DnsBehaviour::kLongAddress};
  Run([&]() -> Task<absl::Status> {
    Resolver resolver(Options());
    for (const DnsBehaviour behaviour : broken) {
      const std::string name = absl::StrCat("broken", static_cast<int>(behaviour), ".test");
      server().Behave(name, behaviour);
      const auto result = co_await Ask(resolver, name);
      EXPECT_TRUE(absl::IsUnavailable(result.status())) << result.status();
      EXPECT_THAT(std::string(result.status().message()), HasSubstr("malformed answer"));
      EXPECT_THAT(std::string(result.status().message()), HasSubstr(name));
    }
    EXPECT_EQ(resolver.statistics().cached, 0u);
    EXPECT_EQ(resolver.statistics().failures, 3u);
    co_return absl::OkStatus();
  });
}

TEST_F(ResolverFailureTest, AsksAgainOverTcpWhenAnAnswerIsTooLong) {
  for (int i = 1; i <= 60; ++i) server().AddAddress("long.test", absl::StrCat("127.0.1.", i));
  server().Behave("long.test", DnsBehaviour::kTruncate);
  Run([&]() -> Task<absl::Status> {
    Resolver resolver(Options());
    PELTON_CO_ASSIGN_OR_RETURN(ResolvedAddresses addresses, co_await Ask(resolver, "long.test"));
    EXPECT_EQ(addresses.size(), 60u);
    EXPECT_EQ(server().tcp_questions(), 1u);
    EXPECT_EQ(resolver.statistics().retries, 1u);
    co_return absl::OkStatus();
  });
}

TEST_F(ResolverFailureTest, AsksTheNextServerWhenOneFails) {
  DnsServer broken;
  server().AddAddress("host.test", "127.0.0.2");
  server().AddAddress("other.test", "127.0.0.3");
  broken.Behave("host.test", DnsBehaviour::kServerFailure);
  broken.Behave("other.test", DnsBehaviour::kRefuse);
  Run([&]() -> Task<absl::Status> {
    Resolver::Options options = Options();
    options.servers = {broken.address(), server().address()};
    Resolver resolver(options);
    PELTON_CO_ASSIGN_OR_RETURN(ResolvedAddresses addresses, co_await Ask(resolver, "host.test"));
    EXPECT_THAT(Texts(addresses), ElementsAre("127.0.0.2:1"));
    PELTON_CO_ASSIGN_OR_RETURN(addresses, co_await Ask(resolver, "other.test"));
    EXPECT_THAT(Texts(addresses), ElementsAre("127.0.0.3:1"));
    co_return absl::OkStatus();
  });
}

TEST_F(ResolverFailureTest, NamesTheServersThatFail) {
  server().Behave("fails.test", DnsBehaviour::kServerFailure);
  server().Behave("refused.test", DnsBehaviour::kRefuse);
  const Listener nobody = BindOnLoopback();  // over TCP: nothing is there over UDP
  Run([&]() -> Task<absl::Status> {
    Resolver resolver(Options());
    for (const char* name : {"fails.test", "refused.test"}) {
      const auto result = co_await Ask(resolver, name);
      EXPECT_TRUE(absl::IsUnavailable(result.status())) << result.status();
      EXPECT_THAT(std::string(result.status().message()), HasSubstr(name));
      EXPECT_THAT(std::string(result.status().message()), HasSubstr(server().address().ToString()));
    }
    Resolver::Options options = Options();
    options.servers = {nobody.address};
    Resolver lonely(options);
    const auto result = co_await Ask(lonely, "host.test");
    EXPECT_TRUE(absl::IsUnavailable(result.status())) << result.status();
    EXPECT_THAT(std::string(result.status().message()), HasSubstr(nobody.address.ToString()));
    co_return absl::OkStatus();
  });
}

TEST_F(ResolverFailureTest, AsksAgainWhenAnAnswerIsLostAndGivesUpInTime) {
  server().AddAddress("lost.test", "127.0.0.2");
  server().Behave("lost.test", DnsBehaviour::kDrop, /*times=*/1);
  server().Behave("silent.test", DnsBehaviour::kDrop);
  Run([&]() -> Task<absl::Status> {
    Resolver::Options options = Options();
    options.timeout = absl::Milliseconds(20);
    options.attempts = 2;
    Resolver resolver(options);
    PELTON_CO_ASSIGN_OR_RETURN(ResolvedAddresses addresses, co_await Ask(resolver, "lost.test"));
    EXPECT_THAT(Texts(addresses), ElementsAre("127.0.0.2:1"));
    EXPECT_EQ(resolver.statistics().timeouts, 1u);
    EXPECT_EQ(resolver.statistics().retries, 1u);
    const auto silent = co_await Ask(resolver, "silent.test");
    EXPECT_TRUE(absl::IsDeadlineExceeded(silent.status())) << silent.status();
    EXPECT_THAT(std::string(silent.status().message()), HasSubstr("silent.test"));
    EXPECT_THAT(std::string(silent.status().message()), HasSubstr(server().address().ToString()));
    EXPECT_EQ(server().questions("silent.test"), 2u);
    co_return absl::OkStatus();
  });
}

TEST_F(ResolverFailureTest, ManyTasksShareAQuestionAndOneMayGiveUp) {
  constexpr int kTasks = 10;
  server().AddAddress("host.test", "127.0.0.2");
  server().Behave("host.test", DnsBehaviour::kHold);
  Run([&]() -> Task<absl::Status> {
    Resolver resolver(Options());
    std::optional<absl::Status> outcomes[kTasks];
    std::optional<absl::Status> given_up;
    TaskScope quitter;
    TaskScope scope;
    quitter.Spawn(AskInto(resolver, "host.test", &given_up));
    // pelton: bounded by kTasks
    for (auto& outcome : outcomes) scope.Spawn(AskInto(resolver, "host.test", &outcome));
    co_await AwaitHeld(1);
    quitter.Cancel();
    PELTON_CO_RETURN_IF_ERROR(co_await quitter.Join());
    EXPECT_TRUE(given_up.has_value() && absl::IsCancelled(*given_up));
    EXPECT_EQ(resolver.statistics().in_flight, 1u);
    server().Release();
    PELTON_CO_RETURN_IF_ERROR(co_await scope.Join());
    // pelton: bounded by kTasks
    for (const auto& outcome : outcomes) EXPECT_TRUE(outcome.has_value() && outcome->ok());
    EXPECT_EQ(server().questions("host.test"), 1u);
    EXPECT_EQ(resolver.statistics().joined, uint64_t{kTasks});
    co_return absl::OkStatus();
  });
}

TEST_F(ResolverFailureTest, KeepsTheAnswerThatCameTooLateForItsDeadline) {
  server().AddAddress("host.test", "127.0.0.2");
  server().Behave("host.test", DnsBehaviour::kHold);
  Run([&]() -> Task<absl::Status> {
    Resolver resolver(Options());
    const auto late = co_await WithTimeout(absl::Milliseconds(5), Ask(resolver, "host.test"));
    EXPECT_TRUE(absl::IsDeadlineExceeded(late.status())) << late.status();
    co_await AwaitHeld(1);
    server().Release();
    while (resolver.statistics().in_flight > 0) co_await NextTurn();
    PELTON_CO_ASSIGN_OR_RETURN(ResolvedAddresses addresses, co_await Ask(resolver, "host.test"));
    EXPECT_THAT(Texts(addresses), ElementsAre("127.0.0.2:1"));
    EXPECT_EQ(server().questions("host.test"), 1u);
    co_return absl::OkStatus();
  });
}

TEST_F(ResolverFailureTest, RefusesMoreQuestionsThanItsLimit) {
  server().Behave("a.test", DnsBehaviour::kHold);
  server().Behave("b.test", DnsBehaviour::kHold);
  Run([&]() -> Task<absl::Status> {
    Resolver::Options options = Options();
    options.most_queries = 2;
    Resolver resolver(options);
    std::optional<absl::Status> outcomes[2];
    TaskScope scope;
    scope.Spawn(AskInto(resolver, "a.test", &outcomes[0]));
    scope.Spawn(AskInto(resolver, "b.test", &outcomes[1]));
    co_await AwaitHeld(2);
    const auto refused = co_await Ask(resolver, "c.test");
    EXPECT_TRUE(absl::IsResourceExhausted(refused.status())) << refused.status();
    scope.Cancel();
    co_return co_await scope.Join();
  });
}

// A destroyed resolver leaves nothing behind: the fixture checks that nothing is in flight.
TEST_F(ResolverFailureTest, MayBeDestroyedWhileTasksWait) {
  server().Behave("host.test", DnsBehaviour::kHold);
  Run([&]() -> Task<absl::Status> {
    for (const bool over_tcp : {false, true}) {
      Resolver::Options options = Options();
      if (over_tcp) {
        options.resolv_conf = ::testing::TempDir() + "/use-vc";
        // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
        Write(options.resolv_conf, "options use-vc\n");
      }
      std::optional<Resolver> resolver(options);
      std::optional<absl::Status> outcome;
      TaskScope scope;
      scope.Spawn(AskInto(*resolver, "host.test", &outcome));
      co_await AwaitHeld(over_tcp ? 2 : 1);
      resolver.reset();
      PELTON_CO_RETURN_IF_ERROR(co_await scope.Join());
      EXPECT_TRUE(outcome.has_value() && absl::IsCancelled(*outcome)) << *outcome;
      EXPECT_THAT(std::string(outcome->message()), HasSubstr("destroyed"));
    }
    EXPECT_EQ(server().tcp_questions(), 1u);
    co_return absl::OkStatus();
  });
}

TEST_F(ResolverFailureTest, MayBeDestroyedWhileItReadsItsFiles) {
  Run([&]() -> Task<absl::Status> {
    Resolver::Options options = Options();
    options.hosts = "/etc/hosts";
    std::optional<Resolver> resolver(options);
    std::optional<absl::Status> outcome;
    TaskScope scope;
    scope.Spawn(AskInto(*resolver, "host.test", &outcome));
    co_await Yield();
    resolver.reset();
    PELTON_CO_RETURN_IF_ERROR(co_await scope.Join());
    EXPECT_TRUE(outcome.has_value() && absl::IsCancelled(*outcome)) << *outcome;
    co_return absl::OkStatus();
  });
}

TEST_F(ResolverFailureTest, IsDestroyedWithQuestionsInFlightAtAnyMoment) {
  server().AddAddress("host.test", "127.0.0.2");
  Run([&]() -> Task<absl::Status> {
    for (int turns = 0; turns < 60; ++turns) {
      std::optional<Resolver> resolver(Options());
      std::optional<absl::Status> outcome;
      TaskScope scope;
      scope.Spawn(AskInto(*resolver, "host.test", &outcome));
      co_await LetOthersRun(1 + turns / 3);
      resolver.reset();
      PELTON_CO_RETURN_IF_ERROR(co_await scope.Join());
      EXPECT_TRUE(outcome.has_value() && (outcome->ok() || absl::IsCancelled(*outcome)));
    }
    co_return absl::OkStatus();
  });
}

TEST_F(ResolverFailureTest, QuestionsGoToTheNewServersWhenTheyChange) {
  DnsServer silent;
  silent.Behave("host.test", DnsBehaviour::kHold);
  server().AddAddress("host.test", "127.0.0.2");
  Run([&]() -> Task<absl::Status> {
    // resolv.conf names no ports: the upstream is given those of the test's servers.
    std::vector<SocketAddress> servers = {silent.address()};
    Resolver::Options options = Options();
    options.servers.clear();
    options.resolv_conf = ::testing::TempDir() + "/moving-resolv.conf";
    options.reload_interval = absl::ZeroDuration();
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    Write(options.resolv_conf, "options ndots:1\n");
    Resolver resolver(
        options,
        {.make =
             [](void* own, const io::ResolvConf& conf, io::UpstreamStatistics& statistics) {
               io::ResolvConf changed = conf;
               changed.servers = *static_cast<std::vector<SocketAddress>*>(own);
               return io::CaresChannel::Create(changed, statistics);
             },
         .context = &servers});
    std::optional<absl::Status> outcome;
    TaskScope scope;
    scope.Spawn(AskInto(resolver, "host.test", &outcome));
    while (silent.held() == 0) co_await NextTurn();
    servers = {server().address()};
    // NOLINTNEXTLINE(pelton-blocking-call): a test stalls nobody but itself.
    Write(options.resolv_conf, "options ndots:2 timeout:4\n");
    PELTON_CO_ASSIGN_OR_RETURN(ResolvedAddresses addresses, co_await Ask(resolver, "host.test"));
    PELTON_CO_RETURN_IF_ERROR(co_await scope.Join());
    EXPECT_TRUE(outcome.has_value() && outcome->ok()) << *outcome;
    EXPECT_EQ(server().questions("host.test"), 1u);
    co_return absl::OkStatus();
  });
}

TEST_F(ResolverFailureTest, SaysThatThereAreNoDescriptors) {
  server().AddAddress("host.test", "127.0.0.2");
  Run([&]() -> Task<absl::Status> {
    Resolver resolver(Options());
    rlimit before = {};
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const int lowest_free = ::dup(0);
    ::close(lowest_free);
    const rlimit none = {.rlim_cur = static_cast<rlim_t>(lowest_free), .rlim_max = before.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    const auto refused = co_await Ask(resolver, "host.test");
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_EQ(GetErrno(refused.status()), EMFILE) << refused.status();
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr("host.test"));
    PELTON_CO_ASSIGN_OR_RETURN(ResolvedAddresses addresses, co_await Ask(resolver, "host.test"));
    EXPECT_THAT(Texts(addresses), ElementsAre("127.0.0.2:1"));
    co_return absl::OkStatus();
  });
}

TEST_F(ResolverFailureTest, AsksHundredsOfQuestionsAtOnce) {
  constexpr int kNames = 200;
  for (int i = 0; i < kNames; ++i) {
    server().AddAddress(absl::StrCat("n", i, ".test"),
                        absl::StrCat("127.1.", i / 100, ".", i % 100 + 1));
  }
  Run([&]() -> Task<absl::Status> {
    Resolver::Options options = Options();
    options.timeout = absl::Milliseconds(300);  // should the kernel drop some
    options.attempts = 4;
    Resolver resolver(options);
    std::vector<std::optional<absl::Status>> outcomes(kNames);
    TaskScope scope;
    // pelton: bounded by kNames
    for (int i = 0; i < kNames; ++i) {
      scope.Spawn(
          AskInto(resolver, absl::StrCat("n", i, ".test"), &outcomes[static_cast<size_t>(i)]));
    }
    PELTON_CO_RETURN_IF_ERROR(co_await scope.Join());
    // pelton: bounded by kNames
    for (const auto& outcome : outcomes)
      EXPECT_TRUE(outcome.has_value() && outcome->ok()) << *outcome;
    EXPECT_EQ(resolver.statistics().queries, uint64_t{kNames});
    co_return absl::OkStatus();
  });
}

}  // namespace
}  // namespace pelton::testing
