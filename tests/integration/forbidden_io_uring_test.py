"""Where the kernel or a container forbids io_uring, services run on epoll and say so, once."""

import unittest

import service
from http_client import Connection, request


class ForbiddenIoUringTest(unittest.TestCase):

    def launcher(self, error):
        return [service.binary("without_io_uring"), error]

    def check_service(self, server):
        with Connection(server.address) as connection:
            connection.send(request() + request("/echo", "POST", body=b"x" * 100_000))
            self.assertEqual(connection.response().body, b"Hello, World!")
            self.assertEqual(connection.response().body, b"x" * 100_000)

    def test_falls_back_to_epoll_with_one_line_that_says_why(self):
        for error in ("EPERM", "ENOSYS"):
            with self.subTest(error=error):
                with service.Service("http_server", use_driver="auto", command=self.launcher(error)) as server:
                    self.assertEqual(server.driver, "epoll")
                    lines = server.stderr.so_far()
                    self.assertEqual(len(lines), 1, lines)
                    self.assertRegex(lines[0], rf"^io_uring_setup.*\({error}\).* Using epoll\..*--driver=epoll")
                    self.check_service(server)
                    server.stop(self)

    def test_an_explicit_uring_fails_with_one_line(self):
        for error in ("EPERM", "ENOSYS"):
            with self.subTest(error=error):
                server = service.Service("http_server", use_driver="uring", command=self.launcher(error))
                self.addCleanup(server.kill)
                self.assertEqual(server.wait(), 1)
                self.assertEqual(server.stdout.all(), [])
                lines = server.stderr.all()
                self.assertEqual(len(lines), 1, lines)
                self.assertRegex(lines[0], rf"^fatal: io_uring_setup.*\({error}\)")

    def test_an_explicit_epoll_says_nothing(self):
        with service.Service("http_server", use_driver="epoll", command=self.launcher("EPERM")) as server:
            self.check_service(server)
            self.assertEqual(server.stderr.so_far(), [])
            server.stop(self)

    def test_takes_io_uring_where_it_may(self):
        with service.Service("http_server", use_driver="auto") as server:
            self.assertEqual(server.driver, "uring")
            server.stop(self)
