// GoogleMock matchers of absl::Status and absl::StatusOr.
//
//   EXPECT_THAT(co_await store.Put("key", "value"), IsOk());
//   EXPECT_THAT(co_await store.Get("key"), IsOkAndHolds(StartsWith("val")));
//   EXPECT_THAT(co_await store.Get("other"), StatusIs(absl::StatusCode::kNotFound, HasSubstr("other")));
//
// Shard affinity: none.

#ifndef PELTON_FRAMEWORK_TESTING_STATUS_MATCHERS_H_
#define PELTON_FRAMEWORK_TESTING_STATUS_MATCHERS_H_

#include <gmock/gmock.h>

#include <ostream>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "framework/base/status.h"

namespace pelton::testing_internal {

class IsOkMatcher {
 public:
  using is_gtest_matcher = void;

  template <typename StatusLike>
  bool MatchAndExplain(const StatusLike& value, ::testing::MatchResultListener* listener) const {
    const absl::Status& status = base_internal::StatusOf(value);
    if (!status.ok()) *listener << "which is " << status.ToString();
    return status.ok();
  }
  void DescribeTo(std::ostream* out) const { *out << "is OK"; }
  void DescribeNegationTo(std::ostream* out) const { *out << "is not OK"; }
};

// `StatusOr` is an absl::StatusOr<T>, perhaps const, perhaps a reference.
template <typename StatusOr>
class IsOkAndHoldsImplementation final : public ::testing::MatcherInterface<StatusOr> {
  using T = typename std::remove_cvref_t<StatusOr>::value_type;

 public:
  template <typename Inner>
  explicit IsOkAndHoldsImplementation(const Inner& inner)
      : inner_(::testing::SafeMatcherCast<const T&>(inner)) {}

  bool MatchAndExplain(StatusOr value, ::testing::MatchResultListener* listener) const override {
    if (!value.ok()) {
      *listener << "which is " << value.status().ToString();
      return false;
    }
    return inner_.MatchAndExplain(*value, listener);
  }
  void DescribeTo(std::ostream* out) const override {
    *out << "is OK and has a value that ";
    inner_.DescribeTo(out);
  }
  void DescribeNegationTo(std::ostream* out) const override {
    *out << "is an error or has a value that ";
    inner_.DescribeNegationTo(out);
  }

 private:
  const ::testing::Matcher<const T&> inner_;
};

template <typename Inner>
class IsOkAndHoldsMatcher {
 public:
  explicit IsOkAndHoldsMatcher(Inner inner) : inner_(std::move(inner)) {}

  template <typename StatusOr>
  operator ::testing::Matcher<StatusOr>() const {  // NOLINT: as every matcher of GoogleMock
    return ::testing::Matcher<StatusOr>(new IsOkAndHoldsImplementation<StatusOr>(inner_));
  }

 private:
  Inner inner_;
};

class StatusIsMatcher {
 public:
  using is_gtest_matcher = void;

  StatusIsMatcher(absl::StatusCode code, ::testing::Matcher<std::string> message)
      : code_(code), message_(std::move(message)) {}

  template <typename StatusLike>
  bool MatchAndExplain(const StatusLike& value, ::testing::MatchResultListener* listener) const {
    const absl::Status& status = base_internal::StatusOf(value);
    *listener << "which is " << status.ToString();
    return status.code() == code_ && message_.Matches(std::string(status.message()));
  }
  void DescribeTo(std::ostream* out) const {
    *out << "is " << absl::StatusCodeToString(code_) << " with a message that ";
    message_.DescribeTo(out);
  }
  void DescribeNegationTo(std::ostream* out) const {
    *out << "is not " << absl::StatusCodeToString(code_) << " or has a message that ";
    message_.DescribeNegationTo(out);
  }

 private:
  absl::StatusCode code_;
  ::testing::Matcher<std::string> message_;
};

}  // namespace pelton::testing_internal

namespace pelton::testing {

// Matches a Status or StatusOr that is OK.
inline testing_internal::IsOkMatcher IsOk() { return {}; }

// Matches a StatusOr whose value matches `inner`, a value or a matcher.
template <typename Inner>
testing_internal::IsOkAndHoldsMatcher<std::decay_t<Inner>> IsOkAndHolds(Inner&& inner) {
  return testing_internal::IsOkAndHoldsMatcher<std::decay_t<Inner>>(std::forward<Inner>(inner));
}

// Matches a Status or StatusOr with that code, and a message that matches `message`, a text or a
// matcher of std::string.
inline testing_internal::StatusIsMatcher StatusIs(
    absl::StatusCode code, ::testing::Matcher<std::string> message = ::testing::_) {
  return testing_internal::StatusIsMatcher(code, std::move(message));
}

}  // namespace pelton::testing

#endif  // PELTON_FRAMEWORK_TESTING_STATUS_MATCHERS_H_
