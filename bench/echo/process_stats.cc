#include "bench/echo/process_stats.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace pelton::bench {
namespace {

// The content of a file; empty when it cannot be read (the process or the thread ended meanwhile).
std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// The first decimal number in `text`, which it removes together with all before it; 0 when there is
// none.
uint64_t TakeNumber(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_of("0123456789"), text.size()));
  uint64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  text.remove_prefix(static_cast<size_t>(result.ptr - text.data()));
  return value;
}

// The number after `label`, which stands at the start of a line; 0 when it does not.
uint64_t NumberAfter(std::string_view text, std::string_view label) {
  for (size_t at = text.find(label); at != text.npos; at = text.find(label, at + 1)) {
    if (at != 0 && text[at - 1] != '\n') continue;
    std::string_view rest = text.substr(at + label.size());
    return TakeNumber(rest);
  }
  return 0;
}

}  // namespace

namespace internal {

uint64_t ParseSchedstat(std::string_view text) { return TakeNumber(text); }

ProcessMemory ParseSmapsRollup(std::string_view text) {
  return {.resident_bytes = 1024 * NumberAfter(text, "Rss:"),
          .anonymous_bytes =
              1024 * (NumberAfter(text, "Anonymous:") + NumberAfter(text, "Pss_Shmem:"))};
}

uint64_t ParseBusyTicks(std::string_view text) {
  std::string_view line = text.substr(0, text.find('\n'));  // "cpu  user nice system idle ..."
  std::array<uint64_t, 8> columns;
  for (uint64_t& column : columns) column = TakeNumber(line);
  const auto [user, nice, system, idle, iowait, irq, softirq, steal] = columns;
  return user + nice + system + irq + softirq + steal;
}

}  // namespace internal

uint64_t CpuNanoseconds(pid_t pid) {
  uint64_t total = 0;
  std::error_code gone;
  std::filesystem::directory_iterator tasks("/proc/" + std::to_string(pid) + "/task", gone);
  while (!gone && tasks != std::filesystem::directory_iterator()) {
    total += internal::ParseSchedstat(ReadFile(tasks->path() / "schedstat"));
    tasks.increment(gone);
  }
  return total;
}

uint64_t OwnCpuNanoseconds() {
  timespec used;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return uint64_t{1'000'000'000} * static_cast<uint64_t>(used.tv_sec) +
         static_cast<uint64_t>(used.tv_nsec);
}

ProcessMemory MemoryOf(pid_t pid) {
  return internal::ParseSmapsRollup(ReadFile("/proc/" + std::to_string(pid) + "/smaps_rollup"));
}

uint64_t MachineBusyNanoseconds() {
  const auto ticks_per_second = static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
  return internal::ParseBusyTicks(ReadFile("/proc/stat")) * (1'000'000'000 / ticks_per_second);
}

}  // namespace pelton::bench
