#include "framework/examples/http_chunked_decoder.h"

#include <ostream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/framework/examples/http_feeding.h"

namespace pelton {
namespace {

using ::testing::ElementsAre;
using ::testing::StartsWith;

void ExpectTheSameInPieces(const std::string& text, const HttpOutcome& whole,
                           const HttpLimits& limits = {}) {
  EXPECT_EQ(FeedBody(text, EveryEnd(text.size()), limits), whole) << text;
  for (size_t first = 0; first < text.size(); ++first) {
    for (size_t second = first; second < text.size(); ++second) {
      ASSERT_EQ(FeedBody(text, {first, second}, limits), whole)
          << text << "\ncut at " << first << " and " << second;
    }
  }
}

struct ValidCase {
  std::string text;
  std::string content;

  friend std::ostream& operator<<(std::ostream& out, const ValidCase& one) {
    return out << ::testing::PrintToString(one.text);
  }
};

class HttpChunkedDecoderValidTest : public ::testing::TestWithParam<ValidCase> {};

TEST_P(HttpChunkedDecoderValidTest, IsDecodedTheSameWholeAndInPieces) {
  const std::string& text = GetParam().text;
  const HttpOutcome whole = FeedBody(text);
  ASSERT_EQ(whole.state, HttpParseState::kDone) << whole.text;
  EXPECT_EQ(whole.text, GetParam().content);
  EXPECT_EQ(whole.consumed, text.size());
  ExpectTheSameInPieces(text, whole);
  EXPECT_EQ(FeedBody(text + "GET / HTTP/1.1\r\n"), whole);
  for (size_t end = 0; end < text.size(); ++end) {
    ASSERT_EQ(FeedBody(text.substr(0, end)).state, HttpParseState::kNeedMore) << end;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Bodies, HttpChunkedDecoderValidTest,
    ::testing::Values(
        ValidCase{"0\r\n\r\n", ""}, ValidCase{"5\r\nhello\r\n0\r\n\r\n", "hello"},
        ValidCase{"5\r\nhello\r\n1\r\n \r\n6\r\nworld!\r\n0\r\n\r\n", "hello world!"},
        ValidCase{"a\r\n0123456789\r\nA\r\n0123456789\r\n00\r\n\r\n", "01234567890123456789"},
        ValidCase{"0000000000000003\r\nabc\r\n0000000000000000\r\n\r\n", "abc"},
        ValidCase{"3\r\n\r\n0\r\n0\r\n\r\n", "\r\n0"},
        ValidCase{std::string("2\r\n\0\xff\r\n0\r\n\r\n", 12), std::string("\0\xff", 2)},
        ValidCase{"3;a=b\r\nabc\r\n0;c=\"d \t;\x80\"\r\n\r\n", "abc"},
        ValidCase{"3;\r\nabc\r\n0\r\n\r\n", "abc"},
        ValidCase{"1\r\na\r\n0\r\nExpires: never\r\nContent-Length: 7\r\nA:\r\n\r\n", "a"}));

struct InvalidCase {
  std::string text;
  std::string expected;

  friend std::ostream& operator<<(std::ostream& out, const InvalidCase& one) {
    return out << ::testing::PrintToString(one.text);
  }
};

class HttpChunkedDecoderInvalidTest : public ::testing::TestWithParam<InvalidCase> {};

TEST_P(HttpChunkedDecoderInvalidTest, IsRefusedTheSameWholeAndInPieces) {
  const std::string& text = GetParam().text;
  const HttpOutcome whole = FeedBody(text);
  ASSERT_EQ(whole.state, HttpParseState::kError) << text;
  EXPECT_EQ(whole.text, GetParam().expected) << text;
  ExpectTheSameInPieces(text, whole);
  EXPECT_EQ(FeedBody(text + "0\r\n\r\n"), whole) << text;
}

const char kBadSize[] = ": byte that no chunk size may have";

INSTANTIATE_TEST_SUITE_P(
    Sizes, HttpChunkedDecoderInvalidTest,
    ::testing::Values(InvalidCase{"\r\n", "400 at 0: chunk without a size"},
                      InvalidCase{";a\r\n", "400 at 0: chunk without a size"},
                      InvalidCase{" 5\r\n", "400 at 0: chunk without a size"},
                      InvalidCase{"+5\r\n", "400 at 0: chunk without a size"},
                      InvalidCase{"-5\r\n", "400 at 0: chunk without a size"},
                      InvalidCase{"x\r\n", "400 at 0: chunk without a size"},
                      InvalidCase{"g\r\n", "400 at 0: chunk without a size"},
                      InvalidCase{"0x5\r\n", std::string("400 at 1") + kBadSize},
                      InvalidCase{"5 \r\n", std::string("400 at 1") + kBadSize},
                      InvalidCase{"5\t;a\r\n", std::string("400 at 1") + kBadSize},
                      InvalidCase{"5_0\r\n", std::string("400 at 1") + kBadSize},
                      InvalidCase{"5\n", std::string("400 at 1") + kBadSize},
                      InvalidCase{"5\rx", "400 at 2: bare CR in the framing of a chunk"},
                      InvalidCase{"5\r\r\n", "400 at 2: bare CR in the framing of a chunk"},
                      InvalidCase{"00000000000000000",
                                  "400 at 16: chunk size of more than 16 digits"},
                      InvalidCase{"0;a\nb", "400 at 3: bare LF in the framing of a chunk"},
                      InvalidCase{"0;a\rb", "400 at 4: bare CR in the framing of a chunk"},
                      InvalidCase{std::string("0;a\0", 4), "400 at 3: control character"},
                      InvalidCase{"0;a\x7f", "400 at 3: control character"},
                      InvalidCase{"100001\r\n", "413 at 5: body too long"},
                      InvalidCase{"ffffffffffffffff\r\n", "413 at 5: body too long"},
                      InvalidCase{"8000000000000000\r\n", "413 at 5: body too long"},
                      InvalidCase{"1\r\na\r\n100000\r\n", "413 at 11: body too long"}));

INSTANTIATE_TEST_SUITE_P(
    Data, HttpChunkedDecoderInvalidTest,
    ::testing::Values(InvalidCase{"1\r\nab\r\n", "400 at 4: chunk longer than its size"},
                      InvalidCase{"1\r\na\n0\r\n", "400 at 4: chunk longer than its size"},
                      InvalidCase{"1\r\na0\r\n", "400 at 4: chunk longer than its size"},
                      InvalidCase{"1\r\na\r0\r\n", "400 at 5: bare CR in the framing of a chunk"},
                      InvalidCase{"1\r\na\r\n\r\n", "400 at 6: chunk without a size"}));

INSTANTIATE_TEST_SUITE_P(
    Trailers, HttpChunkedDecoderInvalidTest,
    ::testing::Values(
        InvalidCase{"0\r\n\n", "400 at 3: byte that no trailer field's name may have"},
        InvalidCase{"0\r\n\rx", "400 at 4: bare CR in the framing of a chunk"},
        InvalidCase{"0\r\n a: b\r\n", "400 at 3: byte that no trailer field's name may have"},
        InvalidCase{"0\r\n: b\r\n", "400 at 3: byte that no trailer field's name may have"},
        InvalidCase{"0\r\na : b\r\n", "400 at 4: byte that no trailer field's name may have"},
        InvalidCase{"0\r\na\r\n", "400 at 4: byte that no trailer field's name may have"},
        InvalidCase{"0\r\na: b\n", "400 at 7: bare LF in a trailer field"},
        InvalidCase{"0\r\na: b\rc", "400 at 8: bare CR in the framing of a chunk"},
        InvalidCase{"0\r\na: b\r\n c\r\n", "400 at 9: byte that no trailer field's name may have"},
        InvalidCase{std::string("0\r\na: \0", 7), "400 at 6: control character in a trailer field"},
        InvalidCase{"0\r\nGET / HTTP/1.1\r\n",
                    "400 at 6: byte that no trailer field's name may have"}));

TEST(HttpChunkedDecoderTest, GivesTheSinkSlicesOfTheInput) {
  HttpChunkedDecoder decoder({});
  std::vector<std::string> pieces;
  const auto sink = [&](std::string_view data) { pieces.emplace_back(data); };
  const std::string text = "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
  EXPECT_EQ(decoder.Decode(text.substr(0, 5), sink).state, HttpParseState::kNeedMore);
  EXPECT_EQ(decoder.Decode(text.substr(5), sink).state, HttpParseState::kDone);
  EXPECT_THAT(pieces, ElementsAre("he", "llo", " world"));
  EXPECT_EQ(decoder.content_bytes(), 11u);
}

TEST(HttpChunkedDecoderTest, StopsAtTheNextRequest) {
  HttpChunkedDecoder decoder({});
  const auto result = decoder.Decode("0\r\n\r\nGET /", [](std::string_view) { FAIL(); });
  EXPECT_EQ(result.state, HttpParseState::kDone);
  EXPECT_EQ(result.consumed, 5u);
}

TEST(HttpChunkedDecoderLimitsTest, TakesABodyAsLongAsTheLimit) {
  const HttpLimits limits{.max_body_bytes = 4};
  EXPECT_EQ(FeedBody("3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n", {}, limits).text, "abcd");
  const std::string too_long = "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
  const HttpOutcome refused = FeedBody(too_long, {}, limits);
  EXPECT_EQ(refused.text, "413 at 8: body too long");
  ExpectTheSameInPieces(too_long, refused, limits);
}

TEST(HttpChunkedDecoderLimitsTest, CannotBeOverflowedWithoutALimit) {
  const HttpLimits limits{.max_body_bytes = ~size_t{0}};
  EXPECT_EQ(FeedBody("ffffffffffffffff\r\na", {}, limits).state, HttpParseState::kNeedMore);
  EXPECT_EQ(FeedBody("1\r\na\r\nffffffffffffffff\r\n", {}, limits).text,
            "413 at 21: body too long");
}

TEST(HttpChunkedDecoderLimitsTest, CountsTheExtensionsOfAllChunks) {
  const HttpLimits limits{.max_chunk_extension_bytes = 4};
  EXPECT_EQ(FeedBody("1;a\r\nx\r\n0;b\r\n\r\n", {}, limits).text, "x");
  const std::string too_long = "1;a\r\nx\r\n0;bc\r\n\r\n";
  const HttpOutcome refused = FeedBody(too_long, {}, limits);
  EXPECT_EQ(refused.text, "400 at 11: chunk extensions too long");
  ExpectTheSameInPieces(too_long, refused, limits);
}

TEST(HttpChunkedDecoderLimitsTest, BoundsTheTrailerFields) {
  const HttpLimits few{.max_headers = 2};
  EXPECT_EQ(FeedBody("0\r\na:\r\nb:\r\n\r\n", {}, few).state, HttpParseState::kDone);
  EXPECT_EQ(FeedBody("0\r\na:\r\nb:\r\nc:\r\n\r\n", {}, few).text,
            "431 at 11: too many trailer fields");
  const HttpLimits small{.max_trailer_bytes = 8};
  EXPECT_EQ(FeedBody("0\r\na:b\r\nc:\r\n\r\n", {}, small).state, HttpParseState::kDone);
  const std::string too_long = "0\r\na:b\r\nc:dddd\r\n\r\n";
  const HttpOutcome refused = FeedBody(too_long, {}, small);
  EXPECT_THAT(refused.text, StartsWith("431"));
  ExpectTheSameInPieces(too_long, refused, small);
}

}  // namespace
}  // namespace pelton
