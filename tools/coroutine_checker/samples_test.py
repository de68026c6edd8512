"""The checker finds what testdata marks with `// expect: NAME`, and nothing else.

The reports are the aspect's, so that its choice of files and flags is tested, too.
"""

import collections
import glob
import re
import unittest

TESTDATA = "tools/coroutine_checker/testdata/"
FINDING = re.compile(r"(?P<file>\S+?):(?P<line>\d+):(?P<column>\d+): warning: (?P<message>.*) \[(?P<check>pelton-[a-z-]+)\]")


def expected():
    """A counter of (file, line, check) from the comments in testdata."""
    wanted = collections.Counter()
    for path in glob.glob(TESTDATA + "*.cc") + glob.glob(TESTDATA + "*.h"):
        with open(path, encoding="utf-8") as source:
            for number, line in enumerate(source, start=1):
                mark = re.search(r"// expect: (.*)", line)
                for check in mark.group(1).split() if mark else ():
                    wanted[path, number, check] += 1
    return wanted


def found():
    """A counter of (file, line, check), and the messages by it. Several reports may hold a header's finding."""
    lines = set()
    for path in glob.glob(TESTDATA + "samples.coroutines/**/*.txt", recursive=True):
        with open(path, encoding="utf-8") as report:
            lines.update(report.read().splitlines())
    seen, messages = collections.Counter(), {}
    for line in lines:
        match = FINDING.fullmatch(line)
        assert match, f"a finding must read FILE:LINE:COLUMN: warning: MESSAGE [CHECK], and not {line!r}"
        key = match["file"], int(match["line"]), match["check"]
        seen[key] += 1
        messages[key] = match["message"]
    return seen, messages


class SamplesTest(unittest.TestCase):
    maxDiff = None

    def test_finds_what_is_marked_and_nothing_else(self):
        wanted, (seen, messages) = expected(), found()
        missed = [f"{file}:{line}: {check}" for file, line, check in sorted(wanted - seen)]
        wrong = [f"{key[0]}:{key[1]}: {key[2]}: {messages[key]}" for key in sorted(seen - wanted)]
        self.assertEqual((missed, wrong), ([], []))

    def test_every_check_is_among_the_samples(self):
        checks = collections.Counter(check for _, _, check in expected().elements())
        self.assertEqual(sorted(checks), ["pelton-await-free-loop", "pelton-blocking-call", "pelton-lock-across-await"])
        self.assertGreaterEqual(checks["pelton-await-free-loop"], 20)
        self.assertGreaterEqual(checks["pelton-blocking-call"], 60)

    def test_messages_name_the_culprit_and_the_way_out(self):
        _, messages = found()
        texts = list(messages.values())
        for wanted in (
                "'usleep' blocks the thread, and with it every task of the shard: co_await pelton::SleepFor",
                "'std::future::get' blocks the thread, and with it every task of the shard: co_await a pelton::Future",
                "'std::lock_guard' blocks the thread",
                "'std::ifstream' blocks the thread",
                "'LoadFile' calls 'fopen' (tools/coroutine_checker/testdata/bad_callees.cc:",
                "'Log::Flush' calls 'std::lock_guard'",
                "the constructor of 'Log' calls 'fopen'",
                "this lambda calls 'usleep'",
                "goes round up to 1000000 times",
                "goes round as often as its data says",
                "the lock 'held' is held over a co_await",
                "must be followed by the reason",
        ):
            self.assertTrue(any(wanted in text for text in texts), f"no message says {wanted!r}")


if __name__ == "__main__":
    unittest.main()
