#include "framework/internal/thread_usage.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "framework/base/check.h"
#include "framework/base/strings.h"
#include "framework/internal/cgroup_cpu.h"

namespace pelton {
namespace {

// What a short file of /proc or of a control group says now; empty when it cannot be read.
std::string_view Reread(int file, char (&buffer)[1024]) {
  const ssize_t bytes = ::pread(file, buffer, sizeof(buffer), 0);
  return std::string_view(buffer, bytes > 0 ? static_cast<size_t>(bytes) : 0);
}

}  // namespace

std::optional<int64_t> NumberAfter(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.substr(0, key.size()) != key || line.substr(key.size(), 1) != " ") continue;
    int64_t number;
    if (absl::SimpleAtoi(ToAbsl(line.substr(key.size() + 1)), &number)) return number;
  }
  return std::nullopt;
}

ThreadUsage::~ThreadUsage() {
  if (schedstat_ >= 0) ::close(schedstat_);
  if (stat_ >= 0) ::close(stat_);
}

void ThreadUsage::OpenForThisThread() {
  PELTON_CHECK(schedstat_ < 0) << "opened twice";
  PELTON_CHECK(::pthread_getcpuclockid(::pthread_self(), &clock_) == 0);
  const std::string folder = absl::StrCat("/proc/self/task/", ::gettid());
  stat_ = ::open((folder + "/stat").c_str(), O_RDONLY | O_CLOEXEC);
  // A kernel may be built without it.
  schedstat_ = ::open((folder + "/schedstat").c_str(), O_RDONLY | O_CLOEXEC);
}

ThreadUsage::Times ThreadUsage::Read() const {
  Times times;
  timespec on_cpu;
  if (::clock_gettime(clock_, &on_cpu) == 0) times.on_cpu = absl::DurationFromTimespec(on_cpu);
  char buffer[1024];
  // ON_CPU WAITING SLICES, in nanoseconds. The first is only as exact as the kernel's tick.
  const std::string_view text = Reread(schedstat_, buffer);
  const size_t space = text.find(' ');
  if (space == text.npos) return times;
  int64_t waiting;
  const std::string_view rest = text.substr(space + 1);
  if (absl::SimpleAtoi(ToAbsl(rest.substr(0, rest.find(' '))), &waiting)) {
    times.waiting = absl::Nanoseconds(waiting);
  }
  return times;
}

bool ThreadUsage::IsRunnable() const {
  char buffer[1024];
  // ID (NAME) STATE ...; the name may hold anything.
  const std::string_view text = Reread(stat_, buffer);
  const size_t name_end = text.rfind(')');
  return name_end != text.npos && text.substr(name_end, 3) == ") R";
}

ThrottledTime::ThrottledTime(const std::string& root) {
  for (const std::string& path : CgroupCpuStatFiles(root)) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file >= 0) files_.push_back(file);
  }
}

ThrottledTime::~ThrottledTime() {
  for (const int file : files_) ::close(file);
}

absl::Duration ThrottledTime::Read() const {
  absl::Duration sum;
  for (const int file : files_) {
    char buffer[1024];
    const std::string_view text = Reread(file, buffer);
    // Version 2 says one, version 1 the other.
    sum += absl::Microseconds(NumberAfter(text, "throttled_usec").value_or(0));
    sum += absl::Nanoseconds(NumberAfter(text, "throttled_time").value_or(0));
  }
  return sum;
}

}  // namespace pelton
