#include "sched/fiber/internal/fiber_stack_pool.h"

#include <algorithm>
#include <utility>

#include "framework/base/status.h"

namespace pelton::sched_internal {

FiberStackPool& FiberStackPool::Current() {
  thread_local FiberStackPool pool;
  return pool;
}

FiberStackPool::~FiberStackPool() {
  while (mapped_.PopFront() != nullptr) {
  }
}

std::unique_ptr<FiberStack> FiberStackPool::TakeFrom(Stacks& stacks, size_t bytes,
                                                     size_t& total_bytes) {
  const auto end = stacks.rbegin() + std::min(stacks.size(), kSearch);
  const auto found = std::find_if(stacks.rbegin(), end,
                                  [bytes](const auto& stack) { return stack->bytes() == bytes; });
  if (found == end) return nullptr;
  std::unique_ptr<FiberStack> stack = std::move(*found);
  stacks.erase(std::next(found).base());
  total_bytes -= bytes;
  return stack;
}

std::unique_ptr<FiberStack> FiberStackPool::TakeOldest(Stacks& stacks, size_t& total_bytes) {
  std::unique_ptr<FiberStack> stack = std::move(stacks.front());
  stacks.erase(stacks.begin());
  total_bytes -= stack->bytes();
  return stack;
}

absl::StatusOr<std::unique_ptr<FiberStack>> FiberStackPool::Take(size_t bytes) {
  bytes = FiberStack::RoundUp(bytes);
  if (auto stack = TakeFrom(warm_, bytes, warm_bytes_)) return stack;
  if (auto stack = TakeFrom(empty_, bytes, empty_bytes_)) return stack;
  PELTON_ASSIGN_OR_RETURN(std::unique_ptr<FiberStack> stack, FiberStack::Map(bytes));
  mapped_.PushBack(*stack);
  ++stacks_;
  mapped_bytes_ += bytes;
  return stack;
}

void FiberStackPool::Return(std::unique_ptr<FiberStack> stack) {
  warm_bytes_ += stack->bytes();
  warm_.push_back(std::move(stack));
  while (warm_bytes_ > kWarmBytes) {
    std::unique_ptr<FiberStack> oldest = TakeOldest(warm_, warm_bytes_);
    Empty(*oldest);
    empty_bytes_ += oldest->bytes();
    empty_.push_back(std::move(oldest));
  }
  while (empty_bytes_ > kFreeBytes - kWarmBytes) {
    const std::unique_ptr<FiberStack> oldest = TakeOldest(empty_, empty_bytes_);
    oldest->Unlink();
    --stacks_;
    mapped_bytes_ -= oldest->bytes();
  }
}

void FiberStackPool::Empty(FiberStack& stack) {
  NoteUse(stack);
  stack.Empty();
}

void FiberStackPool::NoteUse(const FiberStack& stack) {
  most_used_bytes_ = std::max<uint64_t>(most_used_bytes_, stack.UsedBytes());
}

uint64_t FiberStackPool::ResidentBytes() {
  uint64_t bytes = 0;
  mapped_.ForEach([&](FiberStack& stack) { bytes += stack.ResidentBytes(); });
  return bytes;
}

uint64_t FiberStackPool::MostUsedBytes() {
  mapped_.ForEach([this](FiberStack& stack) { NoteUse(stack); });
  return most_used_bytes_;
}

bool FiberStackPool::CheckInvariants() const {
  size_t warm_bytes = 0;
  size_t empty_bytes = 0;
  bool empty = true;
  for (const auto& stack : warm_) warm_bytes += stack->bytes();
  for (const auto& stack : empty_) {
    empty_bytes += stack->bytes();
    empty &= stack->ResidentBytes() == 0;
  }
  return empty && warm_bytes == warm_bytes_ && warm_bytes <= kWarmBytes &&
         empty_bytes == empty_bytes_ && warm_bytes + empty_bytes <= kFreeBytes;
}

}  // namespace pelton::sched_internal
