"""test_results counts what Bazel's events say, and what they leave unsaid."""

import os
import sys
import tempfile
import unittest

from test_results import read_events, results


def configured(label, size="SMALL"):
    return {"id": {"targetConfigured": {"label": label}}, "configured": {"targetKind": "cc_test rule", "testSize": size}}


def completed(label, success):
    return {"id": {"targetCompleted": {"label": label}}, "completed": {"success": True} if success else {}}


def summary(label, status):
    return {"id": {"testSummary": {"label": label}}, "testSummary": {"overallStatus": status}}


class ResultsTest(unittest.TestCase):
    def test_passed_and_failed_targets_are_told_apart(self):
        events = [configured("//a"), configured("//b"), completed("//a", True), completed("//b", True),
                  summary("//a", "PASSED"), summary("//b", "FAILED")]
        self.assertEqual((["//a"], [("//b", "FAILED")]), results(events, 3))

    def test_time_outs_fail_and_flaky_ones_pass(self):
        events = [configured("//a"), configured("//b"), summary("//a", "TIMEOUT"), summary("//b", "FLAKY")]
        self.assertEqual((["//b"], [("//a", "TIMEOUT")]), results(events, 3))

    def test_a_target_that_does_not_build_has_failed(self):
        events = [configured("//a"), completed("//a", False), summary("//a", "NO_STATUS")]
        self.assertEqual(([], [("//a", "did not build")]), results(events, 1))

    def test_a_target_that_its_tags_keep_from_running_does_not_count(self):
        events = [configured("//a"), configured("//b"), completed("//a", True), completed("//b", True),
                  summary("//a", "PASSED")]
        self.assertEqual((["//a"], []), results(events, 0))

    def test_a_target_that_never_ran_has_failed(self):
        self.assertEqual(([], [("//a", "did not run")]), results([configured("//a")], 37))

    def test_targets_that_are_no_tests_do_not_count(self):
        library = {"id": {"targetConfigured": {"label": "//l"}}, "configured": {"targetKind": "cc_library rule"}}
        self.assertEqual((["//a"], []), results([library, configured("//a"), completed("//l", True),
                                                 summary("//a", "PASSED")], 0))

    def test_a_run_that_fails_without_a_failed_test_counts_as_one_failure(self):
        passed, failed = results([configured("//a"), summary("//a", "PASSED")], 1)
        self.assertEqual((["//a"], 1), (passed, len(failed)))
        self.assertEqual(1, len(results([], 2)[1]))
        self.assertEqual(1, len(results([], 4)[1]))

    def test_a_run_without_events_reads_as_none(self):
        self.assertEqual([], read_events("/nonexistent/events.json"))

    def test_a_torn_last_line_is_left_out(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "events.json")
            with open(path, "w", encoding="utf-8") as file:
                file.write('{"id": {}}\n{"id": {"te')
            self.assertEqual([{"id": {}}], read_events(path))


if __name__ == "__main__":
    sys.exit(unittest.main())
