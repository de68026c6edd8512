#include "framework/internal/cgroup_cpu.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <string_view>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "framework/base/status.h"
#include "framework/base/strings.h"
#include "framework/internal/cpu_list.h"

namespace pelton {
namespace {

// One mounted tree of control groups: of version 2, or the part of version 1 that has
// `controllers`.
struct CgroupMount {
  bool is_version_2;
  std::string controllers;  // version 1: "rw,cpu,cpuacct"
  std::string top;          // the group that is seen at `folder`
  std::string folder;
};

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(separator, begin), text.size());
    if (end > begin) parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

bool Contains(std::string_view comma_separated, std::string_view word) {
  const std::vector<std::string_view> words = Split(comma_separated, ',');
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string_view WithoutLineEnd(std::string_view text) {
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  return text;
}

// mountinfo writes a space, tab, line end or backslash of a path as a backslash and three octal
// digits.
std::string Unescape(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto digit = [&](size_t k) { return text[i + k] - '0'; };
    if (text[i] == '\\' && i + 3 < text.size()) {
      result.push_back(static_cast<char>(digit(1) * 64 + digit(2) * 8 + digit(3)));
      i += 3;
    } else {
      result.push_back(text[i]);
    }
  }
  return result;
}

// A line is: ID PARENT MAJOR:MINOR ROOT MOUNT_POINT OPTIONS [OPTIONAL...] - TYPE SOURCE
// SUPER_OPTIONS.
std::vector<CgroupMount> ParseMounts(std::string_view mountinfo) {
  std::vector<CgroupMount> mounts;
  for (std::string_view line : Split(mountinfo, '\n')) {
    const std::vector<std::string_view> fields = Split(line, ' ');
    const auto dash = std::find(fields.begin(), fields.end(), "-");
    if (dash - fields.begin() < 6 || fields.end() - dash < 4) continue;
    const std::string_view type = dash[1];
    if (type != "cgroup" && type != "cgroup2") continue;
    mounts.push_back({.is_version_2 = type == "cgroup2",
                      .controllers = std::string(dash[3]),
                      .top = Unescape(fields[3]),
                      .folder = Unescape(fields[4])});
  }
  return mounts;
}

// `group` as seen from `top`: "" for `top` itself, "/b" for "/a/b" in "/a"; nothing when it is not
// below.
std::optional<std::string> PathBelow(std::string_view group, std::string_view top) {
  while (!top.empty() && top.back() == '/') top.remove_suffix(1);
  if (group.substr(0, top.size()) != top) return std::nullopt;
  std::string_view rest = group.substr(top.size());
  if (!rest.empty() && rest.front() != '/') return std::nullopt;
  for (std::string_view part : Split(rest, '/')) {
    if (part == "..") return std::nullopt;
  }
  return std::string(rest == "/" ? "" : rest);
}

// The folders that speak for the process, its own group's first, then each one above up to the top
// of the mount.
std::vector<std::string> FoldersOfGroup(const std::vector<const CgroupMount*>& mounts,
                                        std::string_view group) {
  const CgroupMount* chosen = nullptr;
  std::string below;
  for (const CgroupMount* mount : mounts) {
    std::optional<std::string> path = PathBelow(group, mount->top);
    // Of several mounts of the same tree, the one with the highest top shows the most groups above.
    if (!path.has_value() || (chosen != nullptr && path->size() <= below.size())) continue;
    chosen = mount;
    below = *std::move(path);
  }
  if (chosen == nullptr) {
    if (mounts.empty()) return {};
    chosen = mounts.front();
  }
  std::vector<std::string> folders;
  for (;;) {
    folders.push_back(chosen->folder + below);
    if (below.empty()) return folders;
    below.resize(below.rfind('/'));
  }
}

class Reader {
 public:
  explicit Reader(const std::string& root) : root_(root) {}

  CgroupCpuLimits Read() {
    ForEachGroup([this](std::string_view controllers, std::string_view path) {
      ReadGroup(controllers, path);
    });
    return std::move(limits_);
  }

  std::vector<std::string> CpuStatFiles() {
    std::vector<std::string> files;
    ForEachGroup([&](std::string_view controllers, std::string_view path) {
      if (!controllers.empty() && !Contains(controllers, "cpu")) return;
      const char* const controller = controllers.empty() ? "" : "cpu";
      for (const std::string& folder : FoldersOfGroup(MountsOf(controller), path)) {
        std::string file = root_ + folder + "/cpu.stat";
        if (access(file.c_str(), R_OK) == 0) files.push_back(std::move(file));
      }
    });
    return files;
  }

 private:
  // Calls visit(controllers, path) for each group that the process is in.
  template <typename Visit>
  void ForEachGroup(Visit visit) {
    const std::optional<std::string> groups = ReadFile("/proc/self/cgroup");
    const std::optional<std::string> mountinfo = ReadFile("/proc/self/mountinfo");
    if (!groups.has_value() || !mountinfo.has_value()) return;
    mounts_ = ParseMounts(*mountinfo);
    // A line is ID:CONTROLLERS:PATH; version 2 has ID 0 and no controllers.
    for (std::string_view line : Split(*groups, '\n')) {
      const size_t first = line.find(':');
      const size_t second = first == line.npos ? line.npos : line.find(':', first + 1);
      if (second == line.npos) {
        Warn("/proc/self/cgroup", line, "ID:CONTROLLERS:PATH");
        continue;
      }
      visit(line.substr(first + 1, second - first - 1), line.substr(second + 1));
    }
  }

  void ReadGroup(std::string_view controllers, std::string_view path) {
    if (controllers.empty()) {
      for (const std::string& folder : FoldersOfGroup(MountsOf({}), path)) {
        ReadCpuMax(folder);
        ReadCpuset(folder + "/cpuset.cpus.effective");
      }
      return;
    }
    if (Contains(controllers, "cpu")) {
      for (const std::string& folder : FoldersOfGroup(MountsOf("cpu"), path)) ReadCfsQuota(folder);
    }
    if (Contains(controllers, "cpuset")) {
      for (const std::string& folder : FoldersOfGroup(MountsOf("cpuset"), path)) {
        ReadCpuset(folder + "/cpuset.effective_cpus");
      }
    }
  }

  // The mounts of version 2 when `controller` is empty, else those of version 1 that have the
  // controller.
  std::vector<const CgroupMount*> MountsOf(std::string_view controller) const {
    std::vector<const CgroupMount*> found;
    for (const CgroupMount& mount : mounts_) {
      const bool matches = controller.empty()
                               ? mount.is_version_2
                               : !mount.is_version_2 && Contains(mount.controllers, controller);
      if (matches) found.push_back(&mount);
    }
    return found;
  }

  void ReadCpuMax(const std::string& folder) {
    const std::string path = folder + "/cpu.max";
    const std::optional<std::string> text = ReadFile(path);
    if (!text.has_value()) return;
    const std::vector<std::string_view> words = Split(WithoutLineEnd(*text), ' ');
    CpuQuota quota{.file_name = "cpu.max"};
    if (words.size() == 2 && words[0] == "max") return;
    if (words.size() != 2 || !ParsePositive(words[0], &quota.quota_microseconds) ||
        !ParsePositive(words[1], &quota.period_microseconds)) {
      Warn(path, *text, "QUOTA PERIOD or max PERIOD, in microseconds");
      return;
    }
    Tighten(std::move(quota));
  }

  void ReadCfsQuota(const std::string& folder) {
    const std::string quota_path = folder + "/cpu.cfs_quota_us";
    const std::string period_path = folder + "/cpu.cfs_period_us";
    const std::optional<std::string> quota_text = ReadFile(quota_path);
    if (!quota_text.has_value() || WithoutLineEnd(*quota_text) == "-1") return;
    const std::optional<std::string> period_text = ReadFile(period_path);
    if (!period_text.has_value()) return;
    CpuQuota quota{.file_name = "cpu.cfs_quota_us"};
    if (!ParsePositive(WithoutLineEnd(*quota_text), &quota.quota_microseconds)) {
      Warn(quota_path, *quota_text, "microseconds or -1");
    } else if (!ParsePositive(WithoutLineEnd(*period_text), &quota.period_microseconds)) {
      Warn(period_path, *period_text, "microseconds");
    } else {
      Tighten(std::move(quota));
    }
  }

  void ReadCpuset(const std::string& path) {
    const std::optional<std::string> text = ReadFile(path);
    if (!text.has_value() || WithoutLineEnd(*text).empty()) return;
    absl::StatusOr<std::vector<int>> cpus = ParseCpuList(WithoutLineEnd(*text));
    if (!cpus.ok()) {
      Warn(path, *text, "CPU numbers and ranges");
      return;
    }
    std::sort(cpus->begin(), cpus->end());
    if (!limits_.cpuset.has_value()) {
      limits_.cpuset = *std::move(cpus);
      return;
    }
    std::vector<int> both;
    std::set_intersection(cpus->begin(), cpus->end(), limits_.cpuset->begin(),
                          limits_.cpuset->end(), std::back_inserter(both));
    limits_.cpuset = std::move(both);
  }

  void Tighten(CpuQuota quota) {
    if (!limits_.quota.has_value() || quota.Cpus() < limits_.quota->Cpus()) {
      limits_.quota = std::move(quota);
    }
  }

  static bool ParsePositive(std::string_view text, int64_t* number) {
    return absl::SimpleAtoi(ToAbsl(text), number) && *number > 0;
  }

  std::optional<std::string> ReadFile(const std::string& path) {
    return ReadSystemFile(root_ + path, &limits_.warnings);
  }

  void Warn(const std::string& path, std::string_view text, std::string_view expected) {
    limits_.warnings.push_back(absl::StrCat(path, " is passed over: it says \"",
                                            ToAbsl(WithoutLineEnd(text.substr(0, 80))),
                                            "\", expected ", ToAbsl(expected)));
  }

  std::string root_;
  std::vector<CgroupMount> mounts_;
  CgroupCpuLimits limits_;
};

}  // namespace

CgroupCpuLimits ReadCgroupCpuLimits(const std::string& root) { return Reader(root).Read(); }

std::vector<std::string> CgroupCpuStatFiles(const std::string& root) {
  return Reader(root).CpuStatFiles();
}

std::optional<std::string> ReadSystemFile(const std::string& path,
                                          std::vector<std::string>* warnings) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  std::string text;
  ssize_t bytes = fd;
  char buffer[4096];
  while (bytes >= 0 && (bytes = read(fd, buffer, sizeof(buffer))) > 0) text.append(buffer, bytes);
  const int error_number = errno;
  if (fd >= 0) close(fd);
  if (bytes == 0) return text;
  if (error_number != ENOENT) {
    warnings->push_back(std::string(ErrnoToStatus(error_number, "read", path).message()));
  }
  return std::nullopt;
}

}  // namespace pelton
