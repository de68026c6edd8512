"""The checker's flags, exit codes and errors."""

import os
import subprocess
import sys
import tempfile
import unittest

CHECKER = os.path.abspath(sys.argv.pop(1))
COROUTINE = """
#include <coroutine>
struct Flow {
  struct promise_type {
    Flow get_return_object() { return {}; }
    std::suspend_never initial_suspend() { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() {}
  };
};
"""
SLEEP = 'extern "C" int usleep(unsigned);\nFlow F() { usleep(1); co_return; }\n'
OWN = "namespace db { int Query(); }\nFlow F() { db::Query(); co_return; }\n"
LOOP = "int work();\nFlow F() { for (int i = 0; i < 100; ++i) work(); co_return; }\n"


class FlagsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def check(self, source, *flags, name="a.cc"):
        """Runs the checker on a source: its exit code and what it printed."""
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(COROUTINE + source)
        done = subprocess.run([CHECKER, *flags, name, "--", "-std=c++20"], cwd=self.folder, text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.returncode, done.stdout

    def test_help_names_the_checks_and_the_flags(self):
        done = subprocess.run([CHECKER, "--help"], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0)
        for word in ("pelton-await-free-loop", "pelton-blocking-call", "pelton-lock-across-await", "--blocking",
                     "--not-blocking", "--max-trips", "--exclude", "--report", "Exit code"):
            self.assertIn(word, done.stdout)

    def test_a_finding_is_a_line_and_an_exit_code(self):
        code, output = self.check(SLEEP)
        self.assertEqual(code, 1)
        self.assertRegex(output, r"\Aa\.cc:13:12: warning: 'usleep' blocks .* \[pelton-blocking-call\]\n\Z")

    def test_nothing_found_is_silence_and_zero(self):
        self.assertEqual(self.check("Flow F() { co_return; }\n"), (0, ""))

    def test_a_file_without_coroutines_is_not_parsed(self):
        path = os.path.join(self.folder, "plain.cc")
        with open(path, "w", encoding="utf-8") as file:
            file.write("this is no C++\n")
        done = subprocess.run([CHECKER, path, "--"], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_what_does_not_compile_cannot_be_checked(self):
        code, output = self.check("Flow F() { usleep(1); co_return; }\n")
        self.assertEqual(code, 2)
        self.assertIn("a.cc:12:12: error: use of undeclared identifier 'usleep'", output)

    def test_functions_can_be_added_with_an_advice(self):
        self.assertEqual(self.check(OWN), (0, ""))
        code, output = self.check(OWN, "--blocking=db::Query=await db::AsyncQuery")
        self.assertEqual(code, 1)
        self.assertIn("'db::Query' blocks the thread, and with it every task of the shard: await db::AsyncQuery", output)
        self.assertIn("hand the call to pelton::RunBlocking", self.check(OWN, "--blocking=db::Query")[1])

    def test_functions_can_be_taken_out(self):
        self.assertEqual(self.check(SLEEP, "--not-blocking=usleep"), (0, ""))
        code, output = self.check(SLEEP, "--not-blocking=uslepp")
        self.assertEqual(code, 2)
        self.assertIn("--not-blocking=uslepp: no such function is known", output)

    def test_the_limit_of_loops_can_be_set(self):
        self.assertEqual(self.check(LOOP), (0, ""))
        self.assertEqual(self.check(LOOP, "--max-trips=100")[0], 0)
        code, output = self.check(LOOP, "--max-trips=99")
        self.assertEqual(code, 1)
        self.assertIn("goes round up to 100 times", output)

    def test_paths_can_be_left_alone(self):
        self.assertEqual(self.check(SLEEP, name="external/b.cc"), (0, ""))
        self.assertEqual(self.check(SLEEP, "--exclude=^a", name="external/b.cc")[0], 1)
        self.assertEqual(self.check(SLEEP, "--exclude=^a"), (0, ""))
        code, output = self.check(SLEEP, "--exclude=(")
        self.assertEqual(code, 2)
        self.assertIn("--exclude=( is no regular expression", output)

    def test_a_report_takes_the_findings_and_leaves_the_exit_code(self):
        report = os.path.join(self.folder, "report.txt")
        self.assertEqual(self.check(SLEEP, "--report=" + report), (0, ""))
        with open(report, encoding="utf-8") as file:
            self.assertIn("[pelton-blocking-call]", file.read())
        code, output = self.check(SLEEP, "--report=/nowhere/report.txt")
        self.assertEqual(code, 2)
        self.assertIn("/nowhere/report.txt cannot be written: No such file or directory", output)


if __name__ == "__main__":
    unittest.main()
