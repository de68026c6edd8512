#include "framework/examples/internal/http_syntax.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"

namespace pelton::http_internal {
namespace {

constexpr std::string_view kLettersAndDigits =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

// The alphabets, spelt out.
std::string MembersOf(Alphabet alphabet) {
  const std::string basic(kLettersAndDigits);
  const std::string path = basic + "-._~!$&'()*+,;=:@/";
  switch (alphabet) {
    case kToken:
      return basic + "!#$%&'*+-.^_`|~";
    case kPath:
      return path;
    case kQuery:
    case kUri:
      return path + "?[]\\^`{|}";
    case kHost:
      return basic + "-._~";
    case kIpv6:
      return "0123456789abcdefABCDEF:.";
    case kFieldText:
      break;
  }
  std::string text = "\t";
  for (int c = ' '; c < 256; ++c) {
    if (c != 0x7f) text.push_back(static_cast<char>(c));
  }
  return text;
}

template <Alphabet alphabet>
void ExpectItsMembersAlone() {
  const std::string members = MembersOf(alphabet);
  for (int c = 0; c < 256; ++c) {
    const char byte = static_cast<char>(c);
    const bool is_member = members.find(byte) != members.npos;
    EXPECT_EQ(IsOf(alphabet, byte), is_member) << c;
    const char* end = &byte + 1;
    EXPECT_EQ(Skip<alphabet>(&byte, end), is_member ? end : &byte) << c;
  }
}

TEST(HttpSyntaxTest, AlphabetsHaveTheirMembersAlone) {
  ExpectItsMembersAlone<kToken>();
  ExpectItsMembersAlone<kPath>();
  ExpectItsMembersAlone<kQuery>();
  ExpectItsMembersAlone<kUri>();
  ExpectItsMembersAlone<kHost>();
  ExpectItsMembersAlone<kIpv6>();
  ExpectItsMembersAlone<kFieldText>();
}

TEST(HttpSyntaxTest, SkipStopsAtTheFirstStrangerWhereverItIs) {
  for (size_t size = 0; size < 40; ++size) {
    for (size_t stranger = 0; stranger <= size; ++stranger) {
      // Memory of its own, so that a sanitizer notices a look beyond.
      const std::unique_ptr<char[]> text(new char[size]);
      for (size_t i = 0; i < size; ++i) text[i] = i == stranger ? ' ' : 'a';
      ASSERT_EQ(Skip<kToken>(text.get(), text.get() + size), text.get() + stranger);
    }
  }
}

TEST(HttpSyntaxTest, SkipFieldTextStopsAtEachControlByteWhereverItIs) {
  for (int c = 0; c < 256; ++c) {
    const bool stops = c != '\t' && (c < ' ' || c == 0x7f);
    for (size_t size = 1; size < 26; ++size) {
      for (size_t place = 0; place < size; ++place) {
        const std::unique_ptr<char[]> text(new char[size]);
        // Neighbours that a careless trick with carries would get wrong.
        for (size_t i = 0; i < size; ++i) text[i] = "\t \x80~\xff!"[i % 6];
        text[place] = static_cast<char>(c);
        const char* end = text.get() + size;
        ASSERT_EQ(SkipFieldText(text.get(), end), stops ? text.get() + place : end)
            << "byte " << c << " at " << place << " of " << size;
      }
    }
  }
}

TEST(HttpSyntaxTest, SkipFieldTextFindsTheFirstOfTwo) {
  for (size_t first = 0; first < 16; ++first) {
    for (size_t second = first + 1; second < 16; ++second) {
      std::string text(16, 'a');
      text[first] = '\r';
      text[second] = '\0';
      ASSERT_EQ(SkipFieldText(text.data(), text.data() + 16) - text.data(),
                static_cast<ptrdiff_t>(first));
      std::swap(text[first], text[second]);
      ASSERT_EQ(SkipFieldText(text.data(), text.data() + 16) - text.data(),
                static_cast<ptrdiff_t>(first));
    }
  }
}

TEST(HttpSyntaxTest, HexDigitKnowsTheDigitsAlone) {
  const std::string digits = "0123456789abcdef";
  for (int c = 0; c < 256; ++c) {
    const char byte = static_cast<char>(c);
    const char lower = byte >= 'A' && byte <= 'F' ? byte - 'A' + 'a' : byte;
    const size_t place = digits.find(lower);
    EXPECT_EQ(HexDigit(byte), place == digits.npos ? -1 : static_cast<int>(place)) << c;
  }
}

TEST(HttpSyntaxTest, IgnoresTheCaseOfLettersAlone) {
  EXPECT_TRUE(EqualsIgnoringCase("cONTENT-lENGTH", "content-length"));
  EXPECT_TRUE(EqualsIgnoringCase("", ""));
  EXPECT_FALSE(EqualsIgnoringCase("content-lengt", "content-length"));
  EXPECT_FALSE(EqualsIgnoringCase("content\rlength", "content-length"));  // 0x0d | 0x20 is '-'
  EXPECT_FALSE(EqualsIgnoringCase("@", "`"));
  EXPECT_FALSE(EqualsIgnoringCase("[", "{"));
}

TEST(HttpSyntaxTest, TrimsSpacesAndTabsAtTheEnds) {
  EXPECT_EQ(Trim(" \ta b\t "), "a b");
  EXPECT_EQ(Trim("a"), "a");
  EXPECT_EQ(Trim(" \t"), "");
  EXPECT_EQ(Trim(""), "");
}

TEST(HttpSyntaxTest, TakesTheElementsOfAList) {
  std::string_view list = " a , b,,c ";
  std::vector<std::string> elements;
  while (!list.empty()) elements.emplace_back(TakeElement(&list));
  EXPECT_EQ(elements, (std::vector<std::string>{"a", "b", "", "c"}));
}

TEST(HttpSyntaxTest, KnowsAnAuthority) {
  for (const char* text : {"h", "h:80", "h:0", "h:65535", "h:", "a-b.c_d~e", "127.0.0.1:80", "[::]",
                           "[::1]:80", "[::ffff:1.2.3.4]", "h:00080"}) {
    EXPECT_TRUE(IsAuthority(text, false)) << text;
  }
  for (const char* text : {"",     ":",      ":80",    "h:65536", "h:99999999999999999999",
                           "h:8x", "h:-1",   "h:+1",   "h:1:2",   "h ",
                           " h",   "h/",     "u@h",    "h%41",    "h,i",
                           "h!",   "h\x80",  "[",      "[]",      "[:",
                           "[h]",  "[::1",   "[::1]x", "[::1]80", "[::1%25lo]",
                           "[11]", "[::1]]", "::1",    "]",       "h]"}) {
    EXPECT_FALSE(IsAuthority(text, false)) << text;
  }
  EXPECT_TRUE(IsAuthority("h:80", true));
  EXPECT_TRUE(IsAuthority("[::1]:80", true));
  for (const char* text : {"h", "h:", "[::1]", "[::1]:"}) {
    EXPECT_FALSE(IsAuthority(text, true)) << text;
  }
}

}  // namespace
}  // namespace pelton::http_internal
