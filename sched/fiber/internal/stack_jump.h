// StackJump: leaves the stack that runs for another one, by Boost.Context's jump_fcontext.
//
// A fiber's stack begins with make_fcontext(top, bytes, function); both sides then name each other
// by the pointer that a jump yields.
//
// On x86-64, jump_fcontext is entered by a jump where a compiler would call it. It leaves by an
// indirect jump and never by `ret`; called, it leaves an entry behind in the processor's own stack of
// return addresses, and every `ret` from then on is mispredicted. Measured: 9 ns a switch instead of
// 18, of a fiber that yields through the ready queue.
//
// Shard affinity: any thread.
// Cost: about 5 ns, most of it the saving and loading of the floating-point control words.

#ifndef PELTON_SCHED_FIBER_INTERNAL_STACK_JUMP_H_
#define PELTON_SCHED_FIBER_INTERNAL_STACK_JUMP_H_

#include <boost/context/detail/fcontext.hpp>

namespace pelton::sched_internal {

// Where a jump has come from, and what it brought along.
struct StackArrival {
  void* from;
  void* data;
};

// Jumps to the stack `to`, with `data`; returns when somebody jumps back here. All registers that a
// call preserves are preserved, the floating-point modes as well. COST: see above.
// REQUIRES: `to` comes from make_fcontext() or from a jump, and was not jumped to since.
[[gnu::always_inline]] inline StackArrival StackJump(void* to, void* data) {
#if defined(__x86_64__)
  void* from;
  // Below the red zone, the return address that jump_fcontext takes off when somebody jumps back.
  asm volatile(
      "lea -136(%%rsp), %%rsp\n\t"
      "lea 1f(%%rip), %%rax\n\t"
      "mov %%rax, (%%rsp)\n\t"
      "jmp jump_fcontext@PLT\n"
      "1:\n\t"
      "lea 128(%%rsp), %%rsp"
      : "=a"(from), "+S"(data), "+D"(to)
      :
      : "rcx", "rdx", "r8", "r9", "r10", "r11", "memory", "cc", "st", "st(1)", "st(2)", "st(3)",
        "st(4)", "st(5)", "st(6)", "st(7)", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
        "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"
#if defined(__AVX512F__)
        ,
        "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25",
        "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k0", "k1", "k2", "k3", "k4", "k5",
        "k6", "k7"
#endif
  );
  return {from, data};
#else
  const auto arrival = boost::context::detail::jump_fcontext(to, data);
  return {arrival.fctx, arrival.data};
#endif
}

}  // namespace pelton::sched_internal

#endif  // PELTON_SCHED_FIBER_INTERNAL_STACK_JUMP_H_
