// Sends back whatever a client sends.

#include <cstdint>
#include <string>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "framework/pelton.h"

ABSL_FLAG(std::string, address, "0.0.0.0", "address to listen on; [::] for IPv6 and IPv4");
ABSL_FLAG(uint16_t, port, 7000, "port to listen on; 0: the kernel chooses one");

namespace {

pelton::Task<absl::Status> Echo(pelton::TcpStream peer) {
  PELTON_CO_RETURN_IF_ERROR(peer.SetNoDelay(true));
  for (;;) {
    // Bytes are echoed as they come, so a drain may end the connection between any two reads.
    PELTON_CO_ASSIGN_OR_RETURN(const pelton::Chunk bytes, co_await peer.ReadWhenIdle());
    if (bytes.empty()) co_return absl::OkStatus();  // the peer closed
    PELTON_CO_RETURN_IF_ERROR(co_await peer.Write(bytes));
  }
}

// Runs once on every shard.
pelton::Task<absl::Status> Serve(pelton::Shard&) {
  const std::string address =
      absl::StrCat(absl::GetFlag(FLAGS_address), ":", absl::GetFlag(FLAGS_port));
  PELTON_CO_ASSIGN_OR_RETURN(pelton::TcpListener listener, pelton::TcpListener::Bind(address));
  pelton::TaskScope connections;  // owns every task that it spawns
  co_return co_await listener.ForEach(connections, Echo);
}

}  // namespace

int main(int argc, char** argv) {
  return pelton::Main(argc, argv, Serve, "Sends back whatever a client sends.");
}
