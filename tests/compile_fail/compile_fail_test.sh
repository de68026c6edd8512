#!/bin/bash
# compile_fail_test.sh: runs the Python script beside it, which finds the source tree through its own real path.
set -eu
exec python3 -B "$(dirname "$(realpath "$0")")/compile_fail_test.py"
