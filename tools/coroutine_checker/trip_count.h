// How often a loop can go round, as far as the compiler can tell.

#ifndef PELTON_TOOLS_COROUTINE_CHECKER_TRIP_COUNT_H_
#define PELTON_TOOLS_COROUTINE_CHECKER_TRIP_COUNT_H_

#include <clang/AST/ASTContext.h>
#include <clang/AST/Stmt.h>

#include <cstdint>

namespace pelton::coroutine_checker {

struct TripCount {
  enum Kind {
    kAtMost,     // `most` times
    kUnbounded,  // as often as data, or nothing, says
    kDependent,  // a template parameter decides: ask of the instantiations
  };
  Kind kind = kUnbounded;
  uint64_t most = 0;
};

// Whether `statement` is a loop.
bool IsLoop(const clang::Stmt& statement);

// The most iterations of a loop. Known are:
// - `for` with a counter that only the loop's head changes, by a constant step or factor, and that
//   is compared with a bound. Start and bound may be constants, std::min() with one, a remainder or
//   mask of one, or values of one byte; one of several conditions joined by && is enough.
// - range-`for` over an array, a std::array, a std::span of fixed extent, or a list in braces.
// - loops whose condition is the constant false (`do { } while (false)`).
// REQUIRES: IsLoop(loop).
TripCount MostTrips(const clang::Stmt& loop, const clang::ASTContext& context);

}  // namespace pelton::coroutine_checker

#endif  // PELTON_TOOLS_COROUTINE_CHECKER_TRIP_COUNT_H_
