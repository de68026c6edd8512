#!/bin/bash
# Starts each peer, loads it for a moment in each of the generator's modes, and asks for no error and a clean end.
# Arguments: the load generator, then the servers, each with its flags in one word ("path --flag").
set -u
generator="$1"
shift
failures=0

fail() {
  echo "FAILED: $*" >&2
  failures=$((failures + 1))
}

# load EXPECTED_PATTERN FLAGS...: runs the generator against the current server.
load() {
  local expected="$1" output
  shift
  output="$("$generator" --address="$address" --server_pid="$pid" "$@")" ||
    fail "$server: the generator failed with $*: $output"
  case "$output" in
    *"errors=0 "*) ;;
    *) fail "$server: errors with $*: $output" ;;
  esac
  case "$output" in
    *$expected*) ;;
    *) fail "$server: no $expected with $*: $output" ;;
  esac
}

for server in "$@"; do
  coproc SERVER { exec $server --port=0; }
  pid=$SERVER_PID
  if ! read -r line <&"${SERVER[0]}" || [[ ! "$line" =~ ^listening\ on\ (127\.0\.0\.1:[0-9]+)\ shards=1\ driver= ]]; then
    fail "$server did not announce itself: $line"
    continue
  fi
  address="${BASH_REMATCH[1]}"
  load requests_per_second= --connections=8 --seconds=0.2 --warmup=0
  load requests_per_second= --connections=4 --depth=16 --seconds=0.1 --warmup=0 --spin
  load requests_per_second= --connections=4 --size=100000 --depth=4 --seconds=0.1 --warmup=0
  load requests_per_second= --connections=4 --rate=1000 --seconds=0.1 --warmup=0
  load anonymous_bytes_per_connection= --connections=100 --idle --seconds=0.05
  kill -TERM "$pid"
  wait "$pid" || fail "$server exited with $? on SIGTERM"
done
exit "$((failures > 0))"
