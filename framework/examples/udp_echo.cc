// Sends back every datagram, many at a time.

#include <array>
#include <cstdint>
#include <string>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "framework/pelton.h"
#include "io/datagram/udp_socket.h"

ABSL_FLAG(std::string, address, "0.0.0.0", "address to listen on; [::] for IPv6 and IPv4");
ABSL_FLAG(uint16_t, port, 7000, "port to listen on; 0: the kernel chooses one");
ABSL_FLAG(bool, join, true,
          "let the kernel join datagrams of one sender and cut what is sent back (UDP_GRO, "
          "UDP_SEGMENT)");

namespace {

// Runs once on every shard.
pelton::Task<absl::Status> Serve(pelton::Shard&) {
  pelton::UdpSocket::Options options;
  options.join_received = options.join_sent = absl::GetFlag(FLAGS_join);
  options.receive_buffer_bytes = options.send_buffer_bytes = 4 << 20;
  const std::string address =
      absl::StrCat(absl::GetFlag(FLAGS_address), ":", absl::GetFlag(FLAGS_port));
  PELTON_CO_ASSIGN_OR_RETURN(pelton::UdpSocket socket, pelton::UdpSocket::Bind(address, options));
  std::array<pelton::Datagram, 64> queries;
  std::array<pelton::OutgoingDatagram, 64> replies;
  for (;;) {
    const absl::StatusOr<size_t> count = co_await socket.ReceiveManyWhenIdle(queries);
    if (!count.ok()) {
      const bool drained =
          absl::IsUnavailable(count.status()) && pelton::GetErrno(count.status()) == 0;
      co_return drained ? absl::OkStatus() : count.status();
    }
    // pelton: bounded: a batch
    for (size_t i = 0; i < *count; ++i) replies[i] = pelton::ReplyTo(queries[i]);
    for (size_t sent = 0; sent < *count;) {
      const absl::StatusOr<size_t> now =
          co_await socket.SendMany({replies.data() + sent, *count - sent});
      // A reply that cannot be sent is lost, like any datagram may be.
      sent += now.ok() ? *now : 1;
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  return pelton::Main(argc, argv, Serve, "Sends back every datagram.");
}
