#include "framework/internal/home_request.h"

#include "framework/base/check.h"

namespace pelton::framework_internal {

HomeRequest::HomeRequest(ShardId home) : origin_(Shard::Current()->id()), home_(home) {
  PELTON_CHECK(home.index() < Shard::Current()->shards())
      << "something that lives on shard " << home << " was used: there are "
      << Shard::Current()->shards() << " shards";
}

absl::Status HomeRequest::StopStatus() {
  return Scheduler::Current()->current_context().StopStatus();
}

void HomeRequest::Begin(PromiseBase& leaf) {
  if (StoppedBeforeWaiting()) [[unlikely]] {
    stopped_ = true;
    return Requeue(leaf);
  }
  if (at_home()) {
    if (TryFinish()) return Requeue(leaf);
    line().PushBack(*this);
    return Suspend(leaf);
  }
  Suspend(leaf);
  outstanding_ = 1;
  request_.request = this;
  request_.deliver = [](MailNode* node) { static_cast<Node*>(node)->request->Arrive(); };
  Shard::Current()->mail().Send(home_, request_);
}

void HomeRequest::Arrive() {
  if (TryFinish()) return Finish();
  line().PushBack(*this);
}

void HomeRequest::Finish() {
  if (at_home()) return Resume();
  request_.deliver = [](MailNode* node) { static_cast<Node*>(node)->request->Returned(1); };
  Shard::Current()->mail().Send(origin_, request_);
}

void HomeRequest::LeaveLine() {
  Unlink();
  stopped_ = true;
}

void HomeRequest::Interrupt() {
  if (at_home()) {
    LeaveLine();
    Resume();
    return GaveUp();
  }
  if (stop_sent_) return;
  stop_sent_ = true;
  ++outstanding_;
  stop_.request = this;
  stop_.deliver = [](MailNode* node) { static_cast<Node*>(node)->request->ArriveStopped(); };
  Shard::Current()->mail().Send(home_, stop_);
}

void HomeRequest::ArriveStopped() {
  const bool waits = linked();
  if (waits) {
    // Both nodes are here, and one is enough to say so.
    LeaveLine();
    stop_.deliver = [](MailNode* node) { static_cast<Node*>(node)->request->Returned(2); };
  } else {
    stop_.deliver = [](MailNode* node) { static_cast<Node*>(node)->request->Returned(1); };
  }
  Shard::Current()->mail().Send(origin_, stop_);
  if (waits) GaveUp();
}

void HomeRequest::Returned(int nodes) {
  outstanding_ -= nodes;
  if (outstanding_ == 0) Resume();
}

void CheckMayEnd(const char* primitive, ShardId home, const HomeLine& line) {
  const Shard* const shard = Shard::Current();
  PELTON_CHECK(shard == nullptr || shard->id() == home)
      << primitive << " of shard " << home << " was destroyed on shard " << shard->id();
  PELTON_CHECK(line.empty()) << primitive << " was destroyed while tasks wait for it";
}

void CheckAtHome(const char* primitive, ShardId home) {
  const Shard* const shard = Shard::Current();
  PELTON_CHECK(shard != nullptr && shard->id() == home)
      << primitive << " of shard " << home << " was looked into from elsewhere";
}

}  // namespace pelton::framework_internal
