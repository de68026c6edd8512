// Assertions that end a coroutine, and assertions of absl::Status.
//
//   PELTON_CO_ASSERT_OK_AND_ASSIGN(TcpStream peer, co_await TcpStream::Connect(address));
//   PELTON_CO_ASSERT_EQ(co_await Count(peer), 3) << "after the second request";
//   PELTON_EXPECT_OK(co_await peer.Write("bye"));
//
// EXPECT_* work in coroutines as they are. ASSERT_* `return`, so in a coroutine it is
// PELTON_CO_ASSERT_*, with the same arguments: one that fails ends the coroutine that it stands in,
// a Task<void>, with `co_return`. Before that it cancels the tasks that were spawned below it and
// waits for their end, since they may refer to its variables and a scope is joined before it dies.
//
// Shard affinity: any shard's tasks, of tests that run by PELTON_TEST.
// Cost: nothing that GoogleTest's do not cost, until one fails.

#ifndef PELTON_FRAMEWORK_TESTING_ASSERTIONS_H_
#define PELTON_FRAMEWORK_TESTING_ASSERTIONS_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "framework/base/status.h"
#include "sched/task.h"

// In coroutines that return Task<void>; all take `<< "more to say"`.
// ------------------------------------------------------------------------------------------------

#define PELTON_CO_ASSERT_TRUE(condition) \
  GTEST_TEST_BOOLEAN_(condition, #condition, false, true, PELTON_CO_FATAL_FAILURE_)
#define PELTON_CO_ASSERT_FALSE(condition) \
  GTEST_TEST_BOOLEAN_(!(condition), #condition, true, false, PELTON_CO_FATAL_FAILURE_)

#define PELTON_CO_ASSERT_EQ(a, b) PELTON_CO_ASSERT_2_(::testing::internal::EqHelper::Compare, a, b)
#define PELTON_CO_ASSERT_NE(a, b) PELTON_CO_ASSERT_2_(::testing::internal::CmpHelperNE, a, b)
#define PELTON_CO_ASSERT_LT(a, b) PELTON_CO_ASSERT_2_(::testing::internal::CmpHelperLT, a, b)
#define PELTON_CO_ASSERT_LE(a, b) PELTON_CO_ASSERT_2_(::testing::internal::CmpHelperLE, a, b)
#define PELTON_CO_ASSERT_GT(a, b) PELTON_CO_ASSERT_2_(::testing::internal::CmpHelperGT, a, b)
#define PELTON_CO_ASSERT_GE(a, b) PELTON_CO_ASSERT_2_(::testing::internal::CmpHelperGE, a, b)

// `value` matches a GoogleMock matcher.
#define PELTON_CO_ASSERT_THAT(value, matcher) \
  PELTON_CO_ASSERT_1_(::testing::internal::MakePredicateFormatterFromMatcher(matcher), value)

// An absl::Status or absl::StatusOr is OK.
#define PELTON_CO_ASSERT_OK(...) PELTON_STATUS_IS_OK_(PELTON_CO_FATAL_FAILURE_, __VA_ARGS__)
// Declares or assigns the value of an absl::StatusOr that is OK. Takes no `<<`.
#define PELTON_CO_ASSERT_OK_AND_ASSIGN(declaration, ...)                                   \
  PELTON_ASSERT_OK_AND_ASSIGN_(PELTON_CO_FATAL_FAILURE_,                                   \
                               PELTON_STATUS_CONCAT(pelton_value_, __LINE__), declaration, \
                               __VA_ARGS__)

// Fails, and ends the coroutine.
#define PELTON_CO_FAIL() PELTON_CO_FATAL_FAILURE_("Failed")
// Ends the coroutine and marks the test as skipped: say which capability is missing.
#define PELTON_CO_SKIP() PELTON_CO_END_("", ::testing::TestPartResult::kSkip)

// In functions and coroutines alike
// ------------------------------------------------------------------------------------------------

// An absl::Status or absl::StatusOr is OK; goes on when it is not.
#define PELTON_EXPECT_OK(...) PELTON_STATUS_IS_OK_(GTEST_NONFATAL_FAILURE_, __VA_ARGS__)

// In functions that return void
// ------------------------------------------------------------------------------------------------

#define PELTON_ASSERT_OK(...) PELTON_STATUS_IS_OK_(GTEST_FATAL_FAILURE_, __VA_ARGS__)
#define PELTON_ASSERT_OK_AND_ASSIGN(declaration, ...)                                      \
  PELTON_ASSERT_OK_AND_ASSIGN_(GTEST_FATAL_FAILURE_,                                       \
                               PELTON_STATUS_CONCAT(pelton_value_, __LINE__), declaration, \
                               __VA_ARGS__)

// How the macros work
// ------------------------------------------------------------------------------------------------

namespace pelton::testing_internal {

inline ::testing::AssertionResult StatusIsOk(const char* expression, const absl::Status& status) {
  if (status.ok()) [[likely]]
    return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << "Value of: " << expression << "\nExpected: is OK\n  Actual: " << status.ToString();
}
template <typename T>
::testing::AssertionResult StatusIsOk(const char* expression, const absl::StatusOr<T>& value) {
  return StatusIsOk(expression, value.status());
}

// An assertion that has failed, or a skip, about to be told to GoogleTest with what follows `<<`.
class Outcome {
 public:
  Outcome(::testing::TestPartResult::Type type, const char* file, int line, std::string text)
      : type_(type), file_(file), line_(line), text_(std::move(text)) {}

  void operator=(const ::testing::Message& message) const {
    ::testing::internal::AssertHelper(type_, file_, line_, text_.c_str()) = message;
  }

 private:
  ::testing::TestPartResult::Type type_;
  const char* file_;
  int line_;
  std::string text_;
};

// Ends the tasks below the running one, and hands `outcome` back. REQUIRES: in a PELTON_TEST.
Task<Outcome> EndTasks(Outcome outcome);

}  // namespace pelton::testing_internal

#define PELTON_CO_END_(text, type)                         \
  co_return co_await ::pelton::testing_internal::EndTasks( \
      ::pelton::testing_internal::Outcome(type, __FILE__, __LINE__, text)) = ::testing::Message()
#define PELTON_CO_FATAL_FAILURE_(text) \
  PELTON_CO_END_(text, ::testing::TestPartResult::kFatalFailure)

#define PELTON_CO_ASSERT_1_(predicate, value) \
  GTEST_PRED_FORMAT1_(predicate, value, PELTON_CO_FATAL_FAILURE_)
#define PELTON_CO_ASSERT_2_(predicate, a, b) \
  GTEST_PRED_FORMAT2_(predicate, a, b, PELTON_CO_FATAL_FAILURE_)

#define PELTON_STATUS_IS_OK_(fail, ...) \
  GTEST_ASSERT_(::pelton::testing_internal::StatusIsOk(#__VA_ARGS__, (__VA_ARGS__)), fail)
#define PELTON_ASSERT_OK_AND_ASSIGN_(fail, temporary, declaration, ...)                 \
  auto temporary = (__VA_ARGS__);                                                       \
  GTEST_ASSERT_(::pelton::testing_internal::StatusIsOk(#__VA_ARGS__, temporary), fail); \
  declaration = *std::move(temporary)

#endif  // PELTON_FRAMEWORK_TESTING_ASSERTIONS_H_
