// The record behind a FileOutputStream: buffers that are filled, and written while the next is
// filled. Private to io/file.
//
// Shard affinity: the stream's.
// Ownership: the stream's, until it is abandoned or taken apart; once abandoned its own: it closes
// the file and frees itself when the writes in flight have ended.
// Invariants: 1. the first error stays, and no buffer's write begins after it; 2. bytes of an appending
// file are written one buffer after the other.

#ifndef PELTON_IO_FILE_WRITE_BEHIND_H_
#define PELTON_IO_FILE_WRITE_BEHIND_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "io/file/file.h"
#include "io/file_operation.h"
#include "sched/sync/event.h"

namespace pelton::io {

class WriteBehind {
 public:
  // REQUIRES: buffer_bytes > 0, buffers > 0, and the file is open for writing.
  WriteBehind(File file, uint64_t offset, size_t buffer_bytes, size_t buffers);

  // Logs what is lost by it: bytes that were taken and not written, or an error that nobody was
  // told. REQUIRES: nobody waits.
  void Abandon();
  // Yields the file and frees the record. REQUIRES: nothing is in flight, and nobody waits.
  File TakeApart();

  // Copies as many of `bytes` as there is room for, and returns how many.
  size_t Take(std::string_view bytes);
  // Starts to write what has been taken.
  void StartWriting();
  // Whether everything that was taken has been written, or nothing more will be.
  bool settled() const { return in_flight_ == 0 && (filling_ == nullptr || error_ != 0); }

  // The errno of the first write that failed, or 0.
  int error() const { return error_; }
  // Somebody was told of the error.
  void NoteTold() { told_ = true; }

  // Set when a write ends.
  Event& progress() { return progress_; }
  const File& file() const { return file_; }
  File& file() { return file_; }
  // Where the next byte that is taken goes.
  uint64_t position() const { return position_; }

 private:
  // A buffer, and the operation that writes it.
  class Slot final : public FileOperation {
   public:
    explicit Slot(WriteBehind& owner) : FileOperation(OperationKind::kWrite), owner_(owner) {}
    void OnCompletion(const Completion& completion) override {
      owner_.OnWritten(*this, completion);
    }

    std::unique_ptr<char[]> memory;
    size_t filled = 0;
    size_t written = 0;

   private:
    WriteBehind& owner_;
  };

  ~WriteBehind() = default;
  void ContinueSlot(Slot& slot);
  void OnWritten(Slot& slot, const Completion& completion);
  void LogLoss() const;

  File file_;
  const size_t buffer_bytes_;
  const size_t most_in_flight_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<Slot*> free_;
  Slot* filling_ = nullptr;  // holds at least a byte
  size_t in_flight_ = 0;
  uint64_t position_;
  uint64_t unwritten_bytes_ = 0;  // taken, and not written
  int error_ = 0;
  bool told_ = false;
  bool abandoned_ = false;
  Event progress_;
};

}  // namespace pelton::io

#endif  // PELTON_IO_FILE_WRITE_BEHIND_H_
