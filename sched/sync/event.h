// Event: waits until something has happened. Stays set until it is reset.
//
//   ready.Set();                                            // wakes all
//   PELTON_CO_RETURN_IF_ERROR(co_await ready.Wait());       // goes straight on once it is set
//
// Shard affinity: the owning shard alone.
// Ownership: outlives the tasks that wait for it (checked).
// Invariants: 1. a set event has nobody in line; 2. whoever waited when it was set goes on, also when
// it is reset before they run, or when they are told to stop after it was set.
// Cost: a few ns when set, no allocation. Set() is linear in those that wait.

#ifndef PELTON_SCHED_SYNC_EVENT_H_
#define PELTON_SCHED_SYNC_EVENT_H_

#include <ostream>

#include "absl/status/status.h"
#include "sched/sync/internal/wait_queue.h"

namespace pelton {

class Event {
 public:
  explicit Event(bool set = false) : set_(set) {}
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { line_.CheckEmpty("an Event"); }

  // Wakes everybody that waits. Idempotent.
  void Set() {
    set_ = true;
    line_.WakeAll();
  }
  // Makes those that come from now on wait.
  void Reset() { set_ = false; }
  bool set() const { return set_; }

  // `co_await` yields an absl::Status: OK once the event is set, or the stop status of a task that is
  // told to stop.
  [[nodiscard]] auto Wait() { return WaitAwaiter(*this); }

 private:
  class [[nodiscard("co_await it")]] WaitAwaiter final
      : public sched_internal::QueuedAwaiter<WaitAwaiter> {
   public:
    explicit WaitAwaiter(Event& event) : event_(event) {}
    absl::Status await_resume() const { return Outcome(); }
    void Describe(std::ostream& out) const override {
      out << "event " << static_cast<const void*>(&event_) << " to be set";
    }

   private:
    friend class sched_internal::QueuedAwaiter<WaitAwaiter>;
    bool TryFinish() const { return event_.set_; }
    sched_internal::WaitQueue& line() { return event_.line_; }

    Event& event_;
  };

  bool set_;
  sched_internal::WaitQueue line_;
};

}  // namespace pelton

#endif  // PELTON_SCHED_SYNC_EVENT_H_
