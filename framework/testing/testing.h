// Tests of code that runs on Pelton, as coroutines in GoogleTest. The one include of such a test.
//
//   PELTON_TEST(CounterTest, CountsVisitors) { ... co_await counter.Visit(); ... }
//   PELTON_TEST(CounterTest, LosesNoVisit, .shards = 3, .seeds = 200) { ... }
//   PELTON_TEST_F(StoreTest, Finds) { PELTON_CO_ASSERT_OK(co_await store_.Find("key")); }
//
// The body is a Task<void> on shard 0 of a runtime of its own: a SteppedRuntime, which runs all
// shards on the test's thread, and whose virtual time jumps to the next timer when nothing is
// ready. It may use everything that a service may: Shard::Current(), On(), streams.
//
// A test fails when
// 1. an expectation does (ASSERT_* return, which coroutines do not: PELTON_CO_ASSERT_*, see
//    assertions.h);
// 2. an exception leaves the body;
// 3. a task, a timer, an operation, a connection or a coroutine frame is alive at the end of the
//    body: the message shows every live task with the lines that it awaits at. What can be cancelled
//    is then cancelled and awaited, so that other tests go on;
// 4. nothing can ever happen any more and the body has not ended: a deadlock, reported likewise; or
//    something goes on happening and the body takes longer than `.timeout`.
//
// `.seeds = N` runs the body N more times, each time with the ready tasks of each shard, and the
// shards, in an order drawn from a seed. The first seed that fails ends the test and stands in the
// messages; --pelton_seed=SEED (PELTON_SEED) runs under that one alone. --pelton_seeds=N
// (PELTON_SEEDS) explores all tests of a program. Each run has a fixture of its own.
//
// Filters, sharding, repetition, skipping, parameters and death tests work as in GoogleTest.

#ifndef PELTON_FRAMEWORK_TESTING_TESTING_H_
#define PELTON_FRAMEWORK_TESTING_TESTING_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>

#include "absl/time/time.h"
#include "sched/task.h"

// IWYU pragma: begin_exports
#include "framework/testing/assertions.h"
#include "framework/testing/status_matchers.h"
#include "framework/testing/virtual_time.h"
// IWYU pragma: end_exports

namespace pelton::testing {

// What a test runs on.
enum class TestRuntime {
  kStepped,       // all shards on one thread, virtual time; a function of the seed
  kThreads,       // a thread for each shard, real time: io_uring where it works, else epoll
  kUringThreads,  // the same on io_uring, or the test fails
  kEpollThreads,
};

// Any of these can follow the test's name, in this order: PELTON_TEST(Suite, Name, .shards = 2).
struct TestOptions {
  // How many shards there are. The body runs on shard 0; On() reaches the others.
  uint32_t shards = 1;
  // How many shuffled runs follow the first, which is not shuffled. On kStepped.
  uint32_t seeds = 0;
  TestRuntime runtime = TestRuntime::kStepped;
  // How long one run of the body may take in real time before it fails and is cancelled,
  // and how long that may take.
  absl::Duration timeout = absl::Seconds(30);
};

}  // namespace pelton::testing

// A test with a coroutine for a body; options may follow the name.
#define PELTON_TEST(suite, name, ...)                                                 \
  PELTON_TEST_IN_(suite, name, ::testing::Test, ::testing::internal::GetTestTypeId(), \
                  ::pelton::testing::TestOptions{__VA_ARGS__})

// The same with a fixture. SetUp() and TearDown() run outside of the shards.
#define PELTON_TEST_F(fixture, name, ...)                                            \
  PELTON_TEST_IN_(fixture, name, fixture, ::testing::internal::GetTypeId<fixture>(), \
                  ::pelton::testing::TestOptions{__VA_ARGS__})

// The same with a fixture that takes a parameter; INSTANTIATE_TEST_SUITE_P as ever.
#define PELTON_TEST_P(fixture, name, ...) \
  PELTON_TEST_P_(fixture, name, (::pelton::testing::TestOptions{__VA_ARGS__}))

// A test on several shards.
#define PELTON_TEST_SHARDS(suite, name, number) PELTON_TEST(suite, name, .shards = (number))

// A test that runs under many orders.
#define PELTON_EXPLORE(suite, name, number) PELTON_TEST(suite, name, .seeds = (number))

// How the macros work
// ------------------------------------------------------------------------------------------------

namespace pelton::testing_internal {

// What every PELTON_TEST is besides a ::testing::Test.
class CoroutineTest {
 public:
  virtual Task<void> PeltonBody() = 0;

 protected:
  ~CoroutineTest() = default;
};

// A test object, by its two bases.
struct TestObject {
  ::testing::Test* test;
  CoroutineTest* body;
};

// Runs the body of `first` under the first seed, and those of new objects under the others.
void RunTest(TestObject first, TestObject (*make)(), const testing::TestOptions& options);

template <typename T>
void RunTest(T& test, const testing::TestOptions& options) {
  TestObject (*const make)() = [] {
    T* const made = new T;
    return TestObject{made, made};
  };
  RunTest(TestObject{&test, &test}, make, options);
}

}  // namespace pelton::testing_internal

#define PELTON_TEST_IN_(suite, name, fixture, fixture_id, ...)                           \
  class suite##_##name##_PeltonTest : public fixture,                                    \
                                      public ::pelton::testing_internal::CoroutineTest { \
   public:                                                                               \
    ::pelton::Task<void> PeltonBody() override;                                          \
  };                                                                                     \
  GTEST_TEST_(suite, name, suite##_##name##_PeltonTest, fixture_id) {                    \
    ::pelton::testing_internal::RunTest(*this, __VA_ARGS__);                             \
  }                                                                                      \
  ::pelton::Task<void> suite##_##name##_PeltonTest::PeltonBody()

// As GoogleTest's TEST_P, whose class has no place for another member.
#define PELTON_TEST_P_(suite, name, options)                                                 \
  class GTEST_TEST_CLASS_NAME_(suite, name)                                                  \
      : public suite, public ::pelton::testing_internal::CoroutineTest {                     \
   public:                                                                                   \
    GTEST_TEST_CLASS_NAME_(suite, name)() = default;                                         \
    void TestBody() override { ::pelton::testing_internal::RunTest(*this, options); }        \
    ::pelton::Task<void> PeltonBody() override;                                              \
                                                                                             \
   private:                                                                                  \
    static int Register() {                                                                  \
      const ::testing::internal::CodeLocation here(__FILE__, __LINE__);                      \
      ::testing::UnitTest::GetInstance()                                                     \
          ->parameterized_test_registry()                                                    \
          .GetTestSuitePatternHolder<suite>(#suite, here)                                    \
          ->AddTestPattern(                                                                  \
              #suite, #name,                                                                 \
              new ::testing::internal::TestMetaFactory<GTEST_TEST_CLASS_NAME_(suite, name)>, \
              here);                                                                         \
      return 0;                                                                              \
    }                                                                                        \
    [[maybe_unused]] static int registered_;                                                 \
  };                                                                                         \
  int GTEST_TEST_CLASS_NAME_(suite, name)::registered_ =                                     \
      GTEST_TEST_CLASS_NAME_(suite, name)::Register();                                       \
  ::pelton::Task<void> GTEST_TEST_CLASS_NAME_(suite, name)::PeltonBody()

#endif  // PELTON_FRAMEWORK_TESTING_TESTING_H_
