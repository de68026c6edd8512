"""A service that cannot start says why in one line on stderr, prints nothing on stdout, and exits with 1."""

import os
import shutil
import socket
import unittest

import service
from http_client import Connection


def first_unprivileged_port():
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:
        return int(file.read())


class StartTest(unittest.TestCase):

    def refuse(self, *flags, expected, program="http_server", **options):
        """Starts a service that must not come up. `expected` matches its only line."""
        server = service.Service(program, *flags, **options)
        self.addCleanup(server.kill)
        self.assertEqual(server.wait(), 1)
        lines = server.stderr.all()
        self.assertEqual(server.stdout.all(), [])
        self.assertEqual(len(lines), 1, lines)
        self.assertRegex(lines[0], expected)

    def occupy(self, *options):
        """Returns the port of a listening socket of this process."""
        listener = socket.socket()
        self.addCleanup(listener.close)
        for option in options:
            listener.setsockopt(socket.SOL_SOCKET, option, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        return listener.getsockname()[1]

    def test_port_that_another_process_listens_on(self):
        port = self.occupy()
        self.refuse(port=port,
                    expected=rf"^fatal: shard \d: bind 127\.0\.0\.1:{port}: Address already in use \(EADDRINUSE\)")

    def test_port_that_another_process_is_ready_to_share(self):
        port = self.occupy(socket.SO_REUSEPORT, socket.SO_REUSEADDR)
        self.refuse(port=port, expected=rf"^fatal: .*127\.0\.0\.1:{port}.*EADDRINUSE")

    def test_second_copy_of_the_service(self):
        for program in ("http_server", "echo_server"):
            with self.subTest(program=program), service.Service(program) as first:
                port = first.address[1]
                self.refuse(program=program, port=port, expected=rf"^fatal: .*127\.0\.0\.1:{port}.*EADDRINUSE")
                # On all addresses, it would take a part of the first one's.
                self.refuse(program=program, port=port, address="0.0.0.0",
                            expected=rf"^fatal: .*0\.0\.0\.0:{port}.*EADDRINUSE")
                first.stop(self)

    def test_first_copy_serves_on_when_a_second_fails(self):
        with service.Service("http_server") as first:
            with Connection(first.address) as connection:
                connection.ask()
                self.refuse(port=first.address[1], expected="EADDRINUSE")
                self.assertEqual(connection.ask().status, 200)
            first.stop(self)

    def test_starts_again_at_once_where_it_served_before(self):
        with service.Service("http_server") as first:
            port = first.address[1]
            # The server closes first, so that its end of the connection lingers in TIME_WAIT.
            with Connection(first.address) as connection:
                connection.ask(headers=["Connection: close"])
                self.assertEqual(connection.rest(), b"")
                first.stop(self)
        with service.Service("http_server", port=port) as second:
            self.assertEqual(second.address[1], port)
            second.stop(self)

    def test_address_that_is_none(self):
        for address in ("300.1.2.3", "localhost", "[::1", "1.2.3.4.5"):
            with self.subTest(address=address):
                self.refuse(address=address, expected=r'^fatal: shard \d: address "')
        self.refuse(address="198.51.100.1", expected=r"^fatal: .*198\.51\.100\.1:\d+.*EADDRNOTAVAIL")

    def test_privileged_port_without_the_privilege(self):
        if first_unprivileged_port() < 2:
            self.skipTest("every port is unprivileged here (net.ipv4.ip_unprivileged_port_start)")
        command = []
        if os.geteuid() == 0:
            if shutil.which("setpriv") is None:
                self.skipTest("root needs setpriv(1) to give the privilege up")
            command = ["setpriv", "--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service"]
        self.refuse(command=command, port=1, expected=r"^fatal: .*127\.0\.0\.1:1: Permission denied \(EACCES\)")

    def test_flags_that_make_no_sense(self):
        for flag, expected in (
                ("--shards=-1", r"^fatal: --shards=-1: expected"),
                ("--shards=many", r"--?shards|'shards'"),
                ("--cpus=9999", r"^fatal: .*9999"),
                ("--cpus=a", r"^fatal: .*cpus"),
                ("--driver=kqueue", r"^fatal: --driver=kqueue: expected auto, uring or epoll$"),
                ("--memory=much", r"^fatal: --memory=much: "),
                ("--memory=1K", r"^fatal: --memory=1K: 2 shards need at least"),
                ("--grace_period=-1s", r"^fatal: --grace_period: "),
                ("--grace_period=soon", r"grace_period"),
                ("--spin=2s", r"^fatal: --spin: "),
                ("--port=65536", r"port"),
                ("--idle_timeout=x", r"idle_timeout"),
                ("--no_such_flag", r"no_such_flag"),
                ("file", r'^fatal: unexpected argument "file"')):
            with self.subTest(flag=flag):
                self.refuse(flag, expected=expected)
