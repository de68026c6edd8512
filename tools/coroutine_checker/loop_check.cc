#include "tools/coroutine_checker/loop_check.h"

#include <clang/AST/StmtCXX.h>

#include <limits>
#include <string>

#include "tools/coroutine_checker/syntax.h"
#include "tools/coroutine_checker/trip_count.h"

namespace pelton::coroutine_checker {
namespace {

using clang::ASTContext;
using clang::Stmt;
using llvm::dyn_cast;
using llvm::StringRef;

// What is written in the loop's body; all before it is its head.
const Stmt& BodyOf(const Stmt& loop) {
  if (const auto* l = dyn_cast<clang::WhileStmt>(&loop)) return *l->getBody();
  if (const auto* l = dyn_cast<clang::DoStmt>(&loop)) return *l->getBody();
  if (const auto* l = dyn_cast<clang::ForStmt>(&loop)) return *l->getBody();
  return *llvm::cast<clang::CXXForRangeStmt>(loop).getBody();
}

// The reason after `// pelton: bounded` in `line`: null when it does not say so, "" without one.
StringRef ReasonIn(StringRef line) {
  constexpr StringRef kMark = "// pelton: bounded";
  const size_t mark = line.find(kMark);
  if (mark == StringRef::npos) return StringRef();
  return line.substr(mark + kMark.size()).ltrim(" :,;.-").rtrim();
}

// The same for the whole loop.
StringRef ReasonFor(const Stmt& loop, const clang::SourceManager& sources) {
  const clang::SourceLocation begin = sources.getFileLoc(loop.getBeginLoc());
  const unsigned first = sources.getSpellingLineNumber(begin);
  const unsigned last =
      sources.getSpellingLineNumber(sources.getFileLoc(BodyOf(loop).getBeginLoc()));
  for (unsigned line = first; line <= last; ++line) {
    const StringRef reason = ReasonIn(LineOf(begin, line, sources));
    if (reason.data() != nullptr) return reason;
  }
  for (unsigned line = first - 1; line > 0; --line) {
    const StringRef text = LineOf(begin, line, sources);
    if (!text.ltrim().starts_with("//")) break;
    const StringRef reason = ReasonIn(text);
    if (reason.data() != nullptr) return reason;
  }
  return StringRef();
}

uint64_t SaturatingProduct(uint64_t a, uint64_t b) {
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  return b != 0 && a > kMost / b ? kMost : a * b;
}

class LoopCheck {
 public:
  LoopCheck(const ASTContext& context, uint64_t max_trips, Findings& findings)
      : context_(context), max_trips_(max_trips), findings_(findings) {}

  // `around`: how often the await-free loops around `statement` run it.
  void Visit(const Stmt& statement, uint64_t around) {
    if (IsLoop(statement) && IsWritten(statement)) {
      if (AnyThatRuns(statement, context_, IsAwait)) {
        around = 1;
      } else {
        around = SaturatingProduct(around, Judge(statement, around));
        if (around == 0) return;
      }
    }
    for (const Stmt* child : ChildrenThatRun(statement, context_)) Visit(*child, around);
  }

 private:
  // Whether the loop is the programmer's and not a macro's of a system header.
  bool IsWritten(const Stmt& loop) const {
    const clang::SourceManager& sources = context_.getSourceManager();
    return !sources.isInSystemHeader(sources.getSpellingLoc(loop.getBeginLoc()));
  }

  // Looks at an await-free loop. Returns how often it goes round, or 0 when that settles the loops
  // inside, too.
  uint64_t Judge(const Stmt& loop, uint64_t around) {
    const TripCount trips = MostTrips(loop, context_);
    if (trips.kind == TripCount::kDependent) return 1;
    const uint64_t total = SaturatingProduct(around, trips.most);
    if (trips.kind == TripCount::kAtMost && total <= max_trips_) return trips.most;
    const StringRef reason = ReasonFor(loop, context_.getSourceManager());
    if (reason.data() == nullptr) {
      Report(loop, trips.kind == TripCount::kAtMost
                       ? "goes round up to " + std::to_string(total) + " times"
                       : "goes round as often as its data says");
    } else if (reason.empty()) {
      findings_.Report(kAwaitFreeLoop, loop.getBeginLoc(),
                       "`// pelton: bounded` must be followed by the reason why this loop is short",
                       context_.getSourceManager());
    }
    return 0;
  }

  void Report(const Stmt& loop, const std::string& how_often) {
    findings_.Report(kAwaitFreeLoop, loop.getBeginLoc(),
                     "this loop holds no co_await and " + how_often +
                         ", while no other task of the shard runs: use pelton::ForEach, put "
                         "`co_await pelton::PreemptionPoint();` into it, or say why it is short: "
                         "`// pelton: bounded REASON`",
                     context_.getSourceManager());
  }

  const ASTContext& context_;
  const uint64_t max_trips_;
  Findings& findings_;
};

}  // namespace

void CheckLoops(const Stmt& body, const ASTContext& context, uint64_t max_trips,
                Findings& findings) {
  LoopCheck(context, max_trips, findings).Visit(body, 1);
}

}  // namespace pelton::coroutine_checker
