// The part of a syntax tree that runs when a function runs.

#ifndef PELTON_TOOLS_COROUTINE_CHECKER_SYNTAX_H_
#define PELTON_TOOLS_COROUTINE_CHECKER_SYNTAX_H_

#include <clang/AST/ASTContext.h>
#include <clang/AST/Decl.h>
#include <clang/AST/Stmt.h>
#include <llvm/ADT/STLFunctionalExtras.h>
#include <llvm/ADT/SmallVector.h>

#include <string>

namespace pelton::coroutine_checker {

// The children of `statement` that run as part of the same function, in the order of the source:
// without the bodies of lambdas, operands that are not evaluated (sizeof), branches of
// `if constexpr` that are not taken, and what the compiler adds to a coroutine.
llvm::SmallVector<const clang::Stmt*, 8> ChildrenThatRun(const clang::Stmt& statement,
                                                         const clang::ASTContext& context);

// `visit` is called for `statement` and all below it that runs with it, parents first, until it
// returns true. Returns whether it did.
bool AnyThatRuns(const clang::Stmt& statement, const clang::ASTContext& context,
                 llvm::function_ref<bool(const clang::Stmt&)> visit);

// Whether `statement` is a co_await or co_yield.
bool IsAwait(const clang::Stmt& statement);

// What the programmer wrote as the body of `function` when it is a coroutine, else null.
const clang::Stmt* CoroutineBodyOf(const clang::FunctionDecl& function);

// `std::mutex::lock`: with all enclosing classes and namespaces but inline ones, without template
// arguments.
std::string QualifiedNameOf(const clang::NamedDecl& declaration);

}  // namespace pelton::coroutine_checker

#endif  // PELTON_TOOLS_COROUTINE_CHECKER_SYNTAX_H_
