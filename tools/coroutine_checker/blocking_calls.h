// The calls that block a thread, and what to use instead.

#ifndef PELTON_TOOLS_COROUTINE_CHECKER_BLOCKING_CALLS_H_
#define PELTON_TOOLS_COROUTINE_CHECKER_BLOCKING_CALLS_H_

#include <clang/AST/ASTContext.h>
#include <clang/AST/Expr.h>
#include <llvm/ADT/StringMap.h>
#include <llvm/ADT/StringRef.h>

#include <optional>
#include <string>

namespace pelton::coroutine_checker {

// What is known of a blocking call.
struct BlockingCall {
  std::string name;    // as users write it: `std::future::get`
  std::string advice;  // what to do instead
};

// A table by qualified name; constructors are named like `std::lock_guard::lock_guard`.
class BlockingCalls {
 public:
  // Starts with what C, POSIX, Linux, the standard library and Abseil offer.
  BlockingCalls();

  // Adds a function or member function of any library.
  void Add(llvm::StringRef name, llvm::StringRef advice);
  // Forgets one. Returns whether it was there.
  bool Remove(llvm::StringRef name);

  // What blocks when `expression`, a call or a construction, is evaluated, if anything: flags and
  // time-outs that make the call return at once (MSG_DONTWAIT, poll's time-out of 0, try_to_lock)
  // are heeded.
  std::optional<BlockingCall> Find(const clang::Stmt& expression,
                                   const clang::ASTContext& context) const;

 private:
  struct Entry {
    std::string advice;
    bool is_c = false;  // only a function with C linkage is meant
  };

  llvm::StringMap<Entry> entries_;
};

}  // namespace pelton::coroutine_checker

#endif  // PELTON_TOOLS_COROUTINE_CHECKER_BLOCKING_CALLS_H_
