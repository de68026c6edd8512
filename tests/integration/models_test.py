"""The program `models`: real timers and threads, in all five models of program flow."""

import re
import subprocess
import unittest

import service

_MODELS = ["OS threads", "stackful fibers", "callbacks", "promises and futures", "coroutines"]
_RUN = re.compile(r"^  (in sequence|concurrently) +order ([\w ]+); elapsed ([\d.]+) ms$", re.MULTILINE)
_COST = re.compile(r"^  a waiter +(\d+) B of frames.* \(average of (\d+)\)$", re.MULTILINE)
# How late a timer's end may be noticed on a machine that is busy, in milliseconds.
_LATE = 5000


def run(*flags):
    """Runs the program to its end."""
    return subprocess.run([service.binary("models"), "--shards=1", f"--driver={service.driver}", *flags],
                          capture_output=True, text=True, timeout=service.PATIENCE * 2, check=False)


class ModelsTest(unittest.TestCase):

    def test_all_models_have_the_same_order_and_times(self):
        done = run("--waiters=100")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        names = [line.split(" (")[0] for line in done.stdout.splitlines() if re.match(r"^[^ ].* \(", line)]
        self.assertEqual(names, _MODELS)
        runs = _RUN.findall(done.stdout)
        self.assertEqual([(how, order) for how, order, _ in runs],
                         [("in sequence", "200ms 100ms 50ms"), ("concurrently", "50ms 100ms 200ms")] * len(_MODELS))
        for how, _, elapsed in runs:
            expected = 350 if how == "in sequence" else 200
            self.assertGreaterEqual(float(elapsed), expected)
            self.assertLess(float(elapsed), expected + _LATE)
        costs = _COST.findall(done.stdout)
        self.assertEqual([int(waiters) for _, waiters in costs], [8, 100, 100, 100, 100])
        self.assertTrue(all(int(frames) > 0 for frames, _ in costs), costs)

    def test_each_model_awaits_every_other(self):
        done = run("--waiters=1", "--timers=1ms")
        rows = re.findall(r"^  ((?:\w+ )*\w+)((?: +\d+\.\d){5})$", done.stdout, re.MULTILINE)
        self.assertEqual([name for name, _ in rows], _MODELS, done)
        for name, cells in rows:
            for cell in cells.split():
                self.assertGreaterEqual(float(cell), 10.0, name)

    def test_flags_that_make_no_sense(self):
        for flag, message in (("--timers=soon", r'--timers: "soon" is not a duration from 0 to 1m'),
                              ("--timers=-1s", r'--timers: "-1s" is not a duration'),
                              ("--waiters=0", r"--waiters=0: expected 1 to 100000")):
            with self.subTest(flag=flag):
                done = run(flag)
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertRegex(done.stderr, message)

    def test_help_names_the_flags(self):
        done = run("--help")
        self.assertIn("--timers", done.stdout)
        self.assertIn("--waiters", done.stdout)


if __name__ == "__main__":
    unittest.main()
