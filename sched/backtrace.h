// Asynchronous backtraces: where a task awaits, who awaits it, and so on up to the root, with file
// and line. And the tree of all tasks of a shard.
//
//   LogLine(CurrentBacktrace().ToString());
//   DumpTasks(std::cerr);
//
// A native backtrace of a suspended or resumed task ends at the scheduler. This one follows the
// links that tasks keep anyway: the parent of each task and the place of its await, the scope in
// which a flow was spawned, and across On() the task of the other shard.
//
// Shard affinity: the shard whose tasks are looked at. Reading on across On() is safe: the task
// over there is suspended until the one here has ended.
// Cost: nothing until somebody looks; then a few loads a frame.

#ifndef PELTON_SCHED_BACKTRACE_H_
#define PELTON_SCHED_BACKTRACE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iosfwd>
#include <source_location>
#include <span>
#include <string>

#include "sched/scheduler.h"

namespace pelton {

namespace sched_internal {
class TravellingException;
}  // namespace sched_internal

class Backtrace {
 public:
  // How many frames one holds; those nearest to the root are left out.
  static constexpr size_t kCapacity = 64;

  struct Frame {
    // How control came to this frame from the one below it in the list, its caller.
    enum class Link : uint8_t {
      kAwait,       // awaited by it
      kSpawn,       // spawned into a scope of it
      kOtherShard,  // run by it on this shard, by On()
    };
    std::source_location at;  // of its await; its line is 0 when it has not awaited anything yet
    Link link_to_caller = Link::kAwait;
    bool running = false;  // `at` is where it awaited last: it is somewhere behind that
  };

  Backtrace() = default;

  // The frames of the task that runs now on `scheduler`, innermost first; none when no task runs.
  // Safe in a signal handler on the shard's thread.
  static Backtrace OfRunningTask(Scheduler& scheduler);
  // The frames of a flow that does not run. REQUIRES: `flow` is kReady or kSuspended.
  static Backtrace OfFlow(const TaskContext& flow);

  std::span<const Frame> frames() const { return {frames_.data(), size_}; }
  bool empty() const { return size_ == 0; }
  // Whether frames near the root were left out.
  bool truncated() const { return truncated_; }

  // A line for each frame, `at file:line in function`, indented by two spaces.
  std::string ToString() const;
  // The same, behind `indent`.
  void Print(std::ostream& out, std::string_view indent) const;

 private:
  friend Backtrace CurrentBacktrace(std::source_location);
  friend class sched_internal::TravellingException;

  void Add(const Frame& frame);
  void AddChain(PromiseBase* leaf, bool running);
  void AddSpawners(const TaskContext* flow);
  // How many times it goes on in a task of another shard.
  size_t CountCrossings() const;

  std::array<Frame, kCapacity> frames_;
  size_t size_ = 0;
  bool truncated_ = false;
};

// The asynchronous backtrace of the running task; its first frame is this call. Empty outside of
// tasks.
Backtrace CurrentBacktrace(std::source_location here = std::source_location::current());

// Writes the number of the shard and every live task of the shard that runs on this thread: state, age, group, what it waits
// for, and its await locations; what it has spawned stands below it, indented.
// COST: linear in their number.
void DumpTasks(std::ostream& out);
// The same of `scheduler`, below `root`. REQUIRES: on its shard.
void DumpTasks(std::ostream& out, Scheduler& scheduler);

// What an exception says, and, when it left a task of this shard a short while ago, the
// asynchronous backtrace of where that was.
std::string DescribeException(const std::exception_ptr& exception);

namespace sched_internal {

// The context in which a flow is at the moment: `flow` or one nested in it.
const TaskContext& ActiveContext(const TaskContext& flow);

// Notes where `exception` leaves its first task. COST: a backtrace.
void RecordException(const std::exception_ptr& exception) noexcept;

// Makes fatal errors tell the backtrace of the running task.
void AnnotateFatalErrors();

// The last few exceptions that left a task, and where.
class ExceptionTraces {
 public:
  void Record(const std::exception_ptr& exception, Scheduler& scheduler);
  // Notes `trace`, in place of what was noted before.
  void Record(const std::exception_ptr& exception, const Backtrace& trace);
  // Null when it is not among them.
  const Backtrace* Find(const std::exception_ptr& exception) const;

 private:
  struct Entry {
    std::exception_ptr exception;
    Backtrace trace;
  };
  std::array<Entry, 4> entries_;
  size_t next_ = 0;
};

// An exception on its way to the task of another shard for which this one runs, with what this
// shard knows of where it came from. Made by the one task, in a handler of the exception; rethrown by
// the other.
class TravellingException {
 public:
  TravellingException();
  // Notes on this shard where the exception was thrown there, and how control came there from here.
  // REQUIRES: the running task awaited the one that made this.
  [[noreturn]] void Rethrow() const;

 private:
  std::exception_ptr exception_;
  Backtrace trace_;
};

}  // namespace sched_internal
}  // namespace pelton

#endif  // PELTON_SCHED_BACKTRACE_H_
