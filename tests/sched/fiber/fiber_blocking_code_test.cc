// Code that was written to block, on fibers: callbacks of C, and a parser that reads as it goes.

#include <gtest/gtest.h>

#include <cstdlib>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "sched/fiber/fiber.h"
#include "sched/sleep.h"
#include "sched/task.h"
#include "sched/when.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::TaskHarness;

TEST(FiberBlockingCodeTest, ACCallbackAwaits) {
  TaskHarness harness;
  auto sort = [] {
    std::vector<int> keys = {5, 3, 9, 1, 7, 2, 8};
    std::qsort(keys.data(), keys.size(), sizeof(int), [](const void* a, const void* b) {
      EXPECT_TRUE(Await(SleepFor(absl::Milliseconds(1))).ok());
      return *static_cast<const int*>(a) - *static_cast<const int*>(b);
    });
    return keys;
  };
  const absl::StatusOr<std::vector<int>> sorted = harness.Run(RunFiber(sort, {.name = "sort"}));
  EXPECT_EQ(*sorted, (std::vector<int>{1, 2, 3, 5, 7, 8, 9}));
  EXPECT_GE(harness.now(), Timestamp::FromNanoseconds(6'000'000)) << "a millisecond a comparison";
}

// A recursive descent over text that arrives bit by bit: it reads by blocking, as such code does.
class Calculator {
 public:
  explicit Calculator(std::string_view text) : text_(text) { Next(); }

  int Sum() {
    int sum = Product();
    while (at_ == '+') {
      Next();
      sum += Product();
    }
    return sum;
  }

 private:
  int Product() {
    int product = Factor();
    while (at_ == '*') {
      Next();
      product *= Factor();
    }
    return product;
  }
  int Factor() {
    int value = 0;
    if (at_ == '(') {
      Next();
      value = Sum();
      EXPECT_EQ(at_, ')');
      Next();
      return value;
    }
    for (; at_ >= '0' && at_ <= '9'; Next()) value = value * 10 + (at_ - '0');
    return value;
  }
  void Next() {
    at_ = Await([](std::string_view* text) -> Task<char> {
      EXPECT_TRUE((co_await SleepFor(absl::Milliseconds(1))).ok());
      if (text->empty()) co_return '\0';
      const char next = text->front();
      text->remove_prefix(1);
      co_return next;
    }(&text_));
  }

  std::string_view text_;
  char at_ = '\0';
};

TEST(FiberBlockingCodeTest, ARecursiveDescentReadsByAwaiting) {
  TaskHarness harness;
  auto program = []() -> Task<void> {
    const auto [first, second] =
        co_await WhenAll(RunFiber([] { return Calculator("2*(3+4*(1+1))+7").Sum(); }),
                         RunFiber([] { return Calculator("((((5))))*11+1").Sum(); }));
    EXPECT_EQ(*first, 29);
    EXPECT_EQ(*second, 56);
  };
  harness.Run(program());
}

}  // namespace
}  // namespace pelton
