#include "io/names/dns_cache.h"

#include <algorithm>

namespace pelton::io {

const DnsAnswer* DnsCache::Find(const Question& question, Timestamp now) {
  const Entry* entry = entries_.Find(question);
  if (entry == nullptr) return nullptr;
  if (now < entry->end) return &entry->answer;
  entries_.Erase(question);
  return nullptr;
}

void DnsCache::Insert(const Question& question, const DnsAnswer& answer, Timestamp now) {
  if (!answer.seconds_to_live.has_value()) return;
  const absl::Duration told = absl::Seconds(*answer.seconds_to_live);
  const absl::Duration most = answer.kind == DnsAnswer::Kind::kRecords
                                  ? options_.max_ttl
                                  : std::min(options_.max_ttl, options_.max_negative_ttl);
  const absl::Duration kept = std::min(std::max(told, options_.min_ttl), most);
  if (kept <= absl::ZeroDuration()) return;
  entries_.Put(question, {.answer = answer, .end = now + kept});
}

}  // namespace pelton::io
