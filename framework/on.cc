#include "framework/on.h"

namespace pelton::framework_internal {

void RemoteCall::SendRequest() {
  request_.call = this;
  request_.deliver = [](MailNode* node) {
    static_cast<Node*>(node)->call->StartRemoteTask();
  };
  Shard::Current()->mail().Send(target_, request_);
}

void RemoteCall::RemoteTaskRuns(TaskContext& context) {
  remote_context_ = &context;
  if (cancel_arrived_early_) context.Stop(StopPhase::kEverything, StopReason::kCancelled);
}

void RemoteCall::SendReply() {
  remote_context_ = nullptr;
  request_.deliver = [](MailNode* node) { static_cast<Node*>(node)->call->Arrived(); };
  Shard::Current()->mail().Send(origin_, request_);
}

void RemoteCall::Interrupt() {
  if (cancel_sent_) return;
  cancel_sent_ = true;
  ++outstanding_;
  cancel_.call = this;
  cancel_.deliver = [](MailNode* node) {
    RemoteCall* call = static_cast<Node*>(node)->call;
    if (call->remote_context_ != nullptr) {
      call->remote_context_->Stop(StopPhase::kEverything, StopReason::kCancelled);
    } else {
      call->cancel_arrived_early_ = true;
    }
    node->deliver = [](MailNode* back) { static_cast<Node*>(back)->call->Arrived(); };
    Shard::Current()->mail().Send(call->origin_, *node);
  };
  Shard::Current()->mail().Send(target_, cancel_);
}

}  // namespace pelton::framework_internal
