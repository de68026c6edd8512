#include "sched/fiber/internal/stack_overflow.h"

#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "framework/base/check.h"
#include "framework/base/status.h"
#include "sched/fiber/internal/fiber_control.h"

namespace pelton::sched_internal {
namespace {

// For the frame of the signal, this handler, and those that it hands on to.
constexpr size_t kHandlerBytes = 64 * 1024;

struct sigaction previous_action;

// Text put together without an allocation, for a signal handler. What does not fit is cut off.
class SignalSafeText {
 public:
  void Append(std::string_view text) {
    const size_t bytes = std::min(text.size(), text_.size() - size_);
    std::copy_n(text.data(), bytes, text_.data() + size_);
    size_ += bytes;
  }
  void Append(uint64_t number) {
    std::array<char, 20> digits;
    size_t first = digits.size();
    do {
      digits[--first] = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number != 0);
    Append(std::string_view(digits.data() + first, digits.size() - first));
  }
  // There is nobody left to tell when it fails.
  void Write() const {
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text_.data(), size_);
  }

 private:
  std::array<char, 512> text_;
  size_t size_ = 0;
};

void ReportOverflow(const FiberControl& fiber) {
  SignalSafeText text;
  text.Append("FATAL fiber ");
  text.Append(fiber.name().substr(0, 200));
  text.Append(" overflowed its stack of ");
  text.Append(fiber.stack()->bytes());
  text.Append(
      " bytes; raise FiberOptions::stack_bytes, or put large locals on the heap and bound the "
      "recursion\n");
  text.Write();
}

// Does what would have happened without this handler.
void HandOn(int signal, siginfo_t* info, void* context) {
  if ((previous_action.sa_flags & SA_SIGINFO) != 0) {
    previous_action.sa_sigaction(signal, info, context);
  } else if (previous_action.sa_handler != SIG_DFL && previous_action.sa_handler != SIG_IGN) {
    previous_action.sa_handler(signal);
  } else if (info->si_code <= 0 && previous_action.sa_handler == SIG_IGN) {
    return;  // sent by a process, and it was to be ignored
  } else {
    // The default action, and the fault's own place in the core file: the instruction runs again.
    struct sigaction by_default = {};
    by_default.sa_handler = SIG_DFL;
    ::sigaction(signal, &by_default, nullptr);
    if (info->si_code <= 0) ::raise(signal);  // sent by a process: there is no instruction
  }
}

void OnSegmentationFault(int signal, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  const FiberControl* const fiber = FiberControl::Running();
  if (fiber != nullptr && info->si_code > 0 &&
      fiber->stack()->GuardContains(reinterpret_cast<uintptr_t>(info->si_addr))) {
    ReportOverflow(*fiber);
  }
  HandOn(signal, info, context);
  errno = saved_errno;
}

bool InstallHandler() {
  struct sigaction action = {};
  action.sa_sigaction = &OnSegmentationFault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  ::sigemptyset(&action.sa_mask);
  PELTON_CHECK(::sigaction(SIGSEGV, nullptr, &previous_action) == 0) << ErrnoName(errno);
  PELTON_CHECK(::sigaction(SIGSEGV, &action, nullptr) == 0) << ErrnoName(errno);
  return true;
}

// Gives the thread an alternate signal stack as long as it lives, unless it has one.
class AlternateStack {
 public:
  AlternateStack() {
    stack_t present;
    PELTON_CHECK(::sigaltstack(nullptr, &present) == 0) << ErrnoName(errno);
    if ((present.ss_flags & SS_DISABLE) == 0) return;
    bytes_ = std::max<size_t>(kHandlerBytes, kHandlerBytes / 2 + ::getauxval(AT_MINSIGSTKSZ));
    memory_ = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory_ == MAP_FAILED) return;  // an overflow is a bare SIGSEGV then
    const stack_t own = {.ss_sp = memory_, .ss_flags = 0, .ss_size = bytes_};
    PELTON_CHECK(::sigaltstack(&own, nullptr) == 0) << ErrnoName(errno);
  }
  ~AlternateStack() {
    if (memory_ == MAP_FAILED) return;
    stack_t present;
    PELTON_CHECK(::sigaltstack(nullptr, &present) == 0) << ErrnoName(errno);
    if (present.ss_sp != memory_) return;  // replaced; who did may keep it to put it back
    const stack_t none = {.ss_sp = nullptr, .ss_flags = SS_DISABLE, .ss_size = 0};
    PELTON_CHECK(::sigaltstack(&none, nullptr) == 0) << ErrnoName(errno);
    PELTON_CHECK(::munmap(memory_, bytes_) == 0) << ErrnoName(errno);
  }
  AlternateStack(const AlternateStack&) = delete;
  AlternateStack& operator=(const AlternateStack&) = delete;

 private:
  void* memory_ = MAP_FAILED;
  size_t bytes_ = 0;
};

}  // namespace

void ReportStackOverflows() {
  [[maybe_unused]] static const bool installed = InstallHandler();
  [[maybe_unused]] thread_local const AlternateStack alternate_stack;
}

}  // namespace pelton::sched_internal
