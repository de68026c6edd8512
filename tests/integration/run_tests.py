#!/usr/bin/env python3
"""run_tests.py MODULE [--driver=uring|epoll] [-k PATTERN]: runs one module of this folder, on services of one driver.

Bazel runs it in the folder where it lays the programs out; to run it by hand, go to bazel-bin.
"""

import argparse
import importlib
import os
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.getcwd(), "tests", "integration"))

import service  # pylint: disable=wrong-import-position


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("module")
    parser.add_argument("--driver", default="uring", choices=["uring", "epoll", "auto"])
    parser.add_argument("-k", default=os.environ.get("TESTBRIDGE_TEST_ONLY"), metavar="PATTERN", help="tests to run")
    arguments = parser.parse_args()
    service.driver = arguments.driver
    module = importlib.import_module(arguments.module)
    command = [sys.argv[0], "--verbose"] + (["-k", arguments.k] if arguments.k else [])
    unittest.main(module=module, argv=command)


if __name__ == "__main__":
    main()
