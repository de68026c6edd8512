#include "sched/backtrace.h"

#include <algorithm>
#include <memory>
#include <ostream>
#include <sstream>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "framework/base/check.h"

namespace pelton {
namespace {

// The flow to whose scope the flow of `context` belongs; null at the root.
const TaskContext* SpawnerOf(const TaskContext* context) {
  // Out of what is nested in the flow, then out of its scopes.
  while (context != nullptr && context->holds_flow()) context = context->parent();
  while (context != nullptr && !context->holds_flow()) context = context->parent();
  return context;
}

// The outermost context of the flow.
const TaskContext& OutermostOf(const TaskContext& context) {
  const TaskContext* at = &context;
  while (at->parent() != nullptr && at->parent()->holds_flow()) at = at->parent();
  return *at;
}

absl::Duration AgeOf(const TaskContext& flow, Timestamp now) {
  const uint32_t units = static_cast<uint32_t>(now.nanoseconds() >> TaskContext::kAgeShift) -
                         OutermostOf(flow).started_at();
  return absl::Nanoseconds(int64_t{units} << TaskContext::kAgeShift);
}

}  // namespace

const TaskContext& sched_internal::ActiveContext(const TaskContext& flow) {
  const TaskContext* at = &flow;
  while (at->state() == TaskContext::State::kDetached) {
    const TaskContext* nested = at->first_child();
    while (nested != nullptr && !nested->holds_flow()) nested = nested->next_sibling();
    if (nested == nullptr) break;
    at = nested;
  }
  return *at;
}

void Backtrace::Add(const Frame& frame) {
  if (size_ == kCapacity) {
    truncated_ = true;
    return;
  }
  frames_[size_++] = frame;
}

void Backtrace::AddChain(PromiseBase* leaf, bool running) {
  bool first = true;
  while (leaf != nullptr && !truncated_) {
    const PromiseBase::Caller caller = leaf->caller();
    const bool is_branch = caller.promise == nullptr || caller.on_other_shard;
    // The root of a flow is machinery: whoever spawned it is told by the link.
    if (!is_branch || first) Add({.at = leaf->awaiting_at(), .running = running && first});
    if (caller.on_other_shard) frames_[size_ - 1].link_to_caller = Frame::Link::kOtherShard;
    leaf = caller.promise;
    first = false;
  }
}

void Backtrace::AddSpawners(const TaskContext* flow) {
  // What is beyond another shard's task cannot be read from here.
  if (CountCrossings() > 0) return;
  for (flow = SpawnerOf(flow); flow != nullptr && !truncated_; flow = SpawnerOf(flow)) {
    const TaskContext& active = sched_internal::ActiveContext(*flow);
    if (active.state() != TaskContext::State::kReady &&
        active.state() != TaskContext::State::kSuspended) {
      continue;
    }
    if (size_ > 0) frames_[size_ - 1].link_to_caller = Frame::Link::kSpawn;
    AddChain(active.leaf(), /*running=*/false);
    if (CountCrossings() > 0) return;
  }
}

size_t Backtrace::CountCrossings() const {
  return static_cast<size_t>(
      std::ranges::count(frames(), Frame::Link::kOtherShard, &Frame::link_to_caller));
}

Backtrace Backtrace::OfRunningTask(Scheduler& scheduler) {
  Backtrace trace;
  if (!scheduler.InTask()) return trace;
  trace.AddChain(&scheduler.leaf(), /*running=*/true);
  trace.AddSpawners(&scheduler.current_context());
  return trace;
}

Backtrace Backtrace::OfFlow(const TaskContext& flow) {
  Backtrace trace;
  trace.AddChain(flow.leaf(), /*running=*/false);
  return trace;
}

Backtrace CurrentBacktrace(std::source_location here) {
  Backtrace trace;
  Scheduler* const scheduler = Scheduler::Current();
  if (scheduler == nullptr || !scheduler->InTask()) return trace;
  trace = Backtrace::OfRunningTask(*scheduler);
  trace.frames_[0].at = here;
  trace.frames_[0].running = false;
  return trace;
}

std::string Backtrace::ToString() const {
  std::ostringstream out;
  Print(out, "  ");
  return std::move(out).str();
}

void Backtrace::Print(std::ostream& out, std::string_view indent) const {
  for (const Frame& frame : frames()) {
    if (frame.at.line() != 0) {
      out << indent << (frame.running ? "behind " : "at ") << frame.at.file_name() << ":"
          << frame.at.line() << " in " << frame.at.function_name() << "\n";
    } else {
      out << indent << "in a task that has not awaited anything\n";
    }
    switch (frame.link_to_caller) {
      case Frame::Link::kAwait:
        break;
      case Frame::Link::kSpawn:
        out << indent << "spawned by the task\n";
        break;
      case Frame::Link::kOtherShard:
        out << indent << "for the task of another shard\n";
        break;
    }
  }
  if (truncated_) out << indent << "and more\n";
}

namespace {

void DumpFlow(std::ostream& out, Scheduler& scheduler, const TaskContext& flow, size_t depth) {
  const std::string indent(2 * depth, ' ');
  const TaskContext& active = sched_internal::ActiveContext(flow);
  out << indent << "task " << static_cast<const void*>(&flow) << " ["
      << SchedulingGroup::FromIndex(active.group()).name() << "] "
      << AgeOf(flow, scheduler.PreciseNow()) << " old, ";
  switch (active.state()) {
    case TaskContext::State::kRunning:
      out << "running\n";
      Backtrace::OfRunningTask(scheduler).Print(out, indent + "  ");
      return;
    case TaskContext::State::kSuspended:
      out << "waits for ";
      active.waiting_for()->Describe(out);
      out << "\n";
      break;
    case TaskContext::State::kReady:
      out << "ready\n";
      break;
    case TaskContext::State::kDetached:
      PELTON_FATAL() << "a flow without a place to go on at";
  }
  Backtrace::OfFlow(active).Print(out, indent + "  ");
}

}  // namespace

void DumpTasks(std::ostream& out) {
  PELTON_CHECK(Scheduler::Current() != nullptr) << "DumpTasks() on a thread that runs no shard";
  DumpTasks(out, *Scheduler::Current());
}

void DumpTasks(std::ostream& out, Scheduler& scheduler) {
  out << "shard " << scheduler.options().shard << "\n";
  // A loop and not a recursion: the tree may be deeper than the stack.
  const TaskContext* at = &scheduler.root();
  size_t depth = 0;  // flows above
  while (true) {
    const bool outermost = at->holds_flow() && !at->parent()->holds_flow();
    if (outermost) DumpFlow(out, scheduler, *at, depth);
    if (const TaskContext* child = at->first_child()) {
      depth += outermost;
      at = child;
      continue;
    }
    while (at->parent() != nullptr && at->next_sibling() == nullptr) {
      at = at->parent();
      depth -= at->holds_flow() && !at->parent()->holds_flow();
    }
    if (at->parent() == nullptr) return;
    at = at->next_sibling();
  }
}

void sched_internal::ExceptionTraces::Record(const std::exception_ptr& exception,
                                             Scheduler& scheduler) {
  if (Find(exception) == nullptr) Record(exception, Backtrace::OfRunningTask(scheduler));
}

void sched_internal::ExceptionTraces::Record(const std::exception_ptr& exception,
                                             const Backtrace& trace) {
  for (Entry& entry : entries_) {
    if (entry.exception != exception) continue;
    entry.trace = trace;
    return;
  }
  entries_[next_] = {exception, trace};
  next_ = (next_ + 1) % entries_.size();
}

const Backtrace* sched_internal::ExceptionTraces::Find(const std::exception_ptr& exception) const {
  for (const Entry& entry : entries_) {
    if (entry.exception == exception && exception != nullptr) return &entry.trace;
  }
  return nullptr;
}

void sched_internal::RecordException(const std::exception_ptr& exception) noexcept {
  Scheduler& scheduler = *Scheduler::Current();
  scheduler.exception_traces().Record(exception, scheduler);
}

sched_internal::TravellingException::TravellingException() : exception_(std::current_exception()) {
  RecordException(exception_);
  trace_ = *Scheduler::Current()->exception_traces().Find(exception_);
}

void sched_internal::TravellingException::Rethrow() const {
  Scheduler& scheduler = *Scheduler::Current();
  Backtrace here = Backtrace::OfRunningTask(scheduler);
  // It waited at its await until now.
  here.frames_[0].running = false;
  // Where the other shard's part ends: what follows was read from there, and is known better here.
  // Of the crossings, those beyond this task are in both.
  const size_t crossings = trace_.CountCrossings();
  const size_t beyond = here.CountCrossings();
  if (crossings <= beyond) {  // it was too deep to come as far as here
    scheduler.exception_traces().Record(exception_, trace_);
    std::rethrow_exception(exception_);
  }
  Backtrace joined;
  size_t crossed = 0;
  for (const Backtrace::Frame& frame : trace_.frames()) {
    joined.Add(frame);
    crossed += frame.link_to_caller == Backtrace::Frame::Link::kOtherShard;
    if (crossed == crossings - beyond) break;
  }
  for (const Backtrace::Frame& frame : here.frames()) joined.Add(frame);
  joined.truncated_ |= here.truncated_;
  scheduler.exception_traces().Record(exception_, joined);
  std::rethrow_exception(exception_);
}

std::string DescribeException(const std::exception_ptr& exception) {
  std::string text;
  try {
    std::rethrow_exception(exception);
  } catch (const std::exception& error) {
    text = error.what();
  } catch (...) {
    text = "of a type that is not derived from std::exception";
  }
  Scheduler* const scheduler = Scheduler::Current();
  if (scheduler == nullptr) return text;
  if (const Backtrace* trace = scheduler->exception_traces().Find(exception)) {
    text += "\n" + trace->ToString();
    text.pop_back();
  }
  return text;
}

void sched_internal::AnnotateFatalErrors() {
  base_internal::SetFatalAnnotator([](std::ostream& out) {
    Scheduler* const scheduler = Scheduler::Current();
    if (scheduler == nullptr || !scheduler->InTask()) return;
    out << "\nin the task\n";
    Backtrace::OfRunningTask(*scheduler).Print(out, "  ");
  });
}

}  // namespace pelton
