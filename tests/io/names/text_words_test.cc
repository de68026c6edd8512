#include "io/names/text_words.h"

#include <gtest/gtest.h>

namespace pelton::io {
namespace {

TEST(TextWordsTest, TakesLinesAndWords) {
  std::string_view text = " a \tbc\r\n\nlast";
  std::string_view line = TakeLine(text);
  EXPECT_EQ(TakeWord(line), "a");
  EXPECT_EQ(TakeWord(line), "bc");
  EXPECT_EQ(TakeWord(line), "");
  EXPECT_EQ(TakeLine(text), "");
  EXPECT_EQ(TakeLine(text), "last");
  EXPECT_TRUE(text.empty());
}

}  // namespace
}  // namespace pelton::io
