// Finds the coroutines of a translation unit and runs the checks on each.

#ifndef PELTON_TOOLS_COROUTINE_CHECKER_CHECKER_H_
#define PELTON_TOOLS_COROUTINE_CHECKER_CHECKER_H_

#include <clang/Frontend/FrontendAction.h>
#include <clang/Tooling/Tooling.h>

#include <cstdint>
#include <memory>

#include "tools/coroutine_checker/blocking_calls.h"
#include "tools/coroutine_checker/findings.h"

namespace pelton::coroutine_checker {

// What the checks need to know. All of it is the caller's.
struct Settings {
  const FileFilter& files;
  const BlockingCalls& blocking_calls;
  uint64_t max_trips;
};

// Makes the actions that parse and check one translation unit each. Bodies of functions in files
// that are not checked are skipped, which takes most of the time out of parsing.
// Both arguments must outlive it.
std::unique_ptr<clang::tooling::FrontendActionFactory> NewCheckFactory(const Settings& settings,
                                                                       Findings& findings);

}  // namespace pelton::coroutine_checker

#endif  // PELTON_TOOLS_COROUTINE_CHECKER_CHECKER_H_
