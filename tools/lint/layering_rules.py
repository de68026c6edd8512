"""Who may include whom, and how."""

import re

from source_tree import Finding, room_of

# Each room and what it may include besides itself.
_BELOW = {
    "framework/base": (),
    "alloc": ("framework/base",),
    "sched": ("alloc", "framework/base"),
    "io": ("sched", "alloc", "framework/base"),
    "framework": ("io", "sched", "alloc", "framework/base"),
}
_TOPS = ("tests", "bench", "tools")
_DRIVERS = ("uring", "epoll", "kqueue", "iocp", "fault", "sim")
# Quoted includes that do not start at the top of this repository.
_FOREIGN = ("absl/", "gtest/", "gmock/", "benchmark/")


def layering(tree):
    """A lower room never includes a higher one."""
    for path in tree.cc_paths():
        room = room_of(path)
        if room is None:
            continue
        for number, included in tree.includes(path):
            top = included.split("/", 1)[0]
            target = room_of(included)
            if top in _TOPS:
                message = f"{room} must not include {top}/ ({included})"
            elif target is not None and target != room and target not in _BELOW[room]:
                allowed = ", ".join(_BELOW[room]) or "nothing but itself"
                message = f"{room} must not include {target} ({included}); it may use: {allowed}"
            else:
                continue
            yield Finding("layering", path, number, message)


def drivers(tree):
    """No driver includes another; what two of them need belongs in io/."""
    for path in tree.cc_paths():
        driver = _driver_of(path)
        if driver is None:
            continue
        for number, included in tree.includes(path):
            other = _driver_of(included)
            if other not in (None, driver):
                yield Finding("drivers", path, number,
                              f"io/{driver} must not include io/{other} ({included}); move what both need up to io/")


def internal(tree):
    """A header in X/internal/ is for X alone, for tests, and for the benchmarks that mirror X."""
    for path in tree.cc_paths():
        for number, included in tree.includes(path):
            if "/internal/" not in included:
                continue
            owner = included.split("/internal/", 1)[0] + "/"
            if not path.removeprefix("bench/").startswith(owner) and not path.startswith("tests/"):
                yield Finding("internal", path, number, f"{included} is internal to {owner}; use its public header")


def include_path(tree):
    """Quoted includes name a file by its path from the top."""
    for path in tree.cc_paths():
        for number, included in tree.includes(path):
            if included not in tree and not included.startswith(_FOREIGN):
                yield Finding("include-path", path, number,
                              f'"{included}" is no path from the top of the repository (system headers take <>)')


def guard(tree):
    """Header guards are made of the path."""
    for path in tree.paths(".h"):
        wanted = "PELTON_" + re.sub(r"[^A-Za-z0-9]", "_", path).upper() + "_"
        directives = [(n, line.split()) for n, line in tree.code_lines(path) if line.startswith("#")]
        opens = [words for _, words in directives[:2]]
        if opens != [["#ifndef", wanted], ["#define", wanted]]:
            yield Finding("guard", path, directives[0][0] if directives else 0,
                          f"must open with #ifndef {wanted} and #define {wanted}")
        elif not tree.text(path).endswith(f"#endif  // {wanted}\n"):
            yield Finding("guard", path, 0, f"must end with `#endif  // {wanted}`")


def _driver_of(path):
    parts = path.split("/")
    return parts[1] if len(parts) > 2 and parts[0] == "io" and parts[1] in _DRIVERS else None


RULES = {
    "layering": layering,
    "drivers": drivers,
    "internal": internal,
    "include-path": include_path,
    "guard": guard,
}
