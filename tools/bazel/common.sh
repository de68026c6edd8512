# Sourced by tools/run and tools/test: goes to the top of the repository, completes the set-up, and says how Bazel reports.
# shellcheck shell=bash

cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# Runs Bazel. On a terminal its progress shows and goes; elsewhere only what went wrong, and the summary, is printed.
quiet_bazel() {
  if [ -t 1 ] && [ -t 2 ]; then
    bazel "$@"
    return
  fi
  local command="$1"
  shift
  bazel "$command" --noshow_progress --show_result=0 "$@" 2>&1 |
    awk '!/^(INFO:|There were tests whose specified size is too big|Use --sandbox_debug)/ && NF {print; fflush()}'
}

# Prints the comment at the top of a script as its help.
print_help() { awk 'NR > 1 {if (!/^#/) exit; sub(/^# ?/, ""); print}' "$1"; }
