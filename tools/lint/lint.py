#!/usr/bin/env python3
"""Checks that the tree keeps to Pelton's style where a program can tell. Usage: tools/lint/lint.py [TOP]

Prints one line for each finding and returns 1 when there is one. Exceptions stand in allow.txt, each with its reason.
"""

import os
import re
import sys

import banned_rules
import layering_rules
import structure_rules
from source_tree import Finding, SourceTree

ALLOW_LIST = "tools/lint/allow.txt"

RULES = {**layering_rules.RULES, **banned_rules.RULES, **structure_rules.RULES}
WARNINGS = structure_rules.WARNINGS
# The names that findings carry and the allow-list may use.
RULE_NAMES = (set(RULES) - {"banned"}) | {ban.rule for ban in banned_rules.BANS}


class AllowList:
    """Lines of `rule path reason`; a path that ends in a slash stands for all below it."""

    def __init__(self, text):
        self.entries = []
        self.problems = []
        for number, line in enumerate(text.splitlines(), start=1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            match = re.fullmatch(r"(\S+)\s+(\S+)\s+(\S.*)", line)
            if not match:
                self._problem(number, "must read: rule, path, reason")
            elif match.group(1) not in RULE_NAMES:
                self._problem(number, f"there is no rule {match.group(1)}")
            else:
                self.entries.append((number, match.group(1), match.group(2)))

    def _problem(self, number, message):
        self.problems.append(Finding("allow-list", ALLOW_LIST, number, message))

    def filter(self, findings):
        """The findings without those that are allowed, and one for each entry that allows nothing."""
        used = set()
        kept = []
        for finding in findings:
            allowed = False
            for number, rule, path in self.entries:
                if rule == finding.rule and (
                        path == finding.path or path.endswith("/") and finding.path.startswith(path)):
                    used.add(number)
                    allowed = True
            if not allowed:
                kept.append(finding)
        stale = [Finding("allow-list", ALLOW_LIST, number, f"allows nothing any more ({rule} {path}): remove the line")
                 for number, rule, path in self.entries if number not in used]
        return kept + self.problems + stale


def check(tree):
    """The findings in `tree`, sorted by place."""
    allow_list = AllowList(tree.text(ALLOW_LIST) if ALLOW_LIST in tree else "")
    findings = [finding for rule in RULES.values() for finding in rule(tree)]
    return sorted(allow_list.filter(findings), key=lambda f: (f.path, f.line, f.rule, f.message))


def warnings(tree):
    """What is not wrong yet."""
    return [finding for rule in WARNINGS.values() for finding in rule(tree)]


def _print(finding, kind):
    place = f"{finding.path}:{finding.line}" if finding.line else finding.path
    print(f"{place}: {kind}[{finding.rule}] {finding.message}")


def main(arguments):
    here = os.path.dirname(os.path.realpath(__file__))
    root = os.path.realpath(arguments[0] if arguments else os.path.join(here, "..", ".."))
    tree = SourceTree.from_disk(root)
    if "tools/lint/lint.py" not in tree:
        print(f"lint: {root} is not the top of Pelton", file=sys.stderr)
        return 2
    for finding in warnings(tree):
        _print(finding, "warning ")
    findings = check(tree)
    for finding in findings:
        _print(finding, "")
    print(f"lint: {len(tree.paths())} files, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
