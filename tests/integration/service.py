"""Starts one of the example services, reads what it says, and stops it.

    with service.Service("http_server", "--idle_timeout=1s") as http:
        ...connect to http.address...
        http.stop(self)          # SIGTERM; checks that it ends well

Ports come from the kernel and nothing sleeps: every wait is for an event and has a deadline, so tests run side by side.
"""

import os
import re
import signal
import subprocess
import threading
import time
import unittest

# How long anything may take on a machine that is busy, under a sanitizer. Nothing waits that long if all is well.
PATIENCE = 30.0

# The driver that the services of this run use; run_tests.py sets it.
driver = "uring"

# On a busy machine shards are held up by others, and tests are about what the services themselves have to say. A test of
# stalls passes a threshold of its own.
_QUIET = ["--stall_threshold=0"]

_LISTENING = re.compile(r"listening on (.+):(\d+) shards=(\d+) driver=(\w+)")
_SHARD = re.compile(r"shard (\d+): connections=(\d+) requests=(\d+) refused=(\d+)")
_SANITIZER = re.compile(r"Sanitizer|runtime error:|FATAL ")


def binary(name):
    """The path of one of the programs that the test has as data."""
    folder = "tests/support" if name == "without_io_uring" else "framework/examples"
    return os.path.join(os.getcwd(), folder, name)


class Deadline:
    """Counts down from the moment that it is made."""

    def __init__(self, seconds=PATIENCE):
        self._end = time.monotonic() + seconds

    def left(self):
        return max(0.0, self._end - time.monotonic())

    def check(self, what):
        """Fails when the time is up."""
        if time.monotonic() > self._end:
            raise AssertionError(f"timed out: {what}")


class Lines:
    """Collects the lines of a pipe as they come, on a thread of its own."""

    def __init__(self, pipe):
        self._pipe = pipe
        self._lines = []
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()

    def _collect(self):
        for line in self._pipe:
            with self._changed:
                self._lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._pipe.close()

    def wait_for(self, pattern, seconds=PATIENCE):
        """The first match of `pattern` in a line; None when the pipe ends, or the time, before there is one."""
        wanted = re.compile(pattern)
        deadline = Deadline(seconds)
        with self._changed:
            looked_at = 0
            while True:
                for line in self._lines[looked_at:]:
                    found = wanted.search(line)
                    if found:
                        return found
                looked_at = len(self._lines)
                if self._ended or not self._changed.wait(deadline.left()):
                    return None

    def all(self):
        """Every line; waits for the end of the pipe."""
        self._thread.join(PATIENCE)
        with self._changed:
            return list(self._lines)

    def so_far(self):
        with self._changed:
            return list(self._lines)


class ShardReport:
    """What one shard of the HTTP server says at its end."""

    def __init__(self, match):
        self.shard, self.connections, self.requests, self.refused = (int(group) for group in match.groups())


class Service:
    """A running service; `address` is a (host, port) that clients connect to."""

    def __init__(self, name, *flags, shards=2, use_driver=None, address="127.0.0.1", port=0, command=None,
                 prepare=None):
        """`command` precedes the program; `prepare` is called in the child before it starts."""
        self.command = [*(command or []), binary(name), f"--address={address}", f"--port={port}", f"--shards={shards}",
                        f"--driver={use_driver or driver}", *_QUIET, *flags]
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, preexec_fn=prepare)
        self.stdout = Lines(self.process.stdout)
        self.stderr = Lines(self.process.stderr)
        self.address = None
        self.shards = self.driver = None

    def __enter__(self):
        found = self.stdout.wait_for(_LISTENING.pattern)
        if found is None:
            self.kill()
            raise AssertionError(f"{self.command} did not start: {self.stdout.all()} {self.stderr.all()}")
        host = found.group(1)
        if host in ("0.0.0.0", "[::]"):
            host = "127.0.0.1"
        self.address = (host.strip("[]"), int(found.group(2)))
        self.shards, self.driver = int(found.group(3)), found.group(4)
        return self

    def __exit__(self, *_):
        self.kill()

    def kill(self):
        """Ends it whatever it does; for tests that have failed already."""
        code = self.process.poll()
        if code is None:
            self.process.kill()
        self.process.wait()
        if code not in (None, 0) and self.address is not None:
            print(f"{self.command} ended with {code}:", *self.stderr.all(), sep="\n")

    def url(self, path):
        host, port = self.address
        return f"http://[{host}]:{port}{path}" if ":" in host else f"http://{host}:{port}{path}"

    def open_descriptors(self):
        """How many descriptors the process has open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def send_signal(self, number=signal.SIGTERM):
        os.kill(self.process.pid, number)

    def wait(self, seconds=PATIENCE):
        """Waits for the end of the process. Returns its exit code, negative for a signal; None when it goes on."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def expect_clean_end(self, test, seconds=PATIENCE):
        """Checks that the process ends by itself with 0, and that neither it nor a sanitizer found anything wrong."""
        code = self.wait(seconds)
        if code is None:
            self.kill()
            test.fail(f"the service has not ended after {seconds} s: {self.stderr.all()}")
        errors = "\n".join(self.stderr.all())
        test.assertEqual(code, 0, errors)
        test.assertNotRegex(errors, _SANITIZER)

    def stop(self, test, number=signal.SIGTERM, seconds=PATIENCE):
        """Asks the service to stop, and checks that it does as it should."""
        self.send_signal(number)
        self.expect_clean_end(test, seconds)

    def reports(self):
        """What each shard of the HTTP server said at its end, in the order of the shards."""
        found = (_SHARD.fullmatch(line) for line in self.stderr.all())
        return sorted((ShardReport(match) for match in found if match), key=lambda report: report.shard)

    def total(self, counter):
        """The sum of one of the counters `connections`, `requests` and `refused` over the shards."""
        return sum(getattr(report, counter) for report in self.reports())


class ServedTest(unittest.TestCase):
    """Tests that share one running service; it must end well when they are through."""

    program = "http_server"
    flags = ()
    options = {}

    @classmethod
    def setUpClass(cls):
        cls.service = Service(cls.program, *cls.flags, **cls.options).__enter__()

    @classmethod
    def tearDownClass(cls):
        with cls.service:
            cls.service.stop(unittest.TestCase())
