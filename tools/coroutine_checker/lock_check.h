// pelton-lock-across-await: a thread's lock that a coroutine still holds while it waits.
//
// The task may wait for another that wants the same lock on the same thread, which is a deadlock,
// and every other shard that wants it blocks meanwhile. Found are guards of the standard library
// and of Abseil with a co_await or co_yield later in their block, unless `unlock()`, `release()` or
// `Release()` of the guard comes before it.

#ifndef PELTON_TOOLS_COROUTINE_CHECKER_LOCK_CHECK_H_
#define PELTON_TOOLS_COROUTINE_CHECKER_LOCK_CHECK_H_

#include <clang/AST/ASTContext.h>
#include <clang/AST/Stmt.h>

#include "tools/coroutine_checker/findings.h"

namespace pelton::coroutine_checker {

inline constexpr char kLockAcrossAwait[] = "pelton-lock-across-await";

// Looks at the guards of a coroutine whose body is `body`.
void CheckLocks(const clang::Stmt& body, const clang::ASTContext& context, Findings& findings);

}  // namespace pelton::coroutine_checker

#endif  // PELTON_TOOLS_COROUTINE_CHECKER_LOCK_CHECK_H_
