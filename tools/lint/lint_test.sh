#!/bin/bash
# lint_test.sh SCRIPT: runs a Python script of this folder. A script finds the source tree through its own real path.
set -eu
exec python3 -B "$(dirname "$(realpath "$0")")/$1"
