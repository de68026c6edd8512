#include "sched/timer_wheel.h"

namespace pelton {

TimerWheel::TimerWheel(int64_t now_ns)
    : now_tick_(now_ns >> kTickBits), tick_(now_tick_), quiet_until_(kNoTick) {
  for (Link& slot : slots_) slot.next = slot.previous = &slot;
}

TimerWheel::~TimerWheel() {
  PELTON_DCHECK(size_ == 0) << "a timer wheel was destroyed with " << size_ << " timers armed";
}

// The first slot of the level that holds nodes, counted from the beginning of time; REQUIRES: there
// is one. All of them lie within 64 slots of the time, so the bitmap turned to begin there is in
// order.
int64_t TimerWheel::FirstSlot(int level) const {
  const int64_t now_slot = tick_ >> (level * kLevelBits);
  return now_slot + std::countr_zero(std::rotr(occupied_[level], now_slot & (kSlots - 1)));
}

// The first tick at which a node fires or a slot has to be empty.
int64_t TimerWheel::NextEvent() const {
  int64_t next = kNoTick;
  for (int level = 0; level < kLevels; ++level) {
    if (occupied_[level] == 0) continue;
    next = std::min(next, FirstSlot(level) << (level * kLevelBits));
  }
  return next;
}

// The first tick at which Advance has something to do: a slot can be emptied while time is in the
// one before it.
int64_t TimerWheel::NextWork() const {
  if (occupied_[kLevels] != 0) return std::numeric_limits<int64_t>::min();
  int64_t next = kNoTick;
  for (int level = 0; level < kLevels; ++level) {
    if (occupied_[level] == 0) continue;
    next = std::min(next, (FirstSlot(level) - (level != 0)) << (level * kLevelBits));
  }
  return next;
}

int64_t TimerWheel::NextDeadline() const {
  if (size_ == 0) return kNever;
  if (occupied_[kLevels] != 0) return now_tick_ << kTickBits;
  int64_t next = kNoTick;
  for (int level = 0; level < kLevels; ++level) {
    if (occupied_[level] == 0) continue;
    const int64_t slot = FirstSlot(level);
    if ((slot - (level != 0)) << (level * kLevelBits) >= next) continue;
    next = std::min(next, FirstDueTick(level, slot));
  }
  return next > (kNever >> kTickBits) ? kNever : next << kTickBits;
}

// A bound for the nodes of a level whose first slot is `slot`: exact when that holds few; else when
// it can begin to be emptied, because a loop that sleeps until the slot begins would be late with
// many.
int64_t TimerWheel::FirstDueTick(int level, int64_t slot) const {
  constexpr int kFewNodes = 8;
  const int shift = level * kLevelBits;
  const int index = SlotIndex(level, slot);
  int64_t first = kNoTick;
  int nodes = 0;
  for (Link* link = slots_[index].next; link != &slots_[index]; link = link->next) {
    if (++nodes > kFewNodes) return (slot - (level != 0)) << shift;
    first = std::min(first, TickOfDeadline(NodeOf(link).deadline_ns_));
  }
  // Nodes that were put off may be due after those of the next slot.
  const uint64_t later = occupied_[level] & ~(uint64_t{1} << (index % kSlots));
  if (later == 0) return first;
  const int distance = std::countr_zero(std::rotr(later, slot & (kSlots - 1)));
  return std::min(first, (slot + distance) << shift);
}

// Moves what was overdue behind what earlier calls left. What is armed from here on is for the next
// call.
void TimerWheel::TakeOverdue() {
  Link& overdue = slots_[kOverdue];
  Link& firing = slots_[kFiring];
  if (Empty(overdue)) return;
  overdue.next->previous = firing.previous;
  firing.previous->next = overdue.next;
  overdue.previous->next = &firing;
  firing.previous = overdue.previous;
  overdue.next = overdue.previous = &overdue;
  occupied_[kLevels] = uint64_t{1} << (kFiring % kSlots);
}

// Goes on to the next tick at which nodes fire. False when it lies in the future, or the budget
// ended before.
bool TimerWheel::EnterNextTick(size_t& budget) {
  const int64_t next = NextEvent();
  if (next == tick_) return false;
  if (next > now_tick_) {
    tick_ = now_tick_;
    return false;
  }
  tick_ = next - 1;
  for (int level = 1; level < kLevels; ++level) {
    const int shift = level * kLevelBits;
    if ((next & ((int64_t{1} << shift) - 1)) != 0) break;
    if (!EmptySlot(level, next >> shift, budget)) return false;
  }
  tick_ = next;
  return true;
}

// Moves nodes to lower levels; false when the budget ended first. Takes them from both ends,
// because two chains of cache misses at once take half the time of one. REQUIRES: time is in the
// slot before.
bool TimerWheel::EmptySlot(int level, int64_t slot, size_t& budget) {
  Link& list = slots_[SlotIndex(level, slot)];
  bool front = true;
  for (; !Empty(list); --budget) {
    if (budget == 0) return false;
    TimerNode& node = NodeOf(front ? list.next : list.previous);
    Unlink(node);
    __builtin_prefetch(front ? list.next : list.previous);
    front = !front;
    Insert(node, TickOfDeadline(node.deadline_ns_));
  }
  return true;
}

// Spends what is left on the slots that time enters next, the nearest first.
void TimerWheel::EmptyNextSlots(size_t& budget) {
  for (int level = 1; level < kLevels && budget > 0; ++level) {
    if (occupied_[level] != 0) EmptySlot(level, (tick_ >> (level * kLevelBits)) + 1, budget);
  }
}

bool TimerWheel::CheckSlot(int index, size_t& nodes) const {
  const Link& list = slots_[index];
  const int level = index / kSlots;
  const bool occupied = (occupied_[level] >> (index % kSlots) & 1) != 0;
  if (occupied == Empty(list)) return false;
  int64_t slot = std::numeric_limits<int64_t>::min();  // anything may be in the two lists
  if (level < kLevels) {
    const int64_t now_slot = tick_ >> (level * kLevelBits);
    slot = now_slot + ((index - now_slot) & (kSlots - 1));
    if (occupied && level > 0 && slot == now_slot) return false;
  }
  for (const Link* link = list.next; link != &list; link = link->next) {
    if (link->next->previous != link || ++nodes > size_) return false;
    const int64_t tick = TickOfDeadline(static_cast<const TimerNode*>(link)->deadline_ns_);
    if (level < kLevels && tick >> (level * kLevelBits) < slot) return false;
  }
  return list.next->previous == &list;
}

bool TimerWheel::CheckInvariants() const {
  size_t nodes = 0;
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (!CheckSlot(static_cast<int>(i), nodes)) return false;
  }
  if (nodes != size_ || tick_ > now_tick_) return false;
  if (advancing_) return true;
  return quiet_until_ <= NextWork() && (tick_ == now_tick_ || quiet_until_ <= now_tick_);
}

}  // namespace pelton
