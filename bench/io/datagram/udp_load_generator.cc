// The load generator of the datagram benchmarks: keeps a window of datagrams in flight on each of
// its sockets. Prints one line of key=value pairs on stdout; exits with 1 when a reply was wrong.
//
//   udp_load_generator --address=127.0.0.1:7000 --flows=1 --window=64 --size=64 --seconds=0.5
//
// Each datagram carries the time that it was sent at and the generation of its window. When nothing
// comes back for a tenth of a second, what is in flight counts as lost and a new generation begins.
// Latencies are microseconds; server_cpu_ns is the server's CPU time for each reply;
// others_percent is what the machine spent on neither, in shares of a core.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "bench/echo/histogram.h"
#include "bench/echo/process_stats.h"
#include "bench/io/datagram/replies.h"

ABSL_FLAG(std::string, address, "", "127.0.0.1:PORT of the echo server");
ABSL_FLAG(int, flows, 1, "sockets");
ABSL_FLAG(int, window, 64, "datagrams in flight on each socket");
ABSL_FLAG(int, size, 64, "bytes of a datagram, at least 16");
ABSL_FLAG(bool, offload, false, "send with UDP_SEGMENT and receive with UDP_GRO");
ABSL_FLAG(double, seconds, 1, "length of the measured window");
ABSL_FLAG(double, warmup, 0.2, "seconds of load before it");
ABSL_FLAG(int, cpu, -1, "the core to run on; -1 leaves it to the kernel");
ABSL_FLAG(int, server_pid, 0, "the server's process, whose CPU time is reported");

namespace pelton::bench {
namespace {

constexpr int64_t kPatienceNs = 100'000'000;
constexpr size_t kBatch = 64;

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "udp_load_generator: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

int64_t Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{1'000'000'000} * now.tv_sec + now.tv_nsec;
}

// What each datagram begins with; the rest is the low byte of `sent_at`.
struct Stamp {
  int64_t sent_at;
  uint64_t generation;
};

struct Totals {
  Histogram latencies;
  uint64_t replies = 0;
  uint64_t lost = 0;
  uint64_t errors = 0;
};

class Flow {
 public:
  Flow(const sockaddr_in& server, size_t window, size_t size, bool offload)
      : server_(server),
        window_(window),
        size_(size),
        offload_(offload),
        replies_(kBatch, offload) {
    fd_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int bytes = 4 << 20;
    const int on = 1;
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    if (offload) ::setsockopt(fd_, SOL_UDP, UDP_GRO, &on, sizeof(on));
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&server), sizeof(server)) != 0) {
      Fail("connect");
    }
    const size_t room = offload ? 65536 : size;
    input_.resize(kBatch * room);
    output_.resize(kBatch * size);
    pieces_.resize(kBatch);
    controls_.resize(kBatch);
    messages_.resize(kBatch);
    for (size_t i = 0; i < kBatch; ++i) pieces_[i] = {input_.data() + i * room, room};
  }

  int fd() const { return fd_; }

  void Fill(int64_t now) {
    while (in_flight_ < window_) {
      const size_t count = std::min(window_ - in_flight_, kBatch);
      replies_.Clear();
      for (size_t i = 0; i < count; ++i) {
        char* const data = output_.data() + i * size_;
        const Stamp stamp = {now, generation_};
        std::memcpy(data, &stamp, sizeof(stamp));
        std::memset(data + sizeof(stamp), static_cast<char>(now), size_ - sizeof(stamp));
        replies_.Add(&server_, data, size_, 0);
      }
      for (size_t sent = 0; sent < replies_.size();) {
        const int result = ::sendmmsg(fd_, replies_.data() + sent,
                                      static_cast<unsigned>(replies_.size() - sent), 0);
        if (result < 0 && errno == EAGAIN) continue;
        if (result < 0) Fail("sendmmsg");
        sent += static_cast<size_t>(result);
      }
      in_flight_ += count;
    }
    last_progress_ = std::max(last_progress_, now);
  }

  // Takes what has arrived. Returns whether that was anything.
  bool Drain(int64_t now, Totals& totals) {
    for (size_t i = 0; i < kBatch; ++i) {
      msghdr& message = messages_[i].msg_hdr;
      message = {};
      message.msg_iov = &pieces_[i];
      message.msg_iovlen = 1;
      if (offload_) {
        message.msg_control = controls_[i].bytes;
        message.msg_controllen = sizeof(controls_[i].bytes);
      }
    }
    const int count = ::recvmmsg(fd_, messages_.data(), kBatch, MSG_DONTWAIT, nullptr);
    if (count < 0 && errno != EAGAIN && errno != EINTR) Fail("recvmmsg");
    for (int i = 0; i < count; ++i) {
      mmsghdr& message = messages_[static_cast<size_t>(i)];
      const size_t joined = offload_ ? SegmentSizeOf(message.msg_hdr) : 0;
      Count(static_cast<const char*>(message.msg_hdr.msg_iov->iov_base), message.msg_len,
            joined == 0 ? message.msg_len : joined, now, totals);
    }
    if (count <= 0) return false;
    last_progress_ = now;
    return true;
  }

  void GiveUpIfSilent(int64_t now, Totals& totals) {
    if (now - last_progress_ < kPatienceNs) return;
    totals.lost += in_flight_;
    in_flight_ = 0;
    ++generation_;
    last_progress_ = now;
  }

 private:
  struct alignas(cmsghdr) Control {
    char bytes[CMSG_SPACE(sizeof(int))];
  };

  void Count(const char* data, size_t bytes, size_t each, int64_t now, Totals& totals) {
    if (bytes == 0 || each == 0) ++totals.errors;
    for (size_t at = 0; at < bytes; at += each) {
      Stamp stamp = {};
      if (bytes - at >= sizeof(stamp)) std::memcpy(&stamp, data + at, sizeof(stamp));
      if (std::min(each, bytes - at) != size_ || stamp.generation > generation_ ||
          (size_ > sizeof(stamp) && data[at + size_ - 1] != static_cast<char>(stamp.sent_at))) {
        ++totals.errors;
        continue;
      }
      if (stamp.generation != generation_) continue;  // counted as lost
      --in_flight_;
      ++totals.replies;
      totals.latencies.Record(static_cast<uint64_t>(now - stamp.sent_at));
    }
  }

  sockaddr_in server_;
  const size_t window_;
  const size_t size_;
  const bool offload_;
  int fd_;
  Replies replies_;
  std::vector<char> input_;
  std::vector<char> output_;
  std::vector<iovec> pieces_;
  std::vector<Control> controls_;
  std::vector<mmsghdr> messages_;
  size_t in_flight_ = 0;
  uint64_t generation_ = 0;
  int64_t last_progress_ = 0;
};

void RunUntil(std::vector<Flow>& flows, int64_t end, Totals& totals) {
  std::vector<pollfd> polls;
  for (const Flow& flow : flows) polls.push_back({.fd = flow.fd(), .events = POLLIN, .revents = 0});
  for (int64_t now = Now(); now < end; now = Now()) {
    for (Flow& flow : flows) flow.Fill(now);
    if (::poll(polls.data(), polls.size(), 20) < 0 && errno != EINTR) Fail("poll");
    now = Now();
    for (size_t i = 0; i < flows.size(); ++i) {
      if (polls[i].revents != 0) flows[i].Drain(now, totals);
      flows[i].GiveUpIfSilent(now, totals);
    }
  }
}

sockaddr_in ServerAddress() {
  const std::string text = absl::GetFlag(FLAGS_address);
  const size_t colon = text.rfind(':');
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  if (colon == text.npos ||
      inet_pton(AF_INET, text.substr(0, colon).c_str(), &address.sin_addr) != 1) {
    errno = EINVAL;
    Fail("--address must be HOST:PORT in numbers");
  }
  address.sin_port = htons(static_cast<uint16_t>(std::atoi(text.c_str() + colon + 1)));
  return address;
}

int Run() {
  const auto nanoseconds = [](double seconds) { return static_cast<int64_t>(seconds * 1e9); };
  const int pid = absl::GetFlag(FLAGS_server_pid);
  std::vector<Flow> flows;
  const int count = absl::GetFlag(FLAGS_flows);
  flows.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    flows.emplace_back(ServerAddress(), static_cast<size_t>(absl::GetFlag(FLAGS_window)),
                       static_cast<size_t>(absl::GetFlag(FLAGS_size)),
                       absl::GetFlag(FLAGS_offload));
  }
  Totals warmup;
  RunUntil(flows, Now() + nanoseconds(absl::GetFlag(FLAGS_warmup)), warmup);
  Totals totals;
  const int64_t begin = Now();
  const uint64_t server = pid > 0 ? CpuNanoseconds(pid) : 0;
  const uint64_t own = OwnCpuNanoseconds();
  const uint64_t machine = MachineBusyNanoseconds();
  RunUntil(flows, begin + nanoseconds(absl::GetFlag(FLAGS_seconds)), totals);
  const auto elapsed = static_cast<double>(Now() - begin);
  const auto server_ns = static_cast<double>((pid > 0 ? CpuNanoseconds(pid) : 0) - server);
  const auto own_ns = static_cast<double>(OwnCpuNanoseconds() - own);
  const auto machine_ns = static_cast<double>(MachineBusyNanoseconds() - machine);
  const auto replies = static_cast<double>(totals.replies);
  std::printf(
      "requests_per_second=%.0f server_cpu_ns=%.0f p50_us=%.1f p99_us=%.1f requests=%.0f "
      "lost=%llu errors=%llu server_cpu_percent=%.2f client_cpu_percent=%.1f "
      "others_percent=%.1f\n",
      replies / elapsed * 1e9, replies > 0 ? server_ns / replies : 0,
      static_cast<double>(totals.latencies.Quantile(0.5)) / 1e3,
      static_cast<double>(totals.latencies.Quantile(0.99)) / 1e3, replies,
      static_cast<unsigned long long>(totals.lost), static_cast<unsigned long long>(totals.errors),
      server_ns / elapsed * 100, own_ns / elapsed * 100,
      std::max(0.0, machine_ns - server_ns - own_ns) / elapsed * 100);
  return totals.errors == 0 ? 0 : 1;
}

}  // namespace
}  // namespace pelton::bench

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  if (absl::GetFlag(FLAGS_size) < 16 || absl::GetFlag(FLAGS_flows) < 1 ||
      absl::GetFlag(FLAGS_window) < 1) {
    std::fprintf(stderr, "udp_load_generator: --size is at least 16, --flows and --window 1\n");
    return 2;
  }
  if (const int cpu = absl::GetFlag(FLAGS_cpu); cpu >= 0) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) != 0) {
      std::fprintf(stderr, "udp_load_generator: there is no core %d\n", cpu);
      return 2;
    }
  }
  return pelton::bench::Run();
}
