// Unwinds a captured stack of this process, and says which function and line each address is.
//
// Uses libdw: .eh_frame for unwinding, which every program has; the symbol table or the dynamic
// symbols for names; .debug_line for lines, where the program was compiled with line tables (-g1)
// and not stripped. What is missing is left out: then a frame is FUNCTION+OFFSET, or
// MODULE+OFFSET.
//
// Shard affinity: one thread at a time. COST: the first use reads the program's debug information
// (tens of milliseconds, some megabytes); a frame takes tens of microseconds.

#ifndef PELTON_FRAMEWORK_INTERNAL_SYMBOLIZER_H_
#define PELTON_FRAMEWORK_INTERNAL_SYMBOLIZER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sched/native_stack.h"

namespace pelton {

class Symbolizer {
 public:
  // How many frames are unwound at most.
  static constexpr size_t kMaxFrames = 48;

  Symbolizer();
  ~Symbolizer();
  Symbolizer(const Symbolizer&) = delete;
  Symbolizer& operator=(const Symbolizer&) = delete;

  // The frames of `stack`, innermost first: "FUNCTION FILE:LINE" each, with "INLINED FILE:LINE,
  // inlined into " before it for code of inlined functions. There is one at least.
  std::vector<std::string> Describe(const NativeStack& stack);
  // The same of a single address, which lies in the instruction that is meant.
  std::string Describe(uintptr_t address);

 private:
  class Session;

  std::unique_ptr<Session> session_;
};

}  // namespace pelton

#endif  // PELTON_FRAMEWORK_INTERNAL_SYMBOLIZER_H_
