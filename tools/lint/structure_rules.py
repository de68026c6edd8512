"""What belongs to each folder and file: build, tests, size, room signs, tidy text."""

import posixpath
import re

from source_tree import ROOMS, Finding

_SIGNED_ROOMS = ROOMS + ("framework/base", "tests", "bench", "tools")
# The most lines that a document may have; any other README is a room's.
_DOCUMENT_LINES = {"README.md": 120, "ARCHITECTURE.md": 300}
_ROOM_README_LINES = 40
_HEADER_COMMENT_LINES = 30
_WARN_LINES, _FAIL_LINES = 400, 700

# Put together, so that this file does not find itself.
_MARK = "TO" "DO"
_OTHER_MARKS = "FIX" "ME|XX" "X|HA" "CK"


def build_file(tree):
    """Each folder with sources has a BUILD.bazel that names each of them; internal/ may be part of its parent's."""
    for path in tree.cc_paths():
        folder, name = posixpath.split(path)
        if posixpath.basename(folder) == "internal" and posixpath.join(folder, "BUILD.bazel") not in tree:
            folder, name = posixpath.dirname(folder), "internal/" + name
        build = posixpath.join(folder, "BUILD.bazel")
        if build not in tree:
            yield Finding("build-file", path, 0, f"{folder}/ has sources and no BUILD.bazel")
            continue
        text = tree.text(build)
        stem = name.rsplit(".", 1)[0]
        # A list comprehension may name the stem, or what precedes its _test.
        names = (name, stem, stem.removesuffix("_test"), stem.removesuffix("_benchmark"))
        if "glob(" not in text and not any(f'"{n}"' in text for n in names):
            yield Finding("build-file", path, 0, f"{build} does not mention {name}: it is never built")


def test_file(tree):
    """Each header of the rooms has a test at the mirrored place, or one that runs on every driver."""
    for path in tree.paths(".h"):
        if not path.startswith(tuple(r + "/" for r in ROOMS)) or path.startswith("framework/examples/"):
            continue
        test = "tests/" + path[: -len(".h")] + "_test.cc"
        places = {test, test.replace("/internal/", "/")}
        if path.startswith("io/"):
            places.add("tests/conformance/" + posixpath.basename(test))
        if not any(place in tree for place in places):
            yield Finding("test-file", path, 0, f"has no {test}")


def length(tree):
    """Files end long before they hold two subjects."""
    for path in tree.paths(".h", ".cc", ".py", ".sh", ".bzl"):
        count = tree.text(path).count("\n")
        if count > _FAIL_LINES:
            yield Finding("length", path, 0, f"{count} lines; split it by subject (at most {_FAIL_LINES})")


def length_warnings(tree):
    """Files that will soon be too long."""
    for path in tree.paths(".h", ".cc", ".py", ".sh", ".bzl"):
        count = tree.text(path).count("\n")
        if _WARN_LINES < count <= _FAIL_LINES:
            yield Finding("length", path, 0, f"{count} lines; aim below {_WARN_LINES}")


def header_comment(tree):
    """A header of the rooms opens with what it is for, briefly."""
    for path in tree.paths(".h"):
        if not path.startswith(tuple(r + "/" for r in ROOMS)):
            continue
        comment = 0
        for _, line in tree.lines(path):
            if not line.startswith("//"):
                break
            comment += 1
        if comment == 0:
            yield Finding("header-comment", path, 1, "must open with a comment that says what it is for")
        elif comment > _HEADER_COMMENT_LINES:
            yield Finding("header-comment", path, 1,
                          f"opens with {comment} lines of comment (at most {_HEADER_COMMENT_LINES})")


def unfinished(tree):
    """What is left open says who and why, or does not stay."""
    for path in tree.paths():
        for number, line in tree.lines(path):
            if re.search(rf"\b(?:{_OTHER_MARKS})\b", line):
                yield Finding("unfinished", path, number, f"finish it, or write {_MARK}(issue): and why it can wait")
            elif re.search(rf"\b{_MARK}\b", line) and not re.search(rf"\b{_MARK}\([^)\s]+\): \S+ \S+ \S+", line):
                yield Finding("unfinished", path, number, f"write {_MARK}(issue): and a sentence that says why")


def whitespace(tree):
    """No tabs, no blanks at line ends, no carriage returns, one newline at the end."""
    for path in tree.paths():
        text = tree.text(path)
        for number, line in enumerate(text.split("\n"), start=1):
            if "\t" in line:
                yield Finding("whitespace", path, number, "tab")
            if "\r" in line:
                yield Finding("whitespace", path, number, "carriage return")
            elif line != line.rstrip():
                yield Finding("whitespace", path, number, "blanks at the end of the line")
        if text and (not text.endswith("\n") or text.endswith("\n\n")):
            yield Finding("whitespace", path, text.count("\n") + 1, "must end with one newline")


def readme(tree):
    """Each room has a sign at its door, and no document outgrows its reader."""
    folders = {posixpath.dirname(p) for p in tree.paths()}
    for room in _SIGNED_ROOMS:
        inhabited = any(f == room or f.startswith(room + "/") for f in folders)
        if inhabited and f"{room}/README.md" not in tree:
            yield Finding("readme", f"{room}/README.md", 0, "is missing: what the room is for, and where to start")
    for path in tree.paths(".md"):
        is_room = posixpath.basename(path) == "README.md" and "/" in path
        limit = _ROOM_README_LINES if is_room else _DOCUMENT_LINES.get(path)
        count = tree.text(path).count("\n")
        if limit is not None and count > limit:
            yield Finding("readme", path, 0, f"{count} lines (at most {limit})")


def excerpt(tree):
    """Code in a document after `<!-- excerpt: FILE -->` stands in FILE, line for line."""
    for path in tree.paths(".md"):
        lines = tree.text(path).splitlines()
        for index, line in enumerate(lines):
            marker = re.match(r"<!--\s*excerpt:\s*(\S+)\s*-->\s*$", line)
            if not marker:
                if re.search(r"<!--\s*excerpt", line):
                    yield Finding("excerpt", path, index + 1, "the marker must read `<!-- excerpt: FILE -->`")
                continue
            problem = _compare_excerpt(tree, lines[index + 1:], marker.group(1))
            if problem:
                yield Finding("excerpt", path, index + 1, problem)


def _compare_excerpt(tree, following, file):
    if not following or not following[0].startswith("```"):
        return "no fenced code follows the marker"
    if "```" not in following[1:]:
        return "the fenced code does not end"
    wanted = following[1: following.index("```", 1)]
    if not any(line.strip() for line in wanted):
        return "the fenced code is empty"
    if file not in tree:
        return f"{file} does not exist"
    actual = tree.text(file).splitlines()
    for start in range(len(actual) - len(wanted) + 1):
        if actual[start: start + len(wanted)] == wanted:
            return None
    strangers = [line for line in wanted if line not in actual]
    return f"{file} reads otherwise: " + (f"it has no line `{strangers[0].strip()}`" if strangers else
                                         "it has these lines, not in this order without others between")


RULES = {
    "build-file": build_file,
    "test-file": test_file,
    "length": length,
    "header-comment": header_comment,
    "unfinished": unfinished,
    "whitespace": whitespace,
    "readme": readme,
    "excerpt": excerpt,
}
WARNINGS = {"length": length_warnings}
