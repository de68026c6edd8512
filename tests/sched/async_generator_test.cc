#include "sched/async_generator.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "sched/deadline.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "sched/task.h"
#include "tests/sched/flows.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::TaskHarness;
using testing::UnderEverySeed;

// Notes its end.
struct Witness {
  explicit Witness(int* ended) : ended(ended) {}
  Witness(const Witness&) = delete;
  ~Witness() { ++*ended; }
  int* ended;
};

AsyncGenerator<int> Count(int limit, int* ended = nullptr) {
  int ignored = 0;
  const Witness witness(ended != nullptr ? ended : &ignored);
  for (int i = 0; i < limit; ++i) {
    if (i % 2 == 1) co_await Yield();
    if (i % 3 == 1) (void)co_await SleepFor(absl::Seconds(1));
    co_yield i;
  }
}

TEST(AsyncGeneratorTest, YieldsItsSequenceAndThenNull) {
  UnderEverySeed([](TaskHarness& harness) {
    auto body = []() -> Task<std::vector<int>> {
      std::vector<int> values;
      AsyncGenerator<int> numbers = Count(5);
      while (int* value = co_await numbers.Next()) values.push_back(*value);
      EXPECT_EQ(co_await numbers.Next(), nullptr);
      EXPECT_EQ(co_await numbers.Next(), nullptr);
      co_return values;
    };
    EXPECT_EQ(harness.Run(body()), (std::vector<int>{0, 1, 2, 3, 4}));
  });
}

TEST(AsyncGeneratorTest, TheMacroIsALoopWithBreakAndContinue) {
  TaskHarness harness;
  int ended = 0;
  auto body = [&]() -> Task<int> {
    int sum = 0;
    PELTON_FOR_CO_AWAIT(const int& value, Count(100, &ended)) {
      if (value == 2) continue;
      if (value == 5) break;
      sum += value;
    }
    EXPECT_EQ(ended, 1) << "the temporary is destroyed with the loop";
    PELTON_FOR_CO_AWAIT(int value, Count(3)) sum += value;
    PELTON_FOR_CO_AWAIT(auto& value, Count(1000)) {
      if (value == 1) co_return sum;
    }
    co_return -1;
  };
  EXPECT_EQ(harness.Run(body()), (0 + 1 + 3 + 4) + (0 + 1 + 2));
}

TEST(AsyncGeneratorTest, DoesNothingBeforeTheFirstNext) {
  TaskHarness harness;
  bool started = false;
  auto generate = [&]() -> AsyncGenerator<int> {
    started = true;
    co_yield 1;
  };
  auto body = [&]() -> Task<void> {
    {
      AsyncGenerator<int> unused = generate();
      EXPECT_FALSE(started);
    }
    AsyncGenerator<int> used = generate();
    EXPECT_EQ(*co_await used.Next(), 1);
    EXPECT_TRUE(started);
  };
  harness.Run(body());
}

TEST(AsyncGeneratorTest, DestroyedAtAYieldItDestroysItsLocals) {
  UnderEverySeed([](TaskHarness& harness) {
    int ended = 0;
    auto body = [&]() -> Task<void> {
      AsyncGenerator<int> numbers = Count(5, &ended);
      EXPECT_EQ(*co_await numbers.Next(), 0);
      EXPECT_EQ(*co_await numbers.Next(), 1);
      EXPECT_EQ(ended, 0);
      numbers = AsyncGenerator<int>();
      EXPECT_EQ(ended, 1);
    };
    harness.Run(body());
    EXPECT_EQ(ended, 1);
  });
}

TEST(AsyncGeneratorTest, ValuesAreYieldedByReference) {
  TaskHarness harness;
  std::string text = "a";
  auto generate = [&]() -> AsyncGenerator<std::string&> {
    co_yield text;
    EXPECT_EQ(text, "changed");
  };
  auto copies = []() -> AsyncGenerator<std::string> {
    const std::string constant = "constant";
    co_yield constant;
    co_yield std::string("temporary");
    co_yield "converted";
  };
  auto constants = []() -> AsyncGenerator<const std::string&> {
    const std::string constant = "constant";
    co_yield constant;
  };
  auto moved = []() -> AsyncGenerator<std::unique_ptr<int>> { co_yield std::make_unique<int>(3); };
  auto body = [&]() -> Task<void> {
    PELTON_FOR_CO_AWAIT(std::string & value, generate()) {
      EXPECT_EQ(&value, &text);
      value = "changed";
    }
    std::vector<std::string> all;
    PELTON_FOR_CO_AWAIT(std::string & value, copies()) all.push_back(std::move(value));
    PELTON_FOR_CO_AWAIT(const std::string& value, constants()) all.push_back(value);
    EXPECT_EQ(all, (std::vector<std::string>{"constant", "temporary", "converted", "constant"}));
    auto boxes = moved();
    const std::unique_ptr<int> box = std::move(*co_await boxes.Next());
    EXPECT_EQ(*box, 3);
  };
  harness.Run(body());
}

TEST(AsyncGeneratorTest, AnExceptionComesOutOfNextAndEndsTheSequence) {
  UnderEverySeed([](TaskHarness& harness) {
    auto generate = []() -> AsyncGenerator<int> {
      co_yield 1;
      co_await Yield();
      throw std::runtime_error("failed");
    };
    auto body = [&]() -> Task<void> {
      AsyncGenerator<int> numbers = generate();
      EXPECT_EQ(*co_await numbers.Next(), 1);
      bool caught = false;
      try {
        (void)co_await numbers.Next();
      } catch (const std::runtime_error&) {
        caught = true;
      }
      EXPECT_TRUE(caught);
      EXPECT_EQ(co_await numbers.Next(), nullptr);
    };
    harness.Run(body());
  });
}

TEST(AsyncGeneratorTest, AnExceptionOfTheConsumerDestroysIt) {
  TaskHarness harness;
  int ended = 0;
  auto body = [&]() -> Task<void> {
    PELTON_FOR_CO_AWAIT(int value, Count(5, &ended)) {
      if (value == 1) throw std::runtime_error("the consumer's");
    }
  };
  EXPECT_THROW(harness.Run(body()), std::runtime_error);
  EXPECT_EQ(ended, 1);
}

TEST(AsyncGeneratorTest, CancellingTheConsumerReachesWhatTheGeneratorAwaits) {
  UnderEverySeed([](TaskHarness& harness) {
    absl::Status inside;
    int received = 0;
    auto generate = [&]() -> AsyncGenerator<int> {
      co_yield 1;
      inside = co_await SleepFor(absl::Hours(1));
      if (inside.ok()) co_yield 2;
    };
    harness.scope().Spawn([&]() -> Task<void> {
      PELTON_FOR_CO_AWAIT(int value, generate()) received = value;
    });
    harness.RunReady();
    harness.scope().Cancel();
    harness.RunReady();
    EXPECT_EQ(harness.scope().live(), 0u);
    EXPECT_TRUE(absl::IsCancelled(inside)) << inside;
    EXPECT_EQ(received, 1);
  });
}

TEST(AsyncGeneratorTest, ADeadlineAroundOneNextLeavesTheGeneratorUsable) {
  TaskHarness harness;
  auto generate = []() -> AsyncGenerator<int> {
    const absl::Status late = co_await SleepFor(absl::Hours(1));
    co_yield absl::IsDeadlineExceeded(late) ? 1 : -1;
    co_yield (co_await SleepFor(absl::Seconds(1))).ok() ? 2 : -2;
  };
  auto body = [&]() -> Task<void> {
    AsyncGenerator<int> numbers = generate();
    EXPECT_EQ(**co_await WithTimeout(absl::Seconds(1), numbers.Next()), 1);
    EXPECT_EQ(*co_await numbers.Next(), 2);
  };
  harness.Run(body());
  EXPECT_LT(harness.now() - Timestamp(), absl::Seconds(3));
}

TEST(AsyncGeneratorTest, ALoopOverAReadyOneGivesWay) {
  TaskHarness harness;
  bool other_ran = false;
  auto endless = []() -> AsyncGenerator<int> {
    for (int i = 0;; ++i) co_yield i;
  };
  auto body = [&]() -> Task<void> {
    harness.scope().Spawn([&]() -> Task<void> {
      other_ran = true;
      co_return;
    });
    PELTON_FOR_CO_AWAIT(int value, endless()) {
      if (other_ran) break;
      EXPECT_LT(value, 100'000);
    }
  };
  harness.Run(body());
  EXPECT_TRUE(other_ran);
}

TEST(AsyncGeneratorTest, GeneratorsStackUp) {
  TaskHarness harness;
  auto even = [](AsyncGenerator<int> source) -> AsyncGenerator<int> {
    PELTON_FOR_CO_AWAIT(int& value, source) {
      if (value % 2 == 0) co_yield value;
    }
  };
  auto body = [&]() -> Task<int> {
    int sum = 0;
    PELTON_FOR_CO_AWAIT(int value, even(Count(10))) sum += value;
    co_return sum;
  };
  EXPECT_EQ(harness.Run(body()), 0 + 2 + 4 + 6 + 8);
}

TEST(AsyncGeneratorTest, TheBacktraceLeadsFromItToItsConsumer) {
  TaskHarness harness;
  bool looked = false;
  auto body = [&]() -> Task<void> {
    PromiseBase* const consumer = &Scheduler::Current()->leaf();
    auto generate = [&]() -> AsyncGenerator<int> {
      EXPECT_NE(&Scheduler::Current()->leaf(), consumer);
      EXPECT_EQ(Scheduler::Current()->leaf().parent(), consumer);
      co_yield 1;
    };
    PELTON_FOR_CO_AWAIT(int value, generate()) {
      looked = value == 1;
      EXPECT_EQ(&Scheduler::Current()->leaf(), consumer);
    }
  };
  harness.Run(body());
  EXPECT_TRUE(looked);
}

TEST(AsyncGeneratorDeathTest, DiesOfAYieldInsideADeadlineOfItsOwn) {
  TaskHarness harness;
  auto generate = []() -> AsyncGenerator<int> {
    const ScopedDeadline deadline(absl::Seconds(1));
    co_yield 1;
  };
  auto body = [&]() -> Task<void> {
    AsyncGenerator<int> numbers = generate();
    (void)co_await numbers.Next();
  };
  EXPECT_DEATH(harness.Run(body()), "yielded inside of a ScopedDeadline");
}

TEST(AsyncGeneratorDeathTest, DiesWhenItIsDestroyedDuringNext) {
  TaskHarness harness;
  std::optional<AsyncGenerator<int>> numbers;
  auto generate = [&]() -> AsyncGenerator<int> {
    numbers.reset();
    co_yield 1;
  };
  auto body = [&]() -> Task<void> {
    numbers.emplace(generate());
    (void)co_await numbers->Next();
  };
  EXPECT_DEATH(harness.Run(body()), "while its Next\\(\\) was awaited");
}

}  // namespace
}  // namespace pelton
