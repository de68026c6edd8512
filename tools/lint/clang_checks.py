#!/usr/bin/env python3
"""What clang can say about the sources: format, headers that stand alone, and clang-tidy.

Usage: tools/lint/clang_checks.py format [--fix] [FILE...]
       tools/lint/clang_checks.py headers|tidy [FILE...]

Without files: format looks at all C++ files that git knows or would add; headers at all headers of the rooms; tidy at the
rooms' sources, and at their headers without a source. Returns 1 when something was found.

Headers and sources that were clean are not looked at again until they, or what they include, change (~/.cache/pelton/clean).
"""

import concurrent.futures
import os
import re
import subprocess
import sys

from clean_cache import CleanCache

ROOMS = ("alloc/", "sched/", "io/", "framework/")
# As in .bazelrc; clang reads Debian's Abseil here.
FLAGS = ["-std=c++20", "-fclang-abi-compat=17", "-iquote", ".", "-Wall", "-Wextra", "-Wno-unused-parameter",
         "-Wno-missing-field-initializers", "-Wno-gnu-zero-variadic-macro-arguments", "-DPELTON_HAS_JEMALLOC=1",
         # framework/testing; Debian has the headers beside the sources.
         "-isystem", "/usr/src/googletest/googlemock/include", "-isystem", "/usr/src/googletest/googletest/include"]


def known_files():
    """The C++ files that git tracks, or would."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "--", "*.h", "*.cc"],
                            check=True, capture_output=True, text=True).stdout.split()
    return sorted(path for path in set(listed) if os.path.isfile(path))


def room_files(files, suffix):
    return [f for f in files if f.startswith(ROOMS) and f.endswith(suffix)]


def run(command, **options):
    """Runs a command; its exit code and all that it printed."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options)
    return done.returncode, done.stdout


def check_format(path):
    code, _ = run(["clang-format-19", "--dry-run", "-Werror", path])
    return code, f"{path}: not formatted (tools/lint/clang_checks.py format --fix {path})\n"


def fix_format(path):
    return run(["clang-format-19", "-i", path])


def check_header(path):
    """Compiles a source that includes nothing but the header."""
    command = ["clang++-19", *FLAGS, "-Werror", "-fsyntax-only", "-x", "c++", "-"]
    return run(command, input=f'#include "{path}"\n')


def check_tidy(path):
    # Headers are read as C++; clang takes a lone .h for C.
    flags = FLAGS + (["-x", "c++", "-Wno-pragma-once-outside-header"] if path.endswith(".h") else [])
    code, output = run(["clang-tidy-19", "--quiet", path, "--", *flags])
    lines = output.splitlines(keepends=True)
    return code, "".join(line for line in lines if not re.fullmatch(r"\d+ warnings? generated\.\n", line))


def tidy_files(files):
    sources = room_files(files, ".cc")
    with_source = {os.path.splitext(source)[0] for source in sources}
    return sources + [h for h in room_files(files, ".h") if os.path.splitext(h)[0] not in with_source]


def cache_of(kind):
    """What the results of a check depend on besides the sources: its tools, its flags, the libraries' headers."""
    packages = run(["dpkg-query", "-W"])[1]
    with open(".clang-tidy", encoding="utf-8") as file:
        configuration = "\0".join([kind, packages, file.read(), *FLAGS])
    return CleanCache(os.path.expanduser(f"~/.cache/pelton/clean/{kind}"), configuration.encode())


def unless_clean(check, cache):
    """The check, passed over for what the cache knows to be clean."""
    def cached(path):
        key = cache.key(path)
        if cache.is_clean(key):
            return 0, ""
        code, output = check(path)
        if code == 0 and not output:
            cache.add(key)
        return code, output
    return cached


def main(arguments):
    if not arguments or arguments[0] not in ("format", "headers", "tidy"):
        print(__doc__, file=sys.stderr)
        return 2
    kind, arguments = arguments[0], arguments[1:]
    fix = kind == "format" and "--fix" in arguments
    chosen = [os.path.relpath(a) for a in arguments if a != "--fix"]
    if chosen:
        top = subprocess.run(["git", "rev-parse", "--show-toplevel"], check=True, capture_output=True, text=True).stdout
        chosen = [os.path.relpath(os.path.abspath(a), top.strip()) for a in chosen]
    os.chdir(os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", ".."))
    check, files = {
        "format": lambda: (fix_format if fix else check_format, chosen or known_files()),
        "headers": lambda: (check_header, chosen or room_files(known_files(), ".h")),
        "tidy": lambda: (check_tidy, chosen or tidy_files(known_files())),
    }[kind]()
    if kind != "format":
        check = unless_clean(check, cache_of(kind))
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for code, output in pool.map(check, files):
            if code != 0:
                failed += 1
                sys.stdout.write(output)
    print(f"{kind}: {len(files)} files, {failed} with findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
