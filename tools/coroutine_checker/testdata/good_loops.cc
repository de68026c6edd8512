// Loops that are fine: they await, they are short, or somebody says why they are.

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "framework/pelton.h"
#include "tools/coroutine_checker/testdata/templates.h"

namespace {

using pelton::PreemptionPoint;
using pelton::Task;

constexpr int kRounds = 64;

void Process(int item);
bool TryProcess();
Task<bool> Next();

#define CHECKED(condition) \
  do {                     \
    if (!(condition)) {    \
      Process(-1);         \
    }                      \
  } while (false)

Task<void> Awaits(const std::vector<int>& items) {
  while (true) co_await PreemptionPoint();
}

Task<void> AwaitsInTheCondition() {
  while (co_await Next()) Process(0);
  do {
    Process(1);
  } while (co_await Next());
  for (bool more = true; more; more = co_await Next()) Process(2);
}

Task<void> AwaitsOnSomePath(const std::vector<int>& items) {
  for (const int item : items) {
    if (item > 0) {
      co_await PreemptionPoint();
    } else {
      Process(item);
    }
  }
}

Task<void> AwaitsInALoopWithin(const std::vector<int>& items) {
  for (int i = 0; i < 1'000'000; ++i) {
    for (const int item : items) {
      Process(item);
      co_await PreemptionPoint();
    }
  }
}

Task<void> CountsToConstants(uint8_t few, size_t many) {
  const int eight = 8;
  for (int i = 0; i < 3; ++i) Process(i);
  for (int i = 0; i < kRounds; i++) Process(i);
  for (int i = 0; eight >= i; i += 2) Process(i);
  for (int i = 9; i >= 0; --i) Process(i);
  for (int i = 0; i != 10; ++i) Process(i);
  for (size_t i = 0; i < sizeof(int); ++i) Process(0);
  for (unsigned bit = 1; bit < 0x8000'0000; bit <<= 1) Process(0);
  for (size_t rest = many; rest > 0; rest /= 10) Process(0);
  for (int i = 0; i < few; ++i) Process(i);
  for (size_t i = 0; i < std::min<size_t>(many, 16); ++i) Process(0);
  for (size_t i = 0; i < many % 100; ++i) Process(0);
  for (size_t i = 0; i < (many & 0xff); ++i) Process(0);
  for (size_t i = 0; i < many && i < 32; ++i) Process(0);
  for (size_t i = 0; i < (few > 3 ? 10u : 20u); ++i) Process(0);
  for (size_t i = many % 8; i < 64; ++i) Process(0);
  co_return;
}

Task<void> OverFixedSizes(std::span<const int, 4> four) {
  const int plain[] = {1, 2, 3};
  std::array<std::string, 8> names;
  for (const int item : plain) Process(item);
  for (const std::string& name : names) Process(static_cast<int>(name.size()));
  for (const int item : {1, 2, 3}) Process(item);
  for (const bool flag : {false, true}) Process(flag);
  for (const int item : four) Process(item);
  for (size_t i = 0; i < names.size(); ++i) Process(0);
  for (int i = 0; i < 10; ++i) {
    for (const int item : plain) Process(item);
  }
  co_return;
}

Task<void> SpeaksUp(const std::vector<int>& items, int count) {
  for (const int item : items) Process(item);  // pelton: bounded: a request has at most 64 items
  // pelton: bounded the caller passes the number of shards
  for (int i = 0; i < count; ++i) {
    for (int j = 0; j < count; ++j) Process(i * j);
  }
  // The reason may take
  // pelton: bounded: by the length of a comment
  // with lines around it.
  while (TryProcess()) continue;
  for (auto it = items.begin(), end = items.end(); it != end;
       ++it) {  // pelton: bounded: as above, at the end of a long head
    Process(*it);
  }
  for (const int item : items) Process(item);  // NOLINT(pelton-await-free-loop)
  for (const int item : items) Process(item);  // NOLINT(bugprone-*, pelton-*)
  for (const int item : items) Process(item);  // NOLINT
  // NOLINTNEXTLINE(pelton-await-free-loop)
  for (const int item : items) Process(item);
  // NOLINTBEGIN(pelton-await-free-loop)
  for (const int item : items) Process(item);
  for (const int item : items) Process(item);
  // NOLINTEND(pelton-await-free-loop)
  co_return;
}

// A lambda that is no coroutine, and a function that is none, may loop.
void Plain(const std::vector<int>& items) {
  for (const int item : items) Process(item);
}

Task<void> HasPlainLambdas(const std::vector<int>& items) {
  auto all = [&] {
    for (const int item : items) Process(item);
  };
  struct Local {
    void Run(const std::vector<int>& items) {
      for (const int item : items) Process(item);
    }
  };
  all();
  Local().Run(items);
  Plain(items);
  co_await pelton::Yield();
}

Task<void> UsesMacros() {
  CHECKED(TryProcess());
  while (false) Process(0);
  co_return;
}

template <typename T>
Task<void> DependsOnAParameter(const T& items) {
  if constexpr (sizeof(T) == 0) {
    for (const auto& item : items) Process(item);
  }
  co_return;
}

Task<void> UsesTemplates(const std::vector<int>& items) {
  const int plain[] = {1, 2, 3};
  co_await VisitFew(plain);
  co_await VisitFew(std::array<int, 4>());
  co_await Repeat<12>();
  co_await DependsOnAParameter(items);
  auto generic = []<typename T>(const T& few) -> Task<void> {
    for (const auto& item : few) Process(item);
    co_return;
  };
  co_await generic(plain);
}

}  // namespace
