// A log-linear histogram of non-negative integers (latencies in nanoseconds): each power of two is
// divided into 64 equal buckets, so a quantile is within 0.8 % of a value that was recorded, at any
// magnitude.
//
// Shard affinity: none; one thread. Ownership: plain value, about 18 KB.
// Invariants: 1. count() is the sum of all buckets; 2. values below 64 are exact; 3. values above
// kLargest count as kLargest, while max() stays exact. Cost: Record is a few instructions, no
// allocation; Quantile walks the buckets. Source: the log-linear layout of HdrHistogram (Gil Tene).
//
//   Histogram latencies;
//   latencies.Record(now - sent_at);
//   double p99_us = latencies.Quantile(0.99) / 1e3;

#ifndef PELTON_BENCH_ECHO_HISTOGRAM_H_
#define PELTON_BENCH_ECHO_HISTOGRAM_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace pelton::bench {

class Histogram {
 public:
  // The largest value that has a bucket of its own: 18 minutes in nanoseconds.
  static constexpr uint64_t kLargest = (uint64_t{1} << 40) - 1;

  void Record(uint64_t value) {
    ++buckets_[BucketOf(std::min(value, kLargest))];
    ++count_;
    max_ = std::max(max_, value);
  }

  uint64_t count() const { return count_; }
  // The largest value recorded, exactly; 0 when there is none.
  uint64_t max() const { return max_; }

  // The smallest bucket that at least `fraction` (0 to 1) of the values do not exceed, as its
  // midpoint and never more than max(); 0 when nothing was recorded.
  uint64_t Quantile(double fraction) const {
    if (count_ == 0) return 0;
    const double wanted = std::ceil(std::clamp(fraction, 0.0, 1.0) * static_cast<double>(count_));
    const auto rank = std::max<uint64_t>(1, static_cast<uint64_t>(wanted));
    uint64_t seen = 0;
    for (size_t bucket = 0; bucket < kBuckets; ++bucket) {
      seen += buckets_[bucket];
      if (seen >= rank) return std::min(MidpointOf(bucket), max_);
    }
    return max_;
  }

  void Reset() { *this = Histogram(); }

 private:
  static constexpr int kSubBits = 6;
  static constexpr size_t kSubBuckets = size_t{1} << kSubBits;
  // Bucket row 0 holds 0..63 one by one; row r >= 1 holds [2^(r+5), 2^(r+6)).
  static constexpr size_t kRows = 40 - kSubBits + 1;
  static constexpr size_t kBuckets = kRows * kSubBuckets;

  static size_t BucketOf(uint64_t value) {
    if (value < kSubBuckets) return static_cast<size_t>(value);
    const int shift = std::bit_width(value) - 1 - kSubBits;
    return static_cast<size_t>(shift) * kSubBuckets + static_cast<size_t>(value >> shift);
  }

  static uint64_t MidpointOf(size_t bucket) {
    if (bucket < kSubBuckets) return bucket;
    const size_t shift = bucket / kSubBuckets - 1;
    const uint64_t lowest = (bucket % kSubBuckets + kSubBuckets) << shift;
    return lowest + ((uint64_t{1} << shift) >> 1);
  }

  std::array<uint64_t, kBuckets> buckets_ = {};
  uint64_t count_ = 0;
  uint64_t max_ = 0;
};

}  // namespace pelton::bench

#endif  // PELTON_BENCH_ECHO_HISTOGRAM_H_
