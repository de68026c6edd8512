"""Where tools/doctor reads from: files of /proc and /sys, below another root in tests, and one attempt at io_uring."""

import ctypes
import errno
import os

# The same on every architecture that Pelton runs on.
SYS_IO_URING_SETUP = 425
UNLIMITED = float("inf")


class Machine:

    def __init__(self, root="/"):
        self.root = root

    def read(self, path):
        """A file's text without the space around it; None when there is none that can be read."""
        try:
            with open(os.path.join(self.root, path.lstrip("/")), encoding="utf-8", errors="replace") as file:
                return file.read().strip()
        except OSError:
            return None

    def number(self, path):
        """The number that a file holds; None when it holds none."""
        text = self.read(path)
        try:
            return int(text)
        except (TypeError, ValueError):
            return None

    def limit(self, name):
        """The soft and the hard limit of that name in /proc/self/limits, such as "Max open files"; None when it is not there."""
        for line in (self.read("/proc/self/limits") or "").splitlines():
            if line.startswith(name + " "):
                soft, hard = line[len(name):].split()[:2]
                return tuple(UNLIMITED if text == "unlimited" else int(text) for text in (soft, hard))
        return None

    def status(self, key):
        """A field of /proc/self/status."""
        for line in (self.read("/proc/self/status") or "").splitlines():
            if line.startswith(key + ":"):
                return line.split(":", 1)[1].strip()
        return None

    def has_capability(self, bit):
        effective = self.status("CapEff")
        return effective is not None and bool(int(effective, 16) >> bit & 1)

    def io_uring_error(self):
        """None when a ring can be made, else the name of the errno. Below another root, what its file io_uring_setup says."""
        if self.root != "/":
            return self.read("/io_uring_setup") or None
        libc = ctypes.CDLL(None, use_errno=True)
        params = ctypes.create_string_buffer(120)  # struct io_uring_params
        descriptor = libc.syscall(SYS_IO_URING_SETUP, 1, params)
        if descriptor < 0:
            error = ctypes.get_errno()
            return errno.errorcode.get(error, f"errno {error}")
        os.close(descriptor)
        return None

    def cgroup_files(self, name):
        """The texts of the file of that name in this process's control group and in all above it, of version 2."""
        path = "/"
        for line in (self.read("/proc/self/cgroup") or "").splitlines():
            if line.startswith("0::"):
                path = line[3:]
        texts = []
        while True:
            text = self.read("/sys/fs/cgroup/" + path.strip("/") + "/" + name)
            if text is not None:
                texts.append(text)
            if path.strip("/") == "":
                return texts
            path = os.path.dirname(path.rstrip("/"))

    def cpus(self):
        """How many CPUs this process may use."""
        text = self.status("Cpus_allowed_list")
        return len(parse_cpu_list(text)) if text else os.cpu_count() or 1


def parse_cpu_list(text):
    """The CPUs of a list such as 0-3,8."""
    cpus = set()
    for part in text.split(","):
        if part.strip():
            first, _, last = part.partition("-")
            cpus.update(range(int(first), int(last or first) + 1))
    return cpus
