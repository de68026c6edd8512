// Writes HTTP/1.1 responses (RFC 9112, 9110) into a buffer of the shard.

#ifndef PELTON_FRAMEWORK_EXAMPLES_HTTP_RESPONSE_H_
#define PELTON_FRAMEWORK_EXAMPLES_HTTP_RESPONSE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "framework/pelton.h"

namespace pelton {

// What a handler answers. The views must live until the response is written: they are static, or
// parts of the request.
struct HttpReply {
  int status = 200;
  std::string_view content_type = "text/plain";
  std::string_view body;
  std::string_view allow;  // the methods that a 405 names
};

// The value of the Date field, made once a second, without allocating. One per shard.
class HttpDate {
 public:
  // The date at `now`, by the wall clock; `turn` is the shard's time, which says cheaply when to
  // look again.
  std::string_view At(Timestamp turn);

  // A point in time as HTTP writes it (RFC 9110, 5.6.7): Sun, 06 Nov 1994 08:49:37 GMT. Allocates
  // nothing. REQUIRES: a year of four digits.
  using Text = std::array<char, 29>;
  static Text Format(absl::Time at);

 private:
  Text text_;
  Timestamp valid_until_ = Timestamp::FromNanoseconds(INT64_MIN);
};

// Gathers the responses to the requests of one read, so that they leave in one send. Its memory is
// a receive buffer of the shard, held only while there is something in it; when none is free, it is
// the heap's.
class HttpOutput {
 public:
  bool empty() const { return used_ == 0; }
  std::string_view text() const { return {data(), used_}; }
  void Clear();

  // Appends the head of a response, and its body when that is small enough. Returns whether the
  // body went in, too; when not, it is sent after text().
  bool AppendResponse(const HttpReply& reply, std::string_view date, bool close, bool omit_body);
  // Appends "100 Continue".
  void AppendContinue();
  // Whether another response with a small body fits; when not, send text() first.
  bool HasRoom() const { return used_ + kRoomForOne <= kCapacity; }

 private:
  static constexpr size_t kCapacity = io::ChunkPool::kChunkBytes;
  // A head and a body that is gathered.
  static constexpr size_t kRoomForOne = 2048;
  static constexpr size_t kSmallBody = 1024;

  const char* data() const { return chunk_.empty() ? heap_.data() : chunk_.data(); }
  void Append(std::string_view text);
  void AppendNumber(uint64_t number);

  Chunk chunk_;
  std::string heap_;
  size_t used_ = 0;
};

// The reason phrase of a status code (RFC 9110, 15); empty for an unknown one.
std::string_view HttpReason(int status);

}  // namespace pelton

#endif  // PELTON_FRAMEWORK_EXAMPLES_HTTP_RESPONSE_H_
