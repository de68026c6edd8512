// Runs a fuzz target on its seeds, and on a fixed number of inputs made of them by a generator with
// a fixed start.

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/fuzz/fuzz_target.h"

namespace pelton {
namespace {

constexpr int kIterations = 30'000;
constexpr size_t kMostInputBytes = 2048;

void Try(const std::string& input) {
  ASSERT_EQ(LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size()),
            0);
}

// Makes inputs by a few random changes of a seed. Deterministic: the standard fixes what mt19937
// gives, and the distribution over it is ours.
class Mutator {
 public:
  explicit Mutator(uint32_t start) : random_(start), words_(FuzzWords()) {}

  size_t Below(size_t bound) { return random_() % bound; }

  std::string Mutate(std::string input, const std::string& other) {
    const size_t changes = 1 + Below(4);
    for (size_t i = 0; i < changes; ++i) ChangeOnce(&input, other);
    input.resize(std::min(input.size(), kMostInputBytes));
    return input;
  }

 private:
  void ChangeOnce(std::string* input, const std::string& other) {
    const size_t place = Below(input->size() + 1);
    const size_t length = Below(std::min<size_t>(input->size() - place, 16) + 1);
    switch (Below(9)) {
      case 0:
        if (place < input->size()) (*input)[place] ^= static_cast<char>(1 << Below(8));
        break;
      case 1:
        if (place < input->size()) (*input)[place] = static_cast<char>(Below(256));
        break;
      case 2:
        input->insert(place, 1, static_cast<char>(Below(256)));
        break;
      case 3:
        input->erase(place, length);
        break;
      case 4:
        input->insert(place, input->substr(place, length));  // a piece twice
        break;
      case 5:
        input->insert(place, words_[Below(words_.size())]);
        break;
      case 6:
        input->replace(place, length, words_[Below(words_.size())]);
        break;
      case 7:  // the start of one, the end of the other
        *input = input->substr(0, place) + other.substr(std::min(Below(64), other.size()));
        break;
      case 8:  // a piece of text where a line starts
        input->insert(LineStartFrom(*input, place), words_[Below(words_.size())]);
        break;
    }
  }

  static size_t LineStartFrom(const std::string& text, size_t place) {
    const size_t end = text.find('\n', place);
    return end == text.npos ? text.size() : end + 1;
  }

  std::mt19937 random_;
  std::vector<std::string> words_;
};

TEST(BoundedFuzzTest, InvariantsHoldForTheSeedsAndEachOfTheirBeginnings) {
  for (const std::string& seed : FuzzSeeds()) {
    for (size_t size = 0; size <= seed.size(); ++size) Try(seed.substr(0, size));
  }
}

TEST(BoundedFuzzTest, InvariantsHoldForMutatedSeeds) {
  const std::vector<std::string> seeds = FuzzSeeds();
  Mutator mutator(20240607);
  for (int i = 0; i < kIterations; ++i) {
    Try(mutator.Mutate(seeds[i % seeds.size()], seeds[mutator.Below(seeds.size())]));
  }
}

}  // namespace
}  // namespace pelton
