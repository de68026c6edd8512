#include "tools/coroutine_checker/lock_check.h"

#include <clang/AST/DeclCXX.h>
#include <clang/AST/ExprCXX.h>

#include <string>

#include "tools/coroutine_checker/syntax.h"

namespace pelton::coroutine_checker {
namespace {

using clang::ASTContext;
using clang::Stmt;
using clang::VarDecl;
using llvm::dyn_cast;
using llvm::StringRef;

constexpr StringRef kGuards[] = {
    "std::lock_guard",       "std::unique_lock",     "std::scoped_lock",
    "std::shared_lock",      "absl::MutexLock",      "absl::ReaderMutexLock",
    "absl::WriterMutexLock", "absl::MutexLockMaybe", "absl::ReleasableMutexLock",
};

bool IsGuard(const VarDecl& variable) {
  const clang::CXXRecordDecl* type = variable.getType()->getAsCXXRecordDecl();
  return type != nullptr && llvm::is_contained(kGuards, StringRef(QualifiedNameOf(*type)));
}

bool LetsGo(const Stmt& statement, const VarDecl& guard) {
  const auto* call = dyn_cast<clang::CXXMemberCallExpr>(&statement);
  if (call == nullptr || call->getMethodDecl() == nullptr) return false;
  const auto* object =
      dyn_cast<clang::DeclRefExpr>(call->getImplicitObjectArgument()->IgnoreParenImpCasts());
  const std::string method = call->getMethodDecl()->getNameAsString();
  return object != nullptr && object->getDecl() == &guard &&
         (method == "unlock" || method == "release" || method == "Release");
}

// Whether `guard` is still held at an await in one of the statements, the rest of its block.
bool IsHeldAtAwait(const VarDecl& guard, llvm::ArrayRef<const Stmt*> rest,
                   const ASTContext& context) {
  bool held = false;
  const auto visit = [&](const Stmt& statement) {
    held = IsAwait(statement);
    return held || LetsGo(statement, guard);
  };
  for (const Stmt* statement : rest) {
    if (AnyThatRuns(*statement, context, visit)) break;
  }
  return held;
}

}  // namespace

void CheckLocks(const Stmt& body, const ASTContext& context, Findings& findings) {
  AnyThatRuns(body, context, [&](const Stmt& block) {
    const llvm::SmallVector<const Stmt*, 8> children = ChildrenThatRun(block, context);
    for (size_t i = 0; i < children.size(); ++i) {
      const auto* declaration = dyn_cast<clang::DeclStmt>(children[i]);
      if (declaration == nullptr) continue;
      for (const clang::Decl* declared : declaration->decls()) {
        const auto* variable = dyn_cast<VarDecl>(declared);
        if (variable == nullptr || !IsGuard(*variable)) continue;
        if (!IsHeldAtAwait(*variable, llvm::ArrayRef(children).drop_front(i + 1), context))
          continue;
        findings.Report(kLockAcrossAwait, variable->getLocation(),
                        "the lock '" + variable->getNameAsString() +
                            "' is held over a co_await: let it go before, or use pelton::Mutex, "
                            "which tasks wait for and not threads",
                        context.getSourceManager());
      }
    }
    return false;
  });
}

}  // namespace pelton::coroutine_checker
