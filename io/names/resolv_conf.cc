#include "io/names/resolv_conf.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "absl/status/statusor.h"
#include "io/names/dns_name.h"
#include "io/names/numeric_host.h"
#include "io/names/text_words.h"

namespace pelton::io {
namespace {

constexpr uint16_t kDnsPort = 53;
// As many as libc takes, and more than anyone lists.
constexpr size_t kMostServers = 8;
constexpr size_t kMostDomains = 32;
// The largest values that resolv.conf(5) lets have an effect.
constexpr int kMostDots = 15;
constexpr int kMostSeconds = 30;
constexpr int kMostAttempts = 5;

// Sets `value` when `option` is `name:NUMBER`, within the bounds.
bool TakeNumber(std::string_view option, std::string_view name, int least, int most, int& value) {
  if (option.substr(0, name.size()) != name) return false;
  const std::string_view digits = option.substr(name.size());
  int number = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, number);
  if (error == std::errc() && stop == end) value = std::clamp(number, least, most);
  return true;
}

void TakeOption(std::string_view option, ResolvConf& conf) {
  int seconds = 0;
  if (TakeNumber(option, "ndots:", 0, kMostDots, conf.ndots)) return;
  if (TakeNumber(option, "attempts:", 1, kMostAttempts, conf.attempts)) return;
  if (TakeNumber(option, "timeout:", 1, kMostSeconds, seconds)) {
    if (seconds > 0) conf.timeout = absl::Seconds(seconds);
    return;
  }
  if (option == "rotate") conf.rotate = true;
  if (option == "edns0") conf.extended = true;
  if (option == "use-vc") conf.use_tcp = true;
}

void TakeServer(std::string_view text, ResolvConf& conf) {
  if (conf.servers.size() >= kMostServers) return;
  const absl::StatusOr<SocketAddress> server = ParseNumericHost(text, kDnsPort);
  if (server.ok()) conf.servers.push_back(*server);
}

void TakeDomain(std::string_view text, ResolvConf& conf) {
  if (conf.domains.size() >= kMostDomains) return;
  absl::StatusOr<DnsName> domain = ParseDnsName(text);
  if (domain.ok()) conf.domains.push_back(std::move(domain->text));
}

}  // namespace

ResolvConf ParseResolvConf(std::string_view text) {
  ResolvConf conf;
  while (!text.empty()) {
    std::string_view line = TakeLine(text);
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    const std::string_view keyword = TakeWord(line);
    if (keyword == "nameserver") {
      TakeServer(TakeWord(line), conf);
    } else if (keyword == "domain" || keyword == "search") {
      conf.domains.clear();  // the last line counts
      for (std::string_view word = TakeWord(line); !word.empty(); word = TakeWord(line)) {
        TakeDomain(word, conf);
        if (keyword == "domain") break;
      }
    } else if (keyword == "options") {
      for (std::string_view word = TakeWord(line); !word.empty(); word = TakeWord(line)) {
        TakeOption(word, conf);
      }
    }
  }
  if (conf.servers.empty()) conf.servers.push_back(SocketAddress::Loopback(kDnsPort));
  return conf;
}

}  // namespace pelton::io
