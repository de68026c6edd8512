// ThreadSet: a set of small numbers that any thread may change without a lock. Holds the threads of
// a pool that have nothing to do.
//
// Shard affinity: any thread.
// Invariants: 1. a number that was added is handed out by one TakeFirst(), or taken back by one
// Remove(), never both; 2. TakeFirst() prefers low numbers, so that under little load the same few
// threads stay warm, and the others' idle time runs out. 3. All calls are in one total order, in
// which other sequentially consistent operations take part.
// Cost: an atomic instruction each; looking through the set reads a word per 64 members.

#ifndef PELTON_SCHED_BLOCKING_THREAD_SET_H_
#define PELTON_SCHED_BLOCKING_THREAD_SET_H_

#include <atomic>
#include <bit>
#include <cstdint>
#include <memory>

namespace pelton {

class ThreadSet {
 public:
  // For the numbers below `size`.
  explicit ThreadSet(uint32_t size)
      : words_((size + kBits - 1) / kBits), bits_(new std::atomic<uint64_t>[words_] {}) {}

  // REQUIRES: `number` is not in the set.
  void Add(uint32_t number) { bits_[number / kBits].fetch_or(BitOf(number)); }

  // Takes `number` out. Returns whether it was there.
  bool Remove(uint32_t number) {
    return (bits_[number / kBits].fetch_and(~BitOf(number)) & BitOf(number)) != 0;
  }

  // Takes the lowest number out and returns it; -1 when the set is empty.
  int TakeFirst() {
    for (uint32_t i = 0; i < words_; ++i) {
      for (uint64_t bits = bits_[i].load(); bits != 0; bits = bits_[i].load()) {
        const uint32_t number = i * kBits + static_cast<uint32_t>(std::countr_zero(bits));
        if (Remove(number)) return static_cast<int>(number);
      }
    }
    return -1;
  }

  bool Empty() const {
    for (uint32_t i = 0; i < words_; ++i) {
      if (bits_[i].load() != 0) return false;
    }
    return true;
  }

 private:
  static constexpr uint32_t kBits = 64;
  static uint64_t BitOf(uint32_t number) { return uint64_t{1} << (number % kBits); }

  const uint32_t words_;
  const std::unique_ptr<std::atomic<uint64_t>[]> bits_;
};

}  // namespace pelton

#endif  // PELTON_SCHED_BLOCKING_THREAD_SET_H_
