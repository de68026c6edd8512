#include "framework/internal/symbolizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <ucontext.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "framework/base/check.h"

namespace pelton {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr int kInnerLine = __LINE__ + 2;
[[gnu::noinline]] void CaptureHere(NativeStack* stack) {
  ucontext_t context;
  PELTON_CHECK(::getcontext(&context) == 0);
  stack->Capture(context);
}

[[gnu::noinline]] void CallsCapture(NativeStack* stack) {
  CaptureHere(stack);
  asm volatile("");  // no tail call
}
constexpr int kOuterLine = __LINE__ - 3;

constexpr int kInlinedLine = __LINE__ + 2;
[[gnu::always_inline]] inline void CapturesInline(NativeStack* stack) {
  CaptureHere(stack);
  asm volatile("");
}
[[gnu::noinline]] void CallsInlined(NativeStack* stack) {
  CapturesInline(stack);
  asm volatile("");
}
constexpr int kCallOfInlinedLine = __LINE__ - 3;

std::string Here(int line) { return absl::StrCat("tests/framework/symbolizer_test.cc:", line); }

TEST(SymbolizerTest, UnwindsAStackToFunctionsAndLines) {
  const auto stack = std::make_unique<NativeStack>();
  CallsCapture(stack.get());
  Symbolizer symbolizer;
  for (int round = 0; round < 2; ++round) {
    const std::vector<std::string> frames = symbolizer.Describe(*stack);
    ASSERT_GE(frames.size(), 4u);
    EXPECT_THAT(frames[0], HasSubstr("CaptureHere(pelton::NativeStack*)"));
    EXPECT_THAT(frames[0], HasSubstr(Here(kInnerLine + 1)));
    EXPECT_THAT(frames[1], HasSubstr("CallsCapture(pelton::NativeStack*)"));
    EXPECT_THAT(frames[1], HasSubstr(Here(kOuterLine)));
    EXPECT_THAT(frames[2], HasSubstr("UnwindsAStackToFunctionsAndLines"));
  }
}

TEST(SymbolizerTest, NamesInlinedFunctionsAndWhereTheyWereCalled) {
  const auto stack = std::make_unique<NativeStack>();
  CallsInlined(stack.get());
  const std::vector<std::string> frames = Symbolizer().Describe(*stack);
  ASSERT_GE(frames.size(), 2u);
  EXPECT_THAT(frames[1], HasSubstr(absl::StrCat("CapturesInline ", Here(kInlinedLine))));
  EXPECT_THAT(frames[1], HasSubstr("inlined into "));
  EXPECT_THAT(frames[1], HasSubstr(absl::StrCat("CallsInlined(pelton::NativeStack*) ",
                                                Here(kCallOfInlinedLine))));
}

const std::vector<std::string>* frames_of_comparison = nullptr;

int CompareAndCapture(const void*, const void*) {
  static std::vector<std::string> frames;
  const auto stack = std::make_unique<NativeStack>();
  CallsCapture(stack.get());
  Symbolizer symbolizer;
  frames = symbolizer.Describe(*stack);
  frames_of_comparison = &frames;
  return 0;
}

TEST(SymbolizerTest, UnwindsThroughTheCLibraryWhichHasNoFramePointers) {
  int numbers[] = {2, 1};
  std::qsort(numbers, 2, sizeof(int), &CompareAndCapture);
  ASSERT_NE(frames_of_comparison, nullptr);
  std::string all;
  for (const std::string& frame : *frames_of_comparison) absl::StrAppend(&all, frame, "\n");
  EXPECT_THAT(all, HasSubstr("CompareAndCapture"));
  EXPECT_THAT(all, HasSubstr("qsort"));
  EXPECT_THAT(all, HasSubstr("UnwindsThroughTheCLibraryWhichHasNoFramePointers"));
}

TEST(SymbolizerTest, AStackThatWasNotCopiedYieldsOneFrame) {
  const auto stack = std::make_unique<NativeStack>();
  Symbolizer symbolizer;
  EXPECT_THAT(symbolizer.Describe(*stack), SizeIs(1));
}

TEST(SymbolizerTest, AnAddressOutsideOfTheProgramIsANumber) {
  EXPECT_EQ(Symbolizer().Describe(uintptr_t{0x10}), "0x10");
}

TEST(SymbolizerTest, FunctionsWithoutLinesHaveAnOffset) {
  EXPECT_THAT(Symbolizer().Describe(reinterpret_cast<uintptr_t>(&std::qsort)), HasSubstr("qsort"));
}

}  // namespace
}  // namespace pelton
