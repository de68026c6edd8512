#include "tools/coroutine_checker/checker.h"

#include <clang/AST/ASTConsumer.h>
#include <clang/AST/DeclTemplate.h>
#include <clang/AST/RecursiveASTVisitor.h>
#include <clang/Frontend/CompilerInstance.h>

#include "tools/coroutine_checker/blocking_check.h"
#include "tools/coroutine_checker/lock_check.h"
#include "tools/coroutine_checker/loop_check.h"
#include "tools/coroutine_checker/syntax.h"

namespace pelton::coroutine_checker {
namespace {

using clang::ASTContext;

// Visits every coroutine, templates and their instantiations included.
class CoroutineFinder : public clang::RecursiveASTVisitor<CoroutineFinder> {
 public:
  CoroutineFinder(const ASTContext& context, const Settings& settings, Findings& findings)
      : context_(context),
        settings_(settings),
        findings_(findings),
        blocking_check_(context, settings.blocking_calls, settings.files, findings) {}

  bool shouldVisitTemplateInstantiations() const { return true; }

  bool TraverseDecl(clang::Decl* declaration) {
    const bool checked =
        declaration == nullptr ||
        settings_.files.IsChecked(declaration->getLocation(), context_.getSourceManager());
    return !checked || RecursiveASTVisitor::TraverseDecl(declaration);
  }

  bool VisitFunctionDecl(clang::FunctionDecl* function) {
    Check(*function);
    return true;
  }

  // The visitor goes through a lambda's body, not through its call operator.
  bool VisitLambdaExpr(clang::LambdaExpr* lambda) {
    const clang::CXXMethodDecl* call = lambda->getCallOperator();
    Check(*call);
    if (const clang::FunctionTemplateDecl* generic = call->getDescribedFunctionTemplate()) {
      for (clang::FunctionDecl* special : generic->specializations()) {
        Check(*special);
        if (special->hasBody()) TraverseStmt(special->getBody());
      }
    }
    return true;
  }

 private:
  void Check(const clang::FunctionDecl& function) {
    const clang::Stmt* body = CoroutineBodyOf(function);
    if (body == nullptr) return;
    CheckLoops(*body, context_, settings_.max_trips, findings_);
    CheckLocks(*body, context_, findings_);
    blocking_check_.Check(*body);
  }

  const ASTContext& context_;
  const Settings& settings_;
  Findings& findings_;
  BlockingCheck blocking_check_;
};

class CheckConsumer : public clang::ASTConsumer {
 public:
  CheckConsumer(const Settings& settings, Findings& findings)
      : settings_(settings), findings_(findings) {}

  void Initialize(ASTContext& context) override { context_ = &context; }

  bool shouldSkipFunctionBody(clang::Decl* function) override {
    return !settings_.files.IsChecked(function->getLocation(), context_->getSourceManager());
  }

  void HandleTranslationUnit(ASTContext& context) override {
    // What does not compile has an incomplete tree.
    if (context.getDiagnostics().hasErrorOccurred()) return;
    CoroutineFinder(context, settings_, findings_).TraverseAST(context);
  }

 private:
  const Settings& settings_;
  Findings& findings_;
  ASTContext* context_ = nullptr;
};

class CheckAction : public clang::ASTFrontendAction {
 public:
  CheckAction(const Settings& settings, Findings& findings)
      : settings_(settings), findings_(findings) {}

 protected:
  bool BeginInvocation(clang::CompilerInstance& compiler) override {
    // Of the files that are not checked only: the consumer is asked.
    compiler.getFrontendOpts().SkipFunctionBodies = true;
    return true;
  }

  std::unique_ptr<clang::ASTConsumer> CreateASTConsumer(clang::CompilerInstance&,
                                                        llvm::StringRef) override {
    return std::make_unique<CheckConsumer>(settings_, findings_);
  }

 private:
  const Settings& settings_;
  Findings& findings_;
};

class CheckFactory : public clang::tooling::FrontendActionFactory {
 public:
  CheckFactory(const Settings& settings, Findings& findings)
      : settings_(settings), findings_(findings) {}

  std::unique_ptr<clang::FrontendAction> create() override {
    return std::make_unique<CheckAction>(settings_, findings_);
  }

 private:
  const Settings& settings_;
  Findings& findings_;
};

}  // namespace

std::unique_ptr<clang::tooling::FrontendActionFactory> NewCheckFactory(const Settings& settings,
                                                                       Findings& findings) {
  return std::make_unique<CheckFactory>(settings, findings);
}

}  // namespace pelton::coroutine_checker
