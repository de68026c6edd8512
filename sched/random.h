// Random numbers of a shard: fast, seeded, and good enough for jitter and shuffling; not for
// secrets.
//
// Shard affinity: an instance belongs to one thread at a time.
// Algorithm: SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).

#ifndef PELTON_SCHED_RANDOM_H_
#define PELTON_SCHED_RANDOM_H_

#include <cstdint>

#include "framework/base/check.h"

namespace pelton {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  // All 64 bits are random.
  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  // Uniform in [0, limit), but for a bias of limit / 2^64. REQUIRES: limit > 0.
  uint64_t Below(uint64_t limit) {
    PELTON_DCHECK(limit > 0);
    return static_cast<uint64_t>((static_cast<unsigned __int128>(Next()) * limit) >> 64);
  }

  // Uniform in [0, 1).
  double Fraction() { return static_cast<double>(Next() >> 11) * 0x1p-53; }

 private:
  uint64_t state_;
};

}  // namespace pelton

#endif  // PELTON_SCHED_RANDOM_H_
