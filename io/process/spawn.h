// Starts a child process: the system calls behind Process::Spawn(). Private to io/process.
//
// clone(2) with CLONE_VM and CLONE_VFORK, as posix_spawn(3) does it: no page table is copied, and the
// calling thread stands still until the program is loaded. Between them the child runs on a stack of
// its own in this process's memory and calls the kernel and nothing else. CLONE_PIDFD yields a
// descriptor that means this child for good, whatever becomes of its number.
//
// Shard affinity: Prepare() the shard's; Start() any thread, once.
// Ownership: the caller's, who takes the child's descriptor; what is left of the pipes is closed.

#ifndef PELTON_IO_PROCESS_SPAWN_H_
#define PELTON_IO_PROCESS_SPAWN_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "io/process/command.h"

namespace pelton::io {

class SpawnRequest {
 public:
  // What keeps a child from its program.
  enum class Step {
    kRun,  // execve(2)
    kGroup,
    kDirectory,
    kLimit,
    kDescriptors,
    kParent,  // PR_SET_PDEATHSIG
    // Before the child exists:
    kClone,
    kInput,
    kOutput,
    kError,
    kProcessDescriptor,  // the kernel gave none
  };

  explicit SpawnRequest(const Command& command) : command_(command) {}
  SpawnRequest(const SpawnRequest&) = delete;
  SpawnRequest& operator=(const SpawnRequest&) = delete;
  // REQUIRES: the child that was started was taken.
  ~SpawnRequest();

  // Checks the command and brings it into the kernel's form. ERRORS: InvalidArgument names what is
  // wrong.
  absl::Status Prepare();
  // Starts the child; blocks until it runs its program. Returns 0 or a negative errno. REQUIRES:
  // prepared.
  int Start();
  // The error that Start() met.
  absl::Status Failure() const;

  pid_t pid() const { return pid_; }
  // Hands out what Start() has made: the pidfd, and our ends of the pipes, -1 where there is none.
  int TakeProcessDescriptor() { return std::exchange(process_descriptor_, -1); }
  int TakePipe(int stream) { return std::exchange(our_ends_[stream], -1); }

 private:
  friend struct ChildMain;

  struct Mapping {
    int source;
    int target;
  };

  int OpenStream(int stream);
  int Clone();
  int Fail(Step step, int error_number);
  void FindCandidates();
  void AddMappings();
  void CloseTheirEnds();
  const ChildStream& StreamOf(int stream) const;

  const Command& command_;
  std::vector<std::string> candidates_;  // paths to try
  std::vector<const char*> candidate_pointers_;
  std::vector<const char*> arguments_;
  std::vector<const char*> environment_;
  std::vector<Mapping> mappings_;
  int first_free_ = 0;  // above every target
  int descriptor_limit_ = 0;
  pid_t parent_ = 0;

  int their_ends_[3] = {-1, -1, -1};
  int our_ends_[3] = {-1, -1, -1};
  pid_t pid_ = 0;
  int process_descriptor_ = -1;
  Step failed_step_ = Step::kRun;
  int error_ = 0;
  int failed_limit_ = 0;
};

}  // namespace pelton::io

#endif  // PELTON_IO_PROCESS_SPAWN_H_
