#include "framework/testing/status_matchers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace pelton::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pointee;
using ::testing::StringMatchResultListener;

// What a matcher says about `value`.
template <typename Matcher, typename T>
std::string Explain(const Matcher& matcher, const T& value) {
  StringMatchResultListener listener;
  ::testing::ExplainMatchResult(matcher, value, &listener);
  return listener.str();
}

TEST(StatusMatchersTest, IsOkTakesStatusesAndValues) {
  EXPECT_THAT(absl::OkStatus(), IsOk());
  EXPECT_THAT(absl::StatusOr<int>(3), IsOk());
  EXPECT_THAT(absl::NotFoundError("key"), Not(IsOk()));
  EXPECT_THAT(absl::StatusOr<int>(absl::NotFoundError("key")), Not(IsOk()));
  EXPECT_EQ(Explain(IsOk(), absl::NotFoundError("key")), "which is NOT_FOUND: key");
}

TEST(StatusMatchersTest, IsOkAndHoldsTakesAValueOrAMatcher) {
  const absl::StatusOr<int> three = 3;
  EXPECT_THAT(three, IsOkAndHolds(3));
  EXPECT_THAT(three, IsOkAndHolds(Gt(2)));
  EXPECT_THAT(three, Not(IsOkAndHolds(4)));
  EXPECT_THAT(absl::StatusOr<int>(absl::NotFoundError("key")), Not(IsOkAndHolds(3)));
  EXPECT_THAT(absl::StatusOr<std::string>("text"), IsOkAndHolds("text"));
  EXPECT_THAT(absl::StatusOr<std::vector<int>>({1, 2}), IsOkAndHolds(ElementsAre(1, Gt(1))));
}

TEST(StatusMatchersTest, IsOkAndHoldsTakesWhatCannotBeCopied) {
  EXPECT_THAT(absl::StatusOr<std::unique_ptr<int>>(std::make_unique<int>(5)),
              IsOkAndHolds(Pointee(5)));
}

TEST(StatusMatchersTest, StatusIsLooksAtCodeAndMessage) {
  const absl::Status status = absl::NotFoundError("no such key");
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, "no such key"));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, HasSubstr("key")));
  EXPECT_THAT(absl::StatusOr<int>(status), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(status, Not(StatusIs(absl::StatusCode::kInternal)));
  EXPECT_THAT(status, Not(StatusIs(absl::StatusCode::kNotFound, "key")));
  EXPECT_EQ(Explain(StatusIs(absl::StatusCode::kInternal), status),
            "which is NOT_FOUND: no such key");
}

TEST(StatusMatchersTest, DescribeWhatTheyExpect) {
  EXPECT_EQ(::testing::DescribeMatcher<absl::Status>(IsOk()), "is OK");
  EXPECT_THAT(::testing::DescribeMatcher<absl::Status>(
                  StatusIs(absl::StatusCode::kNotFound, HasSubstr("key"))),
              AllOf(HasSubstr("NOT_FOUND"), HasSubstr("key")));
  EXPECT_THAT(::testing::DescribeMatcher<absl::StatusOr<int>>(IsOkAndHolds(Gt(2))),
              HasSubstr("is > 2"));
}

}  // namespace
}  // namespace pelton::testing
