// Pelton's part in the comparison of bulk transfers. A client's first byte says what it wants:
//   r  the service receives into one 64 KiB buffer       c  the same in chunks, as Read() yields them
//   s  the service sends blocks of 64 KiB                e  the service sends back what it gets
// It listens on a TCP port, and on the local address @pelton-transfer-PORT.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "framework/pelton.h"
#include "io/stream/unix_listener.h"

ABSL_FLAG(uint16_t, port, 7000, "port on 127.0.0.1 to listen on; 0: the kernel chooses one");

namespace {

constexpr size_t kBlockBytes = 64 * 1024;

pelton::Task<absl::Status> Receive(pelton::SocketStream& peer) {
  std::vector<char> block(kBlockBytes);
  while (true) {
    PELTON_CO_ASSIGN_OR_RETURN(const size_t bytes, co_await peer.ReadInto(block));
    if (bytes == 0) co_return absl::OkStatus();
  }
}

pelton::Task<absl::Status> ReceiveChunks(pelton::SocketStream& peer) {
  while (true) {
    PELTON_CO_ASSIGN_OR_RETURN(const pelton::Chunk chunk, co_await peer.Read());
    if (chunk.empty()) co_return absl::OkStatus();
  }
}

pelton::Task<absl::Status> SendBlocks(pelton::SocketStream& peer) {
  const std::string block(kBlockBytes, 'x');
  while (true) PELTON_CO_RETURN_IF_ERROR(co_await peer.Write(block));
}

pelton::Task<absl::Status> Echo(pelton::SocketStream& peer) {
  while (true) {
    PELTON_CO_ASSIGN_OR_RETURN(const pelton::Chunk chunk, co_await peer.Read());
    if (chunk.empty()) co_return absl::OkStatus();
    PELTON_CO_RETURN_IF_ERROR(co_await peer.Write(chunk));
  }
}

pelton::Task<absl::Status> ServeOne(pelton::SocketStream& peer) {
  char wanted;
  PELTON_CO_RETURN_IF_ERROR(co_await peer.ReadExactly({&wanted, 1}));
  switch (wanted) {
    case 'r':
      co_return co_await Receive(peer);
    case 'c':
      co_return co_await ReceiveChunks(peer);
    case 's':
      co_return co_await SendBlocks(peer);
    case 'e':
      co_return co_await Echo(peer);
    default:
      co_return absl::InvalidArgumentError("no transfer is called " + std::string(1, wanted));
  }
}

pelton::Task<absl::Status> ServeTcp(pelton::TcpStream peer) { co_return co_await ServeOne(peer); }
pelton::Task<absl::Status> ServeLocal(pelton::UnixStream peer) {
  co_return co_await ServeOne(peer);
}

pelton::Task<absl::Status> ListenLocally(std::string address) {
  PELTON_CO_ASSIGN_OR_RETURN(
      pelton::UnixListener listener,
      pelton::UnixListener::Bind(address, {.every_shard = true, .balance = true}));
  pelton::TaskScope connections;
  co_return co_await listener.ForEach(connections, ServeLocal);
}

pelton::Task<absl::Status> Serve(pelton::Shard&) {
  PELTON_CO_ASSIGN_OR_RETURN(
      pelton::TcpListener listener,
      pelton::TcpListener::Bind(absl::StrCat("127.0.0.1:", absl::GetFlag(FLAGS_port))));
  pelton::TaskScope connections;
  pelton::TaskScope local;
  local.Spawn(ListenLocally, absl::StrCat("@pelton-transfer-", listener.address().port()));
  const absl::Status status = co_await listener.ForEach(connections, ServeTcp);
  const absl::Status joined = co_await local.Join();
  co_return status.ok() ? joined : status;
}

}  // namespace

int main(int argc, char** argv) {
  return pelton::Main(argc, argv, Serve, "Transfers bulk data for bench/io/transfer/run.");
}
