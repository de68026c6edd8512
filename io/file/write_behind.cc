#include "io/file/write_behind.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "framework/base/check.h"
#include "framework/base/log.h"
#include "framework/base/status.h"
#include "framework/base/strings.h"

namespace pelton::io {

WriteBehind::WriteBehind(File file, uint64_t offset, size_t buffer_bytes, size_t buffers)
    : file_(std::move(file)),
      buffer_bytes_(buffer_bytes),
      // Writes that go to the end go there in the order in which they run.
      most_in_flight_(file_.record().appends() ? 1 : buffers),
      position_(offset) {
  for (size_t i = 0; i < buffers; ++i) {
    free_.push_back(slots_.emplace_back(std::make_unique<Slot>(*this)).get());
  }
}

void WriteBehind::Abandon() {
  LogLoss();
  abandoned_ = true;
  if (in_flight_ == 0) delete this;
}

void WriteBehind::LogLoss() const {
  if (error_ != 0) {
    if (told_) return;
    LogLine(absl::StrCat(ToAbsl(ToStd(ErrnoToStatus(error_, "write to", file_.path()).message())),
                         "; the stream was destroyed before anybody was told, and ",
                         unwritten_bytes_, " bytes are lost"));
    return;
  }
  if (unwritten_bytes_ == 0) return;
  const uint64_t dropped = filling_ != nullptr ? filling_->filled : 0;
  LogLine(absl::StrCat(
      "a stream to ", file_.path(), " was destroyed before its Close() was awaited: ", dropped,
      " bytes are lost, and ", unwritten_bytes_ - dropped, " on their way to the file"));
}

File WriteBehind::TakeApart() {
  PELTON_CHECK(in_flight_ == 0);
  File file = std::move(file_);
  delete this;
  return file;
}

size_t WriteBehind::Take(std::string_view bytes) {
  const size_t all = bytes.size();
  while (!bytes.empty() && error_ == 0) {
    if (filling_ == nullptr) {
      if (free_.empty()) break;
      filling_ = free_.back();
      free_.pop_back();
      if (filling_->memory == nullptr) {
        filling_->memory = std::make_unique_for_overwrite<char[]>(buffer_bytes_);
      }
      filling_->filled = filling_->written = 0;
      filling_->offset = position_;
    }
    if (filling_->filled == buffer_bytes_) break;  // it waits for the write before it
    const size_t count = std::min(bytes.size(), buffer_bytes_ - filling_->filled);
    std::memcpy(filling_->memory.get() + filling_->filled, bytes.data(), count);
    filling_->filled += count;
    position_ += count;
    unwritten_bytes_ += count;
    bytes.remove_prefix(count);
    if (filling_->filled == buffer_bytes_) StartWriting();
  }
  return all - bytes.size();
}

void WriteBehind::StartWriting() {
  if (filling_ == nullptr || error_ != 0 || in_flight_ == most_in_flight_) return;
  ++in_flight_;
  ContinueSlot(*std::exchange(filling_, nullptr));
}

// Starts the write of what is left of a buffer.
void WriteBehind::ContinueSlot(Slot& slot) {
  slot.descriptor = file_.descriptor();
  slot.address = slot.memory.get() + slot.written;
  slot.length = static_cast<uint32_t>(slot.filled - slot.written);
  Reactor::Current()->Start(slot);
}

void WriteBehind::OnWritten(Slot& slot, const Completion& completion) {
  if (completion.result == -EINTR) return ContinueSlot(slot);
  if (completion.result > 0) {
    const size_t count = static_cast<size_t>(completion.result);
    slot.written += count;
    slot.offset += count;
    unwritten_bytes_ -= count;
    if (slot.written < slot.filled) return ContinueSlot(slot);
  } else if (error_ == 0) {
    error_ = completion.result == 0 ? EIO : -completion.result;
    if (abandoned_) LogLoss();
  }
  --in_flight_;
  free_.push_back(&slot);
  if (abandoned_) {
    if (in_flight_ == 0) delete this;
    return;
  }
  if (filling_ != nullptr && filling_->filled == buffer_bytes_) StartWriting();
  progress_.Set();
}

}  // namespace pelton::io
