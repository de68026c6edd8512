// pelton-await-free-loop: loops in coroutines that hold no co_await and may run long.
//
// While such a loop runs, no other task of the shard does. A loop is left alone when
// - its body, condition or step holds a co_await or co_yield (on some path: which one is taken is
//   not considered);
// - it can go round at most `max_trips` times, counted together with the await-free loops around it
//   (trip_count.h says what is known);
// - a comment vouches for it: `// pelton: bounded REASON` on a line of the loop's head or in the
//   comment right above it. The reason is not optional. It covers the loops inside, too.

#ifndef PELTON_TOOLS_COROUTINE_CHECKER_LOOP_CHECK_H_
#define PELTON_TOOLS_COROUTINE_CHECKER_LOOP_CHECK_H_

#include <clang/AST/ASTContext.h>
#include <clang/AST/Stmt.h>

#include <cstdint>

#include "tools/coroutine_checker/findings.h"

namespace pelton::coroutine_checker {

inline constexpr char kAwaitFreeLoop[] = "pelton-await-free-loop";

// Looks at the loops of a coroutine whose body is `body`.
void CheckLoops(const clang::Stmt& body, const clang::ASTContext& context, uint64_t max_trips,
                Findings& findings);

}  // namespace pelton::coroutine_checker

#endif  // PELTON_TOOLS_COROUTINE_CHECKER_LOOP_CHECK_H_
