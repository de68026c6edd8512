# Sourced by tools/run and tools/test: goes to the top of the repository, completes the set-up, and says how Bazel reports.
# shellcheck shell=bash

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit

# Runs a Bazel command. On a terminal its progress shows and goes; elsewhere only what went wrong, and the summary of tests,
# is printed.
quiet_bazel() {
  local command="$1"
  shift
  if [ -t 1 ] && [ -t 2 ]; then
    # Logs of failed tests are INFO events, too.
    [ "$command" = test ] || set -- --ui_event_filters=-info "$@"
    bazel "$command" --show_result=0 "$@"
  else
    bazel "$command" --noshow_progress --show_result=0 "$@" 2>&1 |
      awk '!/^(INFO:|There were tests whose specified size is too big|Use --sandbox_debug)/ && NF {print; fflush()}'
  fi
}

# Prints the comment at the top of a script as its help.
print_help() { awk 'NR > 1 {if (!/^#/) exit; sub(/^# ?/, ""); print}' "$1"; }
