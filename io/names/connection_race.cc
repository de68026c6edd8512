#include "io/names/connection_race.h"

#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "framework/base/status.h"
#include "io/names/address_order.h"
#include "sched/deadline.h"

namespace pelton::io {

Task<absl::StatusOr<ConnectionRace::Winner>> ConnectionRace::Run(Task<absl::Status> lookup) {
  absl::Status status = co_await WithTaskScope([&](TaskScope& scope) -> Task<absl::Status> {
    scope.Spawn(RunLookup(std::move(lookup)));
    absl::Status driven = co_await Drive(scope);
    scope.Cancel();  // the losers, and a lookup that is too late
    co_return driven;
  });
  if (!status.ok()) co_return status;
  co_return Winner{.index = *winner_, .address = attempted_[*winner_]};
}

Task<absl::Status> ConnectionRace::Drive(TaskScope& scope) {
  while (!winner_.has_value()) {
    const Timestamp now = Scheduler::Current()->PreciseNow();
    Timestamp until = Timestamp::InfiniteFuture();
    if (MayStart(now, until)) {
      StartNext(scope, now);
      continue;
    }
    if (lookup_ended_ && candidates_.empty() && running_ == 0) co_return Failure();
    changed_.Reset();
    const absl::Status waited = co_await WithDeadline(until, changed_.Wait());
    if (!waited.ok() && StopRequested()) co_return waited;
  }
  co_return absl::OkStatus();
}

Task<void> ConnectionRace::RunLookup(Task<absl::Status> lookup) {
  lookup_status_ = co_await std::move(lookup);
  lookup_ended_ = true;
  changed_.Set();
}

Task<void> ConnectionRace::RunAttempt(size_t index, SocketAddress address) {
  absl::Status status = co_await maker_.Attempt(index, address);
  --running_;
  if (!status.ok()) {
    if (index + 1 == attempted_.size()) last_failed_ = true;
    errors_.push_back(std::move(status));
  } else if (!winner_.has_value()) {
    winner_ = index;
  }
  changed_.Set();
}

void ConnectionRace::OnAddresses(int family, std::span<const SocketAddress> addresses) {
  if (family == AF_INET6) ipv6_answered_ = true;
  for (SocketAddress address : addresses) {
    if (options_.port.has_value()) address = address.WithPort(*options_.port);
    if (known_.size() >= options_.max_addresses) break;
    if (std::find(known_.begin(), known_.end(), address) != known_.end()) continue;
    if (known_.empty()) first_known_at_ = Scheduler::Current()->PreciseNow();
    known_.push_back(address);
    candidates_.push_back(address);
  }
  if (options_.orders_addresses && !addresses.empty()) OrderAddresses(candidates_);
  changed_.Set();
}

bool ConnectionRace::KnowsPreferred() const {
  return options_.preferred.has_value() && std::find(candidates_.begin(), candidates_.end(),
                                                     *options_.preferred) != candidates_.end();
}

bool ConnectionRace::MayStart(Timestamp now, Timestamp& until) const {
  if (candidates_.empty()) return false;
  if (attempted_.empty()) {
    if (!options_.expects_ipv6 || ipv6_answered_ || lookup_ended_ || KnowsPreferred()) return true;
    until = first_known_at_ + options_.resolution_delay;
  } else {
    if (running_ == 0 || last_failed_) return true;
    until = last_start_ + options_.attempt_delay;
  }
  return now >= until;
}

// The families take turns, whichever is preferred.
size_t ConnectionRace::NextCandidate() const {
  if (attempted_.empty()) {
    if (!KnowsPreferred()) return 0;
    return static_cast<size_t>(
        std::find(candidates_.begin(), candidates_.end(), *options_.preferred) -
        candidates_.begin());
  }
  const auto other =
      std::find_if(candidates_.begin(), candidates_.end(), [&](const SocketAddress& candidate) {
        return candidate.family() != attempted_.back().family();
      });
  return other == candidates_.end() ? 0 : static_cast<size_t>(other - candidates_.begin());
}

void ConnectionRace::StartNext(TaskScope& scope, Timestamp now) {
  const size_t next = NextCandidate();
  const SocketAddress address = candidates_[next];
  candidates_.erase(candidates_.begin() + static_cast<ptrdiff_t>(next));
  const size_t index = attempted_.size();
  attempted_.push_back(address);
  last_start_ = now;
  last_failed_ = false;
  ++running_;
  scope.Spawn(RunAttempt(index, address));
}

absl::Status ConnectionRace::Failure() const {
  if (errors_.empty()) {
    if (!lookup_status_.ok()) return lookup_status_;
    return absl::NotFoundError(absl::StrCat("connect to ", what_, ": there is no address"));
  }
  std::string text = absl::StrCat(
      "connect to ", what_, ": ", errors_.size(), errors_.size() == 1 ? " attempt" : " attempts",
      " failed: ", absl::StrJoin(errors_, "; ", [](std::string* out, const absl::Status& error) {
        absl::StrAppend(out, error.message());
      }));
  absl::Status status(errors_.front().code(), text);
  errors_.front().ForEachPayload(
      [&](auto type, const auto& payload) { status.SetPayload(type, payload); });
  return status;
}

}  // namespace pelton::io
