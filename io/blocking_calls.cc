#include "io/blocking_calls.h"

#include <algorithm>
#include <cerrno>

#include "framework/base/check.h"
#include "io/call_now.h"
#include "sched/blocking/blocking_job.h"
#include "sched/blocking/blocking_pool.h"

namespace pelton::io {

// One call that is with the pool.
class BlockingCalls::Record final : private sched_internal::BlockingJob {
 public:
  Record(BlockingCalls& calls, BlockingPool& pool)
      : BlockingJob(pool, WhenFull::kWait), calls_(calls) {}

  using BlockingJob::Submit;
  using BlockingJob::Withdraw;

  // What came of it. REQUIRES: it is home.
  int result() const {
    if (ran()) return result_;
    return refusal().ok() ? -ECANCELED : -EAGAIN;
  }

  Operation* operation = nullptr;

 private:
  void Run() noexcept override { result_ = CallNow(*operation); }
  void OnHome() override { calls_.OnHome(*this); }

  BlockingCalls& calls_;
  int result_ = 0;
};

BlockingCalls::BlockingCalls(Reactor& reactor) : reactor_(reactor) {}

BlockingCalls::~BlockingCalls() {
  PELTON_CHECK(idle_.size() == records_.size()) << "a driver ends with calls in flight";
}

void BlockingCalls::Start(Operation& operation) {
  BlockingPool* const pool = reactor_.options().blocking_pool;
  if (pool == nullptr) return reactor_.Complete(operation, {.result = CallNow(operation)});
  if (idle_.empty()) {
    if (records_.size() >= reactor_.options().blocking_calls) {
      return waiting_.push_back(&operation);
    }
    records_.push_back(std::make_unique<Record>(*this, *pool));
    idle_.push_back(records_.back().get());
  }
  Record& record = *idle_.back();
  idle_.pop_back();
  Submit(record, operation);
}

void BlockingCalls::Submit(Record& record, Operation& operation) {
  record.operation = &operation;
  const bool submitted = record.Submit();
  PELTON_CHECK(submitted) << "a pool refused a job that may wait";
  ++reactor_.statistics().blocking_calls;
}

void BlockingCalls::OnHome(Record& record) {
  Operation& done = *record.operation;
  const int result = record.result();
  record.operation = nullptr;
  if (waiting_.empty()) {
    idle_.push_back(&record);
  } else {
    Operation& next = *waiting_.front();
    waiting_.pop_front();
    Submit(record, next);
  }
  reactor_.Complete(done, {.result = result});
}

bool BlockingCalls::Cancel(Operation& operation) {
  for (const std::unique_ptr<Record>& record : records_) {
    if (record->operation != &operation) continue;
    record->Withdraw();
    return true;
  }
  const auto at = std::find(waiting_.begin(), waiting_.end(), &operation);
  if (at == waiting_.end()) return false;
  waiting_.erase(at);
  reactor_.Complete(operation, {.result = -ECANCELED});
  return true;
}

}  // namespace pelton::io
