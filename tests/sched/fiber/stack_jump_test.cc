#include "sched/fiber/internal/stack_jump.h"

#include <gtest/gtest.h>

#include <array>
#include <boost/context/detail/fcontext.hpp>
#include <cfenv>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace pelton::sched_internal {
namespace {

namespace context = boost::context::detail;

// A stack on which `function` runs.
class Stack {
 public:
  explicit Stack(void (*function)(context::transfer_t))
      : context(context::make_fcontext(memory_.data() + memory_.size(), memory_.size(), function)) {
  }

 private:
  std::vector<char> memory_ = std::vector<char>(size_t{256} * 1024);

 public:
  void* context;
};

// Jumps back with one more than it was given, again and again.
void AddOne(context::transfer_t first) {
  StackArrival at{first.fctx, first.data};
  for (;;)
    at = StackJump(at.from, reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(at.data) + 1));
}

TEST(StackJumpTest, CarriesDataBothWays) {
  Stack stack(&AddOne);
  for (uintptr_t i = 0; i < 100; ++i) {
    const StackArrival back = StackJump(stack.context, reinterpret_cast<void*>(i));
    stack.context = back.from;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(back.data), i + 1);
  }
}

// Overwrites whatever registers it can.
[[gnu::noinline]] double Compute(double seed) {
  std::array<double, 64> values;
  for (size_t i = 0; i < values.size(); ++i) values[i] = seed * static_cast<double>(i + 1);
  double sum = 0;
  for (size_t i = 0; i < values.size(); ++i) sum += values[i] * values[values.size() - 1 - i];
  return sum;
}

void ComputeForever(context::transfer_t first) {
  StackArrival at{first.fctx, first.data};
  for (double seed = 1;; seed += 1) {
    volatile double result = Compute(seed);
    (void)result;
    at = StackJump(at.from, nullptr);
  }
}

// Many values that live in registers across the jump, also those that a call does not preserve.
[[gnu::noinline]] double SumAcross(Stack& stack, const double* in, const uint64_t* words) {
  double a = in[0], b = in[1], c = in[2], d = in[3], e = in[4], f = in[5], g = in[6], h = in[7];
  uint64_t i = words[0], j = words[1], k = words[2], l = words[3], m = words[4], n = words[5];
  long double wide = static_cast<long double>(in[0]) / 3;
  for (int round = 0; round < 50; ++round) {
    stack.context = StackJump(stack.context, nullptr).from;
    a += b, c += d, e += f, g += h;
    i += j, k += l, m += n;
    wide += 1;
  }
  return a + c + e + g + static_cast<double>(i + k + m) + static_cast<double>(wide);
}

TEST(StackJumpTest, ValuesInRegistersSurvive) {
  Stack stack(&ComputeForever);
  const double in[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  const uint64_t words[6] = {1, 2, 3, 4, 5, 6};
  // Each of the sums begins at its first term and adds the second one fifty times.
  const double wanted = (1 + 3 + 5 + 7) + 50 * (2 + 4 + 6 + 8) + (1 + 3 + 5) + 50 * (2 + 4 + 6) +
                        static_cast<double>(1.0L / 3 + 50);
  EXPECT_DOUBLE_EQ(SumAcross(stack, in, words), wanted);
}

// The leaf's locals may lie in the red zone, below the stack pointer.
[[gnu::noinline]] int LeafWithLocals(Stack& stack, int seed) {
  volatile int locals[24];
  for (int i = 0; i < 24; ++i) locals[i] = seed + i;
  stack.context = StackJump(stack.context, nullptr).from;
  int sum = 0;
  for (int i = 0; i < 24; ++i) sum += locals[i];
  return sum;
}

TEST(StackJumpTest, TheRedZoneOfALeafSurvives) {
  Stack stack(&ComputeForever);
  for (int seed = 0; seed < 10; ++seed) {
    EXPECT_EQ(LeafWithLocals(stack, seed), 24 * seed + 23 * 24 / 2);
  }
}

void RoundUpward(context::transfer_t first) {
  std::fesetround(FE_UPWARD);
  StackArrival at{first.fctx, first.data};
  for (;;) at = StackJump(at.from, std::fegetround() == FE_UPWARD ? at.data : nullptr);
}

TEST(StackJumpTest, EachSideHasItsFloatingPointModes) {
  Stack stack(&RoundUpward);
  int token = 0;
  for (int i = 0; i < 3; ++i) {
    const StackArrival back = StackJump(stack.context, &token);
    stack.context = back.from;
    EXPECT_EQ(back.data, &token) << "the other side rounds upward";
    EXPECT_EQ(std::fegetround(), FE_TONEAREST);
  }
}

}  // namespace
}  // namespace pelton::sched_internal
