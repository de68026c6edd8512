#include "tests/framework/examples/http_feeding.h"

#include <algorithm>
#include <memory>
#include <numeric>

#include "framework/base/check.h"

namespace pelton {
namespace {

// A copy in memory that ends with the last byte.
class ExactCopy {
 public:
  explicit ExactCopy(std::string_view text) : bytes_(new char[text.size()]), size_(text.size()) {
    text.copy(bytes_.get(), size_);
  }
  std::string_view text() const { return {bytes_.get(), size_}; }

 private:
  std::unique_ptr<char[]> bytes_;
  size_t size_;
};

void CheckInside(std::string_view view, std::string_view head) {
  // The path "/" of a URL without one is the only text that is not the client's.
  if (view.empty() || view == "/") return;
  PELTON_CHECK(view.data() >= head.data() && view.data() + view.size() <= head.data() + head.size())
      << "a view lies outside the head";
}

std::string Describe(const HttpRequest& request, std::string_view buffer) {
  PELTON_CHECK(request.head_bytes <= buffer.size());
  const std::string_view head = buffer.substr(0, request.head_bytes);
  for (std::string_view view :
       {request.method, request.target, request.path, request.query, request.host}) {
    CheckInside(view, head);
  }
  std::string text;
  const auto add = [&text](std::string_view label, std::string_view value) {
    text.append(label).append(value);
  };
  add("", request.method);
  add(" ", request.target);
  add(" path=", request.path);
  add(" query=", request.query);
  add(" host=", request.host);
  add(" 1.", std::to_string(request.minor_version));
  add(request.keep_alive ? " keep-alive" : " close", "");
  if (request.body == HttpBodyKind::kNone) add(" no-body", "");
  if (request.body == HttpBodyKind::kChunked) add(" chunked", "");
  if (request.content_length != 0) add(" length=", std::to_string(request.content_length));
  if (request.expect_continue) add(" expect-continue", "");
  add(" [", "");
  for (const HttpHeader& header : request.headers()) {
    CheckInside(header.name, head);
    CheckInside(header.value, head);
    if (text.back() != '[') add(", ", "");
    add("", header.name);
    add("=", header.value);
  }
  add("]", "");
  return text;
}

std::string Describe(const HttpParseError& error) {
  return std::to_string(error.status) + " at " + std::to_string(error.offset) + ": " +
         std::string(error.reason);
}

}  // namespace

HttpOutcome FeedHead(std::string_view text, const std::vector<size_t>& ends,
                     const HttpLimits& limits) {
  std::vector<size_t> all_ends = ends;
  all_ends.push_back(text.size());
  HttpHeadParser parser;
  HttpOutcome outcome;
  for (size_t end : all_ends) {
    const ExactCopy buffer(text.substr(0, end));
    // Each call has a request of its own, as a shard's connections share one.
    const auto request = std::make_unique<HttpRequest>();
    outcome.state = parser.ParseHead(buffer.text(), limits, *request);
    if (outcome.state == HttpParseState::kNeedMore) continue;
    if (outcome.state == HttpParseState::kError) {
      PELTON_CHECK(parser.ParseHead(buffer.text(), limits, *request) == HttpParseState::kError);
      outcome.text = Describe(parser.error());
    } else {
      PELTON_CHECK(!parser.is_in_head());
      outcome.text = Describe(*request, buffer.text());
      outcome.consumed = request->head_bytes;
    }
    return outcome;
  }
  return outcome;
}

HttpOutcome FeedBody(std::string_view text, const std::vector<size_t>& ends,
                     const HttpLimits& limits) {
  std::vector<size_t> all_ends = ends;
  all_ends.push_back(text.size());
  HttpChunkedDecoder decoder(limits);
  std::string content;
  size_t begin = 0;
  HttpOutcome outcome;
  for (size_t end : all_ends) {
    const ExactCopy piece(text.substr(begin, end - begin));
    const auto [state, consumed] = decoder.Decode(piece.text(), [&](std::string_view data) {
      PELTON_CHECK(!data.empty() && data.data() >= piece.text().data() &&
                   data.data() + data.size() <= piece.text().data() + piece.text().size());
      content.append(data);
    });
    PELTON_CHECK(decoder.content_bytes() == content.size());
    PELTON_CHECK(content.size() <= limits.max_body_bytes);
    outcome.state = state;
    if (state != HttpParseState::kNeedMore) {
      const auto again = decoder.Decode("0\r\n\r\n", [](std::string_view) { PELTON_FATAL(); });
      PELTON_CHECK(again.state == state && again.consumed == 0);
      outcome.consumed = state == HttpParseState::kDone ? begin + consumed : 0;
      outcome.text = state == HttpParseState::kDone ? content : Describe(decoder.error());
      return outcome;
    }
    PELTON_CHECK(consumed == piece.text().size());
    begin = end;
  }
  return outcome;
}

std::vector<size_t> EveryEnd(size_t size) {
  std::vector<size_t> ends(size > 0 ? size - 1 : 0);
  std::iota(ends.begin(), ends.end(), size_t{1});
  return ends;
}

}  // namespace pelton
