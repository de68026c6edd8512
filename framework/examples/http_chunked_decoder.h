// Takes the framing off a chunked request body (RFC 9112, 7.1) that may arrive in pieces.
//
// Strict, as HttpHeadParser is: CR LF alone ends a line, sizes are plain hexadecimal digits, white
// space is refused but inside extensions. Extensions and trailer fields are checked, bounded and
// thrown away: what a trailer says never changes how the request is read.
//
// Invariants
//  1. The outcome (the content, or status and offset of the error) depends on the bytes alone, not
//     on the pieces.
//  2. A chunk that would exceed the limit is refused at its size, before its data.
//  3. Nothing is copied or allocated: the sink gets slices of the input. No byte is looked at
//     twice.
//
// A decoder is 136 bytes and lives as long as one body, on one shard.
//
//   HttpChunkedDecoder decoder(limits);
//   auto [state, consumed] =
//       decoder.Decode(received, [&](std::string_view data) { body.append(data); });
//   received.remove_prefix(consumed);  // after kDone, the next request starts there

#ifndef PELTON_FRAMEWORK_EXAMPLES_HTTP_CHUNKED_DECODER_H_
#define PELTON_FRAMEWORK_EXAMPLES_HTTP_CHUNKED_DECODER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "framework/examples/http_parser.h"

namespace pelton {

// Decodes one body.
class HttpChunkedDecoder {
 public:
  // What a call came to.
  struct Result {
    HttpParseState state;
    // Bytes of the input: all after kNeedMore, up to the end of the body after kDone, up to the
    // byte at fault after kError.
    size_t consumed;
  };

  // `limits` is copied.
  explicit HttpChunkedDecoder(const HttpLimits& limits) : limits_(limits) {}

  // Goes on with the body at the start of `input`, which starts where the last call stopped
  // consuming. Calls sink(std::string_view) for each piece of content, in order, none of them
  // empty. A call after kDone or kError consumes nothing and says the same again.
  template <typename Sink>
  Result Decode(std::string_view input, Sink&& sink) {
    size_t consumed = 0;
    for (;;) {
      const Piece piece = Next(input.substr(consumed));
      if (!piece.data.empty()) sink(piece.data);
      consumed += piece.consumed;
      if (piece.state != HttpParseState::kNeedMore || consumed == input.size()) {
        return {piece.state, consumed};
      }
    }
  }

  // After kError; the offset counts from the start of the body.
  const HttpParseError& error() const { return error_; }

  // Bytes of content given to the sink so far.
  uint64_t content_bytes() const { return content_bytes_; }

 private:
  enum class Phase : uint8_t {
    kFirstSizeDigit,
    kSize,
    kExtension,
    kSizeLineFeed,
    kData,
    kDataReturn,
    kDataLineFeed,
    kTrailerStart,
    kTrailerName,
    kTrailerValue,
    kTrailerLineFeed,
    kEndLineFeed,
    kDone,
    kError,
  };

  // What one step gives: some framing, and the content behind it as far as it is there.
  struct Piece {
    HttpParseState state;
    size_t consumed;
    std::string_view data;
  };

  Piece Next(std::string_view input);
  void TakeFraming(char c);
  void TakeSize(char c);
  void TakeExtension(char c);
  void TakeTrailer(char c);
  void Expect(char c, char expected, Phase next, std::string_view reason);
  void Fail(int status, std::string_view reason);

  HttpLimits limits_;
  HttpParseError error_;
  uint64_t offset_ = 0;       // of the byte being taken, from the start of the body
  uint64_t chunk_bytes_ = 0;  // of the chunk, as far as not given to the sink
  uint64_t content_bytes_ = 0;
  size_t extension_bytes_ = 0;  // of the whole body
  size_t trailer_bytes_ = 0;
  size_t trailer_fields_ = 0;
  uint8_t size_digits_ = 0;  // of the chunk size being read
  Phase phase_ = Phase::kFirstSizeDigit;
};

static_assert(sizeof(HttpChunkedDecoder) <= 136);

}  // namespace pelton

#endif  // PELTON_FRAMEWORK_EXAMPLES_HTTP_CHUNKED_DECODER_H_
