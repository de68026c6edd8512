// Resolver against a name server that answers as it should.

#include "io/names/resolver.h"

#include <gmock/gmock.h>

#include <fstream>

#include "tests/conformance/resolver_test.h"

namespace pelton::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

class ResolverTest : public ResolverTestBase {
 protected:
  // A file of the test's own.
  static std::string NewFile(const std::string& text) {
    std::string path = ::testing::TempDir() + "/names.XXXXXX";
    const int fd = ::mkstemp(path.data());
    PELTON_CHECK(fd >= 0);
    SendFile(fd, text);
    return path;
  }
  static void Replace(const std::string& path, const std::string& text) {
    const std::string fresh = NewFile(text);
    PELTON_CHECK(std::rename(fresh.c_str(), path.c_str()) == 0);
  }

 private:
  static void SendFile(int fd, const std::string& text) {
    PELTON_CHECK(::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    ::close(fd);
  }
};

TEST_F(ResolverTest, FindsTheAddressesOfBothFamilies) {
  server().AddAddress("host.test", "127.0.0.5");
  server().AddAddress("host.test", "127.0.0.6");
  server().AddAddress("host.test", "::1");
  Run([&]() -> Task<absl::Status> {
    Resolver resolver(Options());
    PELTON_CO_ASSIGN_OR_RETURN(ResolvedAddresses addresses,
                               co_await resolver.Resolve("Host.Test", 80));
    EXPECT_THAT(Texts(addresses), ElementsAre("[::1]:80", "127.0.0.5:80", "127.0.0.6:80"));
    PELTON_CO_ASSIGN_OR_RETURN(addresses,
                               co_await resolver.Resolve("host.test.", 81, AddressFamily::kIpv4));
    EXPECT_THAT(Texts(addresses), ElementsAre("127.0.0.5:81", "127.0.0.6:81"));
    EXPECT_EQ(server().total(), 2u);
    EXPECT_EQ(resolver.statistics().hits, 1u);
    EXPECT_EQ(resolver.statistics().misses, 2u);
    EXPECT_EQ(resolver.statistics().queries, 2u);
    EXPECT_EQ(resolver.statistics().retries, 0u);
    co_return absl::OkStatus();
  });
}

TEST_F(ResolverTest, AsksNobodyForAddressesAndLocalhost) {
  Run([&]() -> Task<absl::Status> {
    Resolver resolver(Options());
    PELTON_CO_ASSIGN_OR_RETURN(ResolvedAddresses addresses, co_await resolver.Resolve("::1", 1));
    EXPECT_THAT(Texts(addresses), ElementsAre("[::1]:1"));
    PELTON_CO_ASSIGN_OR_RETURN(addresses, co_await resolver.Resolve("fe80::1%lo", 2));
    EXPECT_THAT(Texts(addresses), ElementsAre("[fe80::1%lo]:2"));
    PELTON_CO_ASSIGN_OR_RETURN(addresses, co_await resolver.Resolve("10.0.0.1", "http"));
    EXPECT_THAT(Texts(addresses), ElementsAre("10.0.0.1:80"));
    PELTON_CO_ASSIGN_OR_RETURN(addresses, co_await resolver.Resolve("a.localhost", 3));
    EXPECT_THAT(Texts(addresses), UnorderedElementsAre("[::1]:3", "127.0.0.1:3"));
    EXPECT_EQ(server().total(), 0u);
    co_return absl::OkStatus();
  });
}

TEST_F(ResolverTest, SaysWhatIsWrongWithAName) {
  Run([&]() -> Task<absl::Status> {
    Resolver resolver(Options());
    const auto error_of = [&](std::string name) -> Task<std::string> {
      const absl::StatusOr<ResolvedAddresses> result = co_await resolver.Resolve(name, 80);
      EXPECT_TRUE(absl::IsInvalidArgument(result.status())) << result.status();
      co_return std::string(result.status().message());
    };
    EXPECT_THAT(co_await error_of(""), HasSubstr("is empty"));
    EXPECT_THAT(co_await error_of("a..test"), HasSubstr("an empty label"));
    EXPECT_THAT(co_await error_of("a b.test"), HasSubstr("the character \" \""));
    EXPECT_THAT(co_await error_of("b\xc3\xbc"
                                  "cher.test"),
                HasSubstr("xn--"));
    EXPECT_THAT(co_await error_of(std::string(64, 'a')), HasSubstr("64 characters"));
    EXPECT_THAT(co_await error_of("1.2.3"), HasSubstr("not a numeric address"));
    const absl::StatusOr<ResolvedAddresses> unknown =
        co_await resolver.Resolve("10.0.0.1", "no-such-service");
    EXPECT_TRUE(absl::IsNotFound(unknown.status())) << unknown.status();
    EXPECT_EQ(server().total(), 0u);
    co_return absl::OkStatus();
  });
}

TEST_F(ResolverTest, KeepsThatThereIsNoSuchName) {
  Run([&]() -> Task<absl::Status> {
    Resolver resolver(Options());
    for (int round = 0; round < 3; ++round) {
      const absl::StatusOr<ResolvedAddresses> result = co_await resolver.Resolve("no.test", 80);
      EXPECT_TRUE(absl::IsNotFound(result.status())) << result.status();
      EXPECT_THAT(std::string(result.status().message()), HasSubstr("resolve no.test"));
      EXPECT_THAT(std::string(result.status().message()), HasSubstr(server().address().ToString()));
    }
    EXPECT_EQ(server().questions("no.test"), 2u);  // A and AAAA, once
    server().SetNegativeSeconds(std::nullopt);
    for (int round = 0; round < 2; ++round) {
      const auto result = co_await resolver.Resolve("never.test", 80, AddressFamily::kIpv4);
      EXPECT_TRUE(absl::IsNotFound(result.status())) << result.status();
    }
    EXPECT_EQ(server().questions("never.test"), 2u);
    co_return absl::OkStatus();
  });
}

TEST_F(ResolverTest, FollowsAliases) {
  server().AddAlias("www.test", "cdn.test");
  server().AddAlias("cdn.test", "edge.test");
  server().AddAddress("edge.test", "127.0.0.9");
  server().AddAlias("round.test", "about.test");
  server().AddAlias("about.test", "round.test");
  Run([&]() -> Task<absl::Status> {
    Resolver resolver(Options());
    PELTON_CO_ASSIGN_OR_RETURN(ResolvedAddresses addresses,
                               co_await resolver.Resolve("www.test", 1));
    EXPECT_THAT(Texts(addresses), ElementsAre("127.0.0.9:1"));
    const auto loop = co_await resolver.Resolve("round.test", 1);
    EXPECT_TRUE(absl::IsUnavailable(loop.status())) << loop.status();
    EXPECT_THAT(std::string(loop.status().message()), HasSubstr("aliases"));
    co_return absl::OkStatus();
  });
}

TEST_F(ResolverTest, FindsServicesTextsMailAndNames) {
  server().AddService("_x._tcp.test", {.priority = 2, .weight = 0, .port = 3, .target = "b.test"});
  server().AddService("_x._tcp.test", {.priority = 1, .weight = 5, .port = 2, .target = "a.test"});
  server().AddText("text.test", {"one ", "text"});
  server().AddText("text.test", {std::string("\0\xff", 2)});
  server().AddMail("mail.test", {.preference = 20, .exchange = "late.test"});
  server().AddMail("mail.test", {.preference = 10, .exchange = "early.test"});
  server().AddPointer("7.0.0.127.in-addr.arpa", "seven.test");
  Run([&]() -> Task<absl::Status> {
    Resolver resolver(Options());
    PELTON_CO_ASSIGN_OR_RETURN(auto services, co_await resolver.LookUpServices("_x._tcp.test"));
    EXPECT_THAT(services,
                ElementsAre(SrvRecord{.priority = 1, .weight = 5, .port = 2, .target = "a.test"},
                            SrvRecord{.priority = 2, .weight = 0, .port = 3, .target = "b.test"}));
    PELTON_CO_ASSIGN_OR_RETURN(auto texts, co_await resolver.LookUpTexts("text.test"));
    EXPECT_THAT(texts, ElementsAre("one text", std::string("\0\xff", 2)));
    PELTON_CO_ASSIGN_OR_RETURN(auto mail, co_await resolver.LookUpMailExchanges("mail.test"));
    EXPECT_THAT(mail, ElementsAre(MxRecord{.preference = 10, .exchange = "early.test"},
                                  MxRecord{.preference = 20, .exchange = "late.test"}));
    PELTON_CO_ASSIGN_OR_RETURN(auto address, SocketAddress::Parse("127.0.0.7:9"));
    PELTON_CO_ASSIGN_OR_RETURN(auto names, co_await resolver.LookUpNames(address));
    EXPECT_THAT(names, ElementsAre("seven.test"));
    const auto none = co_await resolver.LookUpTexts("mail.test");
    EXPECT_TRUE(absl::IsNotFound(none.status())) << none.status();
    EXPECT_THAT(std::string(none.status().message()), HasSubstr("no such records"));
    co_return absl::OkStatus();
  });
}

TEST_F(ResolverTest, SearchesInDomains) {
  server().AddAddress("host.a.test", "127.0.0.2");
  server().AddAddress("host.b.test", "127.0.0.3");
  server().AddAddress("x.y", "127.0.0.4");
  Run([&]() -> Task<absl::Status> {
    Resolver::Options options = Options();
    options.search = {"none.test", "b.test", "a.test"};
    Resolver resolver(options);
    PELTON_CO_ASSIGN_OR_RETURN(ResolvedAddresses addresses, co_await resolver.Resolve("host", 1));
    EXPECT_THAT(Texts(addresses), ElementsAre("127.0.0.3:1"));
    EXPECT_EQ(server().questions("host.none.test"), 2u);
    EXPECT_EQ(server().questions("host"), 0u);  // would be the last, with less dots than `ndots`
    PELTON_CO_ASSIGN_OR_RETURN(addresses, co_await resolver.Resolve("x.y", 1));
    EXPECT_EQ(server().questions("x.y.none.test"), 0u);
    const auto absolute = co_await resolver.Resolve("host.", 1);
    EXPECT_TRUE(absl::IsNotFound(absolute.status())) << absolute.status();
    co_return absl::OkStatus();
  });
}

TEST_F(ResolverTest, GoesByItsFilesAndSeesWhenTheyChange) {
  DnsServer second;
  server().AddAddress("host.test", "127.0.0.2");
  Run([&]() -> Task<absl::Status> {
    const std::string hosts = NewFile("10.1.1.1 box box.test # a comment\n::7 box\n");
    Resolver::Options options = Options();
    options.hosts = hosts;
    options.resolv_conf = NewFile("search test\noptions ndots:2\n");
    options.reload_interval = absl::ZeroDuration();
    Resolver resolver(options);
    PELTON_CO_ASSIGN_OR_RETURN(ResolvedAddresses addresses, co_await resolver.Resolve("box", 1));
    EXPECT_THAT(Texts(addresses), UnorderedElementsAre("10.1.1.1:1", "[::7]:1"));
    PELTON_CO_ASSIGN_OR_RETURN(auto names, co_await resolver.LookUpNames(addresses[0]));
    EXPECT_EQ(names[0], "box");
    EXPECT_EQ(server().total(), 0u);
    PELTON_CO_ASSIGN_OR_RETURN(addresses, co_await resolver.Resolve("host", 1));
    EXPECT_THAT(Texts(addresses), ElementsAre("127.0.0.2:1"));
    EXPECT_EQ(resolver.statistics().file_loads, 1u);

    Replace(hosts, "10.2.2.2 box");
    PELTON_CO_ASSIGN_OR_RETURN(addresses, co_await resolver.Resolve("box", 1));
    EXPECT_THAT(Texts(addresses), ElementsAre("10.2.2.2:1"));
    EXPECT_GT(resolver.statistics().cached, 0u);
    Replace(options.resolv_conf, "search none.test\n");
    const auto lost = co_await resolver.Resolve("host", 1);
    EXPECT_TRUE(absl::IsNotFound(lost.status())) << lost.status();
    EXPECT_EQ(resolver.statistics().file_loads, 3u);
    EXPECT_EQ(resolver.statistics().file_errors, 0u);
    co_return absl::OkStatus();
  });
}

TEST_F(ResolverTest, SaysWhichFileItCannotRead) {
  Run([&]() -> Task<absl::Status> {
    Resolver::Options options = Options();
    options.resolv_conf = ::testing::TempDir();
    Resolver resolver(options);
    const auto result = co_await resolver.Resolve("host.test", 1);
    EXPECT_TRUE(absl::IsFailedPrecondition(result.status())) << result.status();
    EXPECT_THAT(std::string(result.status().message()), HasSubstr(::testing::TempDir()));
    EXPECT_EQ(resolver.files_status(), result.status());

    // No file at all is an empty one.
    options.resolv_conf = ::testing::TempDir() + "/no-such-file";
    Resolver other(options);
    server().AddAddress("host.test", "127.0.0.2");
    PELTON_CO_ASSIGN_OR_RETURN(ResolvedAddresses addresses, co_await other.Resolve("host.test", 1));
    EXPECT_THAT(Texts(addresses), ElementsAre("127.0.0.2:1"));
    co_return absl::OkStatus();
  });
}

}  // namespace
}  // namespace pelton::testing
