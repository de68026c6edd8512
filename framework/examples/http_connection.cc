#include "framework/examples/http_connection.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "framework/base/check.h"

namespace pelton {
namespace {

constexpr int kRequestTimeout = 408;
constexpr absl::Duration kLinger = absl::Seconds(1);
constexpr size_t kLingerBytes = 1 << 20;

}  // namespace

Task<absl::Status> HttpConnection::Serve() {
  ++shard_.connections;
  PELTON_CO_RETURN_IF_ERROR(peer_.SetNoDelay(true));
  const absl::Status status = co_await ServeRequests();
  if (!absl::IsDeadlineExceeded(status)) co_return status;
  if (refusal_ != kRequestTimeout) co_return absl::OkStatus();  // it idled, or reads no answer
  ScopedDeadline patience(shard_.request_timeout);
  co_return co_await AnswerRefusal();
}

Task<absl::Status> HttpConnection::ServeRequests() {
  ScopedDeadline patience(shard_.idle_timeout);
  while (true) {
    // Between requests the peer owes nothing: a drain may end the connection there.
    absl::StatusOr<Chunk> chunk =
        InRequest() ? co_await peer_.Read() : co_await peer_.ReadWhenIdle();
    if (!chunk.ok()) {
      if (absl::IsUnavailable(chunk.status()) && !InRequest()) co_return absl::OkStatus();
      if (absl::IsDeadlineExceeded(chunk.status()) && InRequest()) {
        Refuse({.status = kRequestTimeout, .reason = "the request did not arrive in time"});
      }
      co_return chunk.status();
    }
    if (chunk->empty()) {
      if (!InRequest()) co_return absl::OkStatus();
      co_return absl::DataLossError("the peer closed in the middle of a request");
    }
    patience.Restart(shard_.request_timeout);
    PELTON_CO_ASSIGN_OR_RETURN(const Next next, co_await Answer(*std::move(chunk)));
    if (next == Next::kClose) co_return co_await CloseGently();
    if (next == Next::kClosed) co_return absl::OkStatus();
    patience.Restart(PatienceForInput());
  }
}

absl::Duration HttpConnection::PatienceForInput() const {
  if (!InRequest()) return shard_.idle_timeout;
  if (pending_body_ != nullptr) return shard_.request_timeout;
  // A head gets no more time with each byte: a client that sends few of them could stay for hours.
  return shard_.request_timeout - (shard_.shard.scheduler().now() - head_began_);
}

Task<absl::StatusOr<HttpConnection::Next>> HttpConnection::Answer(Chunk chunk) {
  std::string_view input = chunk.text();
  std::string_view body;
  while (TakeRequest(input, body)) {
    ++shard_.requests;
    const HttpRequest& request = shard_.request;
    const HttpReply reply = shard_.handler(request, body);
    const bool close = !request.keep_alive || shard_.shard.draining();
    const bool whole = output_.AppendResponse(reply, shard_.date.At(shard_.shard.scheduler().now()),
                                              close, request.method == "HEAD");
    if (!whole || close || !output_.HasRoom()) {
      PELTON_CO_RETURN_IF_ERROR(co_await Flush(whole ? std::string_view() : reply.body));
    }
    if (close) co_return Next::kClose;
    if (!carried_.empty()) carried_ = std::string();
    pending_body_.reset();
  }
  if (refusal_ != 0) {
    PELTON_CO_RETURN_IF_ERROR(co_await AnswerRefusal());
    co_return Next::kClosed;
  }
  if (!output_.empty()) PELTON_CO_RETURN_IF_ERROR(co_await Flush({}));
  co_return Next::kReadOn;
}

bool HttpConnection::TakeRequest(std::string_view& input, std::string_view& body) {
  body = {};
  if (pending_body_ != nullptr) return TakeBody(input, body);
  if (input.empty()) return false;
  const bool begins = !parser_.is_in_head();
  const bool carried = !carried_.empty();
  if (carried) carried_.append(input);
  const std::string_view buffer = carried ? std::string_view(carried_) : input;
  switch (parser_.ParseHead(buffer, shard_.limits, shard_.request)) {
    case HttpParseState::kNeedMore:
      if (!carried) carried_.assign(input);
      if (begins) head_began_ = shard_.shard.scheduler().now();
      input = {};
      return false;
    case HttpParseState::kError:
      Refuse(parser_.error());
      return false;
    case HttpParseState::kDone:
      break;
  }
  const HttpRequest& request = shard_.request;
  const std::string_view head = buffer.substr(0, request.head_bytes);
  // What follows the head is the end of `input` in either case.
  input = input.substr(input.size() - (buffer.size() - head.size()));
  if (request.body == HttpBodyKind::kNone) return true;
  if (request.body == HttpBodyKind::kLength && input.size() >= request.content_length) {
    body = input.substr(0, request.content_length);
    input.remove_prefix(request.content_length);
    return true;
  }
  // The body is not all here: keep the head, to read it again when it is.
  if (request.expect_continue && input.empty()) output_.AppendContinue();
  pending_body_ = std::make_unique<PendingBody>();
  pending_body_->missing = request.content_length;
  if (request.body == HttpBodyKind::kChunked) pending_body_->decoder.emplace(shard_.limits);
  if (carried) {
    carried_.resize(head.size());
  } else {
    carried_.assign(head);
  }
  return TakeBody(input, body);
}

bool HttpConnection::TakeBody(std::string_view& input, std::string_view& body) {
  PendingBody& pending = *pending_body_;
  if (pending.decoder.has_value()) {
    const HttpChunkedDecoder::Result result = pending.decoder->Decode(
        input, [&pending](std::string_view data) { pending.content.append(data); });
    input.remove_prefix(result.consumed);
    if (result.state == HttpParseState::kError) Refuse(pending.decoder->error());
    if (result.state != HttpParseState::kDone) return false;
  } else {
    const size_t count = std::min<uint64_t>(pending.missing, input.size());
    pending.content.append(input.substr(0, count));
    pending.missing -= count;
    input.remove_prefix(count);
    if (pending.missing > 0) return false;
  }
  // Other connections have used the scratch request since.
  const HttpParseState again = parser_.ParseHead(carried_, shard_.limits, shard_.request);
  PELTON_CHECK(again == HttpParseState::kDone) << "a head that was complete is not";
  body = pending.content;
  return true;
}

void HttpConnection::Refuse(const HttpParseError& error) { refusal_ = error.status; }

Task<absl::Status> HttpConnection::AnswerRefusal() {
  ++shard_.refused;
  const std::string_view reason = HttpReason(refusal_);
  output_.AppendResponse({.status = refusal_, .body = reason},
                         shard_.date.At(shard_.shard.scheduler().now()), /*close=*/true,
                         /*omit_body=*/false);
  PELTON_CO_RETURN_IF_ERROR(co_await Flush({}));
  co_return co_await CloseGently();
}

Task<absl::Status> HttpConnection::Flush(std::string_view body) {
  absl::Status status;
  if (body.empty()) {
    status = co_await peer_.Write(output_.text());
  } else {
    const std::array<std::string_view, 2> pieces = {output_.text(), body};
    status = co_await peer_.WriteAll(pieces);
  }
  output_.Clear();
  co_return status;
}

Task<absl::Status> HttpConnection::CloseGently() {
  PELTON_CO_RETURN_IF_ERROR(peer_.HalfClose());
  ScopedDeadline linger(kLinger);
  for (size_t dropped = 0; dropped < kLingerBytes;) {
    // An error here is the peer's way to close.
    absl::StatusOr<Chunk> rest = co_await peer_.Read();
    if (!rest.ok() || rest->empty()) break;
    dropped += rest->size();
  }
  co_return absl::OkStatus();
}

}  // namespace pelton
