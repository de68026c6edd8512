#include "sched/awaitable.h"

#include <gtest/gtest.h>

#include <concepts>
#include <coroutine>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "sched/preemption.h"
#include "sched/sleep.h"
#include "sched/task.h"
#include "sched/task_scope.h"
#include "sched/when.h"
#include "tests/support/task_harness.h"

namespace pelton {
namespace {

using testing::TaskHarness;

// Ready at once; yields a reference.
struct ReferenceAwaiter {
  int* value;
  bool await_ready() const { return true; }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise>) const {}
  int& await_resume() const { return *value; }
};

struct WithMember {
  int* value;
  ReferenceAwaiter operator co_await() const { return {value}; }
};

struct WithFree {
  int* value;
};
ReferenceAwaiter operator co_await(const WithFree& awaitable) { return {awaitable.value}; }

struct NotReadyInTheLanguagesSense {
  bool await_ready() const { return true; }
};

static_assert(Awaitable<SleepFor>);
static_assert(Awaitable<SleepFor&>);
static_assert(Awaitable<Yield>);
static_assert(Awaitable<PreemptionPoint>);
static_assert(Awaitable<WithMember>);
static_assert(Awaitable<const WithMember&>);
static_assert(Awaitable<WithFree>);
static_assert(Awaitable<decltype(std::declval<TaskScope&>().Join())>);
static_assert(Awaitable<decltype(WhenAll(std::declval<Task<int>>()))>);
static_assert(Awaitable<Task<int>>);
static_assert(!Awaitable<Task<int>&>, "a task is awaited as an rvalue");
static_assert(!Awaitable<int>);
static_assert(!Awaitable<std::string>);
static_assert(!Awaitable<NotReadyInTheLanguagesSense>);

static_assert(std::same_as<AwaitResult<SleepFor>, absl::Status>);
static_assert(std::same_as<AwaitResult<Yield>, void>);
static_assert(std::same_as<AwaitResult<WithMember>, int&>);
static_assert(std::same_as<AwaitResult<WithFree>, int&>);
static_assert(std::same_as<AwaitResult<Task<std::unique_ptr<int>>>, std::unique_ptr<int>>);
static_assert(std::same_as<AwaitResult<Task<int&>>, int&>);
static_assert(std::same_as<AwaitResult<Task<void>>, void>);

static_assert(std::same_as<sched_internal::Stored<void>, std::monostate>);
static_assert(std::same_as<sched_internal::Stored<int&>, std::reference_wrapper<int>>);
static_assert(std::same_as<sched_internal::Stored<std::string&&>, std::string>);

template <Awaitable A>
Task<AwaitResult<A>> Forward(A awaitable) {
  co_return co_await std::move(awaitable);
}

TEST(AwaitableTest, AGenericTaskAwaitsEveryKind) {
  TaskHarness harness;
  int value = 5;
  EXPECT_EQ(&harness.Run(Forward(ReferenceAwaiter{&value})), &value);
  EXPECT_EQ(&harness.Run(Forward(WithMember{&value})), &value);
  EXPECT_EQ(&harness.Run(Forward(WithFree{&value})), &value);
  EXPECT_EQ(harness.Run(Forward(Forward(WithMember{&value}))), 5);
}

TEST(AwaitableTest, TheAwaiterOfAnAwaiterIsItself) {
  ReferenceAwaiter awaiter{nullptr};
  EXPECT_EQ(&sched_internal::GetAwaiter(awaiter), &awaiter);
}

}  // namespace
}  // namespace pelton
