#include "framework/base/status.h"

#include <cerrno>
#include <memory>
#include <string>

#include "gtest/gtest.h"

namespace pelton {
namespace {

std::string Message(const absl::Status& status) { return std::string(status.message()); }

TEST(StatusTest, AnErrnoNamesOperationSubjectAndItself) {
  const absl::Status status = ErrnoToStatus(ECONNRESET, "read from", "10.0.0.7:4321");
  EXPECT_EQ(Message(status), "read from 10.0.0.7:4321: Connection reset by peer (ECONNRESET)");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(GetErrno(status), ECONNRESET);
}

TEST(StatusTest, TheSubjectMayBeMissing) {
  EXPECT_EQ(Message(ErrnoToStatus(EMFILE, "eventfd")), "eventfd: Too many open files (EMFILE)");
}

TEST(StatusTest, AnUnknownErrnoIsNamedByItsNumber) {
  EXPECT_EQ(ErrnoName(4242), "errno 4242");
  EXPECT_NE(Message(ErrnoToStatus(4242, "x")).find("(errno 4242)"), std::string::npos);
}

TEST(StatusTest, AStatusThatCameOfNoErrnoHasNone) {
  EXPECT_EQ(GetErrno(absl::OkStatus()), 0);
  EXPECT_EQ(GetErrno(absl::InternalError("x")), 0);
}

absl::Status ReturnIfError(absl::Status status, bool* went_on) {
  PELTON_RETURN_IF_ERROR(status);
  *went_on = true;
  return absl::OkStatus();
}

TEST(StatusMacrosTest, ReturnIfErrorGoesOnWithoutOne) {
  bool went_on = false;
  EXPECT_TRUE(ReturnIfError(absl::OkStatus(), &went_on).ok());
  EXPECT_TRUE(went_on);
  went_on = false;
  EXPECT_TRUE(absl::IsNotFound(ReturnIfError(absl::NotFoundError("x"), &went_on)));
  EXPECT_FALSE(went_on);
}

TEST(StatusMacrosTest, ReturnIfErrorTakesAStatusOr) {
  const auto function = [](absl::StatusOr<int> value) -> absl::Status {
    PELTON_RETURN_IF_ERROR(value);
    return absl::AbortedError("went on");
  };
  EXPECT_TRUE(absl::IsAborted(function(3)));
  EXPECT_TRUE(absl::IsNotFound(function(absl::NotFoundError("x"))));
}

TEST(StatusMacrosTest, ReturnIfErrorLeavesAnLvalueAsItIs) {
  // A copy is neither needed nor possible.
  const auto function = [](absl::StatusOr<std::unique_ptr<int>>& value) -> absl::StatusOr<int> {
    PELTON_RETURN_IF_ERROR(value);
    return **value;
  };
  absl::StatusOr<std::unique_ptr<int>> value = std::make_unique<int>(5);
  EXPECT_EQ(*function(value), 5);
  EXPECT_NE(*value, nullptr);
  value = absl::NotFoundError("x");
  EXPECT_TRUE(absl::IsNotFound(function(value).status()));
  EXPECT_EQ(value.status(), absl::NotFoundError("x"));
}

TEST(StatusMacrosTest, ReturnIfErrorTakesAReferenceIntoATemporary) {
  struct Temporary {
    absl::Status status = absl::NotFoundError("a text that is too long to be stored in place");
    const absl::Status& get() const { return status; }
  };
  const auto function = []() -> absl::Status {
    PELTON_RETURN_IF_ERROR(Temporary().get());
    return absl::OkStatus();
  };
  EXPECT_TRUE(absl::IsNotFound(function()));
}

TEST(StatusMacrosTest, AssignOrReturnMovesTheValueOut) {
  const auto function = [](absl::StatusOr<std::unique_ptr<int>> value) -> absl::StatusOr<int> {
    PELTON_ASSIGN_OR_RETURN(const std::unique_ptr<int> pointer, std::move(value));
    int copy;
    PELTON_ASSIGN_OR_RETURN(copy, absl::StatusOr<int>(*pointer));
    return copy;
  };
  EXPECT_EQ(*function(std::make_unique<int>(5)), 5);
  EXPECT_TRUE(absl::IsNotFound(function(absl::NotFoundError("x")).status()));
}

}  // namespace
}  // namespace pelton
