// Happy Eyeballs: connects to one of several addresses, the next one soon after the last, and keeps
// the connection that is there first.
//
// Knows when to attempt what, and neither how addresses become known (it is an AddressSink) nor how
// a connection is made (AttemptMaker).
//
// Shard affinity: the shard of the task that runs it.
// Ownership: the frame of that task; all attempts have ended when Run() has.
// Invariants: 1. an address is attempted once; 2. attempts start at least `attempt_delay` apart,
// unless the last one has failed; 3. the first one starts when an IPv6 address is known, when it is
// known that there is none, or `resolution_delay` after an IPv4 address.
// Source: RFC 8305 (Happy Eyeballs version 2), sections 3 to 5.

#ifndef PELTON_IO_NAMES_CONNECTION_RACE_H_
#define PELTON_IO_NAMES_CONNECTION_RACE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "io/names/address_lookup.h"
#include "io/socket_address.h"
#include "sched/sync/event.h"
#include "sched/task.h"
#include "sched/task_scope.h"

namespace pelton::io {

// Makes connections.
class AttemptMaker {
 public:
  // Connects to `address` and keeps the connection as that of attempt `index`. Attempts are numbered
  // from 0 on in the order in which they start.
  virtual Task<absl::Status> Attempt(size_t index, SocketAddress address) = 0;

 protected:
  ~AttemptMaker() = default;
};

class ConnectionRace final : public AddressSink {
 public:
  struct Options {
    absl::Duration resolution_delay = absl::Milliseconds(50);
    absl::Duration attempt_delay = absl::Milliseconds(250);
    size_t max_addresses = 32;
    // Whether IPv6 addresses may still become known.
    bool expects_ipv6 = true;
    // Whether the best address comes first (RFC 6724) or the one that was told first.
    bool orders_addresses = true;
    // In the place of the port of each address.
    std::optional<uint16_t> port;
    // Attempted first, without delay, if it is among the addresses.
    std::optional<SocketAddress> preferred;
  };
  struct Winner {
    size_t index;
    SocketAddress address;
  };

  // `what` is whom to connect to, for messages.
  ConnectionRace(AttemptMaker& maker, std::string what, const Options& options)
      : maker_(maker), what_(std::move(what)), options_(options) {}

  // Runs `lookup`, which tells this race of addresses, and attempts until one succeeds. ERRORS: a
  // list of all attempts, with the code and the errno of the first; the lookup's when there was no
  // address; the stop status.
  Task<absl::StatusOr<Winner>> Run(Task<absl::Status> lookup);

  void OnAddresses(int family, std::span<const SocketAddress> addresses) override;

 private:
  Task<absl::Status> Drive(TaskScope& scope);
  Task<void> RunLookup(Task<absl::Status> lookup);
  Task<void> RunAttempt(size_t index, SocketAddress address);
  // Whether the next attempt starts now; if not, `until` is lowered to when it may.
  bool MayStart(Timestamp now, Timestamp& until) const;
  void StartNext(TaskScope& scope, Timestamp now);
  size_t NextCandidate() const;
  bool KnowsPreferred() const;
  absl::Status Failure() const;

  AttemptMaker& maker_;
  const std::string what_;
  const Options options_;

  Event changed_;
  std::vector<SocketAddress> known_;
  std::vector<SocketAddress> candidates_;  // those that were not attempted, the best first
  std::vector<SocketAddress> attempted_;   // by the attempt's index
  std::vector<absl::Status> errors_;       // of attempts, in the order in which they failed
  bool ipv6_answered_ = false;
  bool lookup_ended_ = false;
  absl::Status lookup_status_;
  Timestamp first_known_at_;
  Timestamp last_start_;
  bool last_failed_ = false;  // the attempt that started last
  size_t running_ = 0;
  std::optional<size_t> winner_;
};

}  // namespace pelton::io

#endif  // PELTON_IO_NAMES_CONNECTION_RACE_H_
