"""Clients that reset, stall, drip, vanish or talk nonsense: others are served all the while, nothing leaks, and the service
ends well.

A neighbour is a client that behaves. Neighbours ask on through every test; none of their requests may take long.
"""

import random
import select
import socket
import time
import unittest

import load
import service
from http_client import Closed, Connection, request

NEIGHBOURS = 8  # so that the kernel gives each shard some
# Seconds, on a machine that is busy and under a sanitizer. Next to a client that blocks its shard, a neighbour waits for ever.
PROMPT = 5.0
TCP_REPAIR = 19


class HostileClientTest(unittest.TestCase):

    program = "http_server"

    def start(self, *flags):
        server = service.Service(self.program, *flags).__enter__()
        self.addCleanup(server.kill)
        self.server = server
        self.neighbours = []
        self.strangers = 0  # connections that are not neighbours'
        self.slowest = 0.0
        for _ in range(NEIGHBOURS):
            neighbour = Connection(server.address)
            self.addCleanup(neighbour.close)
            self.neighbours.append(neighbour)
        self.serve_neighbours()
        self.descriptors_at_rest = server.open_descriptors()

    def connect(self, **options):
        self.strangers += 1
        connection = Connection(self.server.address, **options)
        self.addCleanup(connection.close)
        return connection

    def ask_neighbour(self, neighbour):
        self.assertEqual(neighbour.ask().body, b"Hello, World!")

    def serve_neighbours(self):
        """Serves every neighbour once. Returns how many that is."""
        for neighbour in self.neighbours:
            began = time.monotonic()
            self.ask_neighbour(neighbour)
            took = time.monotonic() - began
            self.slowest = max(self.slowest, took)
            self.assertLess(took, PROMPT)
        return len(self.neighbours)

    def serve_neighbours_until(self, done, what):
        """Serves neighbours until `done()`. Returns how many requests that took."""
        deadline = service.Deadline()
        served = self.serve_neighbours()
        while not done():
            deadline.check(what)
            served += self.serve_neighbours()
        return served

    def expect_nothing_left(self):
        """Checks that the strangers' connections are closed, and that the service has seen them all and ends well."""
        self.serve_neighbours_until(lambda: self.server.open_descriptors() == self.descriptors_at_rest,
                                    "descriptors of connections that are gone are still open")
        for neighbour in self.neighbours:
            neighbour.close()
        self.server.stop(self)
        if self.program == "http_server":
            self.assertEqual(self.server.total("connections"), self.strangers + NEIGHBOURS)
        print(f"neighbour's slowest request: {self.slowest * 1000:.1f} ms")


class HttpHostileClientTest(HostileClientTest):

    def test_resets_in_the_middle_of_requests(self):
        self.start()
        parts = (b"", b"GET /pla", request("/echo", "POST", ["Content-Length: 1000"]) + b"abc",
                 request("/echo", "POST", ["Transfer-Encoding: chunked"]) + b"5\r\nhe", request() * 50 + b"GET",
                 request("/echo", "POST", body=bytes(1 << 20)), b"not HTTP\r\n\r\n")
        for index in range(140):
            connection = self.connect()
            connection.send(parts[index % len(parts)])
            connection.reset()
            if index % 10 == 0:
                self.serve_neighbours()
        self.expect_nothing_left()

    def test_never_reads(self):
        self.start()
        deaf = [self.connect(receive_buffer=4096) for _ in range(4)]
        for connection in deaf:
            load.send_until_full(connection.socket, request("/echo", "POST", body=bytes(1 << 20)))
            self.serve_neighbours()
        for connection in deaf:
            connection.close()
        self.expect_nothing_left()

    def test_is_let_go_when_it_reads_no_answer_in_time(self):
        self.start("--request_timeout=1s")
        deaf = self.connect(receive_buffer=4096)
        load.send_until_full(deaf.socket, request("/echo", "POST", body=bytes(1 << 20)))
        self.expect_nothing_left()
        # The answers end in the middle of one: there is no other answer behind.
        deaf.socket.settimeout(service.PATIENCE)
        with self.assertRaises(Closed):
            while True:
                self.assertEqual(deaf.response().status, 200)

    def test_sends_one_byte_now_and_then(self):
        self.start("--request_timeout=1s")
        slow = self.connect()
        text = request(headers=["X-Field: " + "x" * 1000])
        began = last = time.monotonic()
        sent = 0

        def drip_until_answered():
            nonlocal last, sent
            if time.monotonic() - last > 0.02:
                slow.send(text[sent:sent + 1])
                sent += 1
                last = time.monotonic()
            return select.select([slow.socket], [], [], 0)[0]

        served = self.serve_neighbours_until(drip_until_answered, "the slow request is not refused")
        self.assertGreater(sent, 1)
        self.assertGreater(served, NEIGHBOURS)
        self.assertGreaterEqual(time.monotonic() - began, 0.95)
        self.assertEqual(slow.response().status, 408)
        slow.close()
        print(f"requests of neighbours meanwhile: {served}")
        self.expect_nothing_left()

    def test_may_take_long_over_a_body_that_makes_progress(self):
        self.start("--request_timeout=2s")
        slow = self.connect()
        slow.send(request("/echo", "POST", ["Content-Length: 6"]))
        began = time.monotonic()
        for byte in b"abcdef":
            pause = service.Deadline(0.5)
            while pause.left() > 0:
                self.serve_neighbours()
            slow.send(bytes([byte]))
        self.assertEqual(slow.response().body, b"abcdef")
        self.assertGreater(time.monotonic() - began, 2)
        slow.close()
        self.expect_nothing_left()

    def test_finishes_sending_and_stays(self):
        self.start()
        for part in (b"", b"GET /pla", request() * 3, request("/echo", "POST", ["Content-Length: 10"]) + b"abc"):
            connection = self.connect()
            connection.send(part)
            connection.half_close()
            self.assertEqual(connection.rest().count(b"Hello, World!"), 3 if part == request() * 3 else 0)
        self.expect_nothing_left()

    def test_vanishes_without_a_word(self):
        self.start("--idle_timeout=2s", "--request_timeout=2s")
        for part in (b"", b"GET /pla", request("/echo", "POST", ["Content-Length: 10"]) + b"abc"):
            connection = self.connect()
            connection.send(part)
            try:
                # A socket under repair closes without telling its peer.
                connection.socket.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
            except PermissionError:
                self.skipTest("TCP_REPAIR needs CAP_NET_ADMIN")
            connection.close()
        self.expect_nothing_left()

    def test_connects_a_thousand_times_and_goes_at_once(self):
        self.start()
        crowd = [self.connect() for _ in range(1000)]
        self.serve_neighbours()
        for connection in crowd:
            connection.close()
        self.serve_neighbours()
        for index in range(1000):
            connection = self.connect()
            connection.reset() if index % 2 else connection.close()
        self.expect_nothing_left()

    def test_talks_nonsense(self):
        self.start()
        source = random.Random(20240229)
        valid = request("/echo", "POST", ["Transfer-Encoding: chunked"]) + b"5\r\nhello\r\n0\r\n\r\n"
        for index in range(300):
            if index % 2:
                noise = bytearray(valid * 3)
                for _ in range(source.randrange(1, 8)):
                    noise[source.randrange(len(noise))] = source.randrange(256)
            else:
                noise = source.randbytes(source.randrange(1, 40_000))
            connection = self.connect()
            connection.send(noise)
            connection.half_close()
            connection.rest()
            connection.close()
            if index % 20 == 0:
                self.serve_neighbours()
        self.expect_nothing_left()
        self.assertGreaterEqual(self.server.total("refused"), 150)


class EchoHostileClientTest(HostileClientTest):

    program = "echo_server"

    def ask_neighbour(self, neighbour):
        neighbour.send(b"Are you there?")
        self.assertEqual(neighbour.exactly(14), b"Are you there?")

    def test_never_reads(self):
        self.start()
        deaf = [self.connect(receive_buffer=4096) for _ in range(4)]
        for connection in deaf:
            self.assertGreater(load.send_until_full(connection.socket, bytes(1 << 16)), 1 << 16)
            self.serve_neighbours()
        for connection in deaf:
            connection.close()
        self.expect_nothing_left()

    def test_never_reads_and_resets(self):
        self.start()
        for _ in range(4):
            connection = self.connect(receive_buffer=4096)
            load.send_until_full(connection.socket, bytes(1 << 16))
            connection.reset()
            self.serve_neighbours()
        self.expect_nothing_left()

    def test_resets_while_its_bytes_come_back(self):
        self.start()
        for _ in range(100):
            connection = self.connect()
            connection.send(bytes(100_000))
            connection.reset()
        self.expect_nothing_left()

    def test_finishes_sending_and_gets_everything_back(self):
        self.start()
        connection = self.connect()
        data = random.Random(1).randbytes(300_000)
        connection.send(data[:100_000])
        first = connection.exactly(50_000)
        connection.send(data[100_000:])
        connection.half_close()
        self.assertTrue(first + connection.rest() == data, "the bytes came back changed")
        connection.close()
        self.expect_nothing_left()


del HostileClientTest  # has no tests of its own
