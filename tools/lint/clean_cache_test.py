"""A clean file is passed over until it, or what it includes, or the configuration changes."""

import os
import sys
import tempfile
import unittest

from clean_cache import CleanCache


def write(path, text):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


class CleanCacheTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder.name)
        write("a.cc", '#include <vector>\n#include "room/b.h"\n')
        write("room/b.h", '#include "room/c.h"\n')
        write("room/c.h", '#include "room/b.h"\nint c;\n')  # in a circle
        write("other.h", "int other;\n")

    def key(self, configuration=b"tidy"):
        return CleanCache("cache", configuration).key("a.cc")

    def test_the_same_sources_have_the_same_key(self):
        before = self.key()
        write("other.h", "int changed;\n")
        self.assertEqual(before, self.key())

    def test_each_change_that_matters_changes_the_key(self):
        keys = {self.key(), self.key(b"another configuration")}
        for path, text in [("room/c.h", "int changed;\n"), ("room/b.h", "int changed;\n"), ("a.cc", "int changed;\n")]:
            write(path, text)
            keys.add(self.key())
        self.assertEqual(5, len(keys))

    def test_an_include_that_appears_changes_the_key(self):
        write("a.cc", '#include "late.h"\n')
        before = self.key()
        write("late.h", "")
        self.assertNotEqual(before, self.key())

    def test_only_what_was_added_is_clean_and_it_stays_so(self):
        key = self.key()
        self.assertFalse(CleanCache("cache", b"tidy").is_clean(key))
        CleanCache("cache", b"tidy").add(key)
        self.assertTrue(CleanCache("cache", b"tidy").is_clean(key))


if __name__ == "__main__":
    sys.exit(unittest.main())
