// An HTTP/1.1 server: GET /plaintext, GET /json, POST /echo.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "framework/examples/http_connection.h"
#include "framework/pelton.h"

ABSL_FLAG(std::string, address, "0.0.0.0", "address to listen on; [::] for IPv6 and IPv4");
ABSL_FLAG(uint16_t, port, 8080, "port to listen on; 0: the kernel chooses one");
ABSL_FLAG(absl::Duration, idle_timeout, absl::Seconds(75),
          "how long a connection may idle between requests");
ABSL_FLAG(absl::Duration, request_timeout, absl::Seconds(30),
          "how long the head of a request may take to arrive, the next bytes of its body, and its "
          "response to leave");

namespace {

pelton::HttpReply ForMethod(const pelton::HttpRequest& request, std::string_view allow,
                            const pelton::HttpReply& reply) {
  for (std::string_view rest = allow; !rest.empty();) {
    const size_t comma = std::min(rest.find(','), rest.size());
    if (request.method == rest.substr(0, comma)) return reply;
    rest.remove_prefix(std::min(comma + 2, rest.size()));
  }
  return {.status = 405, .body = "Method Not Allowed", .allow = allow};
}

pelton::HttpReply Handle(const pelton::HttpRequest& request, std::string_view body) {
  if (request.path == "/plaintext") {
    return ForMethod(request, "GET, HEAD", {.body = "Hello, World!"});
  }
  if (request.path == "/json") {
    return ForMethod(
        request, "GET, HEAD",
        {.content_type = "application/json", .body = R"({"message":"Hello, World!"})"});
  }
  if (request.path == "/echo") {
    return ForMethod(request, "POST", {.content_type = "application/octet-stream", .body = body});
  }
  return {.status = 404, .body = "Not Found"};
}

// Says what a shard has done, on stderr: one line at its end.
void Report(const pelton::HttpShard& shard) {
  pelton::LogLine(absl::StrCat("shard ", shard.shard.id().index(),
                               ": connections=", shard.connections, " requests=", shard.requests,
                               " refused=", shard.refused));
}

// Runs once on every shard.
pelton::Task<absl::Status> Serve(pelton::Shard& shard) {
  const std::string address =
      absl::StrCat(absl::GetFlag(FLAGS_address), ":", absl::GetFlag(FLAGS_port));
  PELTON_CO_ASSIGN_OR_RETURN(pelton::TcpListener listener, pelton::TcpListener::Bind(address));
  pelton::HttpShard shared = {.shard = shard,
                              .handler = &Handle,
                              .limits = {},
                              .idle_timeout = absl::GetFlag(FLAGS_idle_timeout),
                              .request_timeout = absl::GetFlag(FLAGS_request_timeout)};
  pelton::TaskScope connections;
  const absl::Status status = co_await listener.ForEach(
      connections, [&shared](pelton::TcpStream peer) -> pelton::Task<absl::Status> {
        pelton::HttpConnection connection(shared, std::move(peer));
        co_return co_await connection.Serve();
      });
  Report(shared);
  co_return status;
}

}  // namespace

int main(int argc, char** argv) {
  return pelton::Main(argc, argv, Serve,
                      "An HTTP/1.1 server: GET /plaintext, GET /json, POST /echo.");
}
