#include "framework/on.h"

namespace pelton::framework_internal {

void RemoteCall::SendRequest(PromiseBase& leaf) {
  caller_ = &leaf;
  const TaskContext& caller = *context();
  deadline_ = caller.deadline();
  group_ = SchedulingGroup::FromIndex(caller.group());
  // One that is stopped already is not interrupted any more.
  cancel_arrived_early_ = caller.StoppedFrom(StopPhase::kEverything);
  stop_reason_ = caller.stop_reason();
  request_.call = this;
  request_.deliver = [](MailNode* node) { static_cast<Node*>(node)->call->StartRemoteTask(); };
  Shard::Current()->mail().Send(target_, request_);
}

void RemoteCall::StartRemoteTask() {
  Scheduler& scheduler = *Scheduler::Current();
  const SchedulingGroup before = scheduler.ExchangeSpawnGroup(group_);
  SpawnRemoteTask();
  scheduler.ExchangeSpawnGroup(before);
}

void RemoteCall::RemoteTaskRuns(TaskContext& context) {
  remote_context_ = &context;
  PromiseBase* root = &Scheduler::Current()->leaf();
  while (root->parent() != nullptr) root = root->parent();
  root->set_caller_on_other_shard(*caller_);
  context.TightenDeadline(deadline_);
  if (cancel_arrived_early_) context.Stop(StopPhase::kEverything, stop_reason_);
}

void RemoteCall::SendReply() {
  remote_context_ = nullptr;
  request_.deliver = [](MailNode* node) { static_cast<Node*>(node)->call->Arrived(); };
  Shard::Current()->mail().Send(origin_, request_);
}

void RemoteCall::Interrupt() {
  if (cancel_sent_) return;
  cancel_sent_ = true;
  stop_reason_ = context()->stop_reason();
  ++outstanding_;
  cancel_.call = this;
  cancel_.deliver = [](MailNode* node) {
    RemoteCall* call = static_cast<Node*>(node)->call;
    if (call->remote_context_ != nullptr) {
      call->remote_context_->Stop(StopPhase::kEverything, call->stop_reason_);
    } else {
      call->cancel_arrived_early_ = true;
    }
    node->deliver = [](MailNode* back) { static_cast<Node*>(back)->call->Arrived(); };
    Shard::Current()->mail().Send(call->origin_, *node);
  };
  Shard::Current()->mail().Send(target_, cancel_);
}

void RemoteCall::Describe(std::ostream& out) const { out << "a task on shard " << target_; }

}  // namespace pelton::framework_internal
