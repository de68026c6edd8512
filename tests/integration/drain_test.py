"""SIGTERM and SIGINT: what was begun is finished, nothing new is begun, and the process ends with 0."""

import os
import select
import signal
import socket
import time
import unittest

import load
import service
from http_client import Connection, request

LONG_GRACE = 25.0  # seconds; far more than a drain that waits for nobody takes
UNFINISHED = request("/echo", "POST", ["Content-Length: 10"]) + b"abc"


class DrainTest(unittest.TestCase):

    def start(self, *flags, grace=LONG_GRACE, program="http_server"):
        server = service.Service(program, f"--grace_period={grace}s", *flags).__enter__()
        self.addCleanup(server.kill)
        return server

    def connect(self, server, data=b""):
        connection = Connection(server.address)
        self.addCleanup(connection.close)
        connection.send(data)
        return connection

    def expect_end_before_the_grace_period(self, server, signalled):
        server.expect_clean_end(self)
        self.assertLess(time.monotonic() - signalled, LONG_GRACE / 2)

    def send_signal(self, server, number=signal.SIGTERM):
        """Asks for a stop. Returns the time."""
        server.send_signal(number)
        return time.monotonic()

    def begin_drain(self, server, number=signal.SIGTERM):
        """Asks for a stop, and waits until idle connections are being closed."""
        idle = self.connect(server)
        idle.ask()
        signalled = self.send_signal(server, number)
        self.assertEqual(idle.rest(), b"")
        return signalled

    def test_cuts_no_request_off_under_load(self):
        self.check_load(load.MIX)

    def test_cuts_no_request_off_while_clients_come_and_go(self):
        self.check_load([load.LAST])

    def check_load(self, mix):
        server = self.start()
        clients = load.HttpLoad(server.address, mix)
        self.addCleanup(clients.close)
        clients.run(lambda: clients.answered >= 5000)
        clients.is_stopping = True
        signalled = self.send_signal(server)
        clients.run_to_the_end()
        self.expect_end_before_the_grace_period(server, signalled)
        print(f"answered={clients.answered} cut_off={len(clients.cut_off)} refused={clients.refused} "
              f"late_resets={clients.late_resets} seconds={time.monotonic() - signalled:.3f}")
        self.assertEqual(clients.cut_off, [])
        self.assertEqual(clients.late_resets, 0)
        self.assertGreaterEqual(clients.refused, 1)
        # The server counts as many as the clients: none was run and not answered.
        self.assertEqual(server.total("requests"), clients.answered)

    def test_answers_that_are_begun_arrive_in_full(self):
        # More than the socket buffers hold, so that the server is in the middle of writing when the signal comes.
        server = self.start()
        body = os.urandom(1 << 20)
        connections = [self.connect(server, request("/echo", "POST", body=body)) for _ in range(4)]
        for connection in connections:
            self.assertTrue(select.select([connection.socket], [], [], service.PATIENCE)[0])
        signalled = self.begin_drain(server)
        for connection in connections:
            self.assertTrue(connection.response().body == body, "the body came back changed")
            self.assertEqual(connection.rest(), b"")
        self.expect_end_before_the_grace_period(server, signalled)

    def test_idle_connections_are_closed_in_good_order_and_hold_nothing_up(self):
        server = self.start()
        served = [self.connect(server) for _ in range(20)]
        for connection in served:
            connection.ask()
        silent = [self.connect(server) for _ in range(20)]
        signalled = self.send_signal(server)
        for connection in served + silent:
            self.assertEqual(connection.rest(), b"")
        self.expect_end_before_the_grace_period(server, signalled)
        self.assertEqual(server.total("connections"), 40)

    def test_an_idle_connection_whose_last_request_ended_with_an_empty_line_holds_nothing_up(self):
        server = self.start()
        connection = self.connect(server, request() + b"\r\n")
        connection.response()
        signalled = self.begin_drain(server)
        self.assertEqual(connection.rest(), b"")
        self.expect_end_before_the_grace_period(server, signalled)

    def test_a_slow_request_may_finish_and_is_told_that_the_connection_ends(self):
        server = self.start()
        connection = self.connect(server, UNFINISHED)
        self.begin_drain(server)
        for byte in b"defghij":
            # The server has nothing to say before the last byte.
            self.assertEqual(select.select([connection.socket], [], [], 0.05)[0], [])
            connection.send(bytes([byte]))
        response = connection.response()
        self.assertEqual((response.status, response.body), (200, b"abcdefghij"))
        self.assertTrue(response.announces_close())
        self.assertEqual(connection.rest(), b"")
        server.expect_clean_end(self)

    def test_refuses_new_connections_while_it_drains(self):
        server = self.start()
        connection = self.connect(server, UNFINISHED)
        self.begin_drain(server)
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(server.address, timeout=service.PATIENCE)
        connection.send(b"defghij")
        self.assertEqual(connection.response().status, 200)
        connection.close()
        server.expect_clean_end(self)

    def test_a_request_that_never_finishes_is_cancelled_when_the_grace_period_ends(self):
        server = self.start(grace=1)
        connection = self.connect(server, UNFINISHED)
        signalled = self.begin_drain(server)
        connection.expect_closed()
        self.assertGreaterEqual(time.monotonic() - signalled, 0.95)
        server.expect_clean_end(self)

    def test_a_client_that_never_reads_is_cancelled_when_the_grace_period_ends(self):
        server = self.start(grace=1)
        connection = Connection(server.address, receive_buffer=4096)
        self.addCleanup(connection.close)
        load.send_until_full(connection.socket, request("/echo", "POST", body=bytes(1 << 20)))
        signalled = self.begin_drain(server)
        server.expect_clean_end(self)
        self.assertGreaterEqual(time.monotonic() - signalled, 0.95)

    def test_a_second_signal_ends_the_drain_at_once(self):
        for first, second in ((signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGINT),
                              (signal.SIGTERM, signal.SIGINT)):
            with self.subTest(first=first, second=second):
                server = self.start()
                connection = self.connect(server, UNFINISHED)
                signalled = self.begin_drain(server, first)
                self.assertIsNone(server.process.poll())
                server.send_signal(second)
                connection.expect_closed()
                self.expect_end_before_the_grace_period(server, signalled)

    def test_sigint_drains_like_sigterm(self):
        server = self.start()
        connection = self.connect(server, UNFINISHED)
        self.begin_drain(server, signal.SIGINT)
        connection.send(b"defghij")
        self.assertEqual(connection.response().body, b"abcdefghij")
        self.assertEqual(connection.rest(), b"")
        server.expect_clean_end(self)

    def test_ends_at_once_when_nobody_is_connected(self):
        for program in ("http_server", "echo_server"):
            with self.subTest(program=program):
                server = self.start(program=program)
                self.expect_end_before_the_grace_period(server, self.send_signal(server))

    def test_no_grace_period_ends_at_once(self):
        server = self.start(grace=0)
        connection = self.connect(server, UNFINISHED)
        with self.connect(server) as other:
            other.ask()  # by now the server has seen the first connection, too, or it waits to be accepted
        server.stop(self)
        connection.expect_closed()


class EchoDrainTest(unittest.TestCase):

    def test_ends_under_load_and_never_changes_a_byte(self):
        with service.Service("echo_server", f"--grace_period={LONG_GRACE}s") as server:
            clients = load.EchoLoad(server.address)
            self.addCleanup(clients.close)
            clients.run(lambda: clients.echoed >= 5_000_000)
            clients.is_stopping = True
            server.send_signal()
            signalled = time.monotonic()
            clients.run_to_the_end()
            server.expect_clean_end(self)
            self.assertLess(time.monotonic() - signalled, LONG_GRACE / 2)

    def test_ends_although_a_client_never_reads(self):
        with service.Service("echo_server", "--grace_period=1s") as server:
            with Connection(server.address) as idle, Connection(server.address, receive_buffer=4096) as deaf:
                load.send_until_full(deaf.socket, bytes(1 << 16))
                server.send_signal()
                self.assertEqual(idle.rest(), b"")
                server.expect_clean_end(self)
