// The limit of a bulk transfer: an io_uring loop without layers that has one operation of 64 KiB in
// flight for each connection, one enter a turn, direct descriptors and a registered ring. A client's
// first byte says whether the server receives ('r', 'c') or sends ('s').

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "bench/peers/peer.h"

namespace pelton::peers {
namespace {

constexpr unsigned kEntries = 256;
constexpr unsigned kMostConnections = 64;
constexpr size_t kBlockBytes = 64 * 1024;

struct Connection {
  int descriptor;  // an index into the ring's table
  bool asked = false;
  bool sends = false;
  size_t sent = 0;  // of the block
  std::vector<char> block = std::vector<char>(kBlockBytes, 'x');
};

class Transfer {
 public:
  Transfer(int listener, int stop_signals) : listener_(listener), stop_signals_(stop_signals) {
    io_uring_params params = {};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                   IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL;
    Check("io_uring_setup", io_uring_queue_init_params(kEntries, &ring_, &params));
    Check("registering the ring", io_uring_register_ring_fd(&ring_));
    Check("registering descriptors", io_uring_register_files_sparse(&ring_, kMostConnections));
  }

  void Run() {
    io_uring_sqe* stop = io_uring_get_sqe(&ring_);
    io_uring_prep_poll_add(stop, stop_signals_, POLLIN);
    io_uring_sqe_set_data(stop, &stopped_);
    Accept();
    while (!stopped_) {
      const int result = io_uring_submit_and_wait(&ring_, 1);
      if (result != -EINTR) Check("io_uring_enter", result);
      unsigned head;
      unsigned count = 0;
      io_uring_cqe* cqe;
      io_uring_for_each_cqe(&ring_, head, cqe) {
        ++count;
        Handle(*cqe);
      }
      io_uring_cq_advance(&ring_, count);
    }
    io_uring_queue_exit(&ring_);
  }

 private:
  static void Check(const char* what, int result) {
    if (result < 0) Die(what, -result);
  }

  void Handle(const io_uring_cqe& cqe) {
    void* const data = io_uring_cqe_get_data(&cqe);
    if (data == nullptr) return;
    if (data == &stopped_) {
      stopped_ = true;
    } else if (data == this) {
      Check("accept", cqe.res);
      Receive(*new Connection{cqe.res});
      if ((cqe.flags & IORING_CQE_F_MORE) == 0) Accept();
    } else {
      Advance(*static_cast<Connection*>(data), cqe.res);
    }
  }

  void Accept() {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    io_uring_prep_multishot_accept_direct(sqe, listener_, nullptr, nullptr, 0);
    io_uring_sqe_set_data(sqe, this);
  }

  void Advance(Connection& connection, int result) {
    if (result <= 0) {
      io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
      io_uring_prep_close_direct(sqe, static_cast<unsigned>(connection.descriptor));
      io_uring_sqe_set_data(sqe, nullptr);
      delete &connection;
      return;
    }
    if (!connection.asked) {
      connection.asked = true;
      connection.sends = connection.block[0] == 's';
    } else if (connection.sends) {
      connection.sent = (connection.sent + static_cast<size_t>(result)) % kBlockBytes;
    }
    if (connection.sends) return Send(connection);
    Receive(connection);
  }

  void Receive(Connection& connection) {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    io_uring_prep_recv(sqe, connection.descriptor, connection.block.data(),
                       connection.asked ? kBlockBytes : 1, 0);
    sqe->flags = IOSQE_FIXED_FILE;
    io_uring_sqe_set_data(sqe, &connection);
  }

  void Send(Connection& connection) {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    io_uring_prep_send(sqe, connection.descriptor, connection.block.data() + connection.sent,
                       kBlockBytes - connection.sent, MSG_NOSIGNAL);
    sqe->flags = IOSQE_FIXED_FILE;
    io_uring_sqe_set_data(sqe, &connection);
  }

  const int listener_;
  const int stop_signals_;
  bool stopped_ = false;
  io_uring ring_;
};

}  // namespace
}  // namespace pelton::peers

int main(int argc, char** argv) {
  using namespace pelton::peers;
  Begin(argc, argv);
  const int listener = ListenOnLoopback();
  Transfer server(listener, StopSignals());
  Announce(PortOf(listener), "raw-uring");
  server.Run();
  return 0;
}
