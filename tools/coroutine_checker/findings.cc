#include "tools/coroutine_checker/findings.h"

#include <clang/Basic/CharInfo.h>
#include <llvm/ADT/SmallString.h>
#include <llvm/ADT/SmallVector.h>
#include <llvm/Support/FileSystem.h>
#include <llvm/Support/Path.h>

#include <utility>

namespace pelton::coroutine_checker {
namespace {

using clang::SourceLocation;
using clang::SourceManager;
using llvm::StringRef;

// `path` without the working directory in front.
std::string Shortened(StringRef path) {
  llvm::SmallString<256> directory;
  if (!llvm::sys::fs::current_path(directory)) {
    directory += "/";
    path.consume_front(directory);
  }
  while (path.consume_front("./")) continue;
  return path.str();
}

// Whether `list`, the text after a NOLINT word, names `check`.
bool Names(StringRef list, StringRef check) {
  if (!list.consume_front("(")) return true;
  llvm::SmallVector<StringRef, 4> names;
  list.take_until([](char c) { return c == ')'; }).split(names, ',');
  for (StringRef name : names) {
    name = name.trim();
    if (name.consume_back("*") ? check.starts_with(name) : check == name) return true;
  }
  return false;
}

// Whether `line` holds `word` as a whole word, for `check`.
bool Says(StringRef line, StringRef word, StringRef check) {
  const size_t comment = line.find("//");
  if (comment == StringRef::npos) return false;
  for (StringRef rest = line.substr(comment); rest.contains(word);) {
    rest = rest.substr(rest.find(word) + word.size());
    const bool ends = rest.empty() || !clang::isAsciiIdentifierContinue(rest.front());
    if (ends && Names(rest, check)) return true;
  }
  return false;
}

}  // namespace

Place PlaceOf(SourceLocation location, const SourceManager& sources) {
  const clang::PresumedLoc place = sources.getPresumedLoc(sources.getFileLoc(location));
  if (place.isInvalid()) return {};
  return {Shortened(place.getFilename()), place.getLine(), place.getColumn()};
}

StringRef LineOf(SourceLocation location, unsigned line, const SourceManager& sources) {
  const clang::FileID file = sources.getFileID(sources.getFileLoc(location));
  bool invalid = false;
  StringRef text = sources.getBufferData(file, &invalid);
  const SourceLocation begin = sources.translateLineCol(file, line, 1);
  // translateLineCol() answers with the last line when there are fewer.
  if (invalid || line == 0 || sources.getSpellingLineNumber(begin) != line) return {};
  return text.substr(sources.getFileOffset(begin)).take_until([](char c) { return c == '\n'; });
}

bool IsSilenced(StringRef check, SourceLocation location, const SourceManager& sources) {
  const unsigned line = sources.getSpellingLineNumber(sources.getFileLoc(location));
  if (Says(LineOf(location, line, sources), "NOLINT", check)) return true;
  if (line > 1 && Says(LineOf(location, line - 1, sources), "NOLINTNEXTLINE", check)) return true;
  const StringRef text = sources.getBufferData(sources.getFileID(sources.getFileLoc(location)));
  if (!text.contains("NOLINTBEGIN")) return false;
  int open = 0;
  for (unsigned above = 1; above < line; ++above) {
    const StringRef other = LineOf(location, above, sources);
    open += Says(other, "NOLINTBEGIN", check);
    open -= Says(other, "NOLINTEND", check);
  }
  return open > 0;
}

bool FileFilter::IsChecked(SourceLocation location, const SourceManager& sources) const {
  if (location.isInvalid()) return true;
  const SourceLocation place = sources.getFileLoc(location);
  if (sources.isInSystemHeader(place)) return false;
  return !excluded_.match(PlaceOf(place, sources).file);
}

void Findings::Report(StringRef check, SourceLocation location, std::string message,
                      const SourceManager& sources) {
  if (IsSilenced(check, location, sources)) return;
  findings_.try_emplace({PlaceOf(location, sources), check.str()}, std::move(message));
}

void Findings::Print(llvm::raw_ostream& out) const {
  for (const auto& [key, message] : findings_) {
    const auto& [place, check] = key;
    out << place.file << ":" << place.line << ":" << place.column << ": warning: " << message
        << " [" << check << "]\n";
  }
}

}  // namespace pelton::coroutine_checker
