#include "framework/examples/http_chunked_decoder.h"

#include "framework/examples/internal/http_syntax.h"

namespace pelton {
namespace {

using http_internal::HexDigit;
using http_internal::IsOf;

// Zeros in front count too: the sizes of all chunks that are allowed need far fewer.
constexpr int kMostSizeDigits = 16;

constexpr std::string_view kBareReturn = "bare CR in the framing of a chunk";

}  // namespace

HttpChunkedDecoder::Piece HttpChunkedDecoder::Next(std::string_view input) {
  size_t consumed = 0;
  while (consumed < input.size() && phase_ < Phase::kDone) {
    if (phase_ == Phase::kData) {
      const std::string_view data = input.substr(consumed, chunk_bytes_);
      chunk_bytes_ -= data.size();
      content_bytes_ += data.size();
      offset_ += data.size();
      if (chunk_bytes_ == 0) phase_ = Phase::kDataReturn;
      return {HttpParseState::kNeedMore, consumed + data.size(), data};
    }
    TakeFraming(input[consumed]);
    if (phase_ == Phase::kError) break;
    ++consumed;
    ++offset_;
  }
  const HttpParseState state = phase_ == Phase::kDone    ? HttpParseState::kDone
                               : phase_ == Phase::kError ? HttpParseState::kError
                                                         : HttpParseState::kNeedMore;
  return {state, consumed, {}};
}

void HttpChunkedDecoder::TakeFraming(char c) {
  switch (phase_) {
    case Phase::kFirstSizeDigit:
    case Phase::kSize:
      return TakeSize(c);
    case Phase::kExtension:
      return TakeExtension(c);
    case Phase::kSizeLineFeed:
      size_digits_ = 0;
      return Expect(c, '\n', chunk_bytes_ == 0 ? Phase::kTrailerStart : Phase::kData, kBareReturn);
    case Phase::kDataReturn:
      return Expect(c, '\r', Phase::kDataLineFeed, "chunk longer than its size");
    case Phase::kDataLineFeed:
      return Expect(c, '\n', Phase::kFirstSizeDigit, kBareReturn);
    case Phase::kTrailerLineFeed:
      return Expect(c, '\n', Phase::kTrailerStart, kBareReturn);
    case Phase::kEndLineFeed:
      return Expect(c, '\n', Phase::kDone, kBareReturn);
    case Phase::kTrailerStart:
    case Phase::kTrailerName:
    case Phase::kTrailerValue:
      return TakeTrailer(c);
    case Phase::kData:
    case Phase::kDone:
    case Phase::kError:
      return;  // Next sees to these
  }
}

void HttpChunkedDecoder::TakeSize(char c) {
  if (const int digit = HexDigit(c); digit >= 0) {
    if (++size_digits_ > kMostSizeDigits) return Fail(400, "chunk size of more than 16 digits");
    phase_ = Phase::kSize;
    chunk_bytes_ = chunk_bytes_ << 4 | static_cast<uint64_t>(digit);  // 16 digits fit
    if (chunk_bytes_ > limits_.max_body_bytes - content_bytes_) Fail(413, "body too long");
    return;
  }
  if (phase_ == Phase::kFirstSizeDigit) return Fail(400, "chunk without a size");
  if (c == ';') {
    phase_ = Phase::kExtension;
    return TakeExtension(c);
  }
  Expect(c, '\r', Phase::kSizeLineFeed, "byte that no chunk size may have");
}

void HttpChunkedDecoder::TakeExtension(char c) {
  if (c == '\r') {
    phase_ = Phase::kSizeLineFeed;
    return;
  }
  if (!IsOf(http_internal::kFieldText, c)) {
    return Fail(400, c == '\n' ? "bare LF in the framing of a chunk" : "control character");
  }
  if (++extension_bytes_ > limits_.max_chunk_extension_bytes) {
    Fail(400, "chunk extensions too long");
  }
}

void HttpChunkedDecoder::TakeTrailer(char c) {
  const bool is_start = phase_ == Phase::kTrailerStart;
  if (is_start && c == '\r') {
    phase_ = Phase::kEndLineFeed;
    return;
  }
  if (++trailer_bytes_ > limits_.max_trailer_bytes) return Fail(431, "trailer fields too long");
  if (phase_ == Phase::kTrailerValue) {
    if (c == '\r') {
      phase_ = Phase::kTrailerLineFeed;
    } else if (!IsOf(http_internal::kFieldText, c)) {
      Fail(400, c == '\n' ? "bare LF in a trailer field" : "control character in a trailer field");
    }
    return;
  }
  if (!is_start && c == ':') {
    phase_ = Phase::kTrailerValue;
    return;
  }
  if (!IsOf(http_internal::kToken, c)) {
    return Fail(400, "byte that no trailer field's name may have");
  }
  if (is_start && ++trailer_fields_ > limits_.max_headers) {
    return Fail(431, "too many trailer fields");
  }
  phase_ = Phase::kTrailerName;
}

void HttpChunkedDecoder::Expect(char c, char expected, Phase next, std::string_view reason) {
  if (c != expected) return Fail(400, reason);
  phase_ = next;
}

void HttpChunkedDecoder::Fail(int status, std::string_view reason) {
  error_ = {.status = status, .reason = reason, .offset = offset_};
  phase_ = Phase::kError;
}

}  // namespace pelton
