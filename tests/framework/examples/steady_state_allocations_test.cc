// In the steady state, serving allocates nothing: a read, a write, an accepted connection, its
// timers and its end come out of memory that the shard has already.
//
// Service and clients share one thread: turns of the shard's loop alternate with the clients'
// system calls. So the thread's counter sees all that serving takes; the clients take nothing.

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "alloc/frame_pool.h"
#include "alloc/thread_allocations.h"
#include "framework/base/check.h"
#include "framework/base/status.h"
#include "framework/examples/http_connection.h"
#include "framework/pelton.h"
#include "framework/shard_loop.h"
#include "io/epoll/epoll_driver.h"
#include "io/uring/uring_driver.h"
#include "sched/clock.h"
#include "tests/support/sockets.h"

namespace pelton {
namespace {

using testing::ConnectTo;
using testing::Descriptor;

// Requests before and while the counters run.
constexpr int kWarmUp = 1'000;
constexpr int kMeasured = 10'000;

Task<absl::Status> Echo(TcpStream peer) {
  PELTON_CO_RETURN_IF_ERROR(peer.SetNoDelay(true));
  for (;;) {
    PELTON_CO_ASSIGN_OR_RETURN(const Chunk bytes, co_await peer.ReadWhenIdle());
    if (bytes.empty()) co_return absl::OkStatus();
    PELTON_CO_RETURN_IF_ERROR(co_await peer.Write(bytes));
  }
}

Task<absl::Status> ServeEcho(Shard&) {
  PELTON_CO_ASSIGN_OR_RETURN(TcpListener listener, TcpListener::Bind("127.0.0.1:0"));
  TaskScope connections;
  co_return co_await listener.ForEach(connections, Echo);
}

HttpReply SayHello(const HttpRequest&, std::string_view) { return {.body = "Hello, World!"}; }

Task<absl::Status> ServeHttp(Shard& shard) {
  PELTON_CO_ASSIGN_OR_RETURN(TcpListener listener, TcpListener::Bind("127.0.0.1:0"));
  HttpShard shared = {.shard = shard, .handler = &SayHello, .limits = {}};
  TaskScope connections;
  co_return co_await listener.ForEach(connections, [&shared](TcpStream peer) -> Task<absl::Status> {
    HttpConnection connection(shared, std::move(peer));
    co_return co_await connection.Serve();
  });
}

template <io::Driver D>
class SteadyStateTest : public ::testing::Test {
 protected:
  SteadyStateTest()
      : group_(
            1,
            [](void* address, std::string_view bound, uint32_t) {
              absl::StatusOr<SocketAddress> parsed = SocketAddress::Parse(bound);
              PELTON_CHECK(parsed.ok()) << parsed.status();
              *static_cast<SocketAddress*>(address) = *parsed;
            },
            &address_),
        shard_(group_, ShardId(0), clock_,
               {.scheduler = {}, .reactor = {.chunks = 256, .listeners = &group_.listeners()}}) {}

  void Start(const ServeFunction& serve) {
    absl::StatusOr<std::unique_ptr<D>> driver = D::Create(shard_.reactor());
    PELTON_CHECK(driver.ok()) << driver.status().ToString();
    driver_ = *std::move(driver);
    binding_.emplace(shard_);
    shard_.Start(serve);
    while (address_.port() == 0) Turn();
  }

  ~SteadyStateTest() override {
    group_.RequestStop(StopPhase::kEverything);
    bool changed;
    do {
      Turn();
    } while (!shard_.Finished(changed));
    EXPECT_TRUE(group_.first_error().ok()) << group_.first_error();
    binding_.reset();
  }

  Descriptor Connect() { return ConnectTo(address_); }

  // Sends `message` and takes `bytes` bytes of answer.
  void Exchange(int fd, std::string_view message, size_t bytes) {
    testing::SendAll(fd, message);
    for (size_t received = 0; received < bytes;) received += Receive(fd);
  }

  // Bytes that have arrived, after turns of the shard if need be; none at the end of the stream.
  size_t Receive(int fd) {
    static std::array<char, 65536> buffer;
    while (true) {
      Turn();
      const ssize_t count = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (count >= 0) return static_cast<size_t>(count);
      PELTON_CHECK(errno == EAGAIN) << ErrnoName(errno);
    }
  }

  // Calls exchange(), which makes `requests` of them at once, for a while, then for the same while
  // under the counters' eyes.
  template <typename F>
  void ExpectNoAllocation(std::string_view what, int requests, F&& exchange) {
    for (int done = 0; done < kWarmUp; done += requests) exchange();
    const FramePool::Statistics frames = shard_.frames().GetStatistics();
    const uint64_t bytes = ThreadAllocatedBytes();
    for (int done = 0; done < kMeasured; done += requests) exchange();
    const uint64_t allocated = ThreadAllocatedBytes() - bytes;
    const FramePool::Statistics frames_after = shard_.frames().GetStatistics();
    EXPECT_EQ(frames_after.live, frames.live);
    EXPECT_EQ(frames_after.carved_bytes, frames.carved_bytes);
    if (!ThreadAllocationsCounted()) {
      GTEST_SKIP() << "the sanitizer's allocator does not count; frames were counted";
    }
    EXPECT_EQ(frames_after.oversize, frames.oversize);
    std::printf("%s, %s: allocations per request: %g (%llu bytes in %d requests)\n", D::kName,
                std::string(what).c_str(), static_cast<double>(allocated) / kMeasured,
                static_cast<unsigned long long>(allocated), kMeasured);
    EXPECT_EQ(allocated, 0u);
  }

 private:
  void Turn() {
    RunTurn(shard_, *driver_, [](uint32_t) {});
  }

  const MonotonicClock clock_;
  SocketAddress address_;
  ShardGroup group_;
  Shard shard_;
  std::unique_ptr<D> driver_;
  std::optional<Shard::Binding> binding_;
};

using Drivers = ::testing::Types<io::UringDriver, io::EpollDriver>;
TYPED_TEST_SUITE(SteadyStateTest, Drivers);

constexpr std::string_view kRequest = "GET /plaintext HTTP/1.1\r\nHost: localhost\r\n\r\n";
constexpr std::string_view kLastRequest =
    "GET /plaintext HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

// Every answer to kRequest is as long as this one.
constexpr size_t kAnswerBytes = std::string_view(
                                    "HTTP/1.1 200 OK\r\nContent-Length: 13\r\nContent-Type: "
                                    "text/plain\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: "
                                    "pelton\r\n\r\nHello, World!")
                                    .size();

TYPED_TEST(SteadyStateTest, HttpRequestsAllocateNothing) {
  this->Start(ServeHttp);
  std::vector<Descriptor> connections;
  for (int i = 0; i < 16; ++i) connections.push_back(this->Connect());
  this->ExpectNoAllocation("HTTP", 16, [&] {
    for (const Descriptor& connection : connections) testing::SendAll(connection.get(), kRequest);
    for (const Descriptor& connection : connections) {
      EXPECT_EQ(this->Receive(connection.get()), kAnswerBytes);
    }
  });
}

TYPED_TEST(SteadyStateTest, PipelinedHttpRequestsAllocateNothing) {
  constexpr int kDepth = 16;
  this->Start(ServeHttp);
  const Descriptor connection = this->Connect();
  std::string requests;
  for (int i = 0; i < kDepth; ++i) requests += kRequest;
  this->ExpectNoAllocation("HTTP, 16 deep", kDepth, [&] {
    this->Exchange(connection.get(), requests, kDepth * kAnswerBytes);
  });
}

TYPED_TEST(SteadyStateTest, ConnectionsAllocateNothing) {
  this->Start(ServeHttp);
  this->ExpectNoAllocation("HTTP, a connection each", 1, [&] {
    const Descriptor connection = this->Connect();
    testing::SendAll(connection.get(), kLastRequest);
    while (this->Receive(connection.get()) > 0) {
    }
  });
}

TYPED_TEST(SteadyStateTest, EchoesAllocateNothing) {
  this->Start(ServeEcho);
  const Descriptor small = this->Connect();
  const Descriptor large = this->Connect();
  const std::string message(40'000, 'x');
  this->ExpectNoAllocation("echo", 2, [&] {
    this->Exchange(small.get(), "Are you there?", 14);
    this->Exchange(large.get(), message, message.size());
  });
}

}  // namespace
}  // namespace pelton
