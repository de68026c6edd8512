// What reading a request costs: whole, as a load generator and a browser send it; in pieces;
// pipelined; and what taking the framing off a chunked body costs.

#include <benchmark/benchmark.h>

#include <cstdio>
#include <string>
#include <string_view>

#include "framework/examples/http_chunked_decoder.h"
#include "framework/examples/http_parser.h"

namespace pelton {
namespace {

constexpr std::string_view kLoadGenerator =
    "GET /plaintext HTTP/1.1\r\n"
    "Host: 127.0.0.1:8080\r\n"
    "\r\n";

constexpr std::string_view kBrowser =
    "GET /articles/2024/06/io-uring-in-practice?utm_source=newsletter&page=2 HTTP/1.1\r\n"
    "Host: www.example.com\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Connection: keep-alive\r\n"
    "Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n"
    "Upgrade-Insecure-Requests: 1\r\n"
    "Priority: u=0, i\r\n"
    "\r\n";
static_assert(kBrowser.size() > 480 && kBrowser.size() < 540);

// A wrong outcome would make the figure worthless.
bool IsRead(benchmark::State& state, HttpParseState outcome) {
  if (outcome == HttpParseState::kDone) return true;
  state.SkipWithError("the request was not read");
  return false;
}

void ReadWhole(benchmark::State& state, std::string_view text) {
  HttpHeadParser parser;
  HttpRequest request;
  const HttpLimits limits;
  for (auto _ : state) {
    benchmark::DoNotOptimize(text);
    if (!IsRead(state, parser.ParseHead(text, limits, request))) break;
    benchmark::DoNotOptimize(request);
  }
  state.SetBytesProcessed(state.iterations() * text.size());
}

void BM_HttpParser_LoadGenerator(benchmark::State& state) { ReadWhole(state, kLoadGenerator); }
BENCHMARK(BM_HttpParser_LoadGenerator);

void BM_HttpParser_Browser(benchmark::State& state) { ReadWhole(state, kBrowser); }
BENCHMARK(BM_HttpParser_Browser);

// Sixteen requests in one buffer, as a pipelining client sends them; the time is for all of them.
void BM_HttpParser_Pipelined16(benchmark::State& state) {
  std::string text;
  for (int i = 0; i < 16; ++i) text += kLoadGenerator;
  HttpHeadParser parser;
  HttpRequest request;
  const HttpLimits limits;
  for (auto _ : state) {
    std::string_view rest = text;
    while (!rest.empty()) {
      if (!IsRead(state, parser.ParseHead(rest, limits, request))) return;
      rest.remove_prefix(request.head_bytes);
      benchmark::DoNotOptimize(request);
    }
  }
  state.SetItemsProcessed(state.iterations() * 16);
}
BENCHMARK(BM_HttpParser_Pipelined16);

// The same request in pieces of so many bytes: the work is to grow with the number of calls, not
// with its square.
void BM_HttpParser_BrowserInPieces(benchmark::State& state) {
  HttpHeadParser parser;
  HttpRequest request;
  const HttpLimits limits;
  const size_t piece = state.range(0);
  for (auto _ : state) {
    HttpParseState outcome = HttpParseState::kNeedMore;
    for (size_t end = piece; outcome == HttpParseState::kNeedMore; end += piece) {
      outcome = parser.ParseHead(kBrowser.substr(0, end), limits, request);
    }
    if (!IsRead(state, outcome)) break;
    benchmark::DoNotOptimize(request);
  }
}
BENCHMARK(BM_HttpParser_BrowserInPieces)->Arg(1)->Arg(16)->Arg(256);

// One field of so many bytes, byte by byte: ten times as long must cost ten times as much.
void BM_HttpParser_LongFieldByteByByte(benchmark::State& state) {
  const std::string text = "GET / HTTP/1.1\r\nHost: a\r\nCookie: " +
                           std::string(static_cast<size_t>(state.range(0)), 'a') + "\r\n\r\n";
  HttpHeadParser parser;
  HttpRequest request;
  const HttpLimits limits;
  for (auto _ : state) {
    HttpParseState outcome = HttpParseState::kNeedMore;
    for (size_t end = 1; end <= text.size(); ++end) {
      outcome = parser.ParseHead(std::string_view(text).substr(0, end), limits, request);
    }
    if (!IsRead(state, outcome)) break;
  }
}
BENCHMARK(BM_HttpParser_LongFieldByteByByte)->Arg(1500)->Arg(15000);

// Takes the framing off a body of 64 KiB in chunks of so many bytes; the content is not touched.
void BM_HttpChunkedDecoder_Decode64KiB(benchmark::State& state) {
  constexpr size_t kContentBytes = 64 * 1024;
  const size_t chunk = state.range(0);
  char size_line[32];
  std::string text;
  for (size_t done = 0; done < kContentBytes; done += chunk) {
    std::snprintf(size_line, sizeof(size_line), "%zx\r\n", chunk);
    text += size_line + std::string(chunk, 'a') + "\r\n";
  }
  text += "0\r\n\r\n";
  for (auto _ : state) {
    HttpChunkedDecoder decoder({});
    size_t bytes = 0;
    const auto result = decoder.Decode(text, [&](std::string_view data) { bytes += data.size(); });
    if (!IsRead(state, result.state)) break;
    benchmark::DoNotOptimize(bytes);
  }
}
BENCHMARK(BM_HttpChunkedDecoder_Decode64KiB)->Arg(16)->Arg(1024)->Arg(16384);

}  // namespace
}  // namespace pelton

BENCHMARK_MAIN();
