// Command: what a child process runs, and in which surroundings.
//
//   Command command("sort", {"-n"});
//   command.input = command.output = ChildStream::Pipe();
//   command.environment = {"LC_ALL=C"};
//
// A value without shard affinity.

#ifndef PELTON_IO_PROCESS_COMMAND_H_
#define PELTON_IO_PROCESS_COMMAND_H_

#include <sys/resource.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace pelton {

// Where one of a child's standard streams leads.
class ChildStream {
 public:
  enum class Kind { kInherit, kNull, kPipe, kDescriptor, kFile, kAppendToFile, kSameAsOutput };

  // This process's own.
  static ChildStream Inherit() { return ChildStream(Kind::kInherit); }
  // /dev/null: reading ends at once, what is written is dropped.
  static ChildStream Null() { return ChildStream(Kind::kNull); }
  // A pipe to this process, whose other end the Process has.
  static ChildStream Pipe() { return ChildStream(Kind::kPipe); }
  // A descriptor of this process. It stays the caller's, and open until Spawn() has returned.
  static ChildStream Descriptor(int descriptor) {
    ChildStream stream(Kind::kDescriptor);
    stream.descriptor_ = descriptor;
    return stream;
  }
  // A file: read from the beginning, or written anew; it is created with mode 0666 less the umask.
  static ChildStream File(std::string path) { return {Kind::kFile, std::move(path)}; }
  // The same, written behind what is there.
  static ChildStream AppendToFile(std::string path) {
    return {Kind::kAppendToFile, std::move(path)};
  }
  // For `error`: wherever `output` goes, in the order of writing.
  static ChildStream SameAsOutput() { return ChildStream(Kind::kSameAsOutput); }

  Kind kind() const { return kind_; }
  int descriptor() const { return descriptor_; }
  const std::string& path() const { return path_; }

 private:
  explicit ChildStream(Kind kind) : kind_(kind) {}
  ChildStream(Kind kind, std::string path) : kind_(kind), path_(std::move(path)) {}

  Kind kind_;
  int descriptor_ = -1;
  std::string path_;
};

struct Command {
  // Whom signals of the terminal and Kill() reach.
  enum class Group {
    kSame,        // the child is in this process's group: Ctrl-C reaches it, too
    kNew,         // it leads a group: signals reach its own children as well
    kNewSession,  // the same, and it has no controlling terminal
  };
  // A descriptor that the child gets besides its standard streams.
  struct PassedDescriptor {
    int ours;    // stays the caller's, and open until Spawn() has returned
    int theirs;  // its number in the child; at least 3
  };
  struct ResourceLimit {
    int resource;  // RLIMIT_*
    rlimit limit;
  };

  Command() = default;
  explicit Command(std::string program_to_run, std::vector<std::string> its_arguments = {})
      : program(std::move(program_to_run)), arguments(std::move(its_arguments)) {}

  // A path, or a name that is looked up in this process's PATH. A relative path counts from the
  // child's working directory.
  std::string program;
  // Without the program's own name, which comes first by itself.
  std::vector<std::string> arguments;
  // All of its environment, as NAME=VALUE; none: this process's.
  std::optional<std::vector<std::string>> environment;
  // Empty: this process's.
  std::string working_directory;
  ChildStream input = ChildStream::Inherit();
  ChildStream output = ChildStream::Inherit();
  ChildStream error = ChildStream::Inherit();
  // Nothing else is left open in the child, not even what lacks FD_CLOEXEC.
  std::vector<PassedDescriptor> descriptors;
  Group group = Group::kSame;
  std::vector<ResourceLimit> limits;
  // The signal that the kernel sends the child when this shard's thread ends, also by a crash
  // (PR_SET_PDEATHSIG); 0: none. The thread that starts the child is the one that counts, so such a
  // child is started on the shard itself, which is blocked until the program is loaded.
  int signal_when_shard_ends = 0;
};

}  // namespace pelton

#endif  // PELTON_IO_PROCESS_COMMAND_H_
