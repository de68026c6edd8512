// pelton-blocking-call: calls in coroutines that block the thread, and with it the whole shard.
//
// Also found is a call, in a coroutine, of a function that is no coroutine, whose body is in the
// same translation unit and outside of system headers, and that itself calls something blocking:
// one level deep. What a lambda does belongs to the lambda: one that is handed to RunBlocking runs
// elsewhere.

#ifndef PELTON_TOOLS_COROUTINE_CHECKER_BLOCKING_CHECK_H_
#define PELTON_TOOLS_COROUTINE_CHECKER_BLOCKING_CHECK_H_

#include <clang/AST/ASTContext.h>
#include <clang/AST/Decl.h>
#include <clang/AST/Stmt.h>

#include <map>
#include <optional>
#include <string>

#include "tools/coroutine_checker/blocking_calls.h"
#include "tools/coroutine_checker/findings.h"

namespace pelton::coroutine_checker {

inline constexpr char kBlockingCall[] = "pelton-blocking-call";

// Checks coroutines of one translation unit.
class BlockingCheck {
 public:
  BlockingCheck(const clang::ASTContext& context, const BlockingCalls& calls,
                const FileFilter& files, Findings& findings)
      : context_(context), calls_(calls), files_(files), findings_(findings) {}

  // Looks at a coroutine whose body is `body`.
  void Check(const clang::Stmt& body);

 private:
  struct Inner {
    BlockingCall call;
    Place place;
  };

  // The first blocking call in the body of `function`.
  const std::optional<Inner>& FirstIn(const clang::FunctionDecl& function);
  std::optional<Inner> Search(const clang::FunctionDecl& function);

  const clang::ASTContext& context_;
  const BlockingCalls& calls_;
  const FileFilter& files_;
  Findings& findings_;
  std::map<const clang::FunctionDecl*, std::optional<Inner>> searched_;
};

}  // namespace pelton::coroutine_checker

#endif  // PELTON_TOOLS_COROUTINE_CHECKER_BLOCKING_CHECK_H_
