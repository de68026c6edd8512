#include "framework/cpu_topology.h"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "framework/base/status.h"
#include "framework/base/strings.h"
#include "framework/internal/cpu_list.h"

namespace pelton {
namespace {

constexpr char kOnlinePath[] = "/sys/devices/system/cpu/online";

std::vector<int> Intersection(const std::vector<int>& a, const std::vector<int>& b) {
  std::vector<int> both;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(both));
  return both;
}

// The CPUs of the machine; `affinity` stands in where the machine does not tell.
std::vector<int> ReadOnline(const std::string& root, const std::vector<int>& affinity,
                            std::vector<std::string>* warnings) {
  std::optional<std::string> text = ReadSystemFile(root + kOnlinePath, warnings);
  if (!text.has_value()) return affinity;
  if (!text->empty() && text->back() == '\n') text->pop_back();
  absl::StatusOr<std::vector<int>> online = ParseCpuList(*text);
  if (!online.ok()) {
    warnings->push_back(absl::StrCat(kOnlinePath, " is passed over: ", online.status().message()));
    return affinity;
  }
  std::sort(online->begin(), online->end());
  return *std::move(online);
}

std::string Count(int64_t number, std::string_view noun) {
  return absl::StrCat(number, " ", ToAbsl(noun), number == 1 ? "" : "s");
}

// At most two decimals, and no more than there are: 3, 2.5, 0.25.
std::string FormatQuota(const CpuQuota& quota) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.2f", std::max(quota.Cpus(), 0.01));
  std::string_view shown = text;
  while (shown.back() == '0') shown.remove_suffix(1);
  if (shown.back() == '.') shown.remove_suffix(1);
  return std::string(shown);
}

absl::StatusOr<std::vector<int>> ChooseCpus(const CpuLimits& limits, const std::string& flag) {
  if (flag.empty()) return limits.allowed;
  absl::StatusOr<std::vector<int>> chosen = ParseCpuList(flag);
  if (!chosen.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("--cpus: ", chosen.status().message()));
  }
  std::vector<int> refused;
  for (int cpu : *chosen) {
    if (!std::binary_search(limits.allowed.begin(), limits.allowed.end(), cpu)) {
      refused.push_back(cpu);
    }
  }
  if (refused.empty()) return chosen;
  return absl::InvalidArgumentError(absl::StrCat(
      "--cpus=", flag, ": CPU ", FormatCpuList(refused),
      " is not allowed for this process (allowed: ", FormatCpuList(limits.allowed), ")"));
}

// Why there are as few shards as there are, when it was not the user who said so.
std::string ExplainLimits(const CpuLimits& limits, bool quota_limits) {
  const size_t allowed = limits.allowed.size();
  const bool some_cpus_are_excluded = allowed < limits.online.size();
  const std::string_view excluder = limits.cpuset_limits ? "the cpuset" : "the affinity mask";
  const std::string visible = Count(limits.online.size(), "CPU") + " visible";
  if (quota_limits) {
    const std::string of = some_cpus_are_excluded ? absl::StrCat(Count(allowed, "CPU"), " that ",
                                                                 ToAbsl(excluder), " allows")
                                                  : visible;
    return absl::StrCat(limits.quota->file_name, " allows ", FormatQuota(*limits.quota), " of the ",
                        of, " (set --shards to override)");
  }
  if (!some_cpus_are_excluded) return "";
  return absl::StrCat(ToAbsl(excluder), " allows ", allowed, " of the ", visible, " (",
                      FormatCpuList(limits.allowed), ")");
}

// What the user's own choice of shards brings about.
std::string ExplainChoice(const CpuLimits& limits, int shards, const std::vector<int>& cpus,
                          bool exceeds_quota) {
  std::string text;
  if (shards > static_cast<int>(cpus.size())) {
    absl::StrAppend(&text, "they share ", Count(cpus.size(), "CPU"), " (", FormatCpuList(cpus),
                    ")");
  }
  if (exceeds_quota) {
    absl::StrAppend(&text, text.empty() ? "" : ", and ", limits.quota->file_name, " allows only ",
                    FormatQuota(*limits.quota), " CPUs' worth of time");
  }
  if (!text.empty()) absl::StrAppend(&text, ", so an idle shard does not spin");
  return text;
}

}  // namespace

absl::StatusOr<CpuSources> SystemCpuSources() {
  // The kernel refuses a mask that is smaller than its own.
  for (int capacity = 1024; capacity <= kLargestCpuNumber + 1; capacity *= 2) {
    std::vector<cpu_set_t> mask(CPU_ALLOC_SIZE(capacity) / sizeof(cpu_set_t));
    const size_t bytes = mask.size() * sizeof(cpu_set_t);
    if (sched_getaffinity(0, bytes, mask.data()) == 0) {
      CpuSources sources;
      for (int cpu = 0; cpu < capacity; ++cpu) {
        if (CPU_ISSET_S(cpu, bytes, mask.data())) sources.affinity.push_back(cpu);
      }
      return sources;
    }
    if (errno != EINVAL) break;
  }
  return ErrnoToStatus(errno, "sched_getaffinity");
}

absl::StatusOr<CpuLimits> ReadCpuLimits(const CpuSources& sources) {
  std::vector<int> affinity = sources.affinity;
  std::sort(affinity.begin(), affinity.end());
  CgroupCpuLimits groups = ReadCgroupCpuLimits(sources.root);
  CpuLimits limits{.quota = std::move(groups.quota), .warnings = std::move(groups.warnings)};
  limits.online = ReadOnline(sources.root, affinity, &limits.warnings);
  limits.allowed = Intersection(affinity, limits.online);
  if (groups.cpuset.has_value()) {
    const std::vector<int> within_cpuset = Intersection(limits.online, *groups.cpuset);
    limits.allowed = Intersection(limits.allowed, within_cpuset);
    limits.cpuset_limits =
        within_cpuset.size() < limits.online.size() && limits.allowed == within_cpuset;
  }
  if (limits.allowed.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "no CPU is left for this process: the affinity mask allows \"", FormatCpuList(affinity),
        "\", the cpuset \"", groups.cpuset.has_value() ? FormatCpuList(*groups.cpuset) : "all",
        "\", and \"", FormatCpuList(limits.online), "\" are online"));
  }
  return limits;
}

absl::StatusOr<ShardPlacement> PlaceShards(const CpuLimits& limits, const ShardRequest& request) {
  PELTON_ASSIGN_OR_RETURN(const std::vector<int> cpus, ChooseCpus(limits, request.cpus));
  if (request.shards.has_value() && (*request.shards < 1 || *request.shards > kMostShards)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--shards=", *request.shards, ": expected 1 to ", kMostShards));
  }
  const bool user_chose = request.shards.has_value() || !request.cpus.empty();
  const bool quota_limits =
      limits.quota.has_value() && limits.quota->Cpus() < limits.allowed.size();
  int64_t shards = request.shards.value_or(std::min<int64_t>(cpus.size(), kMostShards));
  if (!user_chose && quota_limits) shards = std::min(shards, limits.quota->CpusRoundedUp());

  ShardPlacement placement;
  for (int64_t shard = 0; shard < shards; ++shard) {
    placement.cpu_of_shard.push_back(cpus[shard % cpus.size()]);
  }
  const bool exceeds_quota = limits.quota.has_value() && shards > limits.quota->Cpus();
  placement.shares_cpu = exceeds_quota || shards > static_cast<int64_t>(cpus.size());
  placement.pins_threads = !quota_limits || !request.cpus.empty();
  const std::string why = user_chose ? ExplainChoice(limits, shards, cpus, exceeds_quota)
                                     : ExplainLimits(limits, quota_limits);
  if (!why.empty()) placement.explanation = absl::StrCat(Count(shards, "shard"), ": ", why);
  return placement;
}

}  // namespace pelton
