// What HttpHeadParser refuses, and with which status: the other half of http_parser_test.cc.

#include <ostream>
#include <string>
#include <vector>

#include "framework/examples/http_parser.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/framework/examples/http_feeding.h"

namespace pelton {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

struct InvalidCase {
  std::string text;
  std::string expected;  // "STATUS at OFFSET: REASON", or how it starts

  friend std::ostream& operator<<(std::ostream& out, const InvalidCase& invalid) {
    return out << ::testing::PrintToString(invalid.text);
  }
};

class HttpParserInvalidTest : public ::testing::TestWithParam<InvalidCase> {};

TEST_P(HttpParserInvalidTest, IsRefusedTheSameWholeAndInPieces) {
  const std::string& text = GetParam().text;
  const HttpOutcome whole = FeedHead(text);
  EXPECT_THAT(whole.text, StartsWith(GetParam().expected)) << text;
  ASSERT_EQ(whole.state, HttpParseState::kError);
  EXPECT_EQ(FeedHead(text, EveryEnd(text.size())), whole) << text;
  for (size_t cut = 0; cut < text.size(); ++cut) {
    ASSERT_EQ(FeedHead(text, {cut}), whole) << text << "\ncut at " << cut;
  }
  EXPECT_EQ(FeedHead(text + "\r\n\r\n"), whole) << text;
}

INSTANTIATE_TEST_SUITE_P(
    RequestLines, HttpParserInvalidTest,
    ::testing::Values(
        InvalidCase{"\r\n\r\n", "400 at 2: no method"}, InvalidCase{"\n", "400 at 0: no method"},
        InvalidCase{"\rGET / HTTP/1.1\r\n", "400 at 0: bare CR"},
        InvalidCase{" GET / HTTP/1.1\r\n", "400 at 0: no method"},
        InvalidCase{"GET\t/ HTTP/1.1\r\n", "400 at 3: no method"},
        InvalidCase{"GET\r\n", "400 at 3: no method"}, InvalidCase{"G(T / ", "400 at 1: no method"},
        InvalidCase{std::string("G\0T / ", 6), "400 at 1: no method"},
        InvalidCase{"G\x80T / ", "400 at 1: no method"},
        InvalidCase{"GET  / HTTP/1.1\r\n", "400 at 4: target is neither a path nor"},
        InvalidCase{"GET /\r\n", "400 at 5: byte that no target may have, or no version"},
        InvalidCase{"GET /\n", "400 at 5: byte"},
        InvalidCase{"GET / HTTP/1.1\n", "400 at 14: expected CR LF"},
        InvalidCase{"GET / HTTP/1.1\rX", "400 at 14: bare CR"},
        InvalidCase{"GET / HTTP/1.1 \r\n", "400 at 14: expected CR LF"},
        InvalidCase{"GET /  HTTP/1.1\r\n", "400 at 6: expected HTTP/1.1 after one space"},
        InvalidCase{"GET / http/1.1\r\n", "400 at 6: expected HTTP/1.1"},
        InvalidCase{"GET / HTTP /1.1\r\n", "400 at 10: expected HTTP/1.1"},
        InvalidCase{"GET / HTTP/2.0\r\n", "505 at 11: major version is not 1"},
        InvalidCase{"GET / HTTP/0.9\r\n", "505 at 11: major version is not 1"},
        InvalidCase{"GET / HTTP/3\r\n", "505 at 11"},
        InvalidCase{"GET / HTTP/x.1\r\n", "400 at 11: expected HTTP/1.1"},
        InvalidCase{"GET / HTTP/1,1\r\n", "400 at 12: expected HTTP/1.1"},
        InvalidCase{"GET / HTTP/1.\r\n", "400 at 13: minor version is not a digit"},
        InvalidCase{"GET / HTTP/1.10\r\n", "400 at 14: expected CR LF"},
        InvalidCase{"GET / HTTP/11.1\r\n", "400 at 12: expected HTTP/1.1"},
        InvalidCase{std::string(32, 'M') + "(", "400 at 32: no method"},
        InvalidCase{std::string(33, 'M'), "501 at 0: method too long"}));

INSTANTIATE_TEST_SUITE_P(
    Targets, HttpParserInvalidTest,
    ::testing::Values(
        InvalidCase{"GET /a\tb HTTP/1.1\r\n", "400 at 6: byte"},
        InvalidCase{std::string("GET /\0 ", 7), "400 at 5: byte"},
        InvalidCase{"GET /\x7f ", "400 at 5: byte"},
        InvalidCase{"GET /\xc3\xa4 ", "400 at 5: byte"},
        InvalidCase{"GET /#fragment ", "400 at 5: byte"},
        InvalidCase{"GET /?a#fragment ", "400 at 7: byte"},
        InvalidCase{"GET /\" ", "400 at 5: byte"}, InvalidCase{"GET /< ", "400 at 5: byte"},
        InvalidCase{"GET /[ ", "400 at 5: byte"}, InvalidCase{"GET /\\ ", "400 at 5: byte"},
        InvalidCase{"GET /?\" ", "400 at 6: byte"}, InvalidCase{"GET /?> ", "400 at 6: byte"},
        InvalidCase{"GET /% HTTP/1.1\r\n", "400 at 5: percent sign without two"},
        InvalidCase{"GET /%2 HTTP/1.1\r\n", "400 at 5: percent sign"},
        InvalidCase{"GET /%2g HTTP/1.1\r\n", "400 at 5: percent sign"},
        InvalidCase{"GET /?%u0 HTTP/1.1\r\n", "400 at 6: percent sign"},
        InvalidCase{"GET a HTTP/1.1\r\n", "400 at 4: target is neither a path nor an http URL"},
        InvalidCase{"GET ?a HTTP/1.1\r\n", "400 at 4: target is neither"},
        InvalidCase{"GET * HTTP/1.1\r\n", "400 at 4: target is neither"},
        InvalidCase{"OPTIONS ** HTTP/1.1\r\n", "400 at 8: target is neither"},
        InvalidCase{"GET h:80 HTTP/1.1\r\n", "400 at 4: target is neither"},
        InvalidCase{"GET ftp://h/ HTTP/1.1\r\n", "400 at 4: target is neither"},
        InvalidCase{"GET http:/h/ HTTP/1.1\r\n", "400 at 4: target is neither"},
        InvalidCase{"GET http:///a HTTP/1.1\r\n", "400 at 4: target has no valid host"},
        InvalidCase{"GET http://:80/ HTTP/1.1\r\n", "400 at 4: target has no valid host"},
        InvalidCase{"GET http://user@h/ HTTP/1.1\r\n", "400 at 4: target has no valid host"},
        InvalidCase{"GET http://h:port/ HTTP/1.1\r\n", "400 at 4: target has no valid host"},
        InvalidCase{"GET http://h:65536/ HTTP/1.1\r\n", "400 at 4: target has no valid host"},
        InvalidCase{"GET http://h%41/ HTTP/1.1\r\n", "400 at 4: target has no valid host"},
        InvalidCase{"GET http://h/[] HTTP/1.1\r\n", "400 at 4: byte that no path may have"},
        InvalidCase{"GET http://h/%4 HTTP/1.1\r\n", "400 at 13: percent sign"},
        InvalidCase{"CONNECT / HTTP/1.1\r\n", "400 at 8: CONNECT takes HOST:PORT"},
        InvalidCase{"CONNECT /?a HTTP/1.1\r\n", "400 at 8: CONNECT takes HOST:PORT"},
        InvalidCase{"CONNECT h HTTP/1.1\r\n", "400 at 8: CONNECT takes HOST:PORT"},
        InvalidCase{"CONNECT h: HTTP/1.1\r\n", "400 at 8: CONNECT takes HOST:PORT"},
        InvalidCase{"CONNECT :80 HTTP/1.1\r\n", "400 at 8: CONNECT takes HOST:PORT"},
        InvalidCase{"CONNECT * HTTP/1.1\r\n", "400 at 8: CONNECT takes HOST:PORT"},
        InvalidCase{"CONNECT http://h:80/ HTTP/1.1\r\n", "400 at 8: CONNECT takes HOST:PORT"}));

// Each line follows "GET / HTTP/1.1\r\n", 16 bytes.
InvalidCase Line(const std::string& lines, const std::string& expected) {
  return {"GET / HTTP/1.1\r\n" + lines, expected};
}

INSTANTIATE_TEST_SUITE_P(
    Fields, HttpParserInvalidTest,
    ::testing::Values(
        Line(" A: b\r\n", "400 at 16: folded field, or white space"),
        Line("\tA: b\r\n", "400 at 16: folded field, or white space"),
        Line("A: b\r\n c\r\n", "400 at 22: folded field"),
        Line("A: b\r\n\tc\r\n", "400 at 22: folded field"),
        Line("A : b\r\n", "400 at 17: white space in or after a field name"),
        Line("A\t: b\r\n", "400 at 17: white space"), Line("A B: c\r\n", "400 at 17: white space"),
        Line("A\r\n", "400 at 17: byte that no field name may have"),
        Line("A\n", "400 at 17: byte"), Line("A(: b\r\n", "400 at 17: byte"),
        Line("A\x80: b\r\n", "400 at 17: byte"), Line(std::string("A\0: b", 5), "400 at 17: byte"),
        Line(": b\r\n", "400 at 16: field without a name"),
        Line("(: b\r\n", "400 at 16: field without a name"),
        Line("\n", "400 at 16: field without a name"), Line("\rA", "400 at 16: bare CR"),
        Line("A: b\rc\r\n", "400 at 20: bare CR"), Line("A: b\r\rc\r\n", "400 at 20: bare CR"),
        Line("A: b\n", "400 at 20: bare LF"), Line("A: \n", "400 at 19: bare LF"),
        Line(std::string("A: b\0c\r\n", 8), "400 at 20: control character"),
        Line("A: b\x01\r\n", "400 at 20: control character"),
        Line("A: b\x1f\r\n", "400 at 20: control character"),
        Line("A: b\x7f\r\n", "400 at 20: control character"),
        Line("A: b\v\r\n", "400 at 20: control character"),
        Line("Host: h\r\n\rX", "400 at 25: bare CR")));

INSTANTIATE_TEST_SUITE_P(
    Hosts, HttpParserInvalidTest,
    ::testing::Values(Line("\r\n", "400 at 16: no Host"),
                      Line("A: b\r\n\r\n", "400 at 22: no Host"),
                      Line("Host: h\r\nHost: h\r\n", "400 at 25: more than one Host"),
                      Line("Host: h\r\nhost: i\r\n", "400 at 25: more than one Host"),
                      Line("Host:\r\nHost: h\r\n", "400 at 23: more than one Host"),
                      Line("Host: h i\r\n", "400 at 16: invalid Host"),
                      Line("Host: h,i\r\n", "400 at 16: invalid Host"),
                      Line("Host: u@h\r\n", "400 at 16: invalid Host"),
                      Line("Host: h/\r\n", "400 at 16: invalid Host"),
                      Line("Host: h:80x\r\n", "400 at 16: invalid Host"),
                      Line("Host: h:65536\r\n", "400 at 16: invalid Host"),
                      Line("Host: h:99999999999999999999\r\n", "400 at 16: invalid Host"),
                      Line("Host: h:1:2\r\n", "400 at 16: invalid Host"),
                      Line("Host: :80\r\n", "400 at 16: invalid Host"),
                      Line("Host: [::1\r\n", "400 at 16: invalid Host"),
                      Line("Host: [::1]80\r\n", "400 at 16: invalid Host"),
                      Line("Host: [h]\r\n", "400 at 16: invalid Host"),
                      Line("Host: []\r\n", "400 at 16: invalid Host"),
                      Line("Host: ::1\r\n", "400 at 16: invalid Host"),
                      Line("Host: h%41\r\n", "400 at 16: invalid Host"),
                      Line("Host: h\xc3\xa4\r\n", "400 at 16: invalid Host"),
                      InvalidCase{"GET http://other/ HTTP/1.1\r\n\r\n", "400 at 28: no Host"},
                      InvalidCase{"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n",
                                  "400 at 25: more than one Host"}));

const char kLengthRule[] = "400 at 16: Content-Length is not a number of 1 to 19 digits";

INSTANTIATE_TEST_SUITE_P(
    Lengths, HttpParserInvalidTest,
    ::testing::Values(
        Line("Content-Length:\r\n", kLengthRule), Line("Content-Length: +5\r\n", kLengthRule),
        Line("Content-Length: -5\r\n", kLengthRule), Line("Content-Length: 0x5\r\n", kLengthRule),
        Line("Content-Length: 5 5\r\n", kLengthRule), Line("Content-Length: 5, 5\r\n", kLengthRule),
        Line("Content-Length: 5.0\r\n", kLengthRule),
        Line("Content-Length: 5\xa0\r\n", kLengthRule),
        Line("Content-Length: 18446744073709551616\r\n", kLengthRule),
        Line("Content-Length: 18446744073709551615\r\n", kLengthRule),
        Line("Content-Length: 00000000000000000005\r\n", kLengthRule),
        Line("Content-Length: 5\r\nContent-Length: 6\r\n",
             "400 at 35: more than one Content-Length"),
        Line("Content-Length: 5\r\nContent-Length: 5\r\n",
             "400 at 35: more than one Content-Length"),
        Line("Content-Length: 0\r\ncontent-length: 5\r\n",
             "400 at 35: more than one Content-Length"),
        Line("Host: h\r\nContent-Length: 9999999999999999999\r\n\r\n", "413 at 62: body too long"),
        Line("Host: h\r\nContent-Length: 1048577\r\n\r\n", "413 at 50: body too long")));

INSTANTIATE_TEST_SUITE_P(
    Codings, HttpParserInvalidTest,
    ::testing::Values(
        Line("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
             "400 at 35: Content-Length together with Transfer-Encoding"),
        Line("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
             "400 at 35: Content-Length together with Transfer-Encoding"),
        Line("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
             "400 at 44: Content-Length together with Transfer-Encoding"),
        Line("Content-Length: 5\r\nTransfer-Encoding: identity\r\n",
             "400 at 35: Content-Length together with Transfer-Encoding"),
        Line("Transfer-Encoding: gzip, chunked\r\n", "501 at 16: unknown transfer coding"),
        Line("Transfer-Encoding: gzip\r\n", "501 at 16: unknown transfer coding"),
        Line("Transfer-Encoding: identity\r\n", "501 at 16: unknown transfer coding"),
        Line("Transfer-Encoding: xchunked\r\n", "501 at 16: unknown transfer coding"),
        Line("Transfer-Encoding: chunkedx\r\n", "501 at 16: unknown transfer coding"),
        Line("Transfer-Encoding: chunked, gzip\r\n", "400 at 16: chunked is not the last"),
        Line("Transfer-Encoding: chunked, chunked\r\n", "400 at 16: chunked is not the last"),
        Line("Transfer-Encoding: gzip, chunked, br\r\n", "400 at 16: chunked is not the last"),
        Line("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
             "400 at 44: chunked is not the last"),
        Line("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n",
             "400 at 44: chunked is not the last"),
        Line("Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n",
             "400 at 44: malformed Transfer-Encoding"),
        Line("Transfer-Encoding:\r\n", "400 at 16: malformed Transfer-Encoding"),
        Line("Transfer-Encoding: chunked,\r\n", "400 at 16: malformed Transfer-Encoding"),
        Line("Transfer-Encoding: ,chunked\r\n", "400 at 16: malformed Transfer-Encoding"),
        Line("Transfer-Encoding: chunked;a=b\r\n", "400 at 16: malformed Transfer-Encoding"),
        Line("Transfer-Encoding: \"chunked\"\r\n", "400 at 16: malformed Transfer-Encoding"),
        Line("Transfer-Encoding: chunked chunked\r\n", "400 at 16: malformed Transfer-Encoding"),
        Line("Transfer-Encoding: chunked\v\r\n", "400 at 42: control character"),
        Line("Transfer-Encoding:\vchunked\r\n", "400 at 34: control character"),
        Line("Transfer-Encoding : chunked\r\n", "400 at 33: white space in or after"),
        Line("Transfer-Encoding\r\n : chunked\r\n", "400 at 33: byte that no field name"),
        InvalidCase{"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n",
                    "400 at 17: Transfer-Encoding in HTTP/1.0"},
        Line("Expect: 200-ok\r\n", "417 at 16: unknown expectation"),
        Line("Expect: 100-continue, x\r\n", "417 at 16: unknown expectation"),
        Line("Expect:\r\n", "417 at 16: unknown expectation")));

// Refused as soon as the limit is reached, whether or not more follows; one byte less is well.
void ExpectLimit(const std::string& within, const std::string& beyond, const HttpLimits& limits,
                 const std::string& expected) {
  const HttpOutcome good = FeedHead(within, {}, limits);
  EXPECT_NE(good.state, HttpParseState::kError) << good.text;
  EXPECT_EQ(FeedHead(within, EveryEnd(within.size()), limits), good);
  const HttpOutcome bad = FeedHead(beyond, {}, limits);
  EXPECT_EQ(bad.text, expected);
  EXPECT_EQ(FeedHead(beyond, EveryEnd(beyond.size()), limits), bad);
  for (size_t cut = 0; cut < beyond.size(); ++cut) {
    ASSERT_EQ(FeedHead(beyond, {cut}, limits), bad) << "cut at " << cut;
  }
  EXPECT_EQ(FeedHead(beyond + std::string(100, 'a'), {}, limits), bad);
  EXPECT_EQ(FeedHead(beyond + " HTTP/1.1\r\nHost: h\r\n\r\n", {}, limits), bad);
}

TEST(HttpParserLimitsTest, RefusesALongTarget) {
  const std::string longest = "GET /" + std::string(7, 'a');
  const HttpLimits limits{.max_target_bytes = 8};
  ExpectLimit(longest, longest + "a", limits, "414 at 12: target too long");
  EXPECT_EQ(FeedHead(longest + " HTTP/1.1\r\nHost: h\r\n\r\n", {}, limits).state,
            HttpParseState::kDone);
}

TEST(HttpParserLimitsTest, RefusesALongTargetOfEveryForm) {
  const HttpLimits limits{.max_target_bytes = 8};
  ExpectLimit("GET /aaa?aaa", "GET /aaa?aaaa", limits, "414 at 12: target too long");
  ExpectLimit("GET /aaaaaa?", "GET /aaaaaaa?", limits, "414 at 12: target too long");
  ExpectLimit("GET http://h", "GET http://hh", limits, "414 at 12: target too long");
  ExpectLimit("GET /aaaa%20", "GET /aaaaa%20", limits, "414 at 12: target too long");
  ExpectLimit("GET /?aaa%20", "GET /?aaaaa%20", limits, "414 at 12: target too long");
}

TEST(HttpParserLimitsTest, RefusesALongHead) {
  const std::string start = "GET / HTTP/1.1\r\nHost: h\r\nA: ";
  const HttpLimits limits{.max_head_bytes = start.size() + 8};
  ExpectLimit(start + "aaaa\r\n\r\n", start + "aaaaaaaa", limits, "431 at 36: head too long");
  // Even when only the last byte of the end is missing.
  EXPECT_EQ(FeedHead(start + "aaaaa\r\n\r\n", {}, limits).text, "431 at 36: head too long");
  EXPECT_EQ(FeedHead(start + "aaaa\r\n\r\n", {}, limits).state, HttpParseState::kDone);
}

TEST(HttpParserLimitsTest, RefusesARequestLineThatFillsTheHead) {
  const HttpLimits limits{.max_head_bytes = 10};
  ExpectLimit("GET /aaaa", "GET /aaaaa", limits, "414 at 10: request line too long");
  ExpectLimit("GET / HTT", "GET / HTTP", limits, "414 at 10: request line too long");
}

TEST(HttpParserLimitsTest, RefusesMoreFieldsThanAllowed) {
  const std::string two = "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n";
  const HttpLimits limits{.max_headers = 2};
  ExpectLimit(two, two + "C", limits, "431 at 31: too many fields");
  EXPECT_EQ(FeedHead(two + "\r\n", {}, limits).state, HttpParseState::kDone);
}

TEST(HttpParserLimitsTest, TakesAsManyFieldsAsARequestHolds) {
  std::string text = "GET / HTTP/1.1\r\nHost: h\r\n";
  for (size_t i = 1; i < kMostHttpHeaders; ++i) text += "A: b\r\n";
  EXPECT_EQ(FeedHead(text + "\r\n").state, HttpParseState::kDone);
  EXPECT_THAT(FeedHead(text + "A: b\r\n\r\n").text, HasSubstr("431"));
}

TEST(HttpParserLimitsTest, RefusesALongBody) {
  const HttpLimits limits{.max_body_bytes = 10};
  const std::string start = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ";
  EXPECT_EQ(FeedHead(start + "10\r\n\r\n", {}, limits).state, HttpParseState::kDone);
  EXPECT_EQ(FeedHead(start + "11\r\n\r\n", {}, limits).text, "413 at 46: body too long");
}

TEST(HttpParserLimitsDeathTest, TakesNoLimitThatARequestCannotHold) {
  HttpHeadParser parser;
  HttpRequest request;
  EXPECT_DEATH(parser.ParseHead("", {.max_headers = kMostHttpHeaders + 1}, request),
               "Check failed");
}

TEST(HttpParserDeathTest, NoticesABufferThatHasLostItsStart) {
  HttpHeadParser parser;
  HttpRequest request;
  EXPECT_EQ(parser.ParseHead("GET /abc", {}, request), HttpParseState::kNeedMore);
  EXPECT_DEATH(parser.ParseHead("GET", {}, request), "lost bytes");
}

}  // namespace
}  // namespace pelton
