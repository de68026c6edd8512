"""Each rule of lint finds what it should, and leaves alone what it should."""

import os
import re
import sys
import unittest

import lint
from source_tree import SourceTree, code_only

# Built here, so that this file does not find itself.
MARK = "TO" "DO"


def findings(rule, files):
    """The places ("path:line") where `rule` finds something in a tree of `files`."""
    found = lint.check(SourceTree({lint.ALLOW_LIST: "", "tools/README.md": "# tools\n", **files}))
    return [f"{f.path}:{f.line}" for f in found if f.rule == rule]


class RuleTest(unittest.TestCase):
    def expect_found(self, rule, path, text, line=1, **others):
        self.assertIn(f"{path}:{line}", findings(rule, {path: text, **others.get("beside", {})}))

    def expect_clean(self, rule, path, text, **others):
        self.assertEqual([], findings(rule, {path: text, **others.get("beside", {})}))


class SourceTreeTest(unittest.TestCase):
    def test_comments_and_literals_are_blanked_and_lines_stay(self):
        code = code_only('int a; // rand()\n/* rand()\n rand() */ f("rand()"); g(\'"\'); h(R"(rand()\n")"); k();\n')
        self.assertNotIn("rand", code)
        self.assertEqual(5, len(code.split("\n")))
        self.assertIn("k();", code)

    def test_digit_separators_open_no_literal(self):
        self.assertIn("rand()", code_only("int n = 1'000'000; rand(); int m = 2'0;\n"))

    def test_an_escaped_quote_does_not_end_a_literal(self):
        self.assertIn("k()", code_only('f("\\"rand("); k();'))
        self.assertNotIn("rand", code_only('f("\\"rand("); k();'))

    def test_include_in_a_comment_is_none(self):
        tree = SourceTree({"io/a.cc": '// #include "x.h"\n#include "y.h"\n/*\n#include "z.h"\n*/\n'})
        self.assertEqual([(2, "y.h")], list(tree.includes("io/a.cc")))


class LayeringRulesTest(RuleTest):
    def test_lower_rooms_never_include_higher_ones(self):
        order = ["framework/base", "alloc", "sched", "io", "framework"]
        for below, room in enumerate(order):
            for above in range(len(order)):
                files = {f"{room}/a.cc": f'#include "{order[above]}/b.h"\n'}
                wrong = above > below
                self.assertEqual(wrong, bool(findings("layering", files)), f"{room} -> {order[above]}")

    def test_rooms_never_include_tests_benchmarks_or_tools(self):
        for top in ("tests", "bench", "tools"):
            self.expect_found("layering", "framework/a.cc", f'#include "{top}/b.h"\n')
            self.expect_clean("layering", "tests/a.cc", f'#include "{top}/b.h"\n')

    def test_drivers_do_not_include_each_other(self):
        self.expect_found("drivers", "io/uring/a.cc", '#include "io/epoll/b.h"\n')
        self.expect_clean("drivers", "io/uring/a.cc", '#include "io/uring/b.h"\n#include "io/operation.h"\n')
        self.expect_clean("drivers", "framework/a.cc", '#include "io/uring/b.h"\n#include "io/epoll/b.h"\n')

    def test_internal_headers_stay_in_their_room(self):
        self.expect_found("internal", "io/a.cc", '#include "sched/internal/b.h"\n')
        self.expect_found("internal", "io/a.cc", '#include "io/uring/internal/b.h"\n')
        self.expect_clean("internal", "sched/sync/a.cc", '#include "sched/internal/b.h"\n')
        self.expect_found("internal", "bench/io/a.cc", '#include "sched/internal/b.h"\n')
        self.expect_clean("internal", "bench/sched/a.cc", '#include "sched/internal/b.h"\n')
        self.expect_clean("internal", "tests/fuzz/a.cc", '#include "sched/internal/b.h"\n')

    def test_includes_are_paths_from_the_top(self):
        self.expect_found("include-path", "sched/a.cc", '#include "b.h"\n', beside={"sched/b.h": ""})
        self.expect_clean("include-path", "sched/a.cc", '#include "sched/b.h"\n#include "absl/time/time.h"\n',
                          beside={"sched/b.h": ""})

    def test_guards_follow_the_path(self):
        good = "// A.\n\n#ifndef PELTON_IO_A_B_H_\n#define PELTON_IO_A_B_H_\n#include <a>\n#endif  // PELTON_IO_A_B_H_\n"
        self.expect_clean("guard", "io/a/b.h", good)
        self.expect_found("guard", "io/a/c.h", good, line=3)
        self.expect_found("guard", "io/a/b.h", "#pragma once\n")
        self.expect_found("guard", "io/a/b.h", "int a;\n", line=0)
        self.expect_found("guard", "io/a/b.h", good.replace("#endif  // PELTON_IO_A_B_H_", "#endif"), line=0)


class BannedRulesTest(RuleTest):
    # rule: (path, samples that are found, samples that are not)
    SAMPLES = {
        "threads": ("sched/a.cc",
                    ["std::mutex m;", "std::thread t;", "std::this_thread::yield();", "absl::Mutex m;",
                     "std::unique_lock<std::mutex> l(m);", "std::condition_variable c;", "pthread_create(&t);",
                     "std::counting_semaphore<2> s;"],
                    ["pthread_sigmask(a);", "my::thread t;", "int mutex;", "// std::mutex", "std::span<int> s;"]),
        "sharing": ("io/a.h",
                    ["std::atomic<int> a;", "std::shared_ptr<T> p;", "std::atomic_int a;", "std::weak_ptr<T> p;"],
                    ["std::unique_ptr<T> p;", "// std::atomic", "int atomic;", "a.load(std::memory_order_relaxed);"]),
        "sleep": ("tests/a_test.cc",
                  ["std::this_thread::sleep_for(d);", "usleep(5);", "::sleep(1);", "absl::SleepFor(d);", "sleep (1);",
                   "std::this_thread::sleep_until(d);", "nanosleep(&a, 0);"],
                  ["co_await SleepFor(d);", "co_await pelton::SleepFor(d);", "shard.sleep(1);", "auto sleep = F; sleep();", 'Say("sleep(1)");']),
        "random": ("tests/a_test.cc", ["rand();", "std::rand();", "::srand(1);", "std::random_device d;", "rand_r(&s);"],
                   ["shard.random();", "Random& random();", "operand(3);", "std::mt19937 g(7);", "x.rand();"]),
        "clock": ("io/a.cc",
                  ["std::chrono::steady_clock::now();", "clock_gettime(CLOCK_MONOTONIC, &t);", "absl::Now();",
                   "__rdtsc();", "time(nullptr);", "gettimeofday(&t, 0);", "std::time(NULL);",
                   "std::chrono::system_clock::now();", "::clock_gettime(0, &t);"],
                  ["clock.Now();", "shard.time(0);", "std::chrono::milliseconds(5);", "// absl::Now()"]),
        "std-function": ("sched/a.h", ["std::function<void()> f;"], ["std::invoke(f);", "function<int> f;"]),
        "stdout": ("framework/a.cc",
                   ["std::cout << 1;", "std::cerr << 1;", "printf(f);", "std::printf(f);", 'fprintf(stderr, "a");',
                    "fputs(text, stdout);", "puts(a);", "absl::PrintF(a);"],
                   ["snprintf(b, 3, f);", "fputs(text, file);", "out << 1;", "log.printf(1);"]),
        "exceptions": ("framework/a.cc", ["throw 3;", "throw;"], ["std::rethrow_exception(e);", "int throws;", "nothrow;"]),
        "assert": ("tests/a_test.cc", ["assert(a);", "assert (a);"], ["static_assert(a);", "PELTON_CHECK(a);"]),
        "string-view": ("io/a.h", ["void F(absl::string_view a);"], ["void F(std::string_view a);"]),
        "using-namespace": ("tests/a_test.cc", ["using namespace std;"],
                            ["using namespace std::chrono_literals;", "using std::string;",
                             "using namespace std::literals;"]),
        "vacuous-test": ("tests/a_test.cc",
                         ["GTEST_SKIP();", "TEST(A, DISABLED_B) {}", "EXPECT_TRUE(true);", "SUCCEED();"],
                         ['GTEST_SKIP() << "no io_uring";', "EXPECT_TRUE(ok);"]),
    }

    def test_every_ban_has_samples(self):
        self.assertEqual({ban.rule for ban in lint.banned_rules.BANS}, set(self.SAMPLES))

    def test_bans_find_their_samples(self):
        for rule, (path, bad, _) in self.SAMPLES.items():
            for sample in bad:
                with self.subTest(rule=rule, sample=sample):
                    self.expect_found(rule, path, f"int before;\n{sample}\n", line=2)

    def test_bans_leave_other_code_alone(self):
        for rule, (path, _, good) in self.SAMPLES.items():
            for sample in good:
                with self.subTest(rule=rule, sample=sample):
                    self.expect_clean(rule, path, sample + "\n")

    def test_each_ban_holds_where_it_is_meant(self):
        self.expect_clean("threads", "tests/a_test.cc", "std::thread t;\n")
        self.expect_found("threads", "framework/a.cc", "std::thread t;\n")
        self.expect_clean("sharing", "framework/a.cc", "std::atomic<int> a;\n")
        self.expect_clean("clock", "bench/a.cc", "std::chrono::steady_clock::now();\n")
        self.expect_clean("std-function", "framework/a.cc", "std::function<void()> f;\n")
        self.expect_clean("stdout", "framework/examples/a.cc", "std::cout << 1;\n")
        self.expect_clean("using-namespace", "bench/a.cc", "using namespace pelton;\n")
        self.expect_clean("sleep", "bench/a.cc", "usleep(1);\n")
        self.expect_clean("string-view", "io/a.cc", "absl::string_view a;\n")
        self.expect_found("sleep", "sched/a.cc", "usleep(1);\n")

    def test_scripts_of_tests_do_not_sleep_either(self):
        self.expect_found("sleep", "tests/a.sh", "while true; do sleep 1; done\n")
        self.expect_found("sleep", "tests/a.py", "time.sleep(1)\n")
        self.expect_clean("sleep", "tests/a.sh", "# no sleep here\nasleep 1\n")
        self.expect_clean("sleep", "tools/a.sh", "sleep 1\n")


class StructureRulesTest(RuleTest):
    def test_each_source_stands_in_a_build_file(self):
        self.expect_found("build-file", "io/a.cc", "", line=0)
        self.expect_found("build-file", "io/a.cc", "", line=0, beside={"io/BUILD.bazel": 'srcs = ["b.cc"]\n'})
        self.expect_clean("build-file", "io/a.cc", "", beside={"io/BUILD.bazel": 'srcs = ["a.cc"]\n'})
        self.expect_clean("build-file", "io/a.cc", "", beside={"io/BUILD.bazel": 'srcs = glob(["*.cc"])\n'})
        self.expect_clean("build-file", "tests/io/a_test.cc", "", beside={"tests/io/BUILD.bazel": 'for n in ["a"]\n'})
        self.expect_clean("build-file", "io/internal/a.cc", "",
                          beside={"io/BUILD.bazel": 'srcs = ["internal/a.cc"]\n'})
        self.expect_found("build-file", "io/internal/a.cc", "", line=0, beside={"io/BUILD.bazel": 'srcs = ["a.cc"]\n'})

    def test_each_header_has_a_test(self):
        self.expect_found("test-file", "io/a.h", "", line=0)
        self.expect_clean("test-file", "io/a.h", "", beside={"tests/io/a_test.cc": ""})
        self.expect_clean("test-file", "io/internal/a.h", "", beside={"tests/io/a_test.cc": ""})
        self.expect_clean("test-file", "io/internal/a.h", "", beside={"tests/io/internal/a_test.cc": ""})
        self.expect_clean("test-file", "io/a.h", "", beside={"tests/conformance/a_test.cc": ""})
        self.expect_found("test-file", "sched/a.h", "", line=0, beside={"tests/conformance/a_test.cc": ""})
        self.expect_clean("test-file", "tests/support/a.h", "")

    def test_long_files_are_warned_of_and_longer_ones_refused(self):
        for lines, warned, refused in ((400, 0, 0), (401, 1, 0), (700, 1, 0), (701, 0, 1)):
            files = {"io/a.cc": "int a;\n" * lines}
            self.assertEqual(refused, len(findings("length", files)), lines)
            self.assertEqual(warned, len(lint.warnings(SourceTree(files))), lines)

    def test_headers_open_with_a_comment(self):
        self.expect_clean("header-comment", "io/a.h", "// What it is.\n\n#ifndef A\n")
        self.expect_found("header-comment", "io/a.h", "#ifndef A\n// What it is.\n")
        self.expect_found("header-comment", "io/a.h", "// Too much.\n" * 31)
        self.expect_clean("header-comment", "io/a.h", "// Enough.\n" * 30)

    def test_open_ends_are_explained(self):
        self.expect_found("unfinished", "io/a.cc", f"// {MARK}: later\n")
        self.expect_found("unfinished", "io/a.cc", f"// {MARK}(ann): later\n")
        self.expect_found("unfinished", "README.md", "FIX" "ME\n")
        self.expect_clean("unfinished", "io/a.cc", f"// {MARK}(#12): needs a kernel with NAPI\n")
        self.expect_clean("unfinished", "io/a.cc", "int kTodos;\n")

    def test_text_is_tidy(self):
        self.expect_found("whitespace", "io/a.cc", "int a;\n\tint b;\n", line=2)
        self.expect_found("whitespace", "io/a.cc", "int a; \n")
        self.expect_found("whitespace", "io/a.cc", "int a;\r\n")
        self.expect_found("whitespace", "io/a.cc", "int a;")
        self.expect_found("whitespace", "io/a.cc", "int a;\n\n", line=3)
        self.expect_clean("whitespace", "io/a.cc", "int a;\n\nint b;\n")
        self.expect_clean("whitespace", "tools/BUILD.bazel", "")

    def test_rooms_have_short_readmes(self):
        self.assertEqual(["io/README.md:0"], findings("readme", {"io/uring/a.cc": ""}))
        self.assertEqual([], findings("readme", {"io/a.cc": "", "io/README.md": "# io\n" * 40}))
        self.assertEqual(["io/README.md:0"], findings("readme", {"io/README.md": "# io\n" * 41}))
        self.assertEqual([], findings("readme", {"README.md": "# Pelton\n" * 120}))
        self.assertEqual(["README.md:0"], findings("readme", {"README.md": "# Pelton\n" * 121}))

    def test_excerpts_match_their_files(self):
        def document(code, file="a.cc", fence="```cpp"):
            return f"Text.\n<!-- excerpt: {file} -->\n{fence}\n{code}\n```\n"

        source = {"a.cc": "int a;\nint b;\nint c;\n"}
        self.expect_clean("excerpt", "README.md", document("int b;\nint c;"), beside=source)
        self.expect_found("excerpt", "README.md", document("int b;\nint d;"), line=2, beside=source)
        self.expect_found("excerpt", "README.md", document("int a;\nint c;"), line=2, beside=source)
        self.expect_found("excerpt", "README.md", document("int  b;"), line=2, beside=source)
        self.expect_found("excerpt", "README.md", document("int b;", file="b.cc"), line=2, beside=source)
        self.expect_found("excerpt", "README.md", document(""), line=2, beside=source)
        self.expect_found("excerpt", "README.md", document("int b;", fence=""), line=2, beside=source)
        self.expect_found("excerpt", "README.md", "<!-- excerpt a.cc -->\n", beside=source)
        self.expect_found("excerpt", "README.md", "<!-- excerpt: a.cc -->\n```\nint b;\n", beside=source)


class AllowListTest(unittest.TestCase):
    FILES = {"io/a.cc": "rand();\n", "io/b/c.cc": "rand();\n"}

    def check(self, allow_list):
        found = lint.check(SourceTree({**self.FILES, lint.ALLOW_LIST: allow_list}))
        return [f"{f.rule} {f.path}:{f.line}" for f in found if f.rule in ("random", "allow-list")]

    def test_an_entry_allows_its_rule_in_its_file(self):
        self.assertEqual(["random io/b/c.cc:1"], self.check("# Why.\n\nrandom io/a.cc it is a sample\n"))

    def test_a_folder_stands_for_what_is_below_it(self):
        self.assertEqual([], self.check("random io/ they are samples\n"))

    def test_an_entry_without_a_reason_is_an_error(self):
        self.assertIn("allow-list tools/lint/allow.txt:1", self.check("random io/a.cc\n"))

    def test_an_entry_for_no_rule_is_an_error(self):
        self.assertIn("allow-list tools/lint/allow.txt:1", self.check("randomness io/a.cc it is a sample\n"))

    def test_an_entry_that_allows_nothing_is_an_error(self):
        self.assertIn("allow-list tools/lint/allow.txt:2",
                      self.check("random io/ they are samples\nclock io/a.cc it reads none\n"))


class CoverageTest(unittest.TestCase):
    def test_every_rule_is_tested(self):
        with open(os.path.realpath(__file__), encoding="utf-8") as file:
            named = set(re.findall(r'"([a-z-]+)"', file.read()))
        self.assertEqual(set(), lint.RULE_NAMES - named)


if __name__ == "__main__":
    sys.exit(unittest.main())
