#include "io/file/read_ahead.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "framework/base/check.h"
#include "framework/base/status.h"

namespace pelton::io {

ReadAhead::ReadAhead(File file, uint64_t offset, size_t buffer_bytes, size_t buffers)
    : file_(std::move(file)), buffer_bytes_(buffer_bytes), next_offset_(offset), position_(offset) {
  for (size_t i = 0; i < buffers; ++i) slots_.push_back(std::make_unique<Slot>(*this));
}

void ReadAhead::Abandon() {
  abandoned_ = true;
  for (const std::unique_ptr<Slot>& slot : slots_) Reactor::Current()->Cancel(*slot);
  FreeWhenIdle();
}

void ReadAhead::FreeWhenIdle() {
  if (in_flight_ == 0) delete this;
}

void ReadAhead::Start() {
  for (; active_ < window_ && !ended_; ++active_) {
    StartSlot(*slots_[(first_ + active_) % slots_.size()]);
  }
  arrived_.Reset();
}

void ReadAhead::StartSlot(Slot& slot) {
  if (slot.memory == nullptr) {
    slot.memory = std::make_unique_for_overwrite<char[]>(buffer_bytes_);
  }
  slot.filled = slot.consumed = 0;
  slot.done = false;
  slot.offset = next_offset_;
  next_offset_ += buffer_bytes_;
  ContinueSlot(slot);
}

// Starts the read of what the buffer lacks.
void ReadAhead::ContinueSlot(Slot& slot) {
  slot.descriptor = file_.descriptor();
  slot.address = slot.memory.get() + slot.filled;
  slot.length = static_cast<uint32_t>(buffer_bytes_ - slot.filled);
  ++in_flight_;
  Reactor::Current()->Start(slot);
}

void ReadAhead::OnRead(Slot& slot, const Completion& completion) {
  --in_flight_;
  if (abandoned_) return FreeWhenIdle();
  if (completion.result == -EINTR) return ContinueSlot(slot);
  if (completion.result > 0) {
    slot.filled += static_cast<size_t>(completion.result);
    slot.offset += static_cast<size_t>(completion.result);
    if (slot.filled < buffer_bytes_) return ContinueSlot(slot);
  } else {
    slot.error = -completion.result;
    ended_ = true;
  }
  slot.done = true;
  if (slots_[first_].get() == &slot) arrived_.Set();
}

std::string_view ReadAhead::bytes() const {
  const Slot& slot = *slots_[first_];
  return {slot.memory.get() + slot.consumed, slot.filled - slot.consumed};
}

void ReadAhead::Consume(size_t count) {
  if (count == 0) return;
  Slot& slot = *slots_[first_];
  PELTON_DCHECK(slot.done && count <= slot.filled - slot.consumed);
  slot.consumed += count;
  position_ += count;
  // A buffer that is not full is the last one; it stays, and stays empty.
  if (slot.consumed < slot.filled || slot.filled < buffer_bytes_) return;
  slot.done = false;
  first_ = (first_ + 1) % slots_.size();
  --active_;
  window_ = std::min(window_ * 2, slots_.size());
  Start();
}

absl::Status ReadAhead::outcome() const {
  const Slot& slot = *slots_[first_];
  if (slot.error == 0) return absl::OkStatus();
  return ErrnoToStatus(slot.error, "read from", file_.path());
}

}  // namespace pelton::io
