// The record behind a Process: the child's number and descriptor, and its end. Private to io/process.
//
// Shard affinity: the shard that spawned it.
// Ownership: the Process's, until it is abandoned; then its own: it kills the child, reaps it when the
// kernel says that it has ended, and frees itself.
// Invariants: 1. the child is reaped exactly once, by this record; 2. no signal is sent after that,
// so none reaches a process that got the number next.

#ifndef PELTON_IO_PROCESS_CHILD_H_
#define PELTON_IO_PROCESS_CHILD_H_

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/operation.h"
#include "io/process/exit_status.h"

namespace pelton::io {

class Child final : private Operation {
 public:
  // Takes the child and its pidfd over. `leads_group`: signals go to its group.
  Child(pid_t pid, int process_descriptor, bool leads_group, std::string name);
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Kills the child if it runs, and frees this record when it was reaped.
  void Abandon();

  // Whether the child has ended. Reaps it, when it just has.
  bool Ended();
  // REQUIRES: Ended(). ERRORS: FAILED_PRECONDITION when somebody else has reaped it.
  absl::StatusOr<ExitStatus> status() const;
  // OK and without effect when the child has ended.
  absl::Status Signal(int signal);

  pid_t pid() const { return pid_; }
  int process_descriptor() const { return Operation::descriptor; }
  // Program and number.
  const std::string& name() const { return name_; }

 private:
  ~Child();
  void OnCompletion(const Completion& completion) override;

  const pid_t pid_;
  const bool leads_group_;
  const std::string name_;
  std::optional<ExitStatus> status_;
  bool lost_ = false;  // somebody else has reaped it
};

struct AbandonChild {
  void operator()(Child* child) const { child->Abandon(); }
};
using ChildPointer = std::unique_ptr<Child, AbandonChild>;

}  // namespace pelton::io

#endif  // PELTON_IO_PROCESS_CHILD_H_
