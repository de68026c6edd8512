// What the load generator sends, and what must come back: an endless stream of fixed pseudo-random
// bytes with a prime period, which each connection enters at a place of its own. A byte lost,
// doubled, swapped or sent to another connection shows as a difference, and checking is one memcmp.
//
// Shard affinity: none; immutable after construction. Ownership: the memory that At() points to
// belongs to the pattern. Invariants: At(offset) is followed by at least kMaxRun valid bytes of the
// stream.
//
//   StreamPattern pattern;
//   send(fd, pattern.At(start + sent), std::min(wanted, StreamPattern::kMaxRun), 0);
//   bool same = pattern.Matches(start + received, buffer, size);

#ifndef PELTON_BENCH_ECHO_STREAM_PATTERN_H_
#define PELTON_BENCH_ECHO_STREAM_PATTERN_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

namespace pelton::bench {

class StreamPattern {
 public:
  // Prime, so that no message size divides it and two messages of a connection are seldom alike.
  static constexpr uint64_t kPeriod = 8191;
  // The longest run of the stream that lies in one piece.
  static constexpr size_t kMaxRun = 65536;

  StreamPattern() : bytes_(kPeriod + kMaxRun) {
    std::mt19937 generator(20260101);
    for (size_t i = 0; i < kPeriod; ++i) bytes_[i] = static_cast<char>(generator());
    for (size_t i = kPeriod; i < bytes_.size(); ++i) bytes_[i] = bytes_[i - kPeriod];
  }

  // The stream from byte `offset` on.
  const char* At(uint64_t offset) const { return bytes_.data() + offset % kPeriod; }

  // Whether `data` is what the stream holds from byte `offset` on. REQUIRES: size <= kMaxRun.
  bool Matches(uint64_t offset, const char* data, size_t size) const {
    return std::memcmp(At(offset), data, size) == 0;
  }

  // Where connection number `index` enters the stream: each at another place, as far as there are
  // that many.
  static uint64_t StartOf(uint64_t index) { return index * 5003 % kPeriod; }

 private:
  std::vector<char> bytes_;
};

}  // namespace pelton::bench

#endif  // PELTON_BENCH_ECHO_STREAM_PATTERN_H_
