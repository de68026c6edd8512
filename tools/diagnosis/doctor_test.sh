#!/bin/bash
# Runs the Python test beside it.
set -eu
exec python3 -B "$(dirname "$0")/doctor_test.py"
