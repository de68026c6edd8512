// Feeds the HTTP parsers text in pieces, and says what came of it in one line, so that two ways of
// feeding can be compared.

#ifndef PELTON_TESTS_FRAMEWORK_EXAMPLES_HTTP_FEEDING_H_
#define PELTON_TESTS_FRAMEWORK_EXAMPLES_HTTP_FEEDING_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "framework/examples/http_chunked_decoder.h"
#include "framework/examples/http_parser.h"

namespace pelton {

// What the bytes came to.
struct HttpOutcome {
  HttpParseState state = HttpParseState::kNeedMore;
  // After kDone the content of a body, or the request, such as
  // "GET /a?b path=/a query=b host=h 1.1 keep-alive no-body [Host=h]"; after kError the error, such
  // as "400 at 17: bare LF".
  std::string text;
  size_t consumed = 0;  // after kDone

  friend bool operator==(const HttpOutcome&, const HttpOutcome&) = default;
};

// Shows the parser ever longer parts of `text`: up to each of `ends` (ascending) and then all of
// it, each in memory of its own that ends with the last byte, so that a sanitizer notices a look
// beyond. Aborts when a view of the request does not lie in its head, or when the parser goes on
// after an error.
HttpOutcome FeedHead(std::string_view text, const std::vector<size_t>& ends = {},
                     const HttpLimits& limits = {});

// The same for the decoder of chunked bodies, which takes each piece once.
HttpOutcome FeedBody(std::string_view text, const std::vector<size_t>& ends = {},
                     const HttpLimits& limits = {});

// 1, 2, ... size - 1: byte by byte.
std::vector<size_t> EveryEnd(size_t size);

}  // namespace pelton

#endif  // PELTON_TESTS_FRAMEWORK_EXAMPLES_HTTP_FEEDING_H_
