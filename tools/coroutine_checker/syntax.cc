#include "tools/coroutine_checker/syntax.h"

#include <clang/AST/DeclCXX.h>
#include <clang/AST/Expr.h>
#include <clang/AST/ExprCXX.h>
#include <clang/AST/StmtCXX.h>

namespace pelton::coroutine_checker {

using clang::Stmt;
using llvm::dyn_cast;
using llvm::isa;

llvm::SmallVector<const Stmt*, 8> ChildrenThatRun(const Stmt& statement,
                                                  const clang::ASTContext& context) {
  llvm::SmallVector<const Stmt*, 8> children;
  const auto add = [&children](const Stmt* child) {
    if (child != nullptr) children.push_back(child);
  };
  if (isa<clang::UnaryExprOrTypeTraitExpr, clang::CXXNoexceptExpr>(statement)) return children;
  if (const auto* await = dyn_cast<clang::CoroutineSuspendExpr>(&statement)) {
    add(await->getOperand());
  } else if (const auto* await = dyn_cast<clang::DependentCoawaitExpr>(&statement)) {
    add(await->getOperand());
  } else if (const auto* leave = dyn_cast<clang::CoreturnStmt>(&statement)) {
    add(leave->getOperand());
  } else if (const auto* lambda = dyn_cast<clang::LambdaExpr>(&statement)) {
    for (const Stmt* capture : lambda->capture_inits()) add(capture);
  } else if (const auto* choice = dyn_cast<clang::IfStmt>(&statement);
             choice != nullptr && choice->isConstexpr() && !choice->getCond()->isValueDependent()) {
    add(choice->getInit());
    if (const auto taken = choice->getNondiscardedCase(context)) add(*taken);
  } else {
    for (const Stmt* child : statement.children()) add(child);
  }
  return children;
}

bool AnyThatRuns(const Stmt& statement, const clang::ASTContext& context,
                 llvm::function_ref<bool(const Stmt&)> visit) {
  if (visit(statement)) return true;
  for (const Stmt* child : ChildrenThatRun(statement, context)) {
    if (AnyThatRuns(*child, context, visit)) return true;
  }
  return false;
}

bool IsAwait(const Stmt& statement) {
  return isa<clang::CoroutineSuspendExpr, clang::DependentCoawaitExpr>(statement);
}

const Stmt* CoroutineBodyOf(const clang::FunctionDecl& function) {
  if (!function.doesThisDeclarationHaveABody() || function.hasSkippedBody()) return nullptr;
  const auto* body = llvm::dyn_cast_or_null<clang::CoroutineBodyStmt>(function.getBody());
  return body == nullptr ? nullptr : body->getBody();
}

std::string QualifiedNameOf(const clang::NamedDecl& declaration) {
  std::string name = declaration.getNameAsString();
  // A constructor's name carries its class's template arguments.
  if (isa<clang::CXXConstructorDecl>(declaration))
    name.resize(std::min(name.find('<'), name.size()));
  for (const clang::DeclContext* scope = declaration.getDeclContext(); scope != nullptr;
       scope = scope->getParent()) {
    if (const auto* space = dyn_cast<clang::NamespaceDecl>(scope)) {
      if (space->isInline()) continue;
      name =
          (space->isAnonymousNamespace() ? "(anonymous)" : space->getNameAsString()) + "::" + name;
    } else if (const auto* record = dyn_cast<clang::RecordDecl>(scope)) {
      name = record->getNameAsString() + "::" + name;
    } else if (scope->isFunctionOrMethod()) {
      name = "(local)::" + name;
    }
  }
  return name;
}

}  // namespace pelton::coroutine_checker
