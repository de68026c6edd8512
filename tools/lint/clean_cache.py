"""Remembers which files a check found clean, so that it looks again only at what has changed.

A file's key is a digest of the check and its configuration, of the file, and of everything of this repository that it
includes, directly or not. Only clean results are kept: a finding is shown again each time.
"""

import hashlib
import os
import re

INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)


class CleanCache:
    def __init__(self, folder, configuration):
        """Keeps its records in `folder`; `configuration` (bytes) is what else results depend on: tools, flags."""
        self._folder = folder
        self._configuration = configuration
        self._files = {}  # path: (digest of its content, the repository's files that it includes)
        os.makedirs(folder, exist_ok=True)

    def _read(self, path):
        if path not in self._files:
            with open(path, "rb") as file:
                content = file.read()
            included = [name.decode() for name in INCLUDE.findall(content)]
            self._files[path] = (hashlib.sha256(content).digest(), [name for name in included if os.path.isfile(name)])
        return self._files[path]

    def key(self, path):
        """The key of a file, with the path from the repository's root, which is the current directory."""
        seen = {path}
        rest = [path]
        while rest:
            for name in self._read(rest.pop())[1]:
                if name not in seen:
                    seen.add(name)
                    rest.append(name)
        digest = hashlib.sha256(self._configuration + b"\0" + path.encode())
        for name in sorted(seen):
            digest.update(name.encode() + b"\0" + self._read(name)[0])
        return digest.hexdigest()

    def is_clean(self, key):
        return os.path.exists(os.path.join(self._folder, key))

    def add(self, key):
        with open(os.path.join(self._folder, key), "wb"):
            pass
