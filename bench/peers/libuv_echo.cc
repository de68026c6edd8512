// libuv as its users write a fast echo: one read buffer for the loop (read callbacks never
// overlap), an immediate uv_try_write, and a queued uv_write of its own copy for what the socket
// did not take; reading stops until that is written.

#include <uv.h>

#include <csignal>
#include <cstring>
#include <vector>

#include "bench/peers/peer.h"

namespace pelton::peers {
namespace {

// libuv's error numbers are negative errno values.
void CheckUv(const char* what, int result) {
  if (result < 0) Die(what, -result);
}

std::vector<char>& ReadBuffer() {
  static std::vector<char>* const buffer = new std::vector<char>(BufferSize());
  return *buffer;
}

struct Connection {
  uv_tcp_t tcp;
  uv_write_t write;
  std::vector<char> backlog;  // lives as long as `write` is queued

  uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(&tcp); }
};

void Close(Connection& connection) {
  auto* handle = reinterpret_cast<uv_handle_t*>(&connection.tcp);
  if (uv_is_closing(handle)) return;
  uv_close(handle, [](uv_handle_t* closed) { delete static_cast<Connection*>(closed->data); });
}

void Allocate(uv_handle_t*, size_t, uv_buf_t* buffer) {
  buffer->base = ReadBuffer().data();
  buffer->len = ReadBuffer().size();
}

void OnRead(uv_stream_t* stream, ssize_t received, const uv_buf_t* buffer);

void OnWritten(uv_write_t* write, int status) {
  auto& connection = *static_cast<Connection*>(write->data);
  connection.backlog.clear();
  connection.backlog.shrink_to_fit();
  if (status < 0 || uv_read_start(connection.stream(), Allocate, OnRead) < 0) Close(connection);
}

void QueueWrite(Connection& connection, const char* data, size_t size) {
  connection.backlog.assign(data, data + size);
  uv_read_stop(connection.stream());
  uv_buf_t rest = uv_buf_init(connection.backlog.data(), static_cast<unsigned>(size));
  connection.write.data = &connection;
  if (uv_write(&connection.write, connection.stream(), &rest, 1, OnWritten) < 0) Close(connection);
}

void OnRead(uv_stream_t* stream, ssize_t received, const uv_buf_t* buffer) {
  auto& connection = *static_cast<Connection*>(stream->data);
  if (received == 0) return;  // EAGAIN
  if (received < 0) return Close(connection);
  uv_buf_t message = uv_buf_init(buffer->base, static_cast<unsigned>(received));
  const int written = uv_try_write(stream, &message, 1);
  if (written < 0 && written != UV_EAGAIN) return Close(connection);
  const ssize_t taken = written < 0 ? 0 : written;
  if (taken < received) {
    QueueWrite(connection, buffer->base + taken, static_cast<size_t>(received - taken));
  }
}

// libuv keeps a reserve descriptor for EMFILE and closes the peer then, so that a full table does
// not spin.
void OnConnection(uv_stream_t* listener, int status) {
  if (status < 0) return;
  auto* connection = new Connection;
  CheckUv("uv_tcp_init", uv_tcp_init(listener->loop, &connection->tcp));
  connection->tcp.data = connection;
  if (uv_accept(listener, connection->stream()) < 0 || uv_tcp_nodelay(&connection->tcp, 1) < 0 ||
      uv_read_start(connection->stream(), Allocate, OnRead) < 0) {
    Close(*connection);
  }
}

void Serve() {
  uv_loop_t* loop = uv_default_loop();
  uv_signal_t stop_signals[2];
  const int numbers[2] = {SIGTERM, SIGINT};
  for (int i = 0; i < 2; ++i) {
    CheckUv("uv_signal_init", uv_signal_init(loop, &stop_signals[i]));
    CheckUv(
        "uv_signal_start",
        uv_signal_start(
            &stop_signals[i], [](uv_signal_t* handle, int) { uv_stop(handle->loop); }, numbers[i]));
  }
  uv_tcp_t listener;
  CheckUv("uv_tcp_init", uv_tcp_init(loop, &listener));
  CheckUv("uv_tcp_open", uv_tcp_open(&listener, ListenOnLoopback()));
  CheckUv("uv_listen",
          uv_listen(reinterpret_cast<uv_stream_t*>(&listener), SOMAXCONN, OnConnection));
  uv_os_fd_t descriptor;
  CheckUv("uv_fileno", uv_fileno(reinterpret_cast<uv_handle_t*>(&listener), &descriptor));
  Announce(PortOf(descriptor), "libuv");
  uv_run(loop, UV_RUN_DEFAULT);
}

}  // namespace
}  // namespace pelton::peers

int main(int argc, char** argv) {
  pelton::peers::Begin(argc, argv);
  pelton::peers::Serve();
  return 0;
}
