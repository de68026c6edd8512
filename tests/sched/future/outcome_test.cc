#include "sched/future/outcome.h"

#include <gtest/gtest.h>

#include <exception>
#include <stdexcept>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace pelton {
namespace {

static_assert(std::is_same_v<Outcome<int>, absl::StatusOr<int>>);
static_assert(std::is_same_v<Outcome<absl::StatusOr<int>>, absl::StatusOr<int>>);
static_assert(std::is_same_v<Outcome<void>, absl::Status>);
static_assert(std::is_same_v<Outcome<absl::Status>, absl::Status>);
static_assert(std::is_same_v<OutcomeValue<absl::StatusOr<int>>, int>);
static_assert(std::is_same_v<OutcomeValue<absl::Status>, void>);

TEST(OutcomeTest, OfAnExceptionIsAnInternalErrorWithItsText) {
  const auto status = [](auto exception) {
    return sched_internal::ExceptionToStatus("a task", std::make_exception_ptr(exception));
  };
  EXPECT_EQ(status(std::runtime_error("boom")),
            absl::InternalError("a task ended by an exception: boom"));
  EXPECT_EQ(status(7), absl::InternalError("a task ended by an exception: of a type that is not "
                                           "derived from std::exception"));
}

}  // namespace
}  // namespace pelton
