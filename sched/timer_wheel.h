// A hierarchical timer wheel: arms and cancels in O(1) however many timers there are, and says when
// the next is due.
//
// Shard affinity: none of its own; one thread at a time. Pure: time is an argument, in nanoseconds
// on any monotonic clock.
// Ownership: nodes live in their owners (an awaiter in a coroutine frame); a node leaves the wheel
// before it dies (checked in debug builds).
// Invariants: 1. a node never fires early: its deadline rounds up to a tick (16.4 us), the time
// rounds down; 2. each bit of a level's bitmap is set exactly when that slot holds nodes; 3. above
// level 0, the slot that the time is in is empty; 4. a node is never in a slot that begins after
// its deadline; 5. NextDeadline() is at or below the time at which the first node is due. Order: by
// tick, except that what was armed when already due may come late; within one tick deterministic,
// but not first-in first-out.
// Cost: Arm, Cancel and Rearm O(1), NextDeadline O(levels), no allocation ever. A node is moved at
// most once for each level.
// Algorithm: Varghese and Lauck, "Hashed and Hierarchical Timing Wheels" (1987), scheme 7, with a
// ratio of 32 between levels and 64 slots in each: so the next slot of a level can be emptied into
// the level below while time is still in the slot before it, a bounded number of nodes a turn,
// instead of in one stall at the boundary.
//
//   TimerWheel wheel(now_ns);
//   wheel.Arm(node, now_ns + 30'000'000'000);
//   wheel.Advance(now_ns, /*budget=*/256, [](TimerNode& node) { static_cast<Request&>(node).TimeOut(); });
//   if (idle) WaitUntil(wheel.NextDeadline());

#ifndef PELTON_SCHED_TIMER_WHEEL_H_
#define PELTON_SCHED_TIMER_WHEEL_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "framework/base/check.h"

namespace pelton {

class TimerWheel;

namespace sched_internal {

struct DebugAccess;

// A link of a circular list; a slot of the wheel is such a link alone.
struct TimerLink {
  TimerLink* next = nullptr;
  TimerLink* previous = nullptr;
};

}  // namespace sched_internal

// What a wheel holds: derive from it, or embed it.
class TimerNode : private sched_internal::TimerLink {
 public:
  TimerNode() = default;
  // With what deadline_ns() yields until it is armed.
  explicit TimerNode(int64_t deadline_ns) : deadline_ns_(deadline_ns) {}
  TimerNode(const TimerNode&) = delete;
  TimerNode& operator=(const TimerNode&) = delete;
  ~TimerNode() { PELTON_DCHECK(!armed()) << "a timer was destroyed while it was armed"; }

  // Whether this node is in a wheel.
  bool armed() const { return next != nullptr; }

  // The deadline that it was last armed with, or made with.
  int64_t deadline_ns() const { return deadline_ns_; }

 private:
  friend class TimerWheel;
  friend struct sched_internal::DebugAccess;
  int64_t deadline_ns_ = 0;
};
static_assert(sizeof(TimerNode) == 24);

class TimerWheel {
 public:
  // What NextDeadline returns when nothing is armed. A node with this deadline never fires.
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
  // log2 of the nanoseconds in a tick.
  static constexpr int kTickBits = 14;

  explicit TimerWheel(int64_t now_ns);
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;
  ~TimerWheel();

  // Puts `node` in. A deadline that has passed already fires at the next Advance, never inside the
  // current one. REQUIRES: the node is not armed.
  void Arm(TimerNode& node, int64_t deadline_ns);

  // Takes `node` out. REQUIRES: the node is armed, in this wheel.
  void Cancel(TimerNode& node);

  // Gives `node` another deadline; arms it when it is not armed. COST: two stores when the new
  // deadline is later, as with a time-out that each request puts off; the node is put in its new
  // place when the old deadline comes.
  void Rearm(TimerNode& node, int64_t deadline_ns);

  // The time until which Advance has nothing to do; kNever when nothing is armed. At or below the
  // earliest deadline (rounded up to a tick); in the past while due nodes remain. Exact when few
  // nodes are near; else it may come earlier, for the sake of nodes that have to be moved in time.
  int64_t NextDeadline() const;

  // Tells the time and calls fire(TimerNode&) for each node that is due, after it has left the
  // wheel; fire may destroy the node, and arm and cancel any other. Touches about `budget` nodes at
  // most: what is due beyond that fires in the next calls. Budget that is left moves nodes that
  // come near. Returns how many fired. REQUIRES: budget > 0; not called by fire. Time that goes
  // backwards counts as time that stands still. COST: about a nanosecond when there is nothing to
  // do.
  template <typename Fire>
  size_t Advance(int64_t now_ns, size_t budget, Fire&& fire);

  // How many nodes are armed.
  size_t size() const { return size_; }

  // Whether the invariants hold. COST: touches all nodes.
  bool CheckInvariants() const;

 private:
  using Link = sched_internal::TimerLink;

  static constexpr int kLevelBits = 5;
  static constexpr int kSlots = 64;
  // The last level's slots reach over all ticks that 64 bits of nanoseconds have.
  static constexpr int kLevels = 10;
  static_assert(6 + kLevelBits * (kLevels - 1) > 64 - kTickBits);
  // Behind the last level: what was armed when already due, and the part of it that the current
  // calls of Advance fire.
  static constexpr int kOverdue = kLevels * kSlots;
  static constexpr int kFiring = kOverdue + 1;
  static constexpr int64_t kNoTick = std::numeric_limits<int64_t>::max();

  static int64_t TickOfDeadline(int64_t deadline_ns) {
    return (deadline_ns >> kTickBits) + ((deadline_ns & ((1 << kTickBits) - 1)) != 0);
  }
  static TimerNode& NodeOf(Link* link) { return *static_cast<TimerNode*>(link); }
  static int SlotIndex(int level, int64_t slot) {
    return level * kSlots + static_cast<int>(slot & (kSlots - 1));
  }
  static bool Empty(const Link& list) { return list.next == &list; }

  void Append(TimerNode& node, int index);
  void Unlink(TimerNode& node);
  void Insert(TimerNode& node, int64_t tick);
  int64_t FirstSlot(int level) const;
  int64_t FirstDueTick(int level, int64_t slot) const;
  int64_t NextEvent() const;
  int64_t NextWork() const;
  void TakeOverdue();
  bool EnterNextTick(size_t& budget);
  bool EmptySlot(int level, int64_t slot, size_t& budget);
  void EmptyNextSlots(size_t& budget);
  bool CheckSlot(int index, size_t& nodes) const;
  template <typename Fire>
  size_t FireFrom(int index, int64_t due_tick, size_t& budget, Fire& fire);
  template <typename Fire>
  size_t Work(size_t budget, Fire& fire);

  int64_t now_tick_;     // the latest time that was told
  int64_t tick_;         // every earlier tick has fired; behind now_tick_ only when a budget ended
  int64_t quiet_until_;  // the tick before which Advance has nothing to do
  size_t size_ = 0;
  bool advancing_ = false;
  std::array<uint64_t, kLevels + 1> occupied_{};  // by level; the last one holds the two lists
  std::array<Link, kLevels * kSlots + 2> slots_;
};

inline void TimerWheel::Append(TimerNode& node, int index) {
  Link& list = slots_[index];
  Link* const last = list.previous;
  node.next = &list;
  node.previous = last;
  last->next = &node;
  list.previous = &node;
  occupied_[index / kSlots] |= uint64_t{1} << (index % kSlots);
}

inline void TimerWheel::Unlink(TimerNode& node) {
  Link* const next = node.next;
  Link* const previous = node.previous;
  next->previous = previous;
  previous->next = next;
  node.next = nullptr;
  if (next == previous) {  // the slot itself: it was the only node
    const ptrdiff_t index = next - slots_.data();
    occupied_[index / kSlots] &= ~(uint64_t{1} << (index % kSlots));
  }
}

// The lowest level whose 64 slots reach `tick`. So above level 0 at least one whole slot lies
// between it and the time: nodes go down by EmptySlot alone. REQUIRES: tick > tick_.
inline void TimerWheel::Insert(TimerNode& node, int64_t tick) {
  const int width = std::bit_width(static_cast<uint64_t>(tick - tick_) | 2);
  int level = (width - 2) / kLevelBits;
  int shift = level * kLevelBits;
  if ((tick >> shift) - (tick_ >> shift) >= kSlots) [[unlikely]] {
    ++level;
    shift += kLevelBits;
  }
  const int64_t slot = tick >> shift;
  Append(node, SlotIndex(level, slot));
  quiet_until_ = std::min(quiet_until_, (slot - (level != 0)) << shift);
}

inline void TimerWheel::Arm(TimerNode& node, int64_t deadline_ns) {
  PELTON_DCHECK(!node.armed());
  node.deadline_ns_ = deadline_ns;
  ++size_;
  const int64_t tick = TickOfDeadline(deadline_ns);
  if (tick <= now_tick_) [[unlikely]] {
    Append(node, kOverdue);
    quiet_until_ = std::numeric_limits<int64_t>::min();
    return;
  }
  Insert(node, tick);
}

inline void TimerWheel::Cancel(TimerNode& node) {
  PELTON_DCHECK(node.armed());
  --size_;
  Unlink(node);
}

inline void TimerWheel::Rearm(TimerNode& node, int64_t deadline_ns) {
  if (node.armed()) {
    if (deadline_ns >= node.deadline_ns_) [[likely]] {
      node.deadline_ns_ = deadline_ns;
      return;
    }
    Cancel(node);
  }
  Arm(node, deadline_ns);
}

template <typename Fire>
size_t TimerWheel::Advance(int64_t now_ns, size_t budget, Fire&& fire) {
  PELTON_DCHECK(budget > 0 && !advancing_);
  now_tick_ = std::max(now_tick_, now_ns >> kTickBits);
  if (now_tick_ < quiet_until_) [[likely]] {
    tick_ = now_tick_;
    return 0;
  }
  return Work(budget, fire);
}

template <typename Fire>
size_t TimerWheel::Work(size_t budget, Fire& fire) {
  advancing_ = true;
  size_t fired = 0;
  TakeOverdue();
  // Half of the budget each, so that neither can starve the other; then the rest to whoever needs
  // it.
  size_t overdue_budget = budget / 2;
  budget -= overdue_budget;
  fired += FireFrom(kFiring, now_tick_, overdue_budget, fire);
  budget += overdue_budget;
  do {
    fired += FireFrom(SlotIndex(0, tick_), tick_, budget, fire);
  } while (EnterNextTick(budget));
  fired += FireFrom(kFiring, now_tick_, budget, fire);
  EmptyNextSlots(budget);
  quiet_until_ = NextWork();
  advancing_ = false;
  return fired;
}

// Fires what is due by `due_tick`; what was put off by Rearm goes to its new place.
template <typename Fire>
size_t TimerWheel::FireFrom(int index, int64_t due_tick, size_t& budget, Fire& fire) {
  Link& list = slots_[index];
  size_t fired = 0;
  for (; budget > 0 && !Empty(list); --budget) {
    TimerNode& node = NodeOf(list.next);
    Unlink(node);
    __builtin_prefetch(list.next);
    const int64_t tick = TickOfDeadline(node.deadline_ns_);
    if (tick > due_tick) {
      Insert(node, tick);
      continue;
    }
    --size_;
    ++fired;
    fire(node);
  }
  return fired;
}

}  // namespace pelton

#endif  // PELTON_SCHED_TIMER_WHEEL_H_
