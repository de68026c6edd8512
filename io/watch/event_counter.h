// EventCounter: wakes a task from any thread, and from other processes. An eventfd(2).
//
//   PELTON_CO_ASSIGN_OR_RETURN(EventCounter events, EventCounter::Create());
//   PELTON_CO_ASSIGN_OR_RETURN(EventPoster poster, events.MakePoster());
//   library.OnChange([poster = std::move(poster)] { (void)poster.Post(); });   // on a thread of its own
//   PELTON_CO_ASSIGN_OR_RETURN(uint64_t posts, co_await events.Await());
//
// For threads that know shards there is foreign.h, which carries results and never fails; this is for
// libraries and processes that can write to a descriptor and nothing else.
//
// Shard affinity: an EventCounter the shard that made it; an EventPoster any thread, several at once.
// Ownership: each closes its own descriptor; a poster may outlive the counter and posts to nobody then.
// Cost: one system call a post; one operation an await, no allocation but its frame.

#ifndef PELTON_IO_WATCH_EVENT_COUNTER_H_
#define PELTON_IO_WATCH_EVENT_COUNTER_H_

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/descriptor/descriptor_record.h"
#include "sched/task.h"

namespace pelton {

class EventPoster {
 public:
  EventPoster(EventPoster&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  EventPoster& operator=(EventPoster&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~EventPoster();

  // Adds `count` to the counter. Never blocks. ERRORS: RESOURCE_EXHAUSTED when 2^64 - 2 posts would
  // not have been awaited; INVALID_ARGUMENT for a count of 0 or 2^64 - 1.
  absl::Status Post(uint64_t count = 1) const;

  // For other processes and libraries, which write(2) 8 bytes: the count in the machine's byte order.
  // It is closed on exec and stays the poster's: see Command::descriptors (command.h).
  int descriptor() const { return descriptor_; }

 private:
  friend class EventCounter;

  explicit EventPoster(int descriptor) : descriptor_(descriptor) {}

  int descriptor_;
};

class EventCounter {
 public:
  // ERRORS: RESOURCE_EXHAUSTED (EMFILE, ENFILE), ENOMEM.
  static absl::StatusOr<EventCounter> Create();

  // A way to post to this counter. ERRORS: EMFILE.
  absl::StatusOr<EventPoster> MakePoster() const;

  // Suspends until something was posted, and yields the sum of all posts since the last await: at least
  // 1. One task at a time. ERRORS: the stop status; no post is lost by that. COST: one frame.
  Task<absl::StatusOr<uint64_t>> Await();

 private:
  explicit EventCounter(io::DescriptorPointer record) : record_(std::move(record)) {}

  io::DescriptorPointer record_;
};

}  // namespace pelton

#endif  // PELTON_IO_WATCH_EVENT_COUNTER_H_
