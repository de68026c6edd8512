#include "sched/native_stack.h"

#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace pelton {
namespace {

#if defined(__x86_64__)
constexpr unsigned char kSystemCall[] = {0x0f, 0x05};
#elif defined(__aarch64__)
constexpr unsigned char kSystemCall[] = {0x01, 0x00, 0x00, 0xd4};
#endif

}  // namespace

size_t ReadMemorySafely(uintptr_t address, void* to, size_t length) {
  // The kernel copies whole elements or none, so each ends with its page. The least page there is
  // does for larger ones.
  constexpr size_t kPage = 4096;
  iovec pages[NativeStack::kMaxBytes / kPage + 1];
  size_t count = 0;
  for (size_t at = 0; at < length; ++count) {
    const size_t part = std::min(length - at, kPage - (address + at) % kPage);
    pages[count] = {.iov_base = reinterpret_cast<void*>(address + at), .iov_len = part};
    at += part;
  }
  const iovec copy = {.iov_base = to, .iov_len = length};
  // Not by its function, which sanitizers replace. Its arguments are words.
  const long copied =
      ::syscall(SYS_process_vm_readv, long{::getpid()}, &copy, 1UL, pages, count, 0UL);
  return copied > 0 ? static_cast<size_t>(copied) : 0;
}

void NativeStack::Capture(const ucontext_t& context) {
  const mcontext_t& machine = context.uc_mcontext;
#if defined(__x86_64__)
  constexpr int kOrder[] = {REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI,
                            REG_RBP, REG_RSP, REG_R8,  REG_R9,  REG_R10, REG_R11,
                            REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP};
  static_assert(std::size(kOrder) == kRegisters);
  for (size_t i = 0; i < kRegisters; ++i) {
    registers_[i] = static_cast<uint64_t>(machine.gregs[kOrder[i]]);
  }
  pc_ = static_cast<uintptr_t>(machine.gregs[REG_RIP]);
  stack_pointer_ = static_cast<uintptr_t>(machine.gregs[REG_RSP]);
#elif defined(__aarch64__)
  for (size_t i = 0; i < 31; ++i) registers_[i] = machine.regs[i];
  registers_[31] = machine.sp;
  pc_ = machine.pc;
  stack_pointer_ = machine.sp;
#endif
  bytes_ = ReadMemorySafely(stack_pointer_, copy_.data(), kMaxBytes);
  unsigned char code[sizeof(kSystemCall)];
  in_system_call_ = ReadMemorySafely(pc_ - sizeof(code), code, sizeof(code)) == sizeof(code) &&
                    std::memcmp(code, kSystemCall, sizeof(code)) == 0;
}

bool NativeStack::ReadWord(uintptr_t address, uint64_t* word) const {
  const uintptr_t offset = address - stack_pointer_;  // huge for what lies below
  if (offset >= bytes_ || bytes_ - offset < sizeof(*word)) return false;
  std::memcpy(word, copy_.data() + offset, sizeof(*word));
  return true;
}

}  // namespace pelton
