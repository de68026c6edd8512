"""Calls and types that are not to be used, each with what to use instead."""

import collections
import re

from source_tree import Finding

_ROOMS = ("alloc/", "sched/", "io/", "framework/")
_SHARD_ROOMS = ("alloc/", "sched/", "io/")
_EXAMPLES = "framework/examples/"

# rule: name, also in the allow-list. pattern: on code without comments and literals. within: folders (none: everywhere).
# without: folders inside those. suffixes: of the files. instead: what the message advises.
Ban = collections.namedtuple("Ban", "rule pattern within without suffixes instead")


def _ban(rule, pattern, instead, within=(), without=(), suffixes=(".h", ".cc")):
    return Ban(rule, re.compile(pattern), within, without, suffixes, instead)


# Not preceded by what makes it a member or another namespace's name.
_FREE = r"(?<![\w.>:])(?:::|std::)?"

BANS = (
    _ban("threads",
         r"\bstd::(?:jthread|thread|this_thread|\w*mutex|condition_variable\w*|lock_guard|unique_lock|scoped_lock|shared_lock"
         r"|async|latch|barrier|\w+_semaphore|call_once)\b|\babsl::(?:Mutex\w*|Notification|CondVar)\b|\bpthread_(?:create|\w*mutex|cond|rwlock|spin|barrier)\w*",
         "a shard is one thread and takes no lock: use a mailbox, sched/sync, or the blocking pool",
         within=_ROOMS),
    _ban("sharing",
         r"\bstd::(?:atomic\w*|shared_ptr|weak_ptr|make_shared)\b",
         "nothing inside a shard is shared: use a plain value or std::unique_ptr; only the seams between threads are atomic",
         within=_SHARD_ROOMS),
    _ban("sleep",
         r"\bsleep_(?:for|until)\b|\babsl::SleepFor\b|" + _FREE + r"(?:sleep|usleep|nanosleep|clock_nanosleep)\s*\(\s*[^)\s]",
         "wait for the event itself, or co_await pelton::SleepFor under the virtual clock",
         without=("bench/",)),
    _ban("sleep", r"\btime\.sleep\s*\(", "wait for the event itself", within=("tests/",), suffixes=(".py",)),
    _ban("sleep", r"(?:^|[;&|(]|\b(?:do|then|else)\b)\s*sleep\s", "wait for the event itself", within=("tests/",),
         suffixes=(".sh",)),
    _ban("random",
         _FREE + r"(?:rand|srand|rand_r|drand48|lrand48|arc4random\w*)\s*\(|\bstd::random_device\b",
         "use the shard's seeded Random, so that a run can be repeated"),
    _ban("clock",
         r"\bstd::chrono::(?:steady|system|high_resolution)_clock\b|\babsl::(?:Now|GetCurrentTimeNanos)\b"
         r"|\b__(?:builtin_ia32_)?rdtscp?\b|\b_rdtsc\b|\b__builtin_readcyclecounter\b|"
         + _FREE + r"(?:clock_gettime|gettimeofday)\s*\(|" + _FREE + r"time\s*\(\s*(?:nullptr|NULL|0|&)",
         "time comes through sched::Clock, which tests make virtual",
         without=("bench/",)),
    _ban("std-function", r"\bstd::function\b",
         "it allocates and hides the call: take a template parameter, or a function pointer and a context",
         within=_SHARD_ROOMS),
    _ban("stdout",
         r"\bstd::(?:cout|cerr|clog)\b|" + _FREE + r"(?:v?printf|puts|putchar|perror)\s*\(|"
         + _FREE + r"(?:v?fprintf|fputs|fputc|fwrite)\s*\([^;]*\b(?:stdout|stderr)\b|\babsl::(?:PrintF|FPrintF)\b",
         "a library returns absl::Status, or counts; only programs write to the terminal",
         within=_ROOMS, without=(_EXAMPLES,)),
    _ban("exceptions", r"\bthrow\b", "errors are values: return absl::Status or absl::StatusOr", within=_ROOMS),
    _ban("assert", r"\bassert\s*\(", "use PELTON_CHECK (always on) or PELTON_DCHECK (debug builds)"),
    _ban("string-view", r"\babsl::string_view\b",
         "public signatures use std::string_view; framework/base/strings.h converts", within=_ROOMS, suffixes=(".h",)),
    _ban("using-namespace", r"\busing\s+namespace\b(?!.*literals\b)", "name what you use",
         within=_ROOMS + ("tests/",)),
    _ban("vacuous-test",
         r"\bGTEST_SKIP\s*\(\s*\)\s*;|\bDISABLED_|\b(?:EXPECT|ASSERT)_TRUE\s*\(\s*true\s*\)|\bSUCCEED\s*\(",
         "a test must be able to fail; a skip names the capability that is missing",
         within=("tests/", "bench/")),
)


def banned(tree):
    """No banned call or type in code; comments and literals may speak of them."""
    for ban in BANS:
        for path in tree.paths(*ban.suffixes):
            if ban.within and not path.startswith(ban.within):
                continue
            if ban.without and path.startswith(ban.without):
                continue
            is_cc = path.endswith((".h", ".cc"))
            for number, line in tree.code_lines(path) if is_cc else tree.lines(path):
                match = ban.pattern.search(line)
                if match:
                    yield Finding(ban.rule, path, number, f"`{match.group(0).strip()}`: {ban.instead}")


RULES = {"banned": banned}
