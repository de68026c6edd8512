// coroutine_checker: finds what stalls a shard in C++20 coroutines. README.md says how to use it.

#include <clang/Tooling/CommonOptionsParser.h>
#include <clang/Tooling/Tooling.h>
#include <llvm/Support/CommandLine.h>
#include <llvm/Support/LineIterator.h>
#include <llvm/Support/MemoryBuffer.h>
#include <llvm/Support/Regex.h>
#include <llvm/Support/raw_ostream.h>

#include <string>
#include <vector>

#include "tools/coroutine_checker/blocking_calls.h"
#include "tools/coroutine_checker/checker.h"
#include "tools/coroutine_checker/findings.h"

namespace {

using llvm::StringRef;
namespace cl = llvm::cl;
namespace checker = pelton::coroutine_checker;

enum ExitCode : int { kClean = 0, kFindings = 1, kCannotCheck = 2 };

cl::OptionCategory category("Options of the checker");  // NOLINT(*-runtime-*)

cl::list<std::string> blocking("blocking", cl::cat(category), cl::value_desc("NAME[=ADVICE]"),
                               cl::desc("A qualified function that blocks, too (any number)"));
cl::list<std::string> not_blocking("not-blocking", cl::cat(category), cl::value_desc("NAME"),
                                   cl::desc("A function that does not count as blocking"));
cl::opt<unsigned> max_trips("max-trips", cl::cat(category), cl::init(1024), cl::value_desc("N"),
                            cl::desc("Await-free loops may go round so often (default 1024)"));
cl::opt<std::string> exclude("exclude", cl::cat(category), cl::init("(^|/)external/"),
                             cl::value_desc("REGEX"),
                             cl::desc("Paths to leave alone besides system headers (default: "
                                      "other workspaces' as Bazel names them, (^|/)external/)"));
cl::opt<std::string> report("report", cl::cat(category), cl::value_desc("FILE"),
                            cl::desc("Write the findings there, and exit with 0 in spite of them"));

constexpr char kOverview[] =
    "Finds what stalls a shard in C++20 coroutines:\n"
    "  pelton-await-free-loop    loops that hold no co_await and may run long\n"
    "  pelton-blocking-call      calls that block the thread\n"
    "  pelton-lock-across-await  locks of threads that are held over a co_await\n\n"
    "Flags of the compiler follow `--`, or come from compile_commands.json (-p).\n"
    "Exit code: 0 nothing was found, 1 findings (on stdout), 2 a file could not be checked.\n";

// Whether the text of a file can hold a coroutine: it uses a keyword outside of comment lines. One
// that cannot be read is left to the compiler.
bool MayHoldCoroutine(const std::string& path) {
  const auto text = llvm::MemoryBuffer::getFile(path);
  if (!text) return true;
  for (llvm::line_iterator line(**text); !line.is_at_eof(); ++line) {
    const bool uses_one =
        line->contains("co_await") || line->contains("co_return") || line->contains("co_yield");
    if (uses_one && !line->ltrim().starts_with("//")) return true;
  }
  return false;
}

// Makes the compiler's own headers be found, and its warnings be silent: the build shows them.
clang::tooling::CommandLineArguments Adjust(const clang::tooling::CommandLineArguments& arguments,
                                            StringRef) {
  clang::tooling::CommandLineArguments adjusted = arguments;
  const auto is_resource = [](StringRef argument) { return argument.starts_with("-resource-dir"); };
  if (llvm::none_of(arguments, is_resource)) {
    adjusted.insert(adjusted.begin() + 1, "-resource-dir=" PELTON_CLANG_RESOURCE_DIR);
  }
  adjusted.insert(adjusted.begin() + 1, {"-w", "-Qunused-arguments"});
  return adjusted;
}

int Fail(const llvm::Twine& message) {
  llvm::errs() << "coroutine_checker: " << message << "\n";
  return kCannotCheck;
}

// Writes the findings and says how it ended.
int Finish(const checker::Findings& findings) {
  if (report.empty()) {
    findings.Print(llvm::outs());
    return findings.size() == 0 ? kClean : kFindings;
  }
  std::error_code error;
  llvm::raw_fd_ostream file(report, error);
  if (error) return Fail(report + " cannot be written: " + error.message());
  findings.Print(file);
  return kClean;
}

int Run(int argc, const char** argv) {
  auto options =
      clang::tooling::CommonOptionsParser::create(argc, argv, category, cl::OneOrMore, kOverview);
  if (!options) return Fail(llvm::toString(options.takeError()));
  std::string invalid;
  if (!llvm::Regex(exclude).isValid(invalid)) {
    return Fail("--exclude=" + exclude + " is no regular expression: " + invalid);
  }
  checker::BlockingCalls calls;
  for (const std::string& name : not_blocking) {
    if (!calls.Remove(name)) return Fail("--not-blocking=" + name + ": no such function is known");
  }
  for (const std::string& entry : blocking) {
    const auto [name, advice] = StringRef(entry).split('=');
    calls.Add(name, advice.empty() ? "hand the call to pelton::RunBlocking" : advice);
  }

  std::vector<std::string> files;
  for (const std::string& path : options->getSourcePathList()) {
    if (MayHoldCoroutine(path)) files.push_back(path);
  }
  checker::Findings findings;
  if (!files.empty()) {
    const checker::FileFilter filter(exclude);
    clang::tooling::ClangTool tool(options->getCompilations(), files);
    tool.appendArgumentsAdjuster(Adjust);
    const auto factory = checker::NewCheckFactory({filter, calls, max_trips}, findings);
    if (tool.run(factory.get()) != 0) return kCannotCheck;
  }
  return Finish(findings);
}

}  // namespace

int main(int argc, const char** argv) { return Run(argc, argv); }
