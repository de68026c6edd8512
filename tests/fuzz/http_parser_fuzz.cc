// Reads any bytes as the head of a request, and as a chunked body. Beside what the feeding checks
// (no look beyond the bytes, views inside the head, nothing after the end), it must hold that:
//  - the pieces in which bytes come do not matter;
//  - what a request is read as agrees with a second, plain reading of its head;
//  - a request that is taken has at most one of the things that say where a body ends.

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>
#include <vector>

#include "framework/base/check.h"
#include "framework/examples/http_parser.h"
#include "tests/framework/examples/http_feeding.h"
#include "tests/fuzz/fuzz_target.h"

namespace pelton {
namespace {

// Small enough for the inputs to reach.
constexpr HttpLimits kSmallLimits{.max_head_bytes = 160,
                                  .max_headers = 4,
                                  .max_body_bytes = 24,
                                  .max_target_bytes = 24,
                                  .max_trailer_bytes = 16,
                                  .max_chunk_extension_bytes = 8};

// A few ascending places to cut at, different for each input.
std::vector<size_t> SomeEnds(std::string_view text) {
  std::vector<size_t> ends;
  uint64_t state = 0xcbf29ce484222325;
  for (char c : text) state = (state ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  for (int i = 0; i < 3 && !text.empty(); ++i) {
    state = state * 6364136223846793005 + 1442695040888963407;
    ends.push_back((state >> 33) % text.size());
  }
  std::sort(ends.begin(), ends.end());
  return ends;
}

size_t CountFields(const HttpRequest& request, std::string_view lower_case_name) {
  return std::count_if(request.headers().begin(), request.headers().end(),
                       [&](const HttpHeader& header) {
                         std::string name(header.name);
                         for (char& c : name) c = std::tolower(static_cast<unsigned char>(c));
                         return name == lower_case_name;
                       });
}

// The head once more, by way of lines and searches.
void CheckAgainstPlainReading(std::string_view text, const HttpRequest& request) {
  std::string_view head = text.substr(0, request.head_bytes);
  if (head.starts_with("\r\n")) head.remove_prefix(2);
  PELTON_CHECK(head.find("\r\n\r\n") == head.size() - 4) << "the head ends at its first empty line";

  std::vector<std::string> lines;
  while (!head.empty()) {
    const size_t end = head.find("\r\n");
    lines.emplace_back(head.substr(0, end));
    head.remove_prefix(end + 2);
    for (unsigned char c : lines.back()) PELTON_CHECK(c == '\t' || (c >= ' ' && c != 0x7f));
  }
  const std::string start = std::string(request.method) + " " + std::string(request.target);
  PELTON_CHECK(lines[0].starts_with(start + " HTTP/1.") && lines[0].size() == start.size() + 9);
  PELTON_CHECK(lines.size() == request.headers().size() + 2);
  for (size_t i = 0; i < request.headers().size(); ++i) {
    const std::string& line = lines[i + 1];
    const size_t colon = line.find(':');
    PELTON_CHECK(colon != line.npos && line.find_first_of(" \t") > colon);
    PELTON_CHECK(request.headers()[i].name == line.substr(0, colon));
    const std::string value = line.substr(colon + 1);
    const size_t first = value.find_first_not_of(" \t");
    const size_t last = value.find_last_not_of(" \t");
    PELTON_CHECK(request.headers()[i].value ==
                 (first == value.npos ? "" : value.substr(first, last - first + 1)));
  }
}

void CheckFraming(const HttpRequest& request) {
  const size_t lengths = CountFields(request, "content-length");
  const size_t codings = CountFields(request, "transfer-encoding");
  PELTON_CHECK(lengths + codings <= 1);
  PELTON_CHECK((request.body == HttpBodyKind::kChunked) == (codings == 1));
  PELTON_CHECK(request.body != HttpBodyKind::kChunked || request.minor_version == 1);
  PELTON_CHECK((request.body == HttpBodyKind::kLength) == (request.content_length > 0));
  PELTON_CHECK(request.content_length == 0 || lengths == 1);
  const size_t hosts = CountFields(request, "host");
  PELTON_CHECK(hosts == 1 || (hosts == 0 && request.minor_version == 0));
}

void CheckHead(std::string_view text, const HttpLimits& limits) {
  const HttpOutcome whole = FeedHead(text, {}, limits);
  PELTON_CHECK(FeedHead(text, EveryEnd(text.size()), limits) == whole) << whole.text;
  PELTON_CHECK(FeedHead(text, SomeEnds(text), limits) == whole) << whole.text;
  if (whole.state == HttpParseState::kNeedMore) {
    PELTON_CHECK(text.size() < limits.max_head_bytes);
  }
  if (whole.state != HttpParseState::kDone) return;
  PELTON_CHECK(whole.consumed <= limits.max_head_bytes);
  HttpHeadParser parser;
  HttpRequest request;
  PELTON_CHECK(parser.ParseHead(text, limits, request) == HttpParseState::kDone);
  PELTON_CHECK(request.headers().size() <= limits.max_headers);
  PELTON_CHECK(request.target.size() <= limits.max_target_bytes);
  PELTON_CHECK(request.content_length <= limits.max_body_bytes);
  CheckAgainstPlainReading(text, request);
  CheckFraming(request);
}

void CheckBody(std::string_view text, const HttpLimits& limits) {
  const HttpOutcome whole = FeedBody(text, {}, limits);
  PELTON_CHECK(FeedBody(text, EveryEnd(text.size()), limits) == whole) << whole.text;
  PELTON_CHECK(FeedBody(text, SomeEnds(text), limits) == whole) << whole.text;
  if (whole.state == HttpParseState::kDone) {
    PELTON_CHECK(text.substr(0, whole.consumed).ends_with("\r\n"));
  }
}

}  // namespace

std::vector<std::string> FuzzSeeds() {
  return {
      "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
      "\r\nGET /plaintext?a=b&c=%20 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nAccept: */*\r\n\r\n",
      "GET http://[::1]:80/a?[] HTTP/1.1\r\nhost: [::1]:80\r\nConnection: close\r\n\r\n",
      "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, x\r\n\r\n",
      "CONNECT a.b:443 HTTP/1.1\r\nHost: a.b:443\r\n\r\n",
      "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: a\r\nA: \t b \r\nB:\r\nC: \x80\xff\r\n\r\n",
      "GET /" + std::string(20, 'a') + " HTTP/1.1\r\nHost: a\r\nCookie: " + std::string(100, 'b') +
          "\r\nAccept: c\r\n\r\n",
      "5\r\nhello\r\n6;a=\"b\"\r\n world\r\n0\r\nA: b\r\nC:\r\n\r\n",
      "0000a\r\n0123456789\r\nB;x\r\n01234567890\r\n00\r\n\r\n",
  };
}

std::vector<std::string> FuzzWords() {
  return {"\r\n",
          "\r",
          "\n",
          "\r\n\r\n",
          " ",
          "\t",
          ":",
          std::string(1, '\0'),
          "\x7f",
          "%",
          "%2f",
          "?",
          "#",
          "*",
          "http://",
          "HTTP/1.1",
          "HTTP/2.0",
          "CONNECT ",
          "OPTIONS ",
          "Host: ",
          "Content-Length: ",
          "Content-Length: 5\r\n",
          "Host: a\r\n",
          "A: b\r\n",
          "Content-Length: 18446744073709551616\r\n",
          "Transfer-Encoding: chunked\r\n",
          "Transfer-Encoding: gzip, chunked\r\n",
          "Connection: close\r\n",
          "Expect: 100-continue\r\n",
          "chunked",
          ", ",
          ";",
          "0\r\n\r\n",
          "ffffffffffffffff",
          std::string(32, 'a'),
          std::string(8, 'a') + "\r"};
}

}  // namespace pelton

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const pelton::HttpLimits& limits : {pelton::HttpLimits{}, pelton::kSmallLimits}) {
    pelton::CheckHead(text, limits);
    pelton::CheckBody(text, limits);
  }
  return 0;
}
