#!/usr/bin/env python3
"""Misuse of Pelton that the compiler must refuse, with a message that says what is wrong.

Each sample is compiled twice: as it is, where it must fail with the message; and with the misuse mended, where it must pass, so
that a sample cannot fail for another reason.
"""

import os
import subprocess
import unittest

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))
FLAGS = ["-std=c++20", "-fsyntax-only", "-iquote", ROOT, "-Wall", "-Werror", "-Wno-unused-parameter",
         "-Wno-unused-function", "-x", "c++", "-"]
HEADER = '#include "framework/pelton.h"\nusing namespace pelton;\n'


def compile_source(source, compiler="clang++-19"):
    done = subprocess.run([compiler, *FLAGS], input=source, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False, cwd=ROOT)
    return done.returncode, done.stdout


class CompileFailTest(unittest.TestCase):
    def expect_refused(self, misuse, mended, message):
        code, output = compile_source(HEADER + mended)
        self.assertEqual(code, 0, f"the mended sample does not compile:\n{output}")
        code, output = compile_source(HEADER + misuse)
        self.assertNotEqual(code, 0, "the misuse compiles")
        self.assertIn(message, output)

    def test_a_task_that_nobody_awaits(self):
        body = "Task<int> One() {{ co_return 1; }}\nTask<void> F() {{ {} One(); }}\n"
        self.expect_refused(body.format(""), body.format("co_await"),
                            "a Task does nothing until it is awaited or spawned")

    def test_a_status_that_nobody_looks_at(self):
        body = "Task<void> F() {{ {} co_await SleepFor(absl::Seconds(1)); }}\n"
        self.expect_refused(body.format(""), body.format("(void)"), "ignoring return value")

    def test_an_awaiter_that_nobody_awaits(self):
        body = "Task<void> F() {{ {} Yield(); co_return; }}\n"
        self.expect_refused(body.format(""), body.format("co_await"), "co_await it")

    def test_a_task_awaited_as_an_lvalue(self):
        body = "Task<void> F(Task<int> task) {{ (void)co_await {}; }}\n"
        self.expect_refused(body.format("task"), body.format("std::move(task)"), "error:")

    def test_a_task_that_is_copied(self):
        body = "void G(Task<int> task) {{ Task<int> other = {}; }}\n"
        self.expect_refused(body.format("task"), body.format("std::move(task)"), "error:")

    def test_an_over_aligned_result(self):
        body = "struct alignas({}) Wide {{ char bytes[64]; }};\nTask<Wide> F() {{ co_return Wide(); }}\n"
        self.expect_refused(body.format(64), body.format(16), "return a std::unique_ptr<T> instead")

    def test_spawning_what_is_no_task(self):
        body = "void G(TaskScope& scope) {{ scope.Spawn([]() {} ); }}\n"
        self.expect_refused(body.format("-> int { return 1; }"), body.format("-> Task<void> { co_return; }"),
                            "Spawn() takes a function that returns a Task")

    def test_a_reference_that_travels_to_another_shard(self):
        body = "int global;\nTask<void> F() {{ (void)co_await On(ShardId(1), []() -> Task<int{0}> {{ co_return global; }}); }}\n"
        self.expect_refused(body.format("&"), body.format(""), "a reference to another shard's memory must not travel")

    def test_awaiting_from_a_coroutine_of_another_library(self):
        other = """
#include <coroutine>
struct Other { struct promise_type { Other get_return_object() { return {}; } std::suspend_never initial_suspend() { return {}; }
  std::suspend_never final_suspend() noexcept { return {}; } void return_void() {} void unhandled_exception() {} }; };
%s F() { co_await Yield(); }
"""
        self.expect_refused(other % "Other", other % "Task<void>", "PeltonPromise")

    def test_a_compiler_that_miscompiles_coroutines(self):
        source = '#include "framework/base/compiler.h"\n'
        code, output = compile_source(source, "g++")
        version = subprocess.run(["g++", "-dumpversion"], capture_output=True, text=True, check=True).stdout
        if int(version.split(".")[0]) >= 13:
            self.assertEqual(code, 0, output)
            return
        self.assertNotEqual(code, 0)
        self.assertIn("Use clang-19", output)
        code, output = compile_source("#define PELTON_ALLOW_MISCOMPILING_COMPILER\n" + source, "g++")
        self.assertEqual(code, 0, output)


if __name__ == "__main__":
    unittest.main()
