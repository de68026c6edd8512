#include "io/file/io_scheduler.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "framework/base/check.h"

namespace pelton {
namespace {

constexpr uint64_t kNanosecondsPerSecond = 1'000'000'000;
constexpr int kByteShift = 16;
constexpr uint64_t kSmallBytes = 4096;  // what a profile's iops are about
// Pieces are no shorter, or the cost of each would be all that is paid for.
constexpr uint64_t kLeastPieceBytes = 16 * 1024;
constexpr uint64_t kMostPieceBytes = uint64_t{1} << 30;
// Costs are divided by shares in this unit, so that cheap requests of big groups count.
constexpr int kVirtualShift = 10;

uint64_t BitOf(uint8_t index) { return uint64_t{1} << index; }

}  // namespace

// A small request takes 1/iops; beyond its first 4 KiB each byte takes 1/bytes_per_second.
IoScheduler::Price IoScheduler::PriceOf(uint64_t iops, uint64_t bytes_per_second) {
  Price price;
  price.byte = std::max<uint64_t>(
      1,
      static_cast<uint64_t>((__uint128_t{kNanosecondsPerSecond} << kByteShift) / bytes_per_second));
  const uint64_t small = kNanosecondsPerSecond / iops;
  const uint64_t of_bytes = kSmallBytes * price.byte >> kByteShift;
  price.request = std::max<uint64_t>(1, small > of_bytes ? small - of_bytes : 0);
  return price;
}

IoScheduler::IoScheduler(const IoProfile& profile)
    : profile_(profile),
      prices_{PriceOf(profile.read_iops, profile.read_bytes_per_second),
              PriceOf(profile.write_iops, profile.write_bytes_per_second)} {}

IoScheduler::~IoScheduler() {
  PELTON_CHECK(backlogged_ == 0) << "an IoScheduler was destroyed while requests are queued";
  PELTON_CHECK(in_flight_ == 0) << "an IoScheduler was destroyed with " << in_flight_
                                << " requests in flight";
}

uint64_t IoScheduler::CostOf(IoDirection direction, uint64_t bytes) const {
  const Price& price = prices_[static_cast<int>(direction)];
  return price.request + static_cast<uint64_t>(__uint128_t{bytes} * price.byte >> kByteShift);
}

uint64_t IoScheduler::CostLimit(uint8_t index) const {
  return kLatencyGoalNs * SchedulingGroup::FromIndex(index).shares() / active_shares_;
}

uint64_t IoScheduler::PieceBytes(IoDirection direction, SchedulingGroup group) const {
  const uint8_t index = static_cast<uint8_t>(group.index());
  if (((active_ | BitOf(index)) & ((active_ | BitOf(index)) - 1)) == 0) [[likely]]
    return kMostPieceBytes;
  const uint64_t shares = group.shares();
  const bool counted = (active_ & BitOf(index)) != 0;
  const uint64_t limit = kLatencyGoalNs * shares / (active_shares_ + (counted ? 0 : shares));
  const Price& price = prices_[static_cast<int>(direction)];
  const uint64_t of_bytes = limit > price.request ? limit - price.request : 0;
  const uint64_t bytes = (of_bytes << kByteShift) / price.byte;
  return std::clamp(bytes / kSmallBytes * kSmallBytes, kLeastPieceBytes, kMostPieceBytes);
}

IoScheduler::GroupStatistics IoScheduler::group_statistics(SchedulingGroup group) const {
  const Group& own = groups_[group.index()];
  return {.requests = own.requests,
          .bytes = own.bytes,
          .delay = absl::Nanoseconds(own.delay_ns),
          .queued = own.queued,
          .in_flight = own.in_flight,
          .bytes_in_flight = own.bytes_in_flight};
}

void IoScheduler::Activate(uint8_t index) {
  Group& group = groups_[index];
  active_ |= BitOf(index);
  if (group.queued == 0) {
    group.virtual_time = std::max(group.virtual_time, virtual_time_);
    group.active_until = Timestamp::InfiniteFuture();
  }
  UpdateActive();
}

void IoScheduler::UpdateActive() {
  const Timestamp now = Scheduler::Current()->now();
  uint64_t shares = 0;
  for (uint64_t rest = active_; rest != 0; rest &= rest - 1) {
    const uint8_t index = static_cast<uint8_t>(std::countr_zero(rest));
    const Group& group = groups_[index];
    if (group.in_flight == 0 && group.queued == 0 && group.active_until < now) {
      active_ &= ~BitOf(index);
    } else {
      shares += SchedulingGroup::FromIndex(index).shares();
    }
  }
  active_shares_ = shares;
}

bool IoScheduler::Fits(const Group& group, const io::IoCharge& charge) const {
  if (group.in_flight == 0) return true;
  return in_flight_ < profile_.requests_in_flight &&
         bytes_in_flight_ + charge.bytes <= profile_.bytes_in_flight &&
         (!Contended() || cost_in_flight_ + charge.cost <= kLatencyGoalNs);
}

bool IoScheduler::IsCapped(const Group& group, const io::IoCharge& charge) const {
  if (!Contended() || group.in_flight == 0 ||
      group.cost_in_flight + charge.cost <= CostLimit(charge.group)) {
    return false;
  }
  for (uint64_t rest = active_; rest != 0; rest &= rest - 1) {
    if (groups_[std::countr_zero(rest)].virtual_time < group.virtual_time) return true;
  }
  return false;
}

void IoScheduler::Submit(io::IoRequest& request, SchedulingGroup group, IoDirection direction,
                         uint64_t bytes) {
  PELTON_DCHECK(!request.queued());
  const uint8_t index = static_cast<uint8_t>(group.index());
  request.charge_ = {.bytes = bytes, .cost = CostOf(direction, bytes), .group = index};
  Group& own = groups_[index];
  Activate(index);
  request.submitted_at_ = Scheduler::Current()->now();
  if (backlogged_ == 0 && Fits(own, request.charge_) && !IsCapped(own, request.charge_))
      [[likely]] {
    Start(own, request);
    return request.OnAdmitted();
  }
  own.queue.PushBack(request);
  ++own.queued;
  backlogged_ |= BitOf(index);
  Dispatch();
}

void IoScheduler::Withdraw(io::IoRequest& request) {
  PELTON_DCHECK(request.queued());
  Group& group = groups_[request.charge_.group];
  request.Unlink();
  if (--group.queued == 0) backlogged_ &= ~BitOf(request.charge_.group);
  if (group.queued == 0 && group.in_flight == 0) {
    group.active_until = Scheduler::Current()->now() + kActiveFor;
  }
  // The one behind it may be smaller.
  if (backlogged_ != 0) Dispatch();
}

void IoScheduler::Start(Group& group, io::IoRequest& request) {
  const io::IoCharge& charge = request.charge_;
  virtual_time_ = std::max(virtual_time_, group.virtual_time);
  group.virtual_time +=
      (charge.cost << kVirtualShift) / SchedulingGroup::FromIndex(charge.group).shares();
  group.cost_in_flight += charge.cost;
  group.bytes_in_flight += charge.bytes;
  ++group.in_flight;
  ++in_flight_;
  bytes_in_flight_ += charge.bytes;
  cost_in_flight_ += charge.cost;
  ++group.requests;
  group.bytes += charge.bytes;
  group.delay_ns += Scheduler::Current()->now().nanoseconds() - request.submitted_at_.nanoseconds();
}

void IoScheduler::Finish(const io::IoCharge& charge) {
  Group& group = groups_[charge.group];
  PELTON_DCHECK(group.in_flight > 0);
  --group.in_flight;
  --in_flight_;
  group.cost_in_flight -= charge.cost;
  group.bytes_in_flight -= charge.bytes;
  bytes_in_flight_ -= charge.bytes;
  cost_in_flight_ -= charge.cost;
  if (group.in_flight == 0 && group.queued == 0) {
    group.active_until = Scheduler::Current()->now() + kActiveFor;
  }
  if (backlogged_ != 0) [[unlikely]] {
    UpdateActive();
    Dispatch();
  }
}

bool IoScheduler::GoesBefore(const Group& group, const Group& other) {
  if ((group.in_flight == 0) != (other.in_flight == 0)) return group.in_flight == 0;
  return group.virtual_time < other.virtual_time;
}

// Starts what may start. Whom it admits may submit more: that is queued, and found by the loop that
// runs already.
void IoScheduler::Dispatch() {
  if (dispatching_) return;
  dispatching_ = true;
  while (true) {
    Group* least = nullptr;
    for (uint64_t rest = backlogged_; rest != 0; rest &= rest - 1) {
      Group& group = groups_[std::countr_zero(rest)];
      if (least != nullptr && !GoesBefore(group, *least)) continue;
      if (!IsCapped(group, group.queue.front()->charge_)) least = &group;
    }
    // It has waited longest for its share: while it does not fit, those that would do not pass it.
    if (least == nullptr || !Fits(*least, least->queue.front()->charge_)) break;
    io::IoRequest& request = *least->queue.PopFront();
    if (--least->queued == 0) backlogged_ &= ~BitOf(request.charge_.group);
    Start(*least, request);
    request.OnAdmitted();
  }
  dispatching_ = false;
}

void io::AdmitAwaiter::Describe(std::ostream& out) const {
  out << "its turn to " << (direction_ == IoDirection::kRead ? "read " : "write ") << bytes_
      << " bytes of the disk";
}

}  // namespace pelton
