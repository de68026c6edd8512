#include "io/names/resolver.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "framework/base/status.h"
#include "framework/base/strings.h"
#include "io/names/address_lookup.h"
#include "io/names/address_order.h"
#include "io/names/cares_channel.h"
#include "io/names/dns_name.h"
#include "io/names/service_port.h"

namespace pelton {
namespace {

using io::DnsAnswer;
using io::RecordType;
using io::ResolverCore;

// Collects addresses.
class Collector final : public io::AddressSink {
 public:
  ResolvedAddresses& addresses() { return addresses_; }

 private:
  void OnAddresses(int, std::span<const SocketAddress> addresses) override {
    addresses_.insert(addresses_.end(), addresses.begin(), addresses.end());
  }

  ResolvedAddresses addresses_;
};

Task<absl::StatusOr<ResolvedAddresses>> ResolveHost(ResolverCore::Hold core, std::string host,
                                                    uint16_t port, AddressFamily family) {
  Collector collector;
  PELTON_CO_RETURN_IF_ERROR(co_await io::LookUpAddresses(core, std::move(host), family, collector));
  ResolvedAddresses addresses = std::move(collector.addresses());
  // pelton: bounded by the records of an answer that are kept
  for (SocketAddress& address : addresses) address = address.WithPort(port);
  io::OrderAddresses(addresses);
  co_return addresses;
}

Task<absl::StatusOr<ResolvedAddresses>> ResolveService(ResolverCore::Hold core, std::string host,
                                                       std::string service, AddressFamily family) {
  PELTON_CO_ASSIGN_OR_RETURN(const uint16_t port,
                             co_await io::LookUpServicePort(std::move(service)));
  co_return co_await ResolveHost(core, std::move(host), port, family);
}

// The records of a name as it stands. ERRORS: NOT_FOUND when there are none.
Task<absl::StatusOr<DnsAnswer>> LookUpRecords(ResolverCore::Hold core, RecordType type,
                                              std::string text) {
  PELTON_CO_ASSIGN_OR_RETURN(io::DnsName name, io::ParseDnsName(text));
  if (core->NeedsPreparation()) PELTON_CO_RETURN_IF_ERROR(co_await core->Prepare());
  PELTON_CO_ASSIGN_OR_RETURN(DnsAnswer answer,
                             co_await core->Ask({.type = type, .name = name.text}));
  if (answer.kind == DnsAnswer::Kind::kRecords) co_return answer;
  co_return absl::NotFoundError(
      absl::StrCat("resolve ", name.text, " (", io::RecordTypeName(type), "): ",
                   answer.kind == DnsAnswer::Kind::kNoSuchName ? "no such name (NXDOMAIN)"
                                                               : "the name has no such records",
                   " (asked ", core->Servers(), ")"));
}

// RFC 2782: draws those of one priority one after the other, each with a chance by its weight.
void OrderServices(std::vector<SrvRecord>& services) {
  Random& random = Scheduler::Current()->random();
  std::sort(services.begin(), services.end(), [](const SrvRecord& a, const SrvRecord& b) {
    return a.priority != b.priority ? a.priority < b.priority : a.weight < b.weight;
  });
  for (auto begin = services.begin(); begin != services.end(); ++begin) {
    const auto end = std::find_if(begin, services.end(), [&](const SrvRecord& service) {
      return service.priority != begin->priority;
    });
    uint64_t total = 0;
    for (auto at = begin; at != end; ++at) total += at->weight;
    uint64_t drawn = random.Below(total + 1);
    auto chosen = begin;
    while (drawn > chosen->weight) drawn -= (chosen++)->weight;
    std::rotate(begin, chosen, chosen + 1);
  }
}

Task<absl::StatusOr<std::vector<SrvRecord>>> LookUpSrv(ResolverCore::Hold core, std::string name) {
  PELTON_CO_ASSIGN_OR_RETURN(DnsAnswer answer,
                             co_await LookUpRecords(core, RecordType::kService, std::move(name)));
  auto services = std::get<DnsAnswer::Services>(std::move(answer.records));
  OrderServices(services);
  co_return services;
}

Task<absl::StatusOr<std::vector<std::string>>> LookUpTxt(ResolverCore::Hold core,
                                                         std::string name) {
  PELTON_CO_ASSIGN_OR_RETURN(DnsAnswer answer,
                             co_await LookUpRecords(core, RecordType::kText, std::move(name)));
  co_return std::get<DnsAnswer::Texts>(std::move(answer.records)).texts;
}

Task<absl::StatusOr<std::vector<MxRecord>>> LookUpMx(ResolverCore::Hold core, std::string name) {
  PELTON_CO_ASSIGN_OR_RETURN(DnsAnswer answer,
                             co_await LookUpRecords(core, RecordType::kMail, std::move(name)));
  auto exchanges = std::get<DnsAnswer::Exchanges>(std::move(answer.records));
  std::sort(exchanges.begin(), exchanges.end(), [](const MxRecord& a, const MxRecord& b) {
    return a.preference != b.preference ? a.preference < b.preference : a.exchange < b.exchange;
  });
  co_return exchanges;
}

Task<absl::StatusOr<std::vector<std::string>>> LookUpPtr(ResolverCore::Hold core,
                                                         SocketAddress address) {
  if (core->NeedsPreparation()) PELTON_CO_RETURN_IF_ERROR(co_await core->Prepare());
  const std::span<const std::string> known = core->hosts().NamesOf(address.WithPort(0));
  if (!known.empty()) co_return std::vector<std::string>(known.begin(), known.end());
  PELTON_CO_ASSIGN_OR_RETURN(DnsAnswer answer, co_await LookUpRecords(core, RecordType::kPointer,
                                                                      io::ReverseName(address)));
  co_return std::get<DnsAnswer::Names>(std::move(answer.records));
}

}  // namespace

Resolver::Resolver(const Options& options)
    : Resolver(options,
               {.make = [](void*, const io::ResolvConf& conf, io::UpstreamStatistics& statistics) {
                 return io::CaresChannel::Create(conf, statistics);
               }}) {}

Resolver::Resolver(const Options& options, const io::UpstreamFactory& factory)
    : core_(ResolverCore::Create(options, factory)) {}

Task<absl::StatusOr<ResolvedAddresses>> Resolver::Resolve(std::string_view name, uint16_t port,
                                                          AddressFamily family) {
  return ResolveHost(core_, std::string(name), port, family);
}

Task<absl::StatusOr<ResolvedAddresses>> Resolver::Resolve(std::string_view name,
                                                          std::string_view service,
                                                          AddressFamily family) {
  return ResolveService(core_, std::string(name), std::string(service), family);
}

Task<absl::StatusOr<std::vector<SrvRecord>>> Resolver::LookUpServices(std::string_view name) {
  return LookUpSrv(core_, std::string(name));
}

Task<absl::StatusOr<std::vector<std::string>>> Resolver::LookUpTexts(std::string_view name) {
  return LookUpTxt(core_, std::string(name));
}

Task<absl::StatusOr<std::vector<MxRecord>>> Resolver::LookUpMailExchanges(std::string_view name) {
  return LookUpMx(core_, std::string(name));
}

Task<absl::StatusOr<std::vector<std::string>>> Resolver::LookUpNames(const SocketAddress& address) {
  return LookUpPtr(core_, address);
}

}  // namespace pelton
