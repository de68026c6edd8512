#include "io/names/cares_channel.h"

#include <ares.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "framework/base/check.h"
#include "framework/base/status.h"

namespace pelton::io {
namespace {

constexpr int kInternetClass = 1;
// What fits into a packet everywhere (DNS flag day 2020).
constexpr int kExtendedBytes = 1232;

// c-ares counts in the process who uses it.
void InitialiseLibrary() {
  static const int outcome = ::ares_library_init(ARES_LIB_INIT_ALL);
  PELTON_CHECK(outcome == ARES_SUCCESS) << ::ares_strerror(outcome);
}

absl::Status StatusOfCares(int code) {
  switch (code) {
    case ARES_ETIMEOUT:
      return absl::DeadlineExceededError("no server answered in time");
    case ARES_ECONNREFUSED:
      return absl::UnavailableError("no server could be reached");
    case ARES_ESERVFAIL:
      return absl::UnavailableError("the server answered SERVFAIL");
    case ARES_EREFUSED:
      return absl::UnavailableError("the server answered REFUSED");
    case ARES_ENOTIMP:
      return absl::UnavailableError("the server answered NOTIMP");
    case ARES_EDESTRUCTION:
    case ARES_ECANCELLED:
      return absl::CancelledError("the resolver was destroyed");
    case ARES_ENOMEM:
      return absl::ResourceExhaustedError("no memory");
    case ARES_EFORMERR:
    case ARES_EBADRESP:
      return absl::UnavailableError("the server did not understand, or was not understood");
    default:
      return absl::UnavailableError(::ares_strerror(code));
  }
}

// Of the socket of an address of c-ares: the address as it was configured, which may have a scope.
const SocketAddress* FindServer(const std::vector<SocketAddress>& servers,
                                const SocketAddress& address) {
  for (const SocketAddress& server : servers) {
    if (server == address) return &server;
    if (!server.IsIpv6() || !address.IsIpv6() || server.port() != address.port()) continue;
    const auto* ours = reinterpret_cast<const sockaddr_in6*>(server.data());
    const auto* theirs = reinterpret_cast<const sockaddr_in6*>(address.data());
    if (IN6_ARE_ADDR_EQUAL(&ours->sin6_addr, &theirs->sin6_addr)) return &server;
  }
  return nullptr;
}

int SetServers(ares_channel channel, const std::vector<SocketAddress>& servers) {
  std::vector<ares_addr_port_node> nodes(servers.size());
  for (size_t i = 0; i < servers.size(); ++i) {
    ares_addr_port_node& node = nodes[i];
    node.next = i + 1 < nodes.size() ? &nodes[i + 1] : nullptr;
    node.family = servers[i].family();
    node.udp_port = node.tcp_port = servers[i].port();
    if (servers[i].IsIpv6()) {
      const auto* ipv6 = reinterpret_cast<const sockaddr_in6*>(servers[i].data());
      static_assert(sizeof(node.addr.addr6) == sizeof(ipv6->sin6_addr));
      std::memcpy(&node.addr.addr6, &ipv6->sin6_addr, sizeof(ipv6->sin6_addr));
    } else {
      node.addr.addr4 = reinterpret_cast<const sockaddr_in*>(servers[i].data())->sin_addr;
    }
  }
  return ::ares_set_servers_ports(channel, nodes.data());
}

}  // namespace

// A question that c-ares was asked.
struct CaresChannel::Asked {
  CaresChannel& channel;
  ReplySink& sink;

  static void OnAnswer(void* own, int code, int timeouts, unsigned char* message, int bytes) {
    const std::unique_ptr<Asked> asked(static_cast<Asked*>(own));
    --asked->channel.asked_;
    asked->channel.statistics_.timeouts += static_cast<uint64_t>(timeouts);
    // That a name does not exist is told by the message, which also says for how long.
    if (message != nullptr &&
        (code == ARES_SUCCESS || code == ARES_ENODATA || code == ARES_ENOTFOUND)) {
      asked->sink.OnReply(
          {.status = absl::OkStatus(),
           .message = {reinterpret_cast<const char*>(message), static_cast<size_t>(bytes)}});
      return;
    }
    const int open_error = asked->channel.open_error_;
    asked->sink.OnReply({.status = open_error != 0 ? ErrnoToStatus(open_error, "open a socket")
                                                   : StatusOfCares(code),
                         .message = {}});
  }
};

struct CaresChannel::SocketCalls {
  static CaresChannel& Of(void* own) { return *static_cast<CaresChannel*>(own); }

  static int Open(int family, int type, int protocol, void* own) {
    const int descriptor = ::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    Of(own).open_error_ = descriptor < 0 ? errno : 0;
    if (descriptor < 0) return -1;
    if (type == SOCK_STREAM) {
      const int enabled = 1;  // without it a question only leaves later
      ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &enabled, sizeof(enabled));
    }
    Of(own).sockets_.push_back(new WatchedSocket(descriptor, Of(own)));
    return descriptor;
  }

  static int Close(int descriptor, void* own) {
    WatchedSocket* const socket = Of(own).Find(descriptor);
    Of(own).Forget(descriptor);
    socket->Close();
    return 0;
  }

  static int Connect(int descriptor, const sockaddr* address, ares_socklen_t bytes, void* own) {
    const absl::StatusOr<SocketAddress> asked = SocketAddress::FromSockaddr(address, bytes);
    if (!asked.ok()) {
      errno = EAFNOSUPPORT;
      return -1;
    }
    const SocketAddress* server = FindServer(Of(own).servers_, *asked);
    if (server == nullptr) server = &*asked;
    return ::connect(descriptor, server->data(), server->size());
  }

  static ares_ssize_t Receive(int descriptor, void* target, size_t bytes, int flags, sockaddr* from,
                              ares_socklen_t* from_bytes, void* own) {
    Of(own).received_ = true;
    // c-ares itself would read as long as there is something.
    if (Of(own).reads_left_-- <= 0) {
      errno = EAGAIN;
      return -1;
    }
    const ssize_t count = ::recvfrom(descriptor, target, bytes, flags, from, from_bytes);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
      Of(own).drained_ = true;
      errno = EAGAIN;
    }
    // An empty datagram means nothing; c-ares before 1.19.1 takes it for the end of the connection.
    if (count == 0 && from != nullptr && bytes > 0 && IsDatagramSocket(descriptor)) {
      errno = EAGAIN;
      return -1;
    }
    return count;
  }

  static ares_ssize_t Send(int descriptor, const iovec* pieces, int count, void* own) {
    ++Of(own).statistics_.requests;
    msghdr message = {};
    message.msg_iov = const_cast<iovec*>(pieces);
    message.msg_iovlen = static_cast<size_t>(count);
    return ::sendmsg(descriptor, &message, MSG_NOSIGNAL);
  }

  static void OnState(void* own, int descriptor, int readable, int writable) {
    WatchedSocket* const socket = Of(own).Find(descriptor);
    if (socket != nullptr) socket->Watch(readable != 0, writable != 0);
  }

  static bool IsDatagramSocket(int descriptor) {
    int type = 0;
    socklen_t bytes = sizeof(type);
    return ::getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &bytes) == 0 && type == SOCK_DGRAM;
  }

  static constexpr ares_socket_functions kFunctions = {
      .asocket = Open, .aclose = Close, .aconnect = Connect, .arecvfrom = Receive, .asendv = Send};
};

absl::StatusOr<std::unique_ptr<Upstream>> CaresChannel::Create(const ResolvConf& conf,
                                                               UpstreamStatistics& statistics) {
  InitialiseLibrary();
  std::unique_ptr<CaresChannel> result(new CaresChannel(conf, statistics));
  // What is given here is not looked up in files; all of it is, so no file is read.
  in_addr placeholder = {.s_addr = htonl(INADDR_LOOPBACK)};
  char lookups[] = "b";
  ares_options options = {};
  options.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES;
  if (conf.extended) options.flags |= ARES_FLAG_EDNS;
  if (conf.use_tcp) options.flags |= ARES_FLAG_USEVC;
  options.timeout = static_cast<int>(absl::ToInt64Milliseconds(conf.timeout));
  options.tries = conf.attempts;
  options.ndots = conf.ndots;
  options.servers = &placeholder;
  options.nservers = 1;
  options.lookups = lookups;
  options.ednspsz = kExtendedBytes;
  options.sock_state_cb = SocketCalls::OnState;
  options.sock_state_cb_data = result.get();
  const int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS |
                   ARES_OPT_SERVERS | ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS | ARES_OPT_SORTLIST |
                   ARES_OPT_EDNSPSZ | ARES_OPT_SOCK_STATE_CB |
                   (conf.rotate ? ARES_OPT_ROTATE : ARES_OPT_NOROTATE);
  int code = ::ares_init_options(&result->channel_, &options, mask);
  if (code == ARES_SUCCESS) {
    ::ares_set_socket_functions(result->channel_, &SocketCalls::kFunctions, result.get());
    code = SetServers(result->channel_, conf.servers);
  }
  if (code == ARES_SUCCESS) return std::unique_ptr<Upstream>(std::move(result));
  return absl::ResourceExhaustedError(
      absl::StrCat("cannot set up c-ares: ", ::ares_strerror(code)));
}

CaresChannel::~CaresChannel() {
  if (channel_ != nullptr) ::ares_destroy(channel_);
  PELTON_CHECK(asked_ == 0 && sockets_.empty());
  if (armed()) Scheduler::Current()->timers().Cancel(*this);
}

std::string CaresChannel::Servers() const {
  return absl::StrJoin(servers_, ", ", [](std::string* out, const SocketAddress& server) {
    *out += server.ToString();
  });
}

void CaresChannel::Ask(const Question& question, ReplySink& sink) {
  ++asked_;
  ::ares_query(channel_, question.name.c_str(), kInternetClass, static_cast<int>(question.type),
               Asked::OnAnswer, new Asked{*this, sink});
  if (asked_ == 0) return;
  // No question waits less than the first attempt's time; later attempts have more.
  const int64_t due = (Scheduler::Current()->PreciseNow() + timeout_).nanoseconds();
  if (!armed() || due < deadline_ns()) Scheduler::Current()->timers().Rearm(*this, due);
}

WatchedSocket* CaresChannel::Find(int descriptor) const {
  const auto found =
      std::find_if(sockets_.begin(), sockets_.end(),
                   [&](const WatchedSocket* socket) { return socket->descriptor() == descriptor; });
  return found == sockets_.end() ? nullptr : *found;
}

void CaresChannel::Forget(int descriptor) {
  std::erase_if(sockets_,
                [&](const WatchedSocket* socket) { return socket->descriptor() == descriptor; });
}

void CaresChannel::OnReadable(WatchedSocket& socket) {
  const int descriptor = socket.descriptor();
  drained_ = false;
  bool is_open = true;
  received_ = true;
  reads_left_ = kMessagesPerTurn;
  while (reads_left_ > 0 && received_ && !drained_ && is_open) {  // pelton: bounded reads_left_
    received_ = false;
    ::ares_process_fd(channel_, descriptor, ARES_SOCKET_BAD);
    is_open = Find(descriptor) == &socket;
  }
  if (is_open && received_ && !drained_) socket.Rewatch();
  ArmTimer();
}

void CaresChannel::OnWritable(WatchedSocket& socket) {
  ::ares_process_fd(channel_, ARES_SOCKET_BAD, socket.descriptor());
  ArmTimer();
}

void CaresChannel::Fire() {
  ::ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  ArmTimer();
}

void CaresChannel::ArmTimer() {
  TimerWheel& timers = Scheduler::Current()->timers();
  if (asked_ == 0) {
    if (armed()) timers.Cancel(*this);
    return;
  }
  // One that comes too early is put off when it fires. Asking when the next is due would look at
  // every question, each time that one is answered.
  if (armed()) return;
  timeval storage = {};
  const timeval* const left = ::ares_timeout(channel_, nullptr, &storage);
  if (left == nullptr) return;
  const absl::Duration wait = absl::Seconds(left->tv_sec) + absl::Microseconds(left->tv_usec);
  timers.Arm(*this, (Scheduler::Current()->PreciseNow() + wait).nanoseconds());
}

}  // namespace pelton::io
