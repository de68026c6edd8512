// The record behind a FileInputStream: buffers that are read ahead of the reader, while it works on
// the one before. Private to io/file.
//
// Shard affinity: the stream's.
// Ownership: the stream's, until it is abandoned; then the record's own: it cancels its reads, and
// closes the file and frees itself when the kernel has let go.
// Invariants: 1. buffers are read in order of the file and used in a circle; 2. each is full but for
// the last one; 3. nothing is read behind an end or an error.

#ifndef PELTON_IO_FILE_READ_AHEAD_H_
#define PELTON_IO_FILE_READ_AHEAD_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "io/file/file.h"
#include "io/file_operation.h"
#include "sched/sync/event.h"

namespace pelton::io {

class ReadAhead {
 public:
  // REQUIRES: buffer_bytes > 0, buffers > 0, and the file is open for reading.
  ReadAhead(File file, uint64_t offset, size_t buffer_bytes, size_t buffers);

  // REQUIRES: nobody waits.
  void Abandon();

  // Whether there are bytes, or the end or an error has come.
  bool HasInput() const { return slots_[first_]->done; }
  // Sees to it that HasInput() comes true, of which arrived() tells.
  void Start();
  // The bytes that have been read and not been consumed; empty at the end. REQUIRES: HasInput().
  std::string_view bytes() const;
  // Drops the first `count` of them. REQUIRES: count <= bytes().size().
  void Consume(size_t count);
  // What came instead of more bytes, once bytes() is empty: OK for the end. REQUIRES: called from a
  // task, HasInput().
  absl::Status outcome() const;

  Event& arrived() { return arrived_; }
  const File& file() const { return file_; }
  // Of the first byte that was not consumed.
  uint64_t position() const { return position_; }

 private:
  // A buffer, and the operation that fills it.
  class Slot final : public FileOperation {
   public:
    explicit Slot(ReadAhead& owner) : FileOperation(OperationKind::kRead), owner_(owner) {}
    void OnCompletion(const Completion& completion) override { owner_.OnRead(*this, completion); }

    std::unique_ptr<char[]> memory;
    size_t filled = 0;
    size_t consumed = 0;
    int error = 0;
    bool done = false;  // full, or there is no more

   private:
    ReadAhead& owner_;
  };

  ~ReadAhead() = default;
  void StartSlot(Slot& slot);
  void ContinueSlot(Slot& slot);
  void OnRead(Slot& slot, const Completion& completion);
  void FreeWhenIdle();

  File file_;
  const size_t buffer_bytes_;
  std::vector<std::unique_ptr<Slot>> slots_;
  size_t first_ = 0;   // the slot that is consumed
  size_t active_ = 0;  // slots from there on that were started
  size_t window_ = 1;  // how many may be; grows while the reader goes on
  size_t in_flight_ = 0;
  uint64_t next_offset_;
  uint64_t position_;
  bool ended_ = false;  // an end or an error has come
  bool abandoned_ = false;
  Event arrived_;
};

}  // namespace pelton::io

#endif  // PELTON_IO_FILE_READ_AHEAD_H_
