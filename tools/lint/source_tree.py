"""The files that lint looks at, and what every rule needs to read them."""

import collections
import os
import re

# One thing that a rule found. `line` counts from 1; 0 stands for the file as a whole.
Finding = collections.namedtuple("Finding", "rule path line message")

# The rooms, lowest first. framework/base stands below all of them.
ROOMS = ("alloc", "sched", "io", "framework")

_SKIPPED_FOLDERS = {".git", ".deps", "__pycache__", "node_modules"}
_TEXT_SUFFIXES = (".h", ".cc", ".py", ".sh", ".bzl", ".bazel", ".BUILD", ".md", ".txt", ".yaml")
_TEXT_NAMES = {"WORKSPACE", ".bazelrc", ".clang-format", ".clang-tidy", ".gitignore", "LICENSE"}

# In this order: line comment, block comment, raw string, string, digit separator (kept), character.
_CODE_TOKENS = re.compile(
    r"//(?:[^\n\\]|\\.|\\\n)*"
    r"|/\*.*?\*/"
    r'|\bR"(?P<delimiter>[^()\\\s]{0,16})\(.*?\)(?P=delimiter)"'
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|(?P<number>\b[0-9][0-9a-fA-F]*(?:'[0-9a-fA-F]+)+)"
    r"|'(?:[^'\\\n]|\\.)*'",
    re.DOTALL,
)


def _blank(match):
    text = match.group(0)
    if match.group("number"):
        return text
    blank = re.sub(r"[^\n]", " ", text)
    # A literal keeps its quotes, so that `f("x")` still reads as a call.
    return blank if text[0] == "/" else '"' + blank[1:-1] + '"'


def code_only(text):
    """C++ source with comments and the contents of literals blanked; lines and columns stay."""
    return _CODE_TOKENS.sub(_blank, text)


class SourceTree:
    """Paths (relative to the top, with slashes) and their text."""

    def __init__(self, files):
        self._files = dict(files)
        self._code = {}

    @classmethod
    def from_disk(cls, root):
        files = {}
        for folder, folders, names in os.walk(root):
            folders[:] = [f for f in folders if f not in _SKIPPED_FOLDERS]
            for name in names:
                full = os.path.join(folder, name)
                path = os.path.relpath(full, root).replace(os.sep, "/")
                if os.path.islink(full) or not os.path.isfile(full):
                    continue
                if name.endswith(_TEXT_SUFFIXES) or name in _TEXT_NAMES or _is_script(full, name):
                    with open(full, encoding="utf-8") as file:
                        files[path] = file.read()
        return cls(files)

    def paths(self, *suffixes):
        """All paths, or those with one of the suffixes, sorted."""
        return [p for p in sorted(self._files) if not suffixes or p.endswith(suffixes)]

    def cc_paths(self):
        return self.paths(".h", ".cc")

    def __contains__(self, path):
        return path in self._files

    def text(self, path):
        return self._files[path]

    def lines(self, path):
        """(number, line) pairs of the text as it stands."""
        return enumerate(self._files[path].splitlines(), start=1)

    def code_lines(self, path):
        """(number, line) pairs without comments and literals."""
        if path not in self._code:
            self._code[path] = code_only(self._files[path]).splitlines()
        return enumerate(self._code[path], start=1)

    def includes(self, path):
        """(number, file) pairs of the quoted includes."""
        code = dict(self.code_lines(path))
        for number, line in self.lines(path):
            match = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
            if match and "include" in code[number]:
                yield number, match.group(1)


def _is_script(full, name):
    if "." in name.lstrip("."):
        return False
    with open(full, "rb") as file:
        return file.read(2) == b"#!"


def room_of(path):
    """The room that a path belongs to; framework/base counts as one; None outside the rooms."""
    if path.startswith("framework/base/"):
        return "framework/base"
    top = path.split("/", 1)[0]
    return top if top in ROOMS else None
