#!/bin/bash
# Runs the disk benchmark for a moment on a small file, and asks for every table and for no file left behind.
# Arguments: bench/io/disk/run, disk_load.
set -u
run="$1" load="$2"
directory="$(mktemp -d "${TEST_TMPDIR:-/tmp}/disk_smoke.XXXXXX")"
trap 'rm -rf "$directory"' EXIT

if ! dd if=/dev/zero of="$directory/probe" bs=4096 count=1 oflag=direct 2>/dev/null; then
  echo "SKIPPED: the file system of $directory has no direct I/O"
  exit 0
fi
rm "$directory/probe"
if ! command -v fio >/dev/null; then
  echo "FAILED: fio is not installed; tools/setup installs it" >&2
  exit 1
fi
output="$("$run" --load="$load" --driver=auto --directory="$directory" --mebibytes=16 --rounds=1 --seconds=0.1)" || {
  echo "FAILED: $run exited with $?: $output" >&2
  exit 1
}
failures=0
for expected in "random reads, direct, 1 at a time" "random reads, direct, 32 at a time" "sequential writes of 128 KiB" \
  "sequential writes of 1024 KiB" "p99 of a reader" "fio io_uring" "pelton, 4 at a time" "beside a writer, unscheduled"; do
  case "$output" in
    *"$expected"*) ;;
    *) echo "FAILED: no \"$expected\" in: $output" >&2; failures=1 ;;
  esac
done
if [ -n "$(ls -A "$directory")" ]; then
  echo "FAILED: files are left: $(ls -A "$directory")" >&2
  failures=1
fi
exit "$failures"
