// Shard: everything that one core of a service owns: its memory, tasks, timers, I/O and mail.
//
// A shard is a value that can be stepped: RunTurn() (shard_loop.h) runs one iteration of its loop.
// The threaded runtime loops over it on a pinned thread, the stepped runtime runs any number of
// shards on the calling thread.
//
// Shard affinity: its own tasks, unless a member says otherwise. Current() is switched by the
// runtime.
// Ownership: the runtime's. All tasks have ended when it is destroyed.

#ifndef PELTON_FRAMEWORK_SHARD_H_
#define PELTON_FRAMEWORK_SHARD_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "alloc/frame_pool.h"
#include "framework/base/shard_id.h"
#include "framework/mail.h"
#include "framework/shard_group.h"
#include "io/reactor.h"
#include "sched/scheduler.h"
#include "sched/stall_detector.h"
#include "sched/task.h"
#include "sched/task_scope.h"

namespace pelton {

class Shard;
class ShardHandle;

namespace framework_internal {
class ForeignGate;
}  // namespace framework_internal

// What a service runs on every shard. Returning ends the shard's service; an error ends the process
// with its message.
using ServeFunction = std::function<Task<absl::Status>(Shard&)>;

class Shard {
 public:
  // What a shard needs to know of its place.
  struct Options {
    Scheduler::Options scheduler;
    io::Reactor::Options reactor;
    // How many submissions of foreign threads (foreign.h) may be unfinished.
    uint32_t foreign_limit = 1024;
  };

  Shard(ShardGroup& group, ShardId id, const Clock& clock, const Options& options);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  // The shard that runs on this thread now; null on a thread that runs none.
  static Shard* Current() { return current_; }

  ShardId id() const { return id_; }
  // How many shards the service has.
  uint32_t shards() const { return group_.shards(); }
  // Whether the service was asked to stop: finish what was begun, and begin nothing new.
  bool draining() { return scheduler_.root().StoppedFrom(StopPhase::kAccepting); }

  Scheduler& scheduler() { return scheduler_; }
  io::Reactor& reactor() { return reactor_; }
  FramePool& frames() { return frames_; }
  Mail& mail() { return mail_; }
  ShardGroup& group() { return group_; }
  // Owns the tasks that other shards and foreign threads start here.
  TaskScope& visitors() { return *visitors_; }
  // The runtime's threads for what would block the shard; see RunBlocking() (blocking.h).
  BlockingPool& blocking_pool() { return group_.blocking_pool(); }
  // By which threads that are no shards reach this one; see foreign.h, which the caller includes.
  ShardHandle handle() const;

  // For the runtime
  // ----------------------------------------------------------------------------------------------------------

  // Makes this shard current on this thread while the object lives.
  class Binding {
   public:
    explicit Binding(Shard& shard)
        : scheduler_(&shard.scheduler_, &shard.frames_),
          reactor_(io::Reactor::Exchange(&shard.reactor_)),
          shard_(std::exchange(current_, &shard)) {}
    ~Binding() {
      current_ = shard_;
      io::Reactor::Exchange(reactor_);
    }
    Binding(const Binding&) = delete;
    Binding& operator=(const Binding&) = delete;

   private:
    SchedulerBinding scheduler_;
    io::Reactor* reactor_;
    Shard* shard_;
  };

  // Starts the service. REQUIRES: bound.
  void Start(const ServeFunction& serve);
  // Undoes Start() before the first turn, when another shard could not be made. REQUIRES: not
  // bound.
  void Abort();
  // Ends what handles can do. REQUIRES: the loop has ended; called before what wakes the shard is
  // destroyed, by a thread that may block for a moment.
  void CloseHandles();
  // Says when turns begin to `detector`, which must outlive the shard's last turn; null: to nobody.
  void set_stall_detector(StallDetector* detector) { stall_detector_ = detector; }
  // Begins a turn: reads the clock, obeys requests to stop, and takes home memory that others
  // freed. REQUIRES: bound.
  void BeginTurn();
  // Says that there is nothing to do, until the next turn begins.
  void BeginIdle() {
    if (stall_detector_ != nullptr) stall_detector_->BeginIdle(scheduler_.PreciseNow());
  }
  // Whether the next turn would find something to do without waiting for I/O, a timer or mail.
  bool HasWork() const { return scheduler_.HasReady() || mail_.HasUnsent() || reactor_.HasWork(); }
  // Whether another thread has left something for this shard: mail, a request to stop, or a new
  // answer of Finished().
  bool HasArrivals() const {
    return mail_.HasArrivals() || !scheduler_.foreign_inbox().Empty() ||
           group_.requests() != requests_seen_ || GroupHasEnded();
  }
  // Whether the service has ended on all shards and nothing here is left to do. Tells the group
  // when this shard comes to rest, so it must be asked once a turn. `changed` is set when the
  // others should look again.
  bool Finished(bool& changed);

 private:
  // Obeys what the group was asked for.
  PELTON_COLD void Obey(uint32_t requests);
  static Task<absl::Status> Serve(Shard& shard, ServeFunction serve);

  // Whether the group has come further since Finished() was asked, so that a shard about to sleep
  // must ask again.
  bool GroupHasEnded() const {
    if (!service_ended_) [[likely]]
      return false;
    return services_ended_seen_ ? at_rest_ && group_.AllAtRest() : group_.ServicesEnded();
  }

  static inline PELTON_SHARD_LOCAL Shard* current_ = nullptr;

  ShardGroup& group_;
  const ShardId id_;
  FramePool frames_;
  Scheduler scheduler_;
  io::Reactor reactor_;
  Mail mail_;
  std::optional<TaskScope> service_;
  std::optional<TaskScope> visitors_;
  const std::shared_ptr<framework_internal::ForeignGate> gate_;
  uint32_t requests_seen_ = 0;
  StallDetector* stall_detector_ = nullptr;
  bool service_ended_ = false;
  bool services_ended_seen_ = false;
  bool at_rest_ = false;
  bool aborted_ = false;
};

}  // namespace pelton

#endif  // PELTON_FRAMEWORK_SHARD_H_
