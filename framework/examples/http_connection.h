// Serves one HTTP/1.1 connection (RFC 9112): keep-alive, pipelining with ordered replies, bodies,
// limits, time-outs, graceful drain. A replaceable part of http_server, as its parser is.
//
// All requests of a read are answered before anything is written, and their responses leave in one
// send.
//
// Shard affinity: one shard. Cost: an idle connection holds no buffer; a request allocates nothing
// unless it arrives in pieces.

#ifndef PELTON_FRAMEWORK_EXAMPLES_HTTP_CONNECTION_H_
#define PELTON_FRAMEWORK_EXAMPLES_HTTP_CONNECTION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "framework/examples/http_chunked_decoder.h"
#include "framework/examples/http_parser.h"
#include "framework/examples/http_response.h"
#include "framework/pelton.h"

namespace pelton {

// What the connections of a shard share.
struct HttpShard {
  // Answers a request; called with its whole body. Does not suspend.
  using Handler = HttpReply (*)(const HttpRequest& request, std::string_view body);

  Shard& shard;
  Handler handler;
  HttpLimits limits;
  absl::Duration idle_timeout = absl::Seconds(75);  // between requests
  // For the head of a request to arrive, for the next bytes of its body, and for its response to
  // leave.
  absl::Duration request_timeout = absl::Seconds(30);
  HttpRequest request = {};  // scratch: holds nothing across a suspension
  HttpDate date = {};
  uint64_t connections = 0;
  uint64_t requests = 0;
  uint64_t refused = 0;  // requests answered with an error and a closed connection
};

class HttpConnection {
 public:
  // `shard` must outlive the connection.
  HttpConnection(HttpShard& shard, TcpStream peer) : shard_(shard), peer_(std::move(peer)) {}

  // Serves requests until the peer closes, errs, or idles too long, or the service drains. OK
  // unless the connection failed in the middle of something.
  Task<absl::Status> Serve();

 private:
  // What to do after the requests of a read.
  enum class Next { kReadOn, kClose, kClosed };

  Task<absl::Status> ServeRequests();
  // Answers the requests that `chunk` completes, and keeps the rest.
  Task<absl::StatusOr<Next>> Answer(Chunk chunk);
  // Looks for the next request in `input` and takes it off. Returns whether there was one; its head
  // is in shard_.request, its body in `body`.
  bool TakeRequest(std::string_view& input, std::string_view& body);
  bool TakeBody(std::string_view& input, std::string_view& body);
  void Refuse(const HttpParseError& error);
  Task<absl::Status> AnswerRefusal();
  // Whether the peer has begun a request. An empty line behind the last one, which clients may
  // send, begins none.
  bool InRequest() const { return pending_body_ != nullptr || parser_.is_in_head(); }
  // How long the peer may take to send more.
  absl::Duration PatienceForInput() const;
  Task<absl::Status> Flush(std::string_view body);
  // Says that nothing more will be written, and lets the peer close first, so that unread input
  // does not turn into a reset that destroys the last response (RFC 9112, 9.6).
  Task<absl::Status> CloseGently();

  // The body that is being read: what it will be appended to, and how it ends.
  struct PendingBody {
    uint64_t missing = 0;  // bytes, when there is no decoder
    std::optional<HttpChunkedDecoder> decoder;
    std::string content;
  };

  HttpShard& shard_;
  TcpStream peer_;
  HttpHeadParser parser_;
  std::string carried_;   // a head that is incomplete, or whose body is
  Timestamp head_began_;  // of the head in carried_
  std::unique_ptr<PendingBody> pending_body_;
  HttpOutput output_;
  int refusal_ = 0;  // the status to close with
};

}  // namespace pelton

#endif  // PELTON_FRAMEWORK_EXAMPLES_HTTP_CONNECTION_H_
