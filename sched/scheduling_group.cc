#include "sched/scheduling_group.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "framework/base/check.h"
#include "framework/base/strings.h"

namespace pelton {
namespace {

struct Entry {
  std::array<char, SchedulingGroup::kMaxNameBytes + 1> name = {};
  bool latency_sensitive = false;
  std::atomic<uint32_t> shares = 100;
};

// Entries below `count` never change but for their shares, so that shards read them without a lock.
struct Table {
  constexpr Table() { std::ranges::copy(std::string_view("main"), entries[0].name.begin()); }

  std::mutex creating;
  std::atomic<uint32_t> count = 1;
  std::array<Entry, SchedulingGroup::kMaxGroups> entries;
};

constinit Table table;

absl::Status CheckShares(uint32_t shares) {
  if (shares >= SchedulingGroup::kMinShares && shares <= SchedulingGroup::kMaxShares) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("a scheduling group has ", SchedulingGroup::kMinShares, " to ",
                   SchedulingGroup::kMaxShares, " shares, not ", shares));
}

}  // namespace

// For debuggers: the first group's name, and how many bytes further the next one is.
// NOLINTBEGIN(readability-identifier-naming): C names.
extern "C" {
extern const char* const pelton_debug_group_names;
extern const size_t pelton_debug_group_stride;
constinit const char* const pelton_debug_group_names = table.entries[0].name.data();
constinit const size_t pelton_debug_group_stride = sizeof(Entry);
}
// NOLINTEND(readability-identifier-naming)

absl::StatusOr<SchedulingGroup> SchedulingGroup::Create(std::string_view name) {
  return Create(name, Options());
}

absl::StatusOr<SchedulingGroup> SchedulingGroup::Create(std::string_view name,
                                                        const Options& options) {
  if (name.empty() || name.size() > kMaxNameBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the name of a scheduling group has 1 to ",
                                                   kMaxNameBytes, " bytes, not ", name.size()));
  }
  if (absl::Status status = CheckShares(options.shares); !status.ok()) return status;
  const std::lock_guard<std::mutex> lock(table.creating);
  if (Find(name).has_value()) {
    return absl::AlreadyExistsError(
        absl::StrCat("there is a scheduling group \"", ToAbsl(name), "\" already"));
  }
  const uint32_t index = table.count.load(std::memory_order_relaxed);
  if (index == kMaxGroups) {
    return absl::ResourceExhaustedError(absl::StrCat("there are ", kMaxGroups,
                                                     " scheduling groups already, so \"",
                                                     ToAbsl(name), "\" cannot be made"));
  }
  Entry& entry = table.entries[index];
  std::ranges::copy(name, entry.name.begin());
  entry.latency_sensitive = options.latency_sensitive;
  entry.shares.store(options.shares, std::memory_order_relaxed);
  table.count.store(index + 1, std::memory_order_release);
  return SchedulingGroup(static_cast<uint8_t>(index));
}

std::optional<SchedulingGroup> SchedulingGroup::Find(std::string_view name) {
  for (uint32_t i = 0; i < count(); ++i) {
    const SchedulingGroup group(static_cast<uint8_t>(i));
    if (group.name() == name) return group;
  }
  return std::nullopt;
}

uint32_t SchedulingGroup::count() { return table.count.load(std::memory_order_acquire); }

SchedulingGroup SchedulingGroup::FromIndex(uint32_t index) {
  PELTON_CHECK(index < count()) << "there are " << count() << " scheduling groups, and no index "
                                << index;
  return SchedulingGroup(static_cast<uint8_t>(index));
}

std::string_view SchedulingGroup::name() const { return table.entries[index_].name.data(); }

bool SchedulingGroup::latency_sensitive() const { return table.entries[index_].latency_sensitive; }

uint32_t SchedulingGroup::shares() const {
  return table.entries[index_].shares.load(std::memory_order_relaxed);
}

absl::Status SchedulingGroup::SetShares(uint32_t shares) const {
  absl::Status status = CheckShares(shares);
  if (status.ok()) table.entries[index_].shares.store(shares, std::memory_order_relaxed);
  return status;
}

}  // namespace pelton
