// Asio (standalone, its epoll reactor) as its own examples use it: a session that owns itself
// through its handlers, one thread, concurrency hint 1.

#include <asio.hpp>
#include <cerrno>
#include <csignal>
#include <memory>
#include <utility>
#include <vector>

#include "bench/peers/peer.h"

namespace pelton::peers {
namespace {

using asio::ip::tcp;

class Session : public std::enable_shared_from_this<Session> {
 public:
  explicit Session(tcp::socket socket) : socket_(std::move(socket)), buffer_(BufferSize()) {
    std::error_code ignored;  // a peer that has gone already shows in the first read
    socket_.set_option(tcp::no_delay(true), ignored);
  }

  // Each handler holds the session; when the peer closes or breaks, none is started and the session
  // goes away.
  void Read() {
    socket_.async_read_some(asio::buffer(buffer_),
                            [self = shared_from_this()](std::error_code error, size_t size) {
                              if (!error) self->Write(size);
                            });
  }

 private:
  void Write(size_t size) {
    asio::async_write(socket_, asio::buffer(buffer_.data(), size),
                      [self = shared_from_this()](std::error_code error, size_t) {
                        if (!error) self->Read();
                      });
  }

  tcp::socket socket_;
  std::vector<char> buffer_;
};

class Server {
 public:
  explicit Server(asio::io_context& context)
      : acceptor_(context, tcp::endpoint(asio::ip::address_v4::loopback(),
                                         static_cast<asio::ip::port_type>(Port()))),
        retry_(context) {
    Accept();
  }

  int port() const { return acceptor_.local_endpoint().port(); }

 private:
  void Accept() {
    acceptor_.async_accept([this](std::error_code error, tcp::socket socket) {
      if (!error) std::make_shared<Session>(std::move(socket))->Read();
      if (error == asio::error::no_descriptors) {
        RetryLater();  // accepting at once would spin
      } else if (error != asio::error::operation_aborted) {
        Accept();
      }
    });
  }

  void RetryLater() {
    retry_.expires_after(std::chrono::milliseconds(10));
    retry_.async_wait([this](std::error_code error) {
      if (!error) Accept();
    });
  }

  tcp::acceptor acceptor_;
  asio::steady_timer retry_;
};

}  // namespace
}  // namespace pelton::peers

int main(int argc, char** argv) {
  using namespace pelton::peers;
  Begin(argc, argv);
  asio::io_context context(1);
  asio::signal_set stop_signals(context, SIGTERM, SIGINT);
  stop_signals.async_wait([&context](std::error_code, int) { context.stop(); });
  try {
    Server server(context);
    Announce(server.port(), "asio");
    context.run();
  } catch (const std::system_error& error) {
    Die("asio", error.code().value());
  }
  return 0;
}
