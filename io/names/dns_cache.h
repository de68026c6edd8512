// Keeps the answers of name servers for as long as they are good.
//
// Shard affinity: none of its own; one thread at a time. Pure: time is an argument.
// Ownership: owns its answers.
// Invariants: 1. an answer is never handed out from its end of life on; 2. at most `most_entries`,
// the least recently used goes first.
// Cost: O(1) each; a hit allocates nothing.
// Source: RFC 2308 for answers that say no.

#ifndef PELTON_IO_NAMES_DNS_CACHE_H_
#define PELTON_IO_NAMES_DNS_CACHE_H_

#include <cstddef>

#include "absl/time/time.h"
#include "io/names/dns_message.h"
#include "io/names/lru_map.h"
#include "sched/timestamp.h"

namespace pelton::io {

class DnsCache {
 public:
  struct Options {
    size_t most_entries = 4096;
    // Bounds of how long answers are kept, whatever the servers say.
    absl::Duration min_ttl = absl::ZeroDuration();
    absl::Duration max_ttl = absl::Hours(24);
    absl::Duration max_negative_ttl = absl::Minutes(5);
  };

  explicit DnsCache(const Options& options) : options_(options), entries_(options.most_entries) {}

  // The answer to `question` that is good at `now`; null when there is none. It is good until the
  // next call.
  const DnsAnswer* Find(const Question& question, Timestamp now);
  // Keeps an answer that arrived at `now`, unless it is good for no time at all. One that says no,
  // and not for how long, is not kept.
  void Insert(const Question& question, const DnsAnswer& answer, Timestamp now);
  void Clear() { entries_.Clear(); }

  size_t size() const { return entries_.size(); }
  uint64_t evictions() const { return entries_.evictions(); }

 private:
  struct Entry {
    DnsAnswer answer;
    Timestamp end;
  };

  const Options options_;
  LruMap<Question, Entry> entries_;
};

}  // namespace pelton::io

#endif  // PELTON_IO_NAMES_DNS_CACHE_H_
