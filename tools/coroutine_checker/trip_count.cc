#include "tools/coroutine_checker/trip_count.h"

#include <clang/AST/DeclCXX.h>
#include <clang/AST/DeclTemplate.h>
#include <clang/AST/Expr.h>
#include <clang/AST/ExprCXX.h>
#include <clang/AST/StmtCXX.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "tools/coroutine_checker/syntax.h"

namespace pelton::coroutine_checker {
namespace {

using clang::ASTContext;
using clang::BinaryOperator;
using clang::Expr;
using clang::Stmt;
using clang::UnaryOperator;
using clang::VarDecl;
using llvm::dyn_cast;
using llvm::dyn_cast_or_null;
using llvm::isa;

// Scaling by two or more ends after as many steps as an integer has bits.
constexpr uint64_t kMostScalings = 64;

std::optional<int64_t> ConstantOf(const Expr* expression, const ASTContext& context) {
  clang::Expr::EvalResult result;
  if (expression == nullptr || expression->isValueDependent() ||
      !expression->getType()->isIntegralOrEnumerationType() ||
      !expression->EvaluateAsInt(result, context)) {
    return std::nullopt;
  }
  return result.Val.getInt().tryExtValue();
}

std::optional<int64_t> MostOf(const Expr* expression, const ASTContext& context);

// The larger of two values, when both are known.
std::optional<int64_t> LargerOf(std::optional<int64_t> a, std::optional<int64_t> b) {
  if (!a || !b) return std::nullopt;
  return std::max(*a, *b);
}

std::optional<int64_t> MostOfCall(const clang::CallExpr& call, const ASTContext& context) {
  const clang::FunctionDecl* callee = call.getDirectCallee();
  if (callee == nullptr || QualifiedNameOf(*callee) != "std::min") return std::nullopt;
  std::optional<int64_t> least;
  for (const Expr* argument : call.arguments()) {
    const std::optional<int64_t> most = MostOf(argument, context);
    if (most) least = std::min(*most, least.value_or(*most));
  }
  return least;
}

std::optional<int64_t> MostOfOperator(const BinaryOperator& operation, const ASTContext& context) {
  const std::optional<int64_t> right = ConstantOf(operation.getRHS(), context);
  const std::optional<int64_t> left = ConstantOf(operation.getLHS(), context);
  if (operation.getOpcode() == clang::BO_Rem && right && *right > 0) return *right - 1;
  if (operation.getOpcode() == clang::BO_And && right && *right >= 0) return right;
  if (operation.getOpcode() == clang::BO_And && left && *left >= 0) return left;
  return std::nullopt;
}

// A value that `expression` never exceeds.
std::optional<int64_t> MostOf(const Expr* expression, const ASTContext& context) {
  if (const std::optional<int64_t> constant = ConstantOf(expression, context)) return constant;
  if (expression == nullptr) return std::nullopt;
  expression = expression->IgnoreParens();
  const clang::QualType type = expression->getType();
  if (type->isUnsignedIntegerType() && context.getTypeSize(type) == 8) return 255;
  if (const auto* cast = dyn_cast<clang::CastExpr>(expression)) {
    // A negative value becomes a large one.
    const clang::QualType source = cast->getSubExpr()->getType();
    if (source->isSignedIntegerType() && type->isUnsignedIntegerType()) return std::nullopt;
    return MostOf(cast->getSubExpr(), context);
  }
  if (const auto* temporary = dyn_cast<clang::MaterializeTemporaryExpr>(expression)) {
    return MostOf(temporary->getSubExpr(), context);
  }
  if (const auto* call = dyn_cast<clang::CallExpr>(expression)) return MostOfCall(*call, context);
  if (const auto* operation = dyn_cast<BinaryOperator>(expression)) {
    return MostOfOperator(*operation, context);
  }
  if (const auto* choice = dyn_cast<clang::ConditionalOperator>(expression)) {
    return LargerOf(MostOf(choice->getTrueExpr(), context),
                    MostOf(choice->getFalseExpr(), context));
  }
  return std::nullopt;
}

// A value that `expression` is never below.
std::optional<int64_t> LeastOf(const Expr* expression, const ASTContext& context) {
  if (expression == nullptr) return std::nullopt;
  if (const std::optional<int64_t> constant = ConstantOf(expression, context)) return constant;
  if (expression->IgnoreParenImpCasts()->getType()->isUnsignedIntegerType()) return 0;
  return std::nullopt;
}

const VarDecl* VariableOf(const Expr* expression) {
  if (expression == nullptr) return nullptr;
  const auto* reference = dyn_cast<clang::DeclRefExpr>(expression->IgnoreParenImpCasts());
  return reference == nullptr ? nullptr : dyn_cast<VarDecl>(reference->getDecl());
}

// How the head of a `for` moves its counter.
struct Step {
  const VarDecl* counter = nullptr;
  int64_t distance = 0;  // of each round; 0 when the counter is scaled
  bool grows = false;
};

std::optional<Step> StepOf(const Expr* increment, const ASTContext& context) {
  if (increment == nullptr) return std::nullopt;
  increment = increment->IgnoreParenImpCasts();
  if (const auto* unary = dyn_cast<UnaryOperator>(increment)) {
    if (!unary->isIncrementDecrementOp()) return std::nullopt;
    return Step{VariableOf(unary->getSubExpr()), 1, unary->isIncrementOp()};
  }
  const auto* binary = dyn_cast<BinaryOperator>(increment);
  if (binary == nullptr) return std::nullopt;
  const std::optional<int64_t> value = ConstantOf(binary->getRHS(), context);
  if (!value || *value < 1) return std::nullopt;
  const VarDecl* counter = VariableOf(binary->getLHS());
  switch (binary->getOpcode()) {
    case clang::BO_AddAssign:
      return Step{counter, *value, true};
    case clang::BO_SubAssign:
      return Step{counter, *value, false};
    case clang::BO_ShlAssign:
      return Step{counter, 0, true};
    case clang::BO_ShrAssign:
      return Step{counter, 0, false};
    case clang::BO_MulAssign:
      return *value < 2 ? std::nullopt : std::optional(Step{counter, 0, true});
    case clang::BO_DivAssign:
      return *value < 2 ? std::nullopt : std::optional(Step{counter, 0, false});
    default:
      return std::nullopt;
  }
}

// Whether anything in `statement`, lambdas included, assigns to `variable`. That a function might
// do so through a reference is not considered.
bool Assigns(const Stmt* statement, const VarDecl* variable) {
  if (statement == nullptr) return false;
  if (const auto* unary = dyn_cast<UnaryOperator>(statement)) {
    const bool changes = unary->isIncrementDecrementOp() || unary->getOpcode() == clang::UO_AddrOf;
    if (changes && VariableOf(unary->getSubExpr()) == variable) return true;
  }
  if (const auto* binary = dyn_cast<BinaryOperator>(statement)) {
    if (binary->isAssignmentOp() && VariableOf(binary->getLHS()) == variable) return true;
  }
  return std::any_of(statement->child_begin(), statement->child_end(),
                     [variable](const Stmt* child) { return Assigns(child, variable); });
}

// What the counter starts with, or null when the loop's head does not say.
const Expr* StartOf(const Stmt* init, const VarDecl* counter) {
  if (const auto* declaration = dyn_cast_or_null<clang::DeclStmt>(init)) {
    const auto declares = [counter](const clang::Decl* d) { return d == counter; };
    return llvm::any_of(declaration->decls(), declares) ? counter->getInit() : nullptr;
  }
  const auto* assignment = dyn_cast_or_null<BinaryOperator>(init);
  const bool assigns = assignment != nullptr && assignment->getOpcode() == clang::BO_Assign &&
                       VariableOf(assignment->getLHS()) == counter;
  return assigns ? assignment->getRHS() : nullptr;
}

// The trips of a counter that goes from `start` by `step` while `condition` holds.
std::optional<uint64_t> TripsWhile(const Expr* condition, const Step& step, const Expr* start,
                                   const ASTContext& context) {
  if (condition == nullptr) return std::nullopt;
  const auto* comparison = dyn_cast<BinaryOperator>(condition->IgnoreParenImpCasts());
  if (comparison == nullptr) return std::nullopt;
  clang::BinaryOperatorKind kind = comparison->getOpcode();
  const Expr* left = comparison->getLHS();
  const Expr* right = comparison->getRHS();
  if (kind == clang::BO_LAnd) {
    const std::optional<uint64_t> trips = TripsWhile(left, step, start, context);
    return trips ? trips : TripsWhile(right, step, start, context);
  }
  if (!comparison->isComparisonOp()) return std::nullopt;
  if (VariableOf(right) == step.counter) {
    std::swap(left, right);
    kind = BinaryOperator::reverseComparisonOp(kind);
  }
  if (VariableOf(left) != step.counter) return std::nullopt;
  const bool ends =
      kind == clang::BO_NE || (step.grows ? kind == clang::BO_LT || kind == clang::BO_LE
                                          : kind == clang::BO_GT || kind == clang::BO_GE);
  // `!=` is only met by a counter that passes every value.
  if (!ends || (kind == clang::BO_NE && step.distance != 1)) return std::nullopt;
  if (step.distance == 0) return kMostScalings;
  const Expr* high = step.grows ? right : start;
  const Expr* low = step.grows ? start : right;
  std::optional<int64_t> from = LeastOf(low, context);
  if (!from && low == nullptr && step.counter->getType()->isUnsignedIntegerType()) from = 0;
  const std::optional<int64_t> to = MostOf(high, context);
  if (!from || !to) return std::nullopt;
  if (*to < *from) return kind == clang::BO_NE ? std::nullopt : std::optional<uint64_t>(0);
  const uint64_t distance = static_cast<uint64_t>(*to) - static_cast<uint64_t>(*from);
  const bool closed = kind == clang::BO_LE || kind == clang::BO_GE;
  return distance / step.distance + (closed || distance % step.distance != 0 ? 1 : 0);
}

std::optional<uint64_t> TripsOfFor(const clang::ForStmt& loop, const ASTContext& context) {
  const std::optional<Step> step = StepOf(loop.getInc(), context);
  if (!step || step->counter == nullptr || Assigns(loop.getBody(), step->counter) ||
      Assigns(loop.getCond(), step->counter)) {
    return std::nullopt;
  }
  return TripsWhile(loop.getCond(), *step, StartOf(loop.getInit(), step->counter), context);
}

// The elements of a class whose size is a template argument.
std::optional<uint64_t> FixedSizeOf(const clang::CXXRecordDecl& record) {
  const auto* special = dyn_cast<clang::ClassTemplateSpecializationDecl>(&record);
  const std::string name = QualifiedNameOf(record);
  if (special == nullptr || (name != "std::array" && name != "std::span")) return std::nullopt;
  const clang::TemplateArgument& extent = special->getTemplateArgs()[1];
  if (extent.getKind() != clang::TemplateArgument::Integral) return std::nullopt;
  const uint64_t size = extent.getAsIntegral().getZExtValue();
  const bool dynamic = name == "std::span" && size == std::numeric_limits<uint64_t>::max();
  return dynamic ? std::nullopt : std::optional(size);
}

std::optional<uint64_t> TripsOfRange(const clang::CXXForRangeStmt& loop,
                                     const ASTContext& context) {
  const Expr* range = loop.getRangeInit();
  if (range == nullptr) return std::nullopt;
  const Expr* inner = range->IgnoreUnlessSpelledInSource();
  if (const auto* list = dyn_cast<clang::CXXStdInitializerListExpr>(inner)) {
    inner = list->getSubExpr()->IgnoreUnlessSpelledInSource();
  }
  if (const auto* list = dyn_cast<clang::InitListExpr>(inner)) return list->getNumInits();
  const clang::QualType type = range->getType().getNonReferenceType();
  if (const clang::ConstantArrayType* array = context.getAsConstantArrayType(type)) {
    return array->getSize().getZExtValue();
  }
  const clang::CXXRecordDecl* record = type->getAsCXXRecordDecl();
  return record == nullptr ? std::nullopt : FixedSizeOf(*record);
}

const Expr* ConditionOf(const Stmt& loop) {
  if (const auto* l = dyn_cast<clang::WhileStmt>(&loop)) return l->getCond();
  if (const auto* l = dyn_cast<clang::DoStmt>(&loop)) return l->getCond();
  if (const auto* l = dyn_cast<clang::ForStmt>(&loop)) return l->getCond();
  return nullptr;
}

}  // namespace

bool IsLoop(const Stmt& statement) {
  return isa<clang::WhileStmt, clang::DoStmt, clang::ForStmt, clang::CXXForRangeStmt>(statement);
}

TripCount MostTrips(const Stmt& loop, const ASTContext& context) {
  const Expr* condition = ConditionOf(loop);
  bool value = true;
  if (condition != nullptr && !condition->isValueDependent() &&
      condition->EvaluateAsBooleanCondition(value, context) && !value) {
    return {TripCount::kAtMost, isa<clang::DoStmt>(loop) ? 1U : 0U};
  }
  std::optional<uint64_t> trips;
  bool dependent = condition != nullptr && condition->isInstantiationDependent();
  if (const auto* counted = dyn_cast<clang::ForStmt>(&loop)) {
    trips = TripsOfFor(*counted, context);
  } else if (const auto* range = dyn_cast<clang::CXXForRangeStmt>(&loop)) {
    trips = TripsOfRange(*range, context);
    dependent =
        range->getRangeInit() != nullptr && range->getRangeInit()->isInstantiationDependent();
  }
  if (trips) return {TripCount::kAtMost, *trips};
  return {dependent ? TripCount::kDependent : TripCount::kUnbounded, 0};
}

}  // namespace pelton::coroutine_checker
