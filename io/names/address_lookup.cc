#include "io/names/address_lookup.h"

#include <sys/socket.h>

#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "framework/base/status.h"
#include "framework/base/strings.h"
#include "io/names/dns_name.h"
#include "io/names/numeric_host.h"
#include "sched/when.h"

namespace pelton::io {
namespace {

bool Wants(AddressFamily wanted, int family) {
  return wanted == AddressFamily::kAny ||
         wanted == (family == AF_INET6 ? AddressFamily::kIpv6 : AddressFamily::kIpv4);
}

const char* FamilyName(AddressFamily family) {
  switch (family) {
    case AddressFamily::kIpv4:
      return "IPv4 ";
    case AddressFamily::kIpv6:
      return "IPv6 ";
    case AddressFamily::kAny:
      break;
  }
  return "";
}

// Hands the wanted ones of `addresses` to the sink. Returns whether there are any.
bool Tell(std::span<const SocketAddress> addresses, AddressFamily wanted, AddressSink& sink) {
  bool any = false;
  for (const int family : {AF_INET6, AF_INET}) {
    std::vector<SocketAddress> of_family;
    for (const SocketAddress& address : addresses) {
      if (address.family() == family && Wants(wanted, family)) of_family.push_back(address);
    }
    any |= !of_family.empty();
    if (Wants(wanted, family)) sink.OnAddresses(family, of_family);
  }
  return any;
}

// RFC 6761 section 6.3: this name never leaves the machine.
bool IsLocalhost(std::string_view name) {
  constexpr std::string_view kName = "localhost";
  if (name.size() < kName.size() || name.substr(name.size() - kName.size()) != kName) return false;
  return name.size() == kName.size() || name[name.size() - kName.size() - 1] == '.';
}

std::vector<SocketAddress> LocalhostAddresses() {
  std::vector<SocketAddress> addresses;
  if (auto ipv6 = ParseNumericHost("::1", 0); ipv6.ok()) addresses.push_back(*ipv6);
  addresses.push_back(SocketAddress::Loopback(0));
  return addresses;
}

// What came of one name.
struct Outcome {
  bool found = false;
  bool exists = false;  // some server knows the name
  absl::Status error;   // no server said yes or no

  void Add(const Outcome& other) {
    found |= other.found;
    exists |= other.exists;
    if (error.ok()) error = other.error;
  }
};

Task<Outcome> AskFamily(ResolverCore& core, std::string name, int family, AddressFamily wanted,
                        AddressSink& sink) {
  Outcome outcome;
  if (!Wants(wanted, family)) co_return outcome;
  const absl::StatusOr<DnsAnswer> answer =
      co_await core.Ask({.type = family == AF_INET6 ? RecordType::kAddress6 : RecordType::kAddress,
                         .name = std::move(name)});
  if (!answer.ok()) {
    outcome.error = answer.status();
    sink.OnAddresses(family, {});
    co_return outcome;
  }
  const auto& addresses = std::get<DnsAnswer::Addresses>(answer->records);
  outcome.found = !addresses.empty();
  outcome.exists = answer->kind != DnsAnswer::Kind::kNoSuchName;
  sink.OnAddresses(family, addresses);
  co_return outcome;
}

// Asks for both families at once.
Task<Outcome> AskName(ResolverCore& core, const std::string& name, AddressFamily wanted,
                      AddressSink& sink) {
  if (wanted != AddressFamily::kAny) {
    const int family = wanted == AddressFamily::kIpv6 ? AF_INET6 : AF_INET;
    co_return co_await AskFamily(core, name, family, wanted, sink);
  }
  auto [ipv6, ipv4] = co_await WhenAll(AskFamily(core, name, AF_INET6, wanted, sink),
                                       AskFamily(core, name, AF_INET, wanted, sink));
  ipv6.Add(ipv4);
  co_return ipv6;
}

// Whether another domain may be tried: a server that fails may only know nothing of this one, while
// one that does not answer would not answer the next question either.
bool MayGoOn(const absl::Status& error) {
  return error.ok() ||
         (absl::IsUnavailable(error) &&
          !Scheduler::Current()->current_context().StoppedFrom(StopPhase::kAccepting));
}

}  // namespace

Task<absl::Status> LookUpAddresses(ResolverCore::Hold core, std::string host, AddressFamily family,
                                   AddressSink& sink) {
  if (LooksNumeric(host)) {
    PELTON_CO_ASSIGN_OR_RETURN(const SocketAddress address, ParseNumericHost(host, 0));
    if (Tell({&address, 1}, family, sink)) co_return absl::OkStatus();
    co_return absl::InvalidArgumentError(absl::StrCat("host ", QuotedName(host),
                                                      " is of another family: expected an ",
                                                      FamilyName(family), "address"));
  }
  PELTON_CO_ASSIGN_OR_RETURN(const DnsName name, ParseDnsName(host));
  if (core->NeedsPreparation()) PELTON_CO_RETURN_IF_ERROR(co_await core->Prepare());
  if (Tell(core->hosts().AddressesOf(name.text), family, sink)) co_return absl::OkStatus();
  if (IsLocalhost(name.text) && Tell(LocalhostAddresses(), family, sink)) {
    co_return absl::OkStatus();
  }
  Outcome outcome;
  for (const std::string& candidate : core->Candidates(name)) {
    outcome.Add(co_await AskName(*core, candidate, family, sink));
    if (outcome.found) co_return absl::OkStatus();
    if (!MayGoOn(outcome.error)) break;
  }
  if (!outcome.error.ok()) co_return outcome.error;
  co_return absl::NotFoundError(absl::StrCat(
      "resolve ", name.text, ": ",
      outcome.exists ? absl::StrCat("the name has no ", FamilyName(family), "addresses")
                     : "no such name (NXDOMAIN)",
      " (asked ", core->Servers(), ")"));
}

}  // namespace pelton::io
