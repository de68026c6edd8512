#include "framework/shard.h"

#include <exception>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "framework/base/check.h"
#include "framework/base/log.h"
#include "framework/foreign.h"
#include "sched/backtrace.h"

namespace pelton {
namespace {

Scheduler::Options WithShard(Scheduler::Options options, ShardId id) {
  options.shard = id.index();
  return options;
}

}  // namespace

Shard::Shard(ShardGroup& group, ShardId id, const Clock& clock, const Options& options)
    : group_(group),
      id_(id),
      scheduler_(clock, WithShard(options.scheduler, id)),
      reactor_(options.reactor),
      mail_(group.exchange(), id),
      gate_(std::make_shared<framework_internal::ForeignGate>(*this, options.foreign_limit)) {
  group_.ShardBusy();
}

Shard::~Shard() {
  CloseHandles();
  const Binding binding(*this);
  service_.reset();
  visitors_.reset();
}

ShardHandle Shard::handle() const { return ShardHandle(gate_); }

void Shard::CloseHandles() { gate_->Close(); }

void Shard::Start(const ServeFunction& serve) {
  // The scopes' frames are this shard's, so they are made by it.
  service_.emplace(&scheduler_.root(), TaskScope::Options{});
  visitors_.emplace(&scheduler_.root(), TaskScope::Options{});
  group_.ServiceStarted();
  service_->Spawn(&Shard::Serve, std::ref(*this), serve);
}

Task<absl::Status> Shard::Serve(Shard& shard, ServeFunction serve) {
  absl::Status status;
  if (shard.aborted_) co_return status;
  try {
    status = co_await serve(shard);
  } catch (...) {
    status = absl::InternalError(absl::StrCat("the service ended by an exception: ",
                                              DescribeException(std::current_exception())));
  }
  // What a stop interrupted has not failed.
  const bool stopped = shard.scheduler_.root().StoppedFrom(StopPhase::kAccepting) &&
                       (absl::IsCancelled(status) || absl::IsUnavailable(status));
  if (!status.ok() && !stopped) shard.group_.Fail(shard.id_, status);
  co_return absl::OkStatus();
}

void Shard::Abort() {
  const Binding binding(*this);
  aborted_ = true;
  scheduler_.BeginTurn();
  scheduler_.RunReady();
}

void Shard::BeginTurn() {
  scheduler_.BeginTurn();
  if (stall_detector_ != nullptr) stall_detector_->BeginTurn(scheduler_.now());
  frames_.DrainRemote();
  const uint32_t requests = group_.requests();
  if (requests != requests_seen_) [[unlikely]]
    Obey(requests);
}

void Shard::Obey(uint32_t requests) {
  const StopPhase stop = ShardGroup::StopOf(requests);
  const StopPhase stop_seen = ShardGroup::StopOf(requests_seen_);
  // Beyond the stop phase, the word counts dumps.
  const bool dump =
      requests - static_cast<uint32_t>(stop) != requests_seen_ - static_cast<uint32_t>(stop_seen);
  requests_seen_ = requests;
  if (dump) {
    std::ostringstream out;
    DumpTasks(out, scheduler_);
    LogLine(std::move(out).str());
  }
  if (stop == stop_seen) return;
  scheduler_.root().Stop(
      stop, stop == StopPhase::kEverything ? StopReason::kCancelled : StopReason::kDraining);
}

bool Shard::Finished(bool& changed) {
  changed = false;
  if (!service_ended_ && service_->live() == 0) {
    service_ended_ = true;
    group_.ServiceEnded();
    changed = true;
  }
  if (!group_.ServicesEnded()) return false;
  if (!services_ended_seen_) group_.CloseToForeignCalls();
  services_ended_seen_ = true;
  if (visitors_->live() > 0 && !visitors_->context().StoppedFrom(StopPhase::kEverything)) {
    visitors_->Cancel();
  }
  const bool at_rest = service_ended_ && visitors_->live() == 0 && !mail_.HasUnsent() &&
                       reactor_.in_flight() == 0 && scheduler_.external() == 0 &&
                       !scheduler_.HasReady();
  if (at_rest != at_rest_) {
    at_rest_ = at_rest;
    changed = true;
    if (at_rest) {
      group_.ShardAtRest();
    } else {
      group_.ShardBusy();
    }
  }
  return at_rest && group_.AllAtRest();
}

}  // namespace pelton
