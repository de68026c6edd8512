#!/bin/bash
# run_python.sh SCRIPT [ARGUMENTS]: runs a Python test of this folder, at the top of the runfiles.
set -eu
exec python3 -B "$(dirname "$0")/$1" "${@:2}"
