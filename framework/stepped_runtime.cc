#include "framework/stepped_runtime.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "framework/base/check.h"
#include "framework/shard_loop.h"

namespace pelton {
namespace {

// How long real I/O that is in flight may take before a timer overtakes it, and before a service
// without timers counts as stuck.
constexpr int64_t kPatienceNs = 2'000'000;
constexpr int64_t kStuckNs = 10'000'000'000;

}  // namespace

SteppedRuntime::SteppedRuntime(const Options& options)
    : group_(
          options.shards, [](void*, std::string_view, uint32_t) {}, nullptr),
      members_(options.shards),
      order_(options.shards),
      random_(options.seed) {
  absl::StatusOr<std::unique_ptr<BlockingPool>> pool = BlockingPool::Create(options.blocking);
  PELTON_CHECK(pool.ok()) << pool.status();
  blocking_pool_ = *std::move(pool);
  group_.SetBlockingPool(blocking_pool_.get());
  std::iota(order_.begin(), order_.end(), 0);
  for (uint32_t i = 0; i < options.shards; ++i) {
    Shard::Options shard_options = options.shard;
    shard_options.reactor.shard = ShardId(i);
    shard_options.reactor.listeners = &group_.listeners();
    shard_options.reactor.blocking_pool = blocking_pool_.get();
    members_[i].shard = std::make_unique<Shard>(group_, ShardId(i), clock_, shard_options);
    absl::StatusOr<std::unique_ptr<io::EpollDriver>> driver =
        io::EpollDriver::Create(members_[i].shard->reactor());
    PELTON_CHECK(driver.ok()) << driver.status().ToString();
    members_[i].driver = *std::move(driver);
  }
}

SteppedRuntime::~SteppedRuntime() {
  // Whoever may be about to wake a shard lets go of it first.
  blocking_pool_.reset();
  for (Member& member : members_) member.shard->CloseHandles();
}

absl::Status SteppedRuntime::Run(const ServeFunction& serve) {
  Start(serve);
  while (Step()) {
  }
  if (!ended_) {
    // Nothing will ever resume these tasks, so the shards cannot be destroyed: this is a defect of
    // the program under test.
    PELTON_FATAL() << "the service is stuck: its tasks wait, and no timer, message or I/O will "
                      "wake them";
  }
  return status();
}

void SteppedRuntime::Start(const ServeFunction& serve) {
  for (Member& member : members_) {
    const Shard::Binding binding(*member.shard);
    member.shard->Start(serve);
  }
}

void SteppedRuntime::RunTurns() {
  for (size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[random_.Next() % i]);
  for (uint32_t index : order_) {
    Member& member = members_[index];
    if (member.finished) continue;  // it has left its loop
    const Shard::Binding binding(*member.shard);
    RunTurn(*member.shard, *member.driver, [](uint32_t) {});
    bool changed;
    member.finished = member.shard->Finished(changed);
  }
}

bool SteppedRuntime::AnyWork() const {
  return std::any_of(members_.begin(), members_.end(), [](const Member& member) {
    return member.shard->HasWork() || member.shard->HasArrivals();
  });
}

bool SteppedRuntime::Step() {
  if (ended_) return false;
  RunTurns();
  if (std::all_of(members_.begin(), members_.end(),
                  [](const Member& member) { return member.finished; })) {
    ended_ = true;
    return false;
  }
  if (AnyWork()) return true;
  return AwaitCompletions() || AdvanceClock();
}

bool SteppedRuntime::AwaitCompletions() {
  const auto any = [this](auto&& holds) {
    return std::any_of(members_.begin(), members_.end(),
                       [&](const Member& member) { return holds(*member.shard); });
  };
  const bool external = any([](Shard& shard) { return shard.scheduler().external() > 0; });
  const bool in_flight = any([](Shard& shard) { return shard.reactor().in_flight() > 0; });
  if (!external && !in_flight) return false;
  // Work of other threads holds the clock; I/O that a timer may be meant to end does not.
  const bool timers = any([](Shard& shard) { return !shard.scheduler().NextTimer().infinite(); });
  const MonotonicClock real;
  const Timestamp end =
      real.Now() + absl::Nanoseconds(timers && !external ? kPatienceNs : kStuckNs);
  constexpr int64_t kPollNs = 100'000;
  do {
    for (Member& member : members_) {
      if (member.shard->reactor().in_flight() > 0 || member.shard->scheduler().external() > 0) {
        member.driver->Wait(kPollNs);
      }
      if (member.driver->HasCompletions() || member.shard->HasArrivals()) return true;
    }
  } while (real.Now() < end);
  return false;
}

bool SteppedRuntime::AdvanceClock() {
  Timestamp next = Timestamp::InfiniteFuture();
  for (Member& member : members_) next = std::min(next, member.shard->scheduler().NextTimer());
  if (next.infinite()) return false;
  clock_.AdvanceTo(next);
  return true;
}

}  // namespace pelton
