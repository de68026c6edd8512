// A thread's native stack as a signal found it: the registers and the innermost part of the stack,
// copied so that another thread can unwind it by the tables of the program (.eh_frame), also through
// code without frame pointers such as libc's.
//
//   void OnSignal(int, siginfo_t*, void* context) {
//     stack.Capture(*static_cast<const ucontext_t*>(context));
//   }
//
// Capture() is async-signal-safe and needs no bounds of the stack: it copies page by page through
// the kernel, which stops at the first page that is not there. So it works on fibers' stacks, and
// when the stack pointer is nonsense.
//
// Shard affinity: any thread; one at a time. COST: 33 KiB; a capture is one system call, some
// microseconds.

#ifndef PELTON_SCHED_NATIVE_STACK_H_
#define PELTON_SCHED_NATIVE_STACK_H_

#include <ucontext.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace pelton {

class NativeStack {
 public:
  // How much of the stack is copied at most, from the stack pointer on.
  static constexpr size_t kMaxBytes = 32768;
  // The registers that unwinding starts with, in the order of DWARF's numbers for the architecture.
#if defined(__x86_64__)
  static constexpr size_t kRegisters = 17;  // the last is the return address column: the pc
#elif defined(__aarch64__)
  static constexpr size_t kRegisters = 32;  // x0 to x30, sp
#endif

  // Takes the registers of `context`, and the stack that they point to. Async-signal-safe; may
  // change errno.
  void Capture(const ucontext_t& context);

  uintptr_t pc() const { return pc_; }
  uintptr_t stack_pointer() const { return stack_pointer_; }
  const std::array<uint64_t, kRegisters>& registers() const { return registers_; }
  // How many bytes from stack_pointer() on were copied; 0 when the kernel would not.
  size_t bytes() const { return bytes_; }
  // Whether the thread was interrupted in a system call, or at the instruction after one.
  bool in_system_call() const { return in_system_call_; }

  // Reads the word at `address`. Returns false when it was not copied.
  bool ReadWord(uintptr_t address, uint64_t* word) const;

 private:
  uintptr_t pc_ = 0;
  uintptr_t stack_pointer_ = 0;
  size_t bytes_ = 0;
  bool in_system_call_ = false;
  std::array<uint64_t, kRegisters> registers_ = {};
  alignas(uint64_t) std::array<unsigned char, kMaxBytes> copy_;
};

// Copies up to `length` bytes of this process's memory at `address`, as far as its pages can be
// read. Returns how many. Async-signal-safe; may change errno. REQUIRES: length <= kMaxBytes.
size_t ReadMemorySafely(uintptr_t address, void* to, size_t length);

}  // namespace pelton

#endif  // PELTON_SCHED_NATIVE_STACK_H_
