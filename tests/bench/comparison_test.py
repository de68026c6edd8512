#!/usr/bin/env python3
"""The runner's own parts: parsing, statistics, verdicts, and how a server is started and stopped."""

import os
import stat
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.getcwd(), "bench", "echo"))

from comparison import contestants, measure, report, scenarios  # pylint: disable=wrong-import-position


def rounds(cpu, p99=100.0, requests=1000.0):
    return [{"server_cpu_ns": float(value), "p99_us": p99, "p50_us": 50.0, "requests_per_second": requests,
             "server_cpu_percent": 99.0, "disturbed": False} for value in cpu]


class StatisticsTest(unittest.TestCase):

    def test_lower_quartile_ignores_the_noisy_end(self):
        self.assertEqual(report.lower_quartile([9000, 10, 12, 11, 8000, 13, 7000]), 11)
        self.assertEqual(report.lower_quartile([5]), 5)

    def test_ratios_are_paired_by_round(self):
        # The machine was twice as slow in the second round, for both.
        self.assertEqual(report.paired_ratio(rounds([110, 220, 110]), rounds([100, 200, 100]), "server_cpu_ns"), 1.1)

    def test_cpu_is_compared_by_quartiles_because_slow_seconds_hit_one_server_alone(self):
        ours, theirs = rounds([110, 150, 111, 150, 150, 150, 150]), rounds([100, 100, 100, 100, 100, 130, 100])
        self.assertEqual(report.cpu_ratio(ours, theirs), 1.11)
        self.assertEqual(report.paired_ratio(ours, theirs, "server_cpu_ns"), 1.5)

    def test_generator_line_is_parsed(self):
        self.assertEqual(measure.parse_result("requests_per_second=12 p99_us=3.5 errors=0\n"),
                         {"requests_per_second": 12.0, "p99_us": 3.5, "errors": 0.0})

    def test_table_has_a_row_for_each_server_and_straight_columns(self):
        lines = report.table({"raw-uring": rounds([100]), "asio": rounds([125])}, "raw-uring")
        self.assertEqual(len(lines), 4)
        self.assertEqual(len({len(line) for line in lines}), 1)
        self.assertIn("1.250", lines[3])


class VerdictTest(unittest.TestCase):

    def judge(self, ours, **changes):
        loads = {"64": {"pelton": ours, "raw-uring": rounds([100, 100]), "asio": rounds([120, 120])}}
        found = report.verdicts(loads, changes.get("idle", {}), changes.get("idle_cpu", {}), "pelton", "raw-uring")
        return {verdict.what: verdict.passed for verdict in found}

    def test_three_percent_behind_the_limit_passes_and_four_fails(self):
        self.assertTrue(self.judge(rounds([103, 103]))["64: CPU per request, pelton / raw-uring"])
        self.assertFalse(self.judge(rounds([104, 104]))["64: CPU per request, pelton / raw-uring"])

    def test_must_be_below_published_libraries(self):
        self.assertTrue(self.judge(rounds([119, 119]))["64: CPU per request, pelton / asio"])
        self.assertFalse(self.judge(rounds([121, 121]))["64: CPU per request, pelton / asio"])

    def test_tail_latency_counts(self):
        self.assertFalse(self.judge(rounds([100, 100], p99=111.0))["64: p99, pelton / raw-uring"])

    def test_one_connection_must_be_twice_as_fast(self):
        for requests, passed in ((1999.0, False), (2001.0, True)):
            loads = {"1": {"pelton": rounds([1], requests=requests), "raw-uring": rounds([1])}}
            found = report.verdicts(loads, {}, {}, "pelton", "raw-uring")
            self.assertEqual([verdict.passed for verdict in found], [passed])

    def test_idle_memory_and_cpu_are_judged(self):
        found = self.judge(rounds([100, 100]), idle={"pelton": {"anonymous_bytes_per_connection": 1025.0}},
                           idle_cpu={"pelton": 0.2})
        self.assertFalse(found["idle: bytes of user memory per connection, pelton"])
        self.assertTrue(found["idle_cpu: percent of a core, pelton"])

    def test_says_what_it_measured(self):
        self.assertEqual(str(report.Verdict("x", 1.5, 1.03)), "FAIL  x: 1.500 <= 1.03")
        self.assertEqual(str(report.Verdict("y", 2.5, 2.0, at_least=True)), "PASS  y: 2.500 >= 2")


class ContestantTest(unittest.TestCase):

    def test_flags_are_filled_in(self):
        chosen = contestants.choose(["raw-uring"], ["mine:/bin/echo:--on={cpu} --buffer={buffer_size}"])
        self.assertEqual([each.name for each in chosen], ["raw-uring", "mine"])
        self.assertEqual(chosen[1].command(3, 99), ["/bin/echo", "--on=3", "--buffer=99"])

    def test_known_name_keeps_its_flags_and_its_place(self):
        chosen = contestants.choose(["pelton", "asio"], ["pelton:/tmp/other"])
        self.assertEqual([each.name for each in chosen], ["pelton", "asio"])
        self.assertEqual(chosen[0].command(0, 1), ["/tmp/other", "--port=0", "--shards=1", "--cpus=0"])

    def test_unknown_and_malformed_names_are_refused(self):
        with self.assertRaisesRegex(ValueError, "no such server: nginx"):
            contestants.choose(["nginx"], [])
        with self.assertRaisesRegex(ValueError, "NAME:PATH"):
            contestants.choose([], ["pelton"])

    def test_scenarios_have_distinct_names(self):
        self.assertEqual(len(set(scenarios.NAMES)), len(scenarios.NAMES))


class ServerTest(unittest.TestCase):

    def start(self, script):
        directory = tempfile.mkdtemp(dir=os.environ.get("TEST_TMPDIR"))
        path = os.path.join(directory, "server")
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/bash\n" + script)
        os.chmod(path, stat.S_IRWXU)
        with contestants.Server(contestants.Contestant("script", "", path=path), 0, 1) as server:
            return server.address

    def test_reads_the_address_and_takes_a_clean_end(self):
        address = self.start("sleep infinity & trap 'kill $!; exit 0' TERM\n"
                             "echo 'listening on 0.0.0.0:71 shards=1 driver=x'; wait")
        self.assertEqual(address, "127.0.0.1:71")

    def test_reports_a_server_that_ends_at_once(self):
        with self.assertRaisesRegex(contestants.ServerError, "ended before it was ready"):
            self.start("exit 0")

    def test_reports_a_server_that_says_something_else(self):
        with self.assertRaisesRegex(contestants.ServerError, "not the line that says ready"):
            self.start("echo hello; exec sleep infinity")

    def test_reports_an_unclean_end(self):
        with self.assertRaisesRegex(contestants.ServerError, "SIGTERM was answered with 3"):
            self.start("sleep infinity & trap 'kill $!; exit 3' TERM\n"
                       "echo 'listening on 127.0.0.1:71 shards=1 driver=x'; wait")


if __name__ == "__main__":
    unittest.main()
