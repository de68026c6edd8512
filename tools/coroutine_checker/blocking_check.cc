#include "tools/coroutine_checker/blocking_check.h"

#include <clang/AST/DeclCXX.h>
#include <clang/AST/ExprCXX.h>

#include <utility>

#include "tools/coroutine_checker/syntax.h"

namespace pelton::coroutine_checker {

using clang::Stmt;
using llvm::dyn_cast;

namespace {

// How a message calls a function of the user's.
std::string NameFor(const clang::FunctionDecl& function) {
  const auto* method = dyn_cast<clang::CXXMethodDecl>(&function);
  if (method != nullptr && method->getParent()->isLambda()) return "this lambda";
  if (llvm::isa<clang::CXXConstructorDecl>(function)) {
    return "the constructor of '" + method->getParent()->getNameAsString() + "'";
  }
  std::string name = "'";
  if (method != nullptr) name += method->getParent()->getNameAsString() + "::";
  return name + function.getNameAsString() + "'";
}

}  // namespace

void BlockingCheck::Check(const Stmt& body) {
  const clang::SourceManager& sources = context_.getSourceManager();
  AnyThatRuns(body, context_, [&](const Stmt& statement) {
    if (const std::optional<BlockingCall> call = calls_.Find(statement, context_)) {
      findings_.Report(kBlockingCall, statement.getBeginLoc(),
                       "'" + call->name + "' blocks the thread, and with it every task of the " +
                           "shard: " + call->advice,
                       sources);
      return false;
    }
    const clang::FunctionDecl* callee = nullptr;
    if (const auto* call = dyn_cast<clang::CallExpr>(&statement)) callee = call->getDirectCallee();
    if (const auto* construction = dyn_cast<clang::CXXConstructExpr>(&statement)) {
      callee = construction->getConstructor();
    }
    if (callee == nullptr) return false;
    if (const std::optional<Inner>& inner = FirstIn(*callee)) {
      findings_.Report(kBlockingCall, statement.getBeginLoc(),
                       NameFor(*callee) + " calls '" + inner->call.name + "' (" +
                           inner->place.file + ":" + std::to_string(inner->place.line) +
                           "), which blocks the thread, and with it every task of the shard: " +
                           inner->call.advice,
                       sources);
    }
    return false;
  });
}

const std::optional<BlockingCheck::Inner>& BlockingCheck::FirstIn(
    const clang::FunctionDecl& function) {
  const clang::FunctionDecl* definition = nullptr;
  function.hasBody(definition);
  const clang::FunctionDecl* key = definition == nullptr ? &function : definition;
  const auto [entry, is_new] = searched_.try_emplace(key);
  if (is_new && definition != nullptr) entry->second = Search(*definition);
  return entry->second;
}

std::optional<BlockingCheck::Inner> BlockingCheck::Search(const clang::FunctionDecl& function) {
  const clang::SourceManager& sources = context_.getSourceManager();
  if (function.hasSkippedBody() || CoroutineBodyOf(function) != nullptr ||
      !files_.IsChecked(function.getLocation(), sources)) {
    return std::nullopt;
  }
  std::optional<Inner> found;
  const auto visit = [&](const Stmt& statement) {
    std::optional<BlockingCall> call = calls_.Find(statement, context_);
    if (!call || IsSilenced(kBlockingCall, statement.getBeginLoc(), sources)) return false;
    found = Inner{*std::move(call), PlaceOf(statement.getBeginLoc(), sources)};
    return true;
  };
  if (const auto* constructor = dyn_cast<clang::CXXConstructorDecl>(&function)) {
    for (const clang::CXXCtorInitializer* member : constructor->inits()) {
      if (AnyThatRuns(*member->getInit(), context_, visit)) return found;
    }
  }
  AnyThatRuns(*function.getBody(), context_, visit);
  return found;
}

}  // namespace pelton::coroutine_checker
