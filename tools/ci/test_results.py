#!/usr/bin/env python3
"""Counts a test run's results from Bazel's build event file. Usage: test_results.py EVENT_FILE BAZEL_EXIT_CODE

Prints `PASSED FAILED` on the first line, then one line for each failure. A test target that did not build, or was never
reached, has failed. A run that failed without a failed test counts as one failure of its own, so that nothing is lost.
"""

import json
import sys

# Summaries of `overallStatus` that mean that a target passed. A flaky one passed on a later attempt.
_PASSED = ("PASSED", "FLAKY")
# Built and without a summary: a tag kept the test from running.
_BUILT = "built"
# Bazel's exit code when it found no test to run.
_NO_TESTS = 4


def results(events, exit_code):
    """The labels that passed, and label-and-reason pairs of what failed."""
    status = {}
    for event in events:
        name = event.get("id", {})
        if "targetConfigured" in name and event.get("configured", {}).get("testSize"):
            status.setdefault(name["targetConfigured"]["label"], "did not run")
        elif "targetCompleted" in name:
            label = name["targetCompleted"]["label"]
            if status.get(label) == "did not run":
                status[label] = _BUILT if event.get("completed", {}).get("success") else "did not build"
        elif "testSummary" in name:
            summary = event.get("testSummary", {}).get("overallStatus", "NO_STATUS")
            label = name["testSummary"]["label"]
            if summary != "NO_STATUS" or label not in status:
                status[label] = summary
    passed = sorted(label for label, state in status.items() if state in _PASSED)
    failed = sorted((label, state) for label, state in status.items() if state not in (*_PASSED, _BUILT))
    if exit_code == _NO_TESTS and not status:
        failed = [("bazel", "found no tests")]
    elif exit_code != 0 and not failed:
        failed = [("bazel", f"exit code {exit_code}, without a failed test: see its errors")]
    return passed, failed


def read_events(path):
    """The events in the file; none when Bazel did not get as far as writing it. A torn last line is left out."""
    events = []
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                try:
                    events.append(json.loads(line))
                except json.JSONDecodeError:
                    break
    except FileNotFoundError:
        pass
    return events


def main(arguments):
    passed, failed = results(read_events(arguments[0]), int(arguments[1]))
    print(len(passed), len(failed))
    for label, reason in failed:
        print(f"{label} ({reason})")


if __name__ == "__main__":
    main(sys.argv[1:])
