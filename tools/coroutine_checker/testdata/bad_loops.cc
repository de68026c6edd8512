// Loops that keep a shard to themselves.

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "framework/pelton.h"
#include "tools/coroutine_checker/testdata/templates.h"

namespace {

using pelton::PreemptionPoint;
using pelton::Task;

void Process(int item);
bool TryProcess();

Task<void> Forever() {
  while (true) Process(1);  // expect: pelton-await-free-loop
  co_return;
}

Task<void> ForeverWithoutACondition() {
  for (;;) {  // expect: pelton-await-free-loop
    if (TryProcess()) co_return;
  }
}

Task<void> SpinsOnAFlag(const volatile bool* flag) {
  while (!*flag) continue;  // expect: pelton-await-free-loop
  co_return;
}

Task<void> Drains() {
  do {  // expect: pelton-await-free-loop
    Process(0);
  } while (TryProcess());
  co_return;
}

Task<void> OverAContainer(const std::vector<int>& items) {
  for (const int item : items) Process(item);  // expect: pelton-await-free-loop
  co_return;
}

Task<void> ByIterators(const std::map<std::string, int>& items) {
  for (auto it = items.begin(); it != items.end(); ++it) {  // expect: pelton-await-free-loop
    Process(it->second);
  }
  co_return;
}

Task<int64_t> Adds(std::span<const int> values) {
  int64_t sum = 0;
  for (size_t i = 0; i < values.size(); ++i) sum += values[i];  // expect: pelton-await-free-loop
  co_return sum;
}

Task<void> CountsFar() {
  for (int i = 0; i < 1'000'000; ++i) Process(i);  // expect: pelton-await-free-loop
  co_return;
}

Task<void> CountsFarDown() {
  for (int i = 1'000'000; i > 0; i -= 2) Process(i);  // expect: pelton-await-free-loop
  co_return;
}

Task<void> CountsToAParameter(int count) {
  for (int i = 0; i < count; ++i) Process(i);  // expect: pelton-await-free-loop
  co_return;
}

Task<void> CountsFromAParameter(int start) {
  for (int i = start; i < 10; ++i) Process(i);  // expect: pelton-await-free-loop
  co_return;
}

Task<void> CountsAndPushesBack() {
  for (int i = 0; i < 10; ++i) {  // expect: pelton-await-free-loop
    if (TryProcess()) i = 0;
  }
  co_return;
}

Task<void> StepsOverTheEnd(int step) {
  for (int i = 0; i != 10; i += 3) Process(i);         // expect: pelton-await-free-loop
  for (int i = 0; i < 10; i += step) Process(i);       // expect: pelton-await-free-loop
  for (int i = 0; i < 10; --i) Process(i);             // expect: pelton-await-free-loop
  for (int i = 0, j = 0; j < 10; ++i) Process(i + j);  // expect: pelton-await-free-loop
  co_return;
}

Task<void> NestsWhatIsShort() {
  for (int i = 0; i < 100; ++i) {
    for (int j = 0; j < 100; ++j) Process(i * j);  // expect: pelton-await-free-loop
  }
  co_return;
}

Task<void> AwaitsOnlyOutside(const std::vector<std::vector<int>>& rows) {
  for (const std::vector<int>& row : rows) {
    co_await PreemptionPoint();
    for (const int item : row) Process(item);  // expect: pelton-await-free-loop
  }
}

Task<void> AwaitsOnlyInALambda(const std::vector<int>& items) {
  for (const int item : items) {  // expect: pelton-await-free-loop
    auto later = [item]() -> Task<void> {
      co_await PreemptionPoint();
      Process(item);
    };
    (void)later;
  }
  co_return;
}

Task<void> LargeArray() {
  static std::array<int, 100'000> table;
  int plain[5000] = {};
  for (int& entry : table) Process(entry);  // expect: pelton-await-free-loop
  for (int& entry : plain) Process(entry);  // expect: pelton-await-free-loop
  co_return;
}

Task<void> TheLargerOfTwo(size_t count) {
  for (size_t i = 0; i < std::max<size_t>(count, 16); ++i) {  // expect: pelton-await-free-loop
    Process(0);
  }
  co_return;
}

auto lambda = [](const std::vector<int>& items) -> Task<void> {
  for (const int item : items) Process(item);  // expect: pelton-await-free-loop
  co_return;
};

auto generic = [](const auto& items) -> Task<void> {
  for (const auto& item : items) Process(item);  // expect: pelton-await-free-loop
  co_return;
};

class Service {
 public:
  Task<void> Run() {
    while (!stopped_) Process(0);  // expect: pelton-await-free-loop
    co_return;
  }

 private:
  bool stopped_ = false;
};

Task<void> UsesThem(const std::vector<int>& items) {
  co_await generic(items);
  co_await lambda(items);
  co_await VisitAll(items);
  Service service;
  co_await service.Run();
}

}  // namespace
