// The load generator of the echo benchmarks. Prints one line of key=value pairs on stdout; exits
// with 1 when anything that came back was wrong or missing.
//
//   load_generator --address=127.0.0.1:7000 --connections=64 --size=64 --seconds=0.5 --cpu=1
//   --server_pid=4711 load_generator --address=127.0.0.1:7000 --connections=64 --rate=50000
//   --seconds=5          # open loop load_generator --address=127.0.0.1:7000 --connections=10000
//   --idle --server_pid=4711
//
// All latencies are microseconds. server_cpu_ns is the server's CPU time for each request;
// *_cpu_percent and others_percent are shares of one core during the window; others_percent is what
// the machine spent on neither of the two.

#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "bench/echo/client.h"
#include "bench/echo/process_stats.h"

ABSL_FLAG(std::string, address, "", "HOST:PORT of the echo server, in numbers");
ABSL_FLAG(int, connections, 1, "connections to open");
ABSL_FLAG(int, size, 64, "bytes of a message");
ABSL_FLAG(int, depth, 1, "messages in flight on each connection (closed loop)");
ABSL_FLAG(double, rate, 0, "messages a second over all connections (open loop); 0: closed loop");
ABSL_FLAG(double, seconds, 1, "length of the measured window");
ABSL_FLAG(double, warmup, 0.2, "seconds of load before the window");
ABSL_FLAG(bool, spin, false, "poll instead of sleeping");
ABSL_FLAG(bool, idle, false,
          "echo once on each connection, then measure the server while all are idle");
ABSL_FLAG(int, cpu, -1, "the core to run on; -1 leaves it to the kernel");
ABSL_FLAG(int, server_pid, 0, "the server's process, whose CPU time and memory are reported");

namespace pelton::bench {
namespace {

[[noreturn]] void RefuseFlag(const char* text) {
  std::fprintf(stderr, "load_generator: %s\n", text);
  std::exit(2);
}

ClientOptions OptionsFromFlags() {
  ClientOptions options;
  const std::string address = absl::GetFlag(FLAGS_address);
  const size_t colon = address.rfind(':');
  if (colon == address.npos) RefuseFlag("--address must be HOST:PORT");
  options.host = address.substr(0, colon);
  const char* const port = address.data() + colon + 1;
  const auto parsed = std::from_chars(port, address.data() + address.size(), options.port);
  if (parsed.ec != std::errc() || parsed.ptr != address.data() + address.size()) {
    RefuseFlag("--address must end in a port number");
  }
  const int connections = absl::GetFlag(FLAGS_connections);
  const int size = absl::GetFlag(FLAGS_size);
  const int depth = absl::GetFlag(FLAGS_depth);
  if (connections < 1 || size < 1 || depth < 1) {
    RefuseFlag("--connections, --size and --depth must be at least 1");
  }
  options.connections = static_cast<size_t>(connections);
  options.message_bytes = static_cast<size_t>(size);
  options.depth = static_cast<size_t>(depth);
  options.rate = absl::GetFlag(FLAGS_rate);
  options.spin = absl::GetFlag(FLAGS_spin);
  if (options.rate < 0 || absl::GetFlag(FLAGS_seconds) <= 0 || absl::GetFlag(FLAGS_warmup) < 0) {
    RefuseFlag("--rate and --warmup must not be negative, --seconds must be positive");
  }
  return options;
}

void PrepareProcess() {
  if (const int cpu = absl::GetFlag(FLAGS_cpu); cpu >= 0) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set) != 0) RefuseFlag("--cpu: there is no such core");
  }
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);  // if that fails, socket() reports it
  }
  prctl(PR_SET_TIMERSLACK, 1);  // an open loop sleeps for microseconds
}

// CPU time of the server, of this process and of the whole machine at one moment.
struct Usage {
  int64_t now_ns;
  uint64_t server_ns;
  uint64_t own_ns;
  uint64_t machine_ns;

  static Usage Take() {
    const int pid = absl::GetFlag(FLAGS_server_pid);
    return {.now_ns = Client::Now(),
            .server_ns = pid > 0 ? CpuNanoseconds(pid) : 0,
            .own_ns = OwnCpuNanoseconds(),
            .machine_ns = MachineBusyNanoseconds()};
  }
};

// What was used between two moments.
struct Window {
  double seconds;
  double server_ns;
  double own_ns;
  double others_ns;

  Window(const Usage& begin, const Usage& end)
      : seconds(static_cast<double>(end.now_ns - begin.now_ns) / 1e9),
        server_ns(static_cast<double>(end.server_ns - begin.server_ns)),
        own_ns(static_cast<double>(end.own_ns - begin.own_ns)),
        others_ns(std::max(
            0.0, static_cast<double>(end.machine_ns - begin.machine_ns) - server_ns - own_ns)) {}

  double PercentOfCore(double nanoseconds) const { return nanoseconds / seconds / 1e7; }
};

void PrintUsage(const Window& window, const ProcessMemory& memory) {
  std::printf(
      "server_cpu_percent=%.2f client_cpu_percent=%.1f others_percent=%.1f rss_bytes=%llu "
      "anonymous_bytes=%llu\n",
      window.PercentOfCore(window.server_ns), window.PercentOfCore(window.own_ns),
      window.PercentOfCore(window.others_ns),
      static_cast<unsigned long long>(memory.resident_bytes),
      static_cast<unsigned long long>(memory.anonymous_bytes));
}

int RunLoad(Client& client) {
  const auto nanoseconds = [](double seconds) { return static_cast<int64_t>(seconds * 1e9); };
  client.Connect();
  client.RunUntil(Client::Now() + nanoseconds(absl::GetFlag(FLAGS_warmup)));
  client.StartWindow();
  const Usage begin = Usage::Take();
  client.RunUntil(Client::Now() + nanoseconds(absl::GetFlag(FLAGS_seconds)));
  const Usage end = Usage::Take();
  const Histogram latencies = client.latencies_ns();
  const uint64_t bytes = client.received_bytes();
  const ProcessMemory memory = MemoryOf(absl::GetFlag(FLAGS_server_pid));
  client.Finish();

  const Window window(begin, end);
  const auto requests = static_cast<double>(latencies.count());
  const auto microseconds = [&](double fraction) {
    return static_cast<double>(latencies.Quantile(fraction)) / 1e3;
  };
  std::printf(
      "requests_per_second=%.0f server_cpu_ns=%.0f p50_us=%.1f p99_us=%.1f p999_us=%.1f "
      "max_us=%.1f "
      "requests=%.0f bytes=%llu errors=%llu ",
      requests / window.seconds, requests > 0 ? window.server_ns / requests : 0, microseconds(0.5),
      microseconds(0.99), microseconds(0.999), static_cast<double>(latencies.max()) / 1e3, requests,
      static_cast<unsigned long long>(bytes), static_cast<unsigned long long>(client.errors()));
  PrintUsage(window, memory);
  return client.errors() == 0 ? 0 : 1;
}

int RunIdle(Client& client, size_t connections) {
  const int pid = absl::GetFlag(FLAGS_server_pid);
  const ProcessMemory before = MemoryOf(pid);
  client.Connect();
  const ProcessMemory after = MemoryOf(pid);
  const Usage begin = Usage::Take();
  const auto nap_ns = static_cast<int64_t>(absl::GetFlag(FLAGS_seconds) * 1e9);
  const timespec nap = {.tv_sec = nap_ns / 1'000'000'000, .tv_nsec = nap_ns % 1'000'000'000};
  nanosleep(&nap, nullptr);
  const Usage end = Usage::Take();
  const double growth =
      static_cast<double>(after.anonymous_bytes) - static_cast<double>(before.anonymous_bytes);
  std::printf("connections=%zu anonymous_bytes_per_connection=%.0f errors=%llu ", connections,
              growth / static_cast<double>(connections),
              static_cast<unsigned long long>(client.errors()));
  PrintUsage(Window(begin, end), after);
  return client.errors() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace pelton::bench

int main(int argc, char** argv) {
  using namespace pelton::bench;
  absl::SetProgramUsageMessage("loads an echo server and prints what it measured, as key=value");
  absl::ParseCommandLine(argc, argv);
  const ClientOptions options = OptionsFromFlags();
  PrepareProcess();
  Client client(options);
  return absl::GetFlag(FLAGS_idle) ? RunIdle(client, options.connections) : RunLoad(client);
}
