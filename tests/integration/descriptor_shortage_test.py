"""Twenty thousand connections to a server that may open 1,024 files: it stays up, says why the others wait, serves those
that it has, and takes new ones as soon as there is room.
"""

import os
import resource
import subprocess
import sys
import time
import unittest

import service
from http_client import Connection

LIMIT = 1024  # descriptors of the server
FLOOD = 20_000
PROCESSES = 4
PROMPT = 5.0  # seconds that a request on a connection that is established may take, on a machine that is busy
ESTABLISHED = 16
FLOOD_SECONDS = 3.0  # at least


class Flood:
    """Connections from other processes."""

    def __init__(self, address):
        program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "flood.py")
        # Each process has an address of its own, so that local ports are not what is short.
        self._processes = [
            subprocess.Popen([sys.executable, "-B", program, address[0], str(address[1]), str(FLOOD // PROCESSES),
                              f"127.0.1.{index + 1}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for index in range(PROCESSES)]
        self._lines = [service.Lines(process.stdout) for process in self._processes]

    def has_begun(self):
        return all("begun" in lines.so_far() for lines in self._lines)

    def end(self):
        for process in self._processes:
            process.kill()
            process.wait()
            process.stdin.close()


class DescriptorShortageTest(unittest.TestCase):

    def serve(self, connections):
        for connection in connections:
            began = time.monotonic()
            self.assertEqual(connection.ask().status, 200)
            self.slowest = max(self.slowest, time.monotonic() - began)
            self.assertLess(self.slowest, PROMPT)
            self.served += 1

    def shortages(self, server):
        return [line for line in server.stderr.so_far() if "EMFILE" in line]

    def test_survives_twenty_thousand_connections(self):
        if "UBSAN_OPTIONS" in os.environ:
            self.skipTest("UBSan checks virtual calls by means of a pipe, and takes its lack of descriptors for a finding")
        self.served = 0
        self.slowest = 0.0

        def limit_descriptors():
            resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT))

        with service.Service("http_server", "--idle_timeout=60s", prepare=limit_descriptors) as server:
            established = [Connection(server.address) for _ in range(ESTABLISHED)]
            for connection in established:
                self.addCleanup(connection.close)
            self.serve(established)
            began = time.monotonic()
            flood = Flood(server.address)
            self.addCleanup(flood.end)
            deadline = service.Deadline()
            while (not flood.has_begun() or not self.shortages(server) or self.served < 2000 or
                   time.monotonic() - began < FLOOD_SECONDS):
                deadline.check(f"no shortage, or no flood: {server.stderr.so_far()}")
                self.serve(established)
            self.assertGreater(server.open_descriptors(), LIMIT - 10)
            flood.end()
            ended = time.monotonic()
            with Connection(server.address) as newcomer:
                self.assertEqual(newcomer.ask().status, 200)
            waited = time.monotonic() - ended
            self.serve(established)
            lines = self.shortages(server)
            seconds = time.monotonic() - began
            for connection in established:
                connection.close()
            server.stop(self)
        print(f"served={self.served} slowest_ms={self.slowest * 1000:.1f} newcomer_ms={waited * 1000:.1f} "
              f"connections={server.total('connections')} lines={len(lines)} flood_seconds={ended - began:.1f}")
        self.assertLess(waited, PROMPT)
        self.assertGreater(server.total("connections"), LIMIT - 100)
        # A line per shard and ten seconds says why, and how to have more.
        self.assertLessEqual(len(lines), 2 * (1 + seconds / 10))
        for line in lines:
            self.assertRegex(line, r"^accept on 127\.0\.0\.1:\d+: EMFILE; new connections wait until .*ulimit -n")
