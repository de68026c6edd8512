#include "framework/base/strings.h"

#include "gtest/gtest.h"

namespace pelton {
namespace {

TEST(StringsTest, CrossTheBorderWithoutACopy) {
  const std::string_view text("a\0b", 3);
  EXPECT_EQ(ToAbsl(text).data(), text.data());
  EXPECT_EQ(ToAbsl(text).size(), 3u);
  EXPECT_EQ(ToStd(ToAbsl(text)), text);
  EXPECT_TRUE(ToStd(ToAbsl({})).empty());
}

}  // namespace
}  // namespace pelton
