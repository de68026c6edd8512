#include "framework/internal/foreign_gate.h"

#include "absl/strings/str_cat.h"
#include "framework/shard.h"

namespace pelton::framework_internal {

ForeignGate::ForeignGate(Shard& shard, uint32_t limit)
    : id_(shard.id()), limit_(limit), shard_(&shard) {}

absl::Status ForeignGate::Enter(ForeignNode& node) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (inside_.load(std::memory_order_relaxed) >= limit_) {
    return absl::ResourceExhaustedError(
        absl::StrCat("shard ", id_.index(), " has its limit of ", limit_,
                     " submissions of other threads to do; wait for the result of one first"));
  }
  if (shard_ == nullptr || !shard_->group().ForeignCallBegins()) {
    return absl::UnavailableError(
        absl::StrCat("shard ", id_.index(), " takes no more work: its service has ended"));
  }
  inside_.fetch_add(1, std::memory_order_relaxed);
  Push(node);
  return absl::OkStatus();
}

void ForeignGate::Push(ForeignNode& node) { shard_->scheduler().foreign_inbox().Push(node); }

void ForeignGate::Leave() {
  inside_.fetch_sub(1, std::memory_order_relaxed);
  Shard::Current()->group().ForeignCallEnds();
}

void ForeignGate::Close() {
  const std::lock_guard<std::mutex> lock(mutex_);
  shard_ = nullptr;
}

}  // namespace pelton::framework_internal
