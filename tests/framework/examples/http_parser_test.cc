#include "framework/examples/http_parser.h"

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/framework/examples/http_feeding.h"

namespace pelton {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// A GET of "/" with these lines behind the Host.
std::string Get(const std::string& lines) {
  return "GET / HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n";
}

std::string Post(const std::string& lines) {
  return "POST / HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n";
}

// Whole, byte by byte, and cut in two and in three at every place, the outcome must be the same.
void ExpectTheSameInPieces(const std::string& text, const HttpOutcome& whole,
                           const HttpLimits& limits = {}) {
  EXPECT_EQ(FeedHead(text, EveryEnd(text.size()), limits).text, whole.text);
  for (size_t cut = 0; cut < text.size(); ++cut) {
    ASSERT_EQ(FeedHead(text, {cut}, limits), whole) << "cut at " << cut;
  }
  if (text.size() > 150) return;
  for (size_t first = 1; first < text.size(); ++first) {
    for (size_t second = first + 1; second < text.size(); ++second) {
      ASSERT_EQ(FeedHead(text, {first, second}, limits), whole) << first << " and " << second;
    }
  }
}

struct ValidCase {
  std::string name;
  std::string text;
  std::string expected;

  friend std::ostream& operator<<(std::ostream& out, const ValidCase& one) {
    return out << ::testing::PrintToString(one.text);
  }
};

class HttpParserValidTest : public ::testing::TestWithParam<ValidCase> {};

TEST_P(HttpParserValidTest, IsReadTheSameWholeAndInPieces) {
  const ValidCase& valid = GetParam();
  const HttpOutcome whole = FeedHead(valid.text);
  EXPECT_EQ(whole.text, valid.expected);
  ASSERT_EQ(whole.state, HttpParseState::kDone);
  EXPECT_EQ(whole.consumed, valid.text.size());
  ExpectTheSameInPieces(valid.text, whole);
}

TEST_P(HttpParserValidTest, NeedsEveryByteAndNoneBehind) {
  const ValidCase& valid = GetParam();
  for (size_t end = 0; end < valid.text.size(); ++end) {
    ASSERT_EQ(FeedHead(valid.text.substr(0, end)).state, HttpParseState::kNeedMore) << end;
  }
  for (const std::string& behind : {std::string("\r\n\r\n"), std::string(1, '\0'), Get("")}) {
    EXPECT_EQ(FeedHead(valid.text + behind), FeedHead(valid.text));
  }
}

std::string NameOf(const ::testing::TestParamInfo<ValidCase>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(
    RequestLines, HttpParserValidTest,
    ::testing::Values(
        ValidCase{"Smallest", Get(""),
                  "GET / path=/ query= host=h 1.1 keep-alive no-body [Host=h]"},
        ValidCase{
            "LoadGenerator", "GET /plaintext HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n",
            "GET /plaintext path=/plaintext query= host=127.0.0.1:8080 1.1 keep-alive no-body "
            "[Host=127.0.0.1:8080]"},
        ValidCase{"AfterAnEmptyLine", "\r\n" + Get(""),
                  "GET / path=/ query= host=h 1.1 keep-alive no-body [Host=h]"},
        ValidCase{"LowerCaseMethod", "get / HTTP/1.1\r\nHost: h\r\n\r\n",
                  "get / path=/ query= host=h 1.1 keep-alive no-body [Host=h]"},
        ValidCase{"AnyTokenIsAMethod", "!#$%&'*+-.^_`|~09azAZ / HTTP/1.1\r\nHost: h\r\n\r\n",
                  "!#$%&'*+-.^_`|~09azAZ / path=/ query= host=h 1.1 keep-alive no-body [Host=h]"},
        ValidCase{
            "Query", "GET /a/b?c=d&e?f HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET /a/b?c=d&e?f path=/a/b query=c=d&e?f host=h 1.1 keep-alive no-body [Host=h]"},
        ValidCase{"EmptyQuery", "GET /? HTTP/1.1\r\nHost: h\r\n\r\n",
                  "GET /? path=/ query= host=h 1.1 keep-alive no-body [Host=h]"},
        ValidCase{"AllOfAPath", "GET /azAZ09-._~!$&'()*+,;=:@%2F%aB HTTP/1.1\r\nHost: h\r\n\r\n",
                  "GET /azAZ09-._~!$&'()*+,;=:@%2F%aB path=/azAZ09-._~!$&'()*+,;=:@%2F%aB query= "
                  "host=h 1.1 keep-alive no-body [Host=h]"},
        ValidCase{"WhatBrowsersLeaveInAQuery", "GET /?[]\\^`{|}%20 HTTP/1.1\r\nHost: h\r\n\r\n",
                  "GET /?[]\\^`{|}%20 path=/ query=[]\\^`{|}%20 host=h 1.1 keep-alive no-body "
                  "[Host=h]"},
        ValidCase{"LaterMinorVersion", "GET / HTTP/1.9\r\nHost: h\r\n\r\n",
                  "GET / path=/ query= host=h 1.1 keep-alive no-body [Host=h]"},
        ValidCase{"Version10", "GET / HTTP/1.0\r\n\r\n",
                  "GET / path=/ query= host= 1.0 close no-body []"}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    TargetForms, HttpParserValidTest,
    ::testing::Values(
        ValidCase{"Absolute", "GET http://other:81/a?b HTTP/1.1\r\nHost: h\r\n\r\n",
                  "GET http://other:81/a?b path=/a query=b host=other:81 1.1 keep-alive no-body "
                  "[Host=h]"},
        ValidCase{"AbsoluteWithoutPath", "GET HTTPS://other HTTP/1.1\r\nHost: h\r\n\r\n",
                  "GET HTTPS://other path=/ query= host=other 1.1 keep-alive no-body [Host=h]"},
        ValidCase{
            "AbsoluteWithQueryOnly", "GET http://other?a=/ HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET http://other?a=/ path=/ query=a=/ host=other 1.1 keep-alive no-body [Host=h]"},
        ValidCase{"AbsoluteIpv6", "GET http://[::1]:81/%20?[] HTTP/1.1\r\nHost: h\r\n\r\n",
                  "GET http://[::1]:81/%20?[] path=/%20 query=[] host=[::1]:81 1.1 keep-alive "
                  "no-body [Host=h]"},
        ValidCase{"AbsoluteIn10", "GET http://other/ HTTP/1.0\r\n\r\n",
                  "GET http://other/ path=/ query= host=other 1.0 close no-body []"},
        ValidCase{"Asterisk", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
                  "OPTIONS * path=* query= host=h 1.1 keep-alive no-body [Host=h]"},
        ValidCase{"OptionsOfAPath", "OPTIONS /a HTTP/1.1\r\nHost: h\r\n\r\n",
                  "OPTIONS /a path=/a query= host=h 1.1 keep-alive no-body [Host=h]"},
        ValidCase{"Authority", "CONNECT other:443 HTTP/1.1\r\nHost: h\r\n\r\n",
                  "CONNECT other:443 path= query= host=other:443 1.1 keep-alive no-body [Host=h]"},
        ValidCase{"AuthorityIpv6", "CONNECT [::1]:443 HTTP/1.1\r\nHost: h\r\n\r\n",
                  "CONNECT [::1]:443 path= query= host=[::1]:443 1.1 keep-alive no-body [Host=h]"}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Fields, HttpParserValidTest,
    ::testing::Values(
        ValidCase{"EmptyHost", "GET / HTTP/1.1\r\nHost:\r\n\r\n",
                  "GET / path=/ query= host= 1.1 keep-alive no-body [Host=]"},
        ValidCase{"HostIpv6", "GET / HTTP/1.1\r\nhOST: [::1]:80\r\n\r\n",
                  "GET / path=/ query= host=[::1]:80 1.1 keep-alive no-body [hOST=[::1]:80]"},
        ValidCase{"WhiteSpaceAroundValues", Get("A: \t b \t c\t \r\nB:\r\nC: \t \r\nD:d\r\n"),
                  "GET / path=/ query= host=h 1.1 keep-alive no-body "
                  "[Host=h, A=b \t c, B=, C=, D=d]"},
        ValidCase{"AllOfAValue", Get("A: !\"'(),/:;<=>?@[\\]{}\x80\xff~\r\n"),
                  "GET / path=/ query= host=h 1.1 keep-alive no-body "
                  "[Host=h, A=!\"'(),/:;<=>?@[\\]{}\x80\xff~]"},
        ValidCase{"AllOfAName", Get("!#$%&'*+-.^_`|~09azAZ: b\r\n"),
                  "GET / path=/ query= host=h 1.1 keep-alive no-body "
                  "[Host=h, !#$%&'*+-.^_`|~09azAZ=b]"},
        ValidCase{"SameFieldTwice", Get("A: b\r\na: c\r\n"),
                  "GET / path=/ query= host=h 1.1 keep-alive no-body [Host=h, A=b, a=c]"},
        ValidCase{"NamesOfTheLengthsThatMatter",
                  Get("Most: a\r\nExpec_: a\r\nConnectio_: a\r\nContent-Lengt_: a\r\n"
                      "Transfer-Encodin_: a\r\n"),
                  "GET / path=/ query= host=h 1.1 keep-alive no-body [Host=h, Most=a, Expec_=a, "
                  "Connectio_=a, Content-Lengt_=a, Transfer-Encodin_=a]"}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Framing, HttpParserValidTest,
    ::testing::Values(
        ValidCase{"Length", Post("Content-Length: 5\r\n"),
                  "POST / path=/ query= host=h 1.1 keep-alive length=5 [Host=h, Content-Length=5]"},
        ValidCase{"LengthZero", Post("content-length: 0\r\n"),
                  "POST / path=/ query= host=h 1.1 keep-alive no-body [Host=h, content-length=0]"},
        ValidCase{"LengthWithZerosInFront", Post("Content-Length: 0000000000000000005\r\n"),
                  "POST / path=/ query= host=h 1.1 keep-alive length=5 "
                  "[Host=h, Content-Length=0000000000000000005]"},
        ValidCase{"LargestLength", Post("Content-Length: 1048576\r\n"),
                  "POST / path=/ query= host=h 1.1 keep-alive length=1048576 "
                  "[Host=h, Content-Length=1048576]"},
        ValidCase{"Chunked", Post("Transfer-Encoding: Chunked\r\n"),
                  "POST / path=/ query= host=h 1.1 keep-alive chunked "
                  "[Host=h, Transfer-Encoding=Chunked]"},
        ValidCase{"ExpectsContinue", Post("Content-Length: 5\r\nExpect: 100-Continue\r\n"),
                  "POST / path=/ query= host=h 1.1 keep-alive length=5 expect-continue "
                  "[Host=h, Content-Length=5, Expect=100-Continue]"},
        ValidCase{"ExpectsContinueOfChunks",
                  Post("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n"),
                  "POST / path=/ query= host=h 1.1 keep-alive chunked expect-continue "
                  "[Host=h, Expect=100-continue, Transfer-Encoding=chunked]"},
        ValidCase{"ExpectsContinueWithoutBody", Post("Expect: 100-continue\r\n"),
                  "POST / path=/ query= host=h 1.1 keep-alive no-body "
                  "[Host=h, Expect=100-continue]"},
        ValidCase{"ExpectsContinueIn10",
                  "POST / HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
                  "POST / path=/ query= host= 1.0 close length=5 "
                  "[Content-Length=5, Expect=100-continue]"}),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Connections, HttpParserValidTest,
    ::testing::Values(
        ValidCase{"Close", Get("Connection: close\r\n"),
                  "GET / path=/ query= host=h 1.1 close no-body [Host=h, Connection=close]"},
        ValidCase{"CloseInAList", Get("Connection: Upgrade,\tCLOSE ,x\r\n"),
                  "GET / path=/ query= host=h 1.1 close no-body "
                  "[Host=h, Connection=Upgrade,\tCLOSE ,x]"},
        ValidCase{"CloseWinsOverKeepAlive", Get("Connection: close\r\nConnection: keep-alive\r\n"),
                  "GET / path=/ query= host=h 1.1 close no-body "
                  "[Host=h, Connection=close, Connection=keep-alive]"},
        ValidCase{"OtherOptionsDoNotClose", Get("Connection: ,, Upgrade, closed\r\n"),
                  "GET / path=/ query= host=h 1.1 keep-alive no-body "
                  "[Host=h, Connection=,, Upgrade, closed]"},
        ValidCase{"KeepAliveIn10", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
                  "GET / path=/ query= host= 1.0 keep-alive no-body [Connection=Keep-Alive]"},
        ValidCase{"KeepAliveAndCloseIn10",
                  "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
                  "GET / path=/ query= host= 1.0 close no-body [Connection=keep-alive, close]"}),
    NameOf);

TEST(HttpParserTest, ReadsARequestOfABrowser) {
  const std::string text =
      "GET /search?q=io_uring&page=2 HTTP/1.1\r\n"
      "Host: www.example.com\r\n"
      "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
      "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
      "Accept-Language: en-US,en;q=0.5\r\n"
      "Accept-Encoding: gzip, deflate, br, zstd\r\n"
      "Connection: keep-alive\r\n"
      "Cookie: session=0123456789abcdef; theme=dark\r\n"
      "Upgrade-Insecure-Requests: 1\r\n\r\n";
  HttpHeadParser parser;
  HttpRequest request;
  ASSERT_EQ(parser.ParseHead(text, {}, request), HttpParseState::kDone);
  EXPECT_EQ(request.headers().size(), 8u);
  EXPECT_EQ(request.Header("accept-language"), "en-US,en;q=0.5");
  EXPECT_EQ(request.Header("cookie"), "session=0123456789abcdef; theme=dark");
  EXPECT_EQ(request.Header("accept-languag"), std::nullopt);
  ExpectTheSameInPieces(text, FeedHead(text));
}

TEST(HttpParserTest, ReadsPipelinedRequestsOneAfterTheOther) {
  const std::string text = Get("A: 1\r\n") + "\r\n" + Get("B: 2\r\n") + Get("C: 3\r\n");
  std::string_view rest = text;
  HttpHeadParser parser;
  HttpRequest request;
  for (const char* name : {"a", "b", "c"}) {
    ASSERT_EQ(parser.ParseHead(rest, {}, request), HttpParseState::kDone);
    EXPECT_TRUE(request.Header(name).has_value()) << name;
    EXPECT_EQ(request.headers().size(), 2u);
    rest.remove_prefix(request.head_bytes);
  }
  EXPECT_EQ(parser.ParseHead(rest, {}, request), HttpParseState::kNeedMore);
  EXPECT_FALSE(parser.is_in_head());
}

TEST(HttpParserTest, LeavesNothingOfOneRequestToTheNext) {
  const std::string first =
      "POST http://other/?q HTTP/1.0\r\nHost: h\r\nContent-Length: 1\r\nConnection: keep-alive\r\n"
      "\r\n";
  HttpHeadParser parser;
  HttpRequest request;
  ASSERT_EQ(parser.ParseHead(first, {}, request), HttpParseState::kDone);
  const std::string second = Get("");
  ASSERT_EQ(parser.ParseHead(second, {}, request), HttpParseState::kDone);
  EXPECT_EQ(request.query, "");
  EXPECT_EQ(request.host, "h");
  EXPECT_EQ(request.body, HttpBodyKind::kNone);
  EXPECT_EQ(request.content_length, 0u);
  EXPECT_EQ(request.minor_version, 1);
  EXPECT_EQ(request.headers().size(), 1u);
}

TEST(HttpParserTest, TellsWhetherItIsInAHead) {
  HttpHeadParser parser;
  HttpRequest request;
  EXPECT_EQ(parser.ParseHead("", {}, request), HttpParseState::kNeedMore);
  EXPECT_FALSE(parser.is_in_head());
  EXPECT_EQ(parser.ParseHead("\r\n", {}, request), HttpParseState::kNeedMore);
  EXPECT_FALSE(parser.is_in_head());
  for (const char* text : {"\r\nG", "\r\nGET ", "\r\nGET / HTTP/1.1\r\n"}) {
    EXPECT_EQ(parser.ParseHead(text, {}, request), HttpParseState::kNeedMore);
    EXPECT_TRUE(parser.is_in_head()) << text;
  }
}

TEST(HttpParserTest, StartsAnewAfterReset) {
  HttpHeadParser parser;
  HttpRequest request;
  EXPECT_EQ(parser.ParseHead("(", {}, request), HttpParseState::kError);
  EXPECT_EQ(parser.ParseHead(Get(""), {}, request), HttpParseState::kError);
  parser.Reset();
  EXPECT_EQ(parser.ParseHead("GET / HT", {}, request), HttpParseState::kNeedMore);
  parser.Reset();
  EXPECT_EQ(parser.ParseHead(Get(""), {}, request), HttpParseState::kDone);
}

// A parser that looked again at what it has scanned would see that it has become garbage.
TEST(HttpParserTest, DoesNotLookAgainAtBytesThatItHasScanned) {
  const std::string long_text(1000, 'a');
  for (const std::string& start :
       {std::string("GET /"), std::string("GET /?"), std::string("GET http://"),
        std::string("GET / HTTP/1.1\r\n"), std::string("GET / HTTP/1.1\r\nHost: h\r\nA: ")}) {
    HttpHeadParser parser;
    HttpRequest request;
    ASSERT_EQ(parser.ParseHead(start + long_text, {}, request), HttpParseState::kNeedMore);
    const std::string garbage(start.size() + long_text.size(), '\0');
    EXPECT_EQ(parser.ParseHead(garbage + "a", {}, request), HttpParseState::kNeedMore) << start;
  }
}

TEST(HttpParserTest, RefusesATlsHandshakeAtItsFirstByte) {
  EXPECT_THAT(FeedHead("\x16").text, StartsWith("400 at 0"));
}

}  // namespace
}  // namespace pelton
