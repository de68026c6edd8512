#include "framework/examples/internal/http_fields.h"

#include "framework/examples/internal/http_syntax.h"

namespace pelton::http_internal {
namespace {

// Every number of so many digits fits into 64 bits.
constexpr size_t kMostLengthDigits = 19;

constexpr Refusal kManyHosts{400, "more than one Host"};
constexpr Refusal kInvalidHost{400, "invalid Host"};
constexpr Refusal kUnknownExpectation{417, "unknown expectation"};
constexpr Refusal kManyLengths{400, "more than one Content-Length"};
constexpr Refusal kInvalidLength{400, "Content-Length is not a number of 1 to 19 digits"};
constexpr Refusal kBothLengths{400, "Content-Length together with Transfer-Encoding"};
constexpr Refusal kCodingIn10{400, "Transfer-Encoding in HTTP/1.0"};
constexpr Refusal kMalformedCoding{400, "malformed Transfer-Encoding"};
constexpr Refusal kChunkedNotLast{400, "chunked is not the last transfer coding"};
constexpr Refusal kUnknownCoding{501, "unknown transfer coding"};

}  // namespace

const Refusal* HttpFields::TakeKnown(std::string_view name, std::string_view value,
                                     int minor_version) {
  if (EqualsIgnoringCase(name, "host")) return TakeHost(value);
  if (EqualsIgnoringCase(name, "expect")) return TakeExpect(value);
  if (EqualsIgnoringCase(name, "content-length")) return TakeContentLength(value);
  if (EqualsIgnoringCase(name, "transfer-encoding")) {
    return TakeTransferEncoding(value, minor_version);
  }
  if (EqualsIgnoringCase(name, "connection")) TakeConnection(value);
  return nullptr;
}

const Refusal* HttpFields::TakeHost(std::string_view value) {
  if (has_host_) return &kManyHosts;
  if (!value.empty() && !IsAuthority(value, /*needs_port=*/false)) return &kInvalidHost;
  has_host_ = true;
  return nullptr;
}

const Refusal* HttpFields::TakeExpect(std::string_view value) {
  if (!EqualsIgnoringCase(value, "100-continue")) return &kUnknownExpectation;
  expects_continue_ = true;
  return nullptr;
}

void HttpFields::TakeConnection(std::string_view value) {
  while (!value.empty()) {
    const std::string_view option = TakeElement(&value);
    if (EqualsIgnoringCase(option, "close")) says_close_ = true;
    if (EqualsIgnoringCase(option, "keep-alive")) says_keep_alive_ = true;
  }
}

// RFC 9112, 6.3 allows a list of equal lengths; refusing it is allowed too, and leaves nothing to
// disagree about.
const Refusal* HttpFields::TakeContentLength(std::string_view value) {
  if (has_content_length_) return &kManyLengths;
  if (is_chunked_) return &kBothLengths;
  if (value.empty() || value.size() > kMostLengthDigits) return &kInvalidLength;
  uint64_t length = 0;
  for (char c : value) {
    if (c < '0' || c > '9') return &kInvalidLength;
    length = length * 10 + static_cast<uint64_t>(c - '0');
  }
  has_content_length_ = true;
  content_length_ = length;
  return nullptr;
}

// Only chunked, alone, is taken. What else there is decides between 501 (a coding that is not
// known) and 400 (one after chunked, so that nobody knows where the body ends).
const Refusal* HttpFields::TakeTransferEncoding(std::string_view value, int minor_version) {
  if (minor_version == 0) return &kCodingIn10;
  if (has_content_length_) return &kBothLengths;
  if (!is_chunked_ && EqualsIgnoringCase(value, "chunked")) {
    is_chunked_ = true;
    return nullptr;
  }
  bool is_after_chunked = is_chunked_;
  bool has_unknown = false;
  while (!value.empty()) {
    const std::string_view coding = TakeElement(&value);
    const char* end = coding.data() + coding.size();
    if (coding.empty() || Skip<kToken>(coding.data(), end) != end) return &kMalformedCoding;
    if (is_after_chunked) return &kChunkedNotLast;
    is_after_chunked = EqualsIgnoringCase(coding, "chunked");
    has_unknown = has_unknown || !is_after_chunked;
  }
  return has_unknown ? &kUnknownCoding : &kMalformedCoding;
}

}  // namespace pelton::http_internal
