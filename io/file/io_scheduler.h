// Divides the disk among scheduling groups, so that a bulk writer does not ruin a reader's latency:
// a disk serves what it was given in an order of its own, so whatever should wait, waits here.
//
// DirectFile goes through it by itself. What else keeps the disk busy asks first:
//
//   PELTON_CO_ASSIGN_OR_RETURN(IoAdmission admission,
//                              co_await IoScheduler::Current().Admit(IoDirection::kRead, bytes));
//   ... read, and give the admission back by letting it die ...
//
// Shard affinity: one per shard, touched by that shard alone. Each shard schedules its part of the
// disk (IoProfile::ForShard()). All files of a shard share one scheduler.
// Ownership: the Reactor's. A request lives in the awaiter, so in the frame of the waiting task.
// Invariants: 1. requests of one group start in the order of arrival; 2. what is in flight stays
// within the profile's requests and bytes, and while several groups are active within kLatencyGoalNs
// of the disk's time, of which a group that is ahead of another one has no more than its shares; 3. a
// group with nothing in flight may start one request in spite of 2.
// Cost: some 10 ns a request when it need not wait; no allocation.
// Algorithm: start-time fair queueing with a bounded depth, SFQ(D) of Jin, Chase and Kaur
// (SIGMETRICS 2004): a request's cost is the time that the disk takes for it by the profile, and the
// group with the least cost per share goes next. A group that wakes begins at the virtual time of
// now, so idling earns nothing.

#ifndef PELTON_IO_FILE_IO_SCHEDULER_H_
#define PELTON_IO_FILE_IO_SCHEDULER_H_

#include <array>
#include <coroutine>
#include <cstdint>
#include <ostream>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "framework/base/intrusive_list.h"
#include "io/file/io_profile.h"
#include "sched/scheduler.h"
#include "sched/scheduling_group.h"
#include "sched/task_context.h"
#include "sched/timestamp.h"

namespace pelton {

class IoScheduler;

enum class IoDirection : uint8_t { kRead, kWrite };

namespace io {
class AdmitAwaiter;

// What a request takes of the disk while it is in flight.
struct IoCharge {
  uint64_t bytes = 0;
  uint64_t cost = 0;  // in nanoseconds of the disk
  uint8_t group = 0;
};

// Something that wants the disk.
class IoRequest : private ListHook<IoRequest> {
 public:
  IoRequest() = default;
  IoRequest(const IoRequest&) = delete;
  IoRequest& operator=(const IoRequest&) = delete;

  // It is this request's turn: it is in flight from now on. Called once for each Submit(), perhaps
  // before that returns.
  virtual void OnAdmitted() = 0;

  bool queued() const { return linked(); }
  // REQUIRES: admitted.
  const IoCharge& charge() const { return charge_; }

 protected:
  ~IoRequest() = default;

 private:
  friend class pelton::IoScheduler;
  friend class IntrusiveList<IoRequest>;
  friend class ListHook<IoRequest>;

  IoCharge charge_;
  Timestamp submitted_at_;
};
}  // namespace io

// Leave to keep the disk busy, which counts as in flight until this dies. Move-only.
class [[nodiscard]] IoAdmission {
 public:
  // None, to be assigned to.
  IoAdmission() = default;
  IoAdmission(IoAdmission&& other) noexcept
      : scheduler_(std::exchange(other.scheduler_, nullptr)), charge_(other.charge_) {}
  IoAdmission& operator=(IoAdmission&& other) noexcept {
    if (this != &other) {
      Release();
      scheduler_ = std::exchange(other.scheduler_, nullptr);
      charge_ = other.charge_;
    }
    return *this;
  }
  ~IoAdmission() { Release(); }

  // Gives it back now.
  void Release();

 private:
  friend class io::AdmitAwaiter;
  IoAdmission(IoScheduler& scheduler, const io::IoCharge& charge)
      : scheduler_(&scheduler), charge_(charge) {}

  IoScheduler* scheduler_ = nullptr;
  io::IoCharge charge_;
};

class IoScheduler {
 public:
  // How much of the disk's time may be in flight while several groups are active: about what a
  // request waits for those that the disk was given before it.
  static constexpr uint64_t kLatencyGoalNs = 1'000'000;
  // How long a group stays active after its last request: one that thinks for a moment between
  // requests keeps its claim to an idle disk.
  static constexpr absl::Duration kActiveFor = absl::Milliseconds(10);

  // What a group has had of this shard's part of the disk, and has asked for.
  struct GroupStatistics {
    uint64_t requests = 0;  // started, ever
    uint64_t bytes = 0;     // of those
    absl::Duration delay;   // what those that are started have waited, added up
    size_t queued = 0;      // requests that wait now
    size_t in_flight = 0;
    uint64_t bytes_in_flight = 0;
  };

  explicit IoScheduler(const IoProfile& profile);
  // REQUIRES: nothing is queued or in flight (checked).
  ~IoScheduler();
  IoScheduler(const IoScheduler&) = delete;
  IoScheduler& operator=(const IoScheduler&) = delete;

  // The running shard's. REQUIRES: called on a shard.
  static IoScheduler& Current();

  // `co_await` yields an absl::StatusOr<IoAdmission> when it is the turn of the running task's group
  // and of this request in it; or the stop status of a task that is told to stop. For a transfer of
  // more than PieceBytes(), ask for each piece by itself.
  [[nodiscard]] io::AdmitAwaiter Admit(IoDirection direction, uint64_t bytes);

  // How long a piece a transfer should be cut into, so that others wait no longer for it than they
  // should: a multiple of 4 KiB, and as good as no limit while no other group is active.
  uint64_t PieceBytes(IoDirection direction, SchedulingGroup group) const;

  GroupStatistics group_statistics(SchedulingGroup group) const;
  const IoProfile& profile() const { return profile_; }

  // For those who embed requests
  // ------------------------------------------------------------------------------------------------

  // Queues a request of `group`, and admits it at once if nothing keeps it. REQUIRES: it is neither
  // queued nor in flight.
  void Submit(io::IoRequest& request, SchedulingGroup group, IoDirection direction, uint64_t bytes);
  // Takes a queued request back, which then is not admitted.
  void Withdraw(io::IoRequest& request);
  // What a request was charged is no longer in flight. May admit others.
  void Finish(const io::IoCharge& charge);

 private:
  struct Group {
    IntrusiveList<io::IoRequest> queue;
    // Start tag of the first request in the queue, or of the next one to come: cost divided by
    // shares, so far.
    uint64_t virtual_time = 0;
    uint64_t cost_in_flight = 0;
    uint64_t bytes_in_flight = 0;
    uint64_t in_flight = 0;
    uint64_t queued = 0;
    Timestamp active_until;  // while it has nothing queued or in flight
    uint64_t requests = 0;
    uint64_t bytes = 0;
    int64_t delay_ns = 0;
  };
  struct Price {
    uint64_t request = 0;  // in nanoseconds of the disk
    uint64_t byte = 0;     // in 2^-16 of them
  };

  static Price PriceOf(uint64_t iops, uint64_t bytes_per_second);
  uint64_t CostOf(IoDirection direction, uint64_t bytes) const;
  // Makes a group active, and forgets those that no longer are.
  void Activate(uint8_t index);
  void UpdateActive();
  // Whether the disk has room for a request.
  bool Fits(const Group& group, const io::IoCharge& charge) const;
  // Whether a group has its shares in flight, and has had more than another one so far.
  bool IsCapped(const Group& group, const io::IoCharge& charge) const;
  // Whether it is a group's turn before another's: it has nothing in flight, or has had less.
  static bool GoesBefore(const Group& group, const Group& other);
  void Start(Group& group, io::IoRequest& request);
  void Dispatch();
  uint64_t CostLimit(uint8_t index) const;
  bool Contended() const { return (active_ & (active_ - 1)) != 0; }

  const IoProfile profile_;
  const Price prices_[2];
  uint64_t active_ = 0;         // a bit for each group that is
  uint64_t active_shares_ = 0;  // of those
  uint64_t backlogged_ = 0;     // a bit for each group with a queue
  uint64_t virtual_time_ = 0;   // the largest start tag that was started
  uint64_t in_flight_ = 0;
  uint64_t bytes_in_flight_ = 0;
  uint64_t cost_in_flight_ = 0;
  bool dispatching_ = false;
  std::array<Group, SchedulingGroup::kMaxGroups> groups_;
};

namespace io {

class [[nodiscard("co_await it")]] AdmitAwaiter final : private IoRequest, private Suspension {
 public:
  AdmitAwaiter(IoScheduler& scheduler, IoDirection direction, uint64_t bytes)
      : scheduler_(scheduler), bytes_(bytes), direction_(direction) {}

  bool await_ready() const noexcept { return false; }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    if (StoppedBeforeWaiting()) {
      stopped_ = true;
      return Requeue(task.promise());
    }
    Suspend(task.promise());
    scheduler_.Submit(*this, SchedulingGroup::FromIndex(context()->group()), direction_, bytes_);
  }
  absl::StatusOr<IoAdmission> await_resume() {
    if (stopped_) [[unlikely]]
      return Scheduler::Current()->current_context().StopStatus();
    return IoAdmission(scheduler_, charge());
  }

 private:
  void OnAdmitted() override { Resume(); }
  void Interrupt() override {
    scheduler_.Withdraw(*this);
    stopped_ = true;
    Resume();
  }
  void Describe(std::ostream& out) const override;

  IoScheduler& scheduler_;
  const uint64_t bytes_;
  const IoDirection direction_;
  bool stopped_ = false;
};

}  // namespace io

inline io::AdmitAwaiter IoScheduler::Admit(IoDirection direction, uint64_t bytes) {
  return {*this, direction, bytes};
}

inline void IoAdmission::Release() {
  if (scheduler_ != nullptr) std::exchange(scheduler_, nullptr)->Finish(charge_);
}

}  // namespace pelton

#endif  // PELTON_IO_FILE_IO_SCHEDULER_H_
