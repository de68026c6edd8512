// What a driver under faults gets in the place of an operation: a copy of it, perhaps of fewer
// bytes, whose completions go to the injector. Private to io/fault.
//
// Shard affinity and ownership: the injector's. Reused, so that the steady state allocates nothing.

#ifndef PELTON_IO_FAULT_SHADOW_OPERATION_H_
#define PELTON_IO_FAULT_SHADOW_OPERATION_H_

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstdint>
#include <vector>

#include "io/chunk.h"
#include "io/fault/fault_plan.h"
#include "io/file_operation.h"

namespace pelton::io {

class ShadowOperation;

// Who hears of a shadow's completions.
class ShadowOwner {
 public:
  virtual void OnShadowCompletion(ShadowOperation& shadow, const Completion& completion) = 0;

 protected:
  ~ShadowOwner() = default;
};

class ShadowOperation final : public FileOperation {
 public:
  explicit ShadowOperation(ShadowOwner& owner)
      : FileOperation(OperationKind::kNop), owner_(owner) {}

  // Becomes a copy of `original`, which the driver will never see.
  void Imitate(Operation& original, const FaultDecision& decision);
  // Asks for fewer bytes, where the kernel may move fewer without harm. A receive into a chunk
  // becomes one of few bytes into a chunk of `chunks`. Returns whether it does.
  bool Shorten(ChunkPool& chunks);
  // What a completion of this one is to the original: gives the chunk of a shortened receive its
  // name, or back.
  Completion Translate(Completion completion, ChunkPool& chunks);

  void OnCompletion(const Completion& completion) override {
    owner_.OnShadowCompletion(*this, completion);
  }

  Operation& original() const { return *original_; }
  const FaultDecision& decision() const { return decision_; }
  // Whose completions and beginnings keep their order: those of one direction of one descriptor that
  // has no offsets. Negative: none.
  int64_t stream() const { return stream_; }

  // The injector's.
  uint64_t due_turn = 0;         // of its submission
  uint64_t cancel_turn = 0;      // when its cancellation goes out; 0: none waits
  uint32_t completions = 0;      // those that have come
  bool ending = false;           // was cancelled to end early
  bool ended = false;            // its final completion has come, and may be held
  std::vector<Completion> tail;  // completions since it is ending

 private:
  bool ShortenBytes(uint64_t granule);
  bool ShortenVectors(const iovec* vectors, size_t count, uint64_t granule);
  bool ShortenMessage();

  ShadowOwner& owner_;
  Operation* original_ = nullptr;
  FaultDecision decision_;
  int64_t stream_ = -1;
  uint16_t own_chunk_ = Completion::kNoChunk;
  bool own_message_ = false;
  msghdr message_ = {};
  std::vector<iovec> vectors_;
};

}  // namespace pelton::io

#endif  // PELTON_IO_FAULT_SHADOW_OPERATION_H_
