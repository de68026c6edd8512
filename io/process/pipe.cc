#include "io/process/pipe.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "absl/strings/str_cat.h"
#include "framework/base/status.h"

namespace pelton {
namespace {

constexpr size_t kReadBytes = size_t{16} << 10;

io::DescriptorPointer MakeRecord(int descriptor, std::string_view name) {
  return io::DescriptorPointer(new io::DescriptorRecord(descriptor, std::string(name)));
}

// Sees to it that a write without readers is an error and not the end of the process. A handler of
// the program's own stays.
void SurviveBrokenPipes() {
  static const bool done = [] {
    struct sigaction action;
    if (::sigaction(SIGPIPE, nullptr, &action) == 0 && (action.sa_flags & SA_SIGINFO) == 0 &&
        action.sa_handler == SIG_DFL) {
      ::signal(SIGPIPE, SIG_IGN);
    }
    return true;
  }();
  (void)done;
}

}  // namespace

PipeReader PipeReader::Adopt(int descriptor, std::string_view name) {
  return PipeReader(MakeRecord(descriptor, name));
}

PipeWriter PipeWriter::Adopt(int descriptor, std::string_view name) {
  SurviveBrokenPipes();
  return PipeWriter(MakeRecord(descriptor, name));
}

Task<absl::StatusOr<std::string>> PipeReader::ReadToEnd(size_t limit) {
  std::string text;
  for (;;) {
    const size_t size = text.size();
    // A byte more than the limit, to see whether there is one.
    const size_t room = std::min(std::max(kReadBytes, size), limit - size + 1);
    text.resize(size + room);
    PELTON_CO_ASSIGN_OR_RETURN(const size_t count, co_await ReadInto({text.data() + size, room}));
    text.resize(size + count);
    if (count == 0) co_return text;
    if (text.size() > limit) {
      co_return absl::ResourceExhaustedError(
          absl::StrCat("read from ", name(), ": more than the limit of ", limit, " bytes"));
    }
  }
}

absl::StatusOr<Pipe> MakePipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return ErrnoToStatus(errno, "make a pipe");
  return Pipe{PipeReader::Adopt(ends[0], "pipe"), PipeWriter::Adopt(ends[1], "pipe")};
}

}  // namespace pelton
