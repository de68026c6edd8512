// HomeRequest: a task of any shard that waits for something which one shard, its home, decides on.
// The awaiters of ShardChannel and ShardSemaphore derive from it; users never see it.
//
// At home it is an ordinary waiter in line. From elsewhere it travels: a node in the awaiter goes
// home, stands in line there, and comes back when the wait has ended. Meanwhile the home shard alone
// touches the awaiter's part of the request, and the task does not run, so values are moved straight
// from one task's frame to another's. A stop sends a second node after the first; the task goes on
// when all that it has sent is back, so that nobody refers to its frame any more.
//
// Shard affinity: made and awaited on any shard; the members that say so are called at home.
// Ownership: in the frame of the waiting task; the primitive outlives it.
// Invariants: 1. requests of one shard come home in the order in which they were made; a line is
// first in, first out; 2. what a request was given by the time a stop arrives at home, it keeps:
// nothing is lost or doubled; 3. whoever leaves the line because of a stop has taken nothing more.
// Cost: at home no message. From elsewhere two; when a stop follows, one more that finds the request
// in line, or two more that come too late. No allocation and no frame.

#ifndef PELTON_FRAMEWORK_INTERNAL_HOME_REQUEST_H_
#define PELTON_FRAMEWORK_INTERNAL_HOME_REQUEST_H_

#include <coroutine>
#include <ostream>

#include "absl/status/status.h"
#include "framework/base/intrusive_list.h"
#include "framework/base/shard_id.h"
#include "framework/mail.h"
#include "framework/shard.h"
#include "sched/promise.h"
#include "sched/scheduler.h"
#include "sched/task_context.h"

namespace pelton::framework_internal {

class HomeLine;

class HomeRequest : public Suspension, private ListHook<HomeRequest> {
 public:
  bool await_ready() {
    if (!at_home() || Scheduler::Current()->Due() || StoppedBeforeWaiting()) return false;
    return TryFinish();
  }
  template <PeltonPromise Promise>
  void await_suspend(std::coroutine_handle<Promise> task) {
    Begin(task.promise());
  }

 protected:
  // REQUIRES: called on the shard on which it will be awaited; the service has a shard `home`.
  explicit HomeRequest(ShardId home);
  ~HomeRequest() = default;

  // At home: takes what is asked for as far as it may be had now, and returns whether that is all.
  // What it keeps for later calls is its own affair.
  virtual bool TryFinish() = 0;
  // At home: where to wait when TryFinish() returned false.
  virtual HomeLine& line() = 0;
  // At home: sees to those behind it, after it was told to stop and has left the line.
  virtual void GaveUp() {}

  // Whether the task that asks runs on the home shard. What Describe() tells of the primitive's
  // state it may tell only then.
  bool at_home() const { return origin_ == home_; }
  ShardId home() const { return home_; }
  // Whether the wait has ended because the task was told to stop. REQUIRES: the task runs again.
  bool stopped() const { return stopped_; }
  // The error then. REQUIRES: stopped().
  static absl::Status StopStatus();

 private:
  friend class HomeLine;
  friend class IntrusiveList<HomeRequest>;
  friend class ListHook<HomeRequest>;

  struct Node : MailNode {
    HomeRequest* request;
  };

  void Begin(PromiseBase& leaf);
  void Interrupt() final;
  // At home.
  void Arrive();
  void ArriveStopped();
  void LeaveLine();
  void Finish();
  // Back at the origin.
  void Returned(int nodes);

  const ShardId origin_;
  const ShardId home_;
  bool stopped_ = false;  // written where the wait ends
  bool stop_sent_ = false;
  int outstanding_ = 0;  // nodes that must come back; the origin's
  Node request_;
  Node stop_;
};

// The requests that wait for one thing, in the order in which they came home. The home shard's.
class HomeLine {
 public:
  bool empty() const { return requests_.empty(); }
  HomeRequest* front() { return requests_.front(); }
  void PushBack(HomeRequest& request) { requests_.PushBack(request); }
  // Takes the first out; its task goes on with what it was given. REQUIRES: !empty().
  void FinishFront() { requests_.PopFront()->Finish(); }
  void FinishAll() {
    while (!empty()) FinishFront();
  }

 private:
  IntrusiveList<HomeRequest> requests_;
};

// For the destructor of a primitive, whose name it takes: dies unless this is its home shard, or no
// shard at all since the service has ended, and nobody is in line.
void CheckMayEnd(const char* primitive, ShardId home, const HomeLine& line);
// Dies unless this is the home shard of `primitive`.
void CheckAtHome(const char* primitive, ShardId home);

}  // namespace pelton::framework_internal

#endif  // PELTON_FRAMEWORK_INTERNAL_HOME_REQUEST_H_
