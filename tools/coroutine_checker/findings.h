// What the checker found, and what its users told it to leave alone.
//
// Comments in the source silence a finding. Each check takes `// NOLINT(NAME)` at the line's end,
// `// NOLINTNEXTLINE(NAME)` above it, and `// NOLINTBEGIN(NAME)` to `// NOLINTEND(NAME)`; NAME may
// end in `*`, several stand between commas, and without parentheses all checks are meant. A loop
// also takes `// pelton: bounded REASON` (see loop_check.h).

#ifndef PELTON_TOOLS_COROUTINE_CHECKER_FINDINGS_H_
#define PELTON_TOOLS_COROUTINE_CHECKER_FINDINGS_H_

#include <clang/AST/ASTContext.h>
#include <clang/Basic/SourceManager.h>
#include <llvm/ADT/StringRef.h>
#include <llvm/Support/Regex.h>
#include <llvm/Support/raw_ostream.h>

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <tuple>

namespace pelton::coroutine_checker {

// Where a token stands in a file: of a macro's expansion, the place that uses the macro.
struct Place {
  std::string file;  // relative to the working directory where it is below it
  unsigned line = 0;
  unsigned column = 0;

  bool operator<(const Place& other) const {
    return std::tie(file, line, column) < std::tie(other.file, other.line, other.column);
  }
};

Place PlaceOf(clang::SourceLocation location, const clang::SourceManager& sources);

// The text of line `line` (from 1) of the file that `location` is in; empty when there is none.
llvm::StringRef LineOf(clang::SourceLocation location, unsigned line,
                       const clang::SourceManager& sources);

// Whether a comment silences `check` at `location`.
bool IsSilenced(llvm::StringRef check, clang::SourceLocation location,
                const clang::SourceManager& sources);

// Which files are looked at: all but system headers and those whose path matches a pattern.
class FileFilter {
 public:
  explicit FileFilter(llvm::StringRef excluded) : excluded_(excluded) {}

  bool IsChecked(clang::SourceLocation location, const clang::SourceManager& sources) const;

 private:
  llvm::Regex excluded_;
};

// The findings of a run, each once: headers are read by many sources, templates instantiated often.
class Findings {
 public:
  // Takes a finding, unless a comment silences it. `check` is its name, `message` what and what to
  // do instead.
  void Report(llvm::StringRef check, clang::SourceLocation location, std::string message,
              const clang::SourceManager& sources);

  size_t size() const { return findings_.size(); }
  // One line for each, `FILE:LINE:COLUMN: warning: MESSAGE [CHECK]`, sorted by place.
  void Print(llvm::raw_ostream& out) const;

 private:
  std::map<std::pair<Place, std::string>, std::string> findings_;
};

}  // namespace pelton::coroutine_checker

#endif  // PELTON_TOOLS_COROUTINE_CHECKER_FINDINGS_H_
