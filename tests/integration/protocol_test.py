"""Connections as RFC 9112 has them: kept alive, pipelined, in pieces, closed in good order."""

import unittest

import service
from http_client import Connection, request


class ConnectionTest(service.ServedTest):

    def connect(self):
        connection = Connection(self.service.address)
        self.addCleanup(connection.close)
        return connection

    def test_serves_many_requests_on_one_connection(self):
        connection = self.connect()
        for _ in range(100):
            response = connection.ask()
            self.assertEqual((response.status, response.body), (200, b"Hello, World!"))
            self.assertFalse(response.announces_close())

    def test_answers_a_hundred_pipelined_requests_in_order(self):
        connection = self.connect()
        bodies = [b"%03d" % i * (i + 1) for i in range(100)]
        connection.send(b"".join(request("/echo", "POST", body=body) for body in bodies))
        self.assertEqual([connection.response().body for _ in bodies], bodies)

    def test_answers_pipelined_requests_with_large_bodies_in_order(self):
        # More than the socket buffers hold: reading, writing and waiting for room take turns.
        connection = self.connect()
        bodies = [bytes([i]) * 400_000 for i in range(8)]
        for body in bodies[:2]:
            connection.send(request("/echo", "POST", body=body))
        for index, body in enumerate(bodies):
            if index + 2 < len(bodies):
                connection.send(request("/echo", "POST", body=bodies[index + 2]))
            self.assertTrue(connection.response().body == body, f"body {index} came back changed")

    def test_mixes_methods_in_one_write(self):
        connection = self.connect()
        connection.send(request("/plaintext", "HEAD") + request("/nowhere") + request("/echo", "POST", body=b"x") +
                        request("/echo") + request("/json"))
        statuses = [connection.response(method).status for method in ("HEAD", "GET", "POST", "GET", "GET")]
        self.assertEqual(statuses, [200, 404, 200, 405, 200])

    def test_reads_a_request_that_comes_byte_by_byte(self):
        for text in (request("/json"), request("/echo", "POST", body=b"0123456789"),
                     request("/echo", "POST", ["Transfer-Encoding: chunked"]) + b"5\r\nhello\r\n1;x\r\n!\r\n0\r\n\r\n"):
            connection = self.connect()
            for i in range(len(text)):
                connection.send(text[i:i + 1])
            self.assertEqual(connection.response().status, 200)

    def test_closes_when_the_client_asks_for_it(self):
        connection = self.connect()
        response = connection.ask(headers=["Connection: close"])
        self.assertTrue(response.announces_close())
        self.assertEqual(connection.rest(), b"")

    def test_begins_nothing_after_the_request_that_asks_to_close(self):
        connection = self.connect()
        connection.send(request(headers=["Connection: close"]) + request("/json"))
        self.assertEqual(connection.response().body, b"Hello, World!")
        self.assertEqual(connection.rest(), b"")

    def test_http_1_0_is_closed_unless_it_asks_to_be_kept(self):
        connection = self.connect()
        self.assertFalse(connection.ask(version="1.0", headers=["Connection: keep-alive"]).announces_close())
        self.assertTrue(connection.ask(version="1.0").announces_close())
        self.assertEqual(connection.rest(), b"")

    def test_answers_a_client_that_has_finished_sending(self):
        connection = self.connect()
        connection.send(request() + request("/json"))
        connection.half_close()
        self.assertEqual([connection.response().status for _ in range(2)], [200, 200])
        self.assertEqual(connection.rest(), b"")

    def test_closes_when_the_client_ends_in_the_middle_of_a_request(self):
        for part in (b"GET /pla", request("/echo", "POST", ["Content-Length: 10"]) + b"abc"):
            connection = self.connect()
            connection.send(part)
            connection.half_close()
            connection.expect_closed()

    def test_says_100_continue_before_the_body_and_not_when_it_is_there(self):
        head = request("/echo", "POST", ["Content-Length: 4", "Expect: 100-continue"])
        connection = self.connect()
        connection.send(head)
        self.assertEqual(connection.response().status, 100)
        connection.send(b"body")
        self.assertEqual(connection.response().body, b"body")
        connection.send(head + b"more")
        self.assertEqual(connection.response().body, b"more")

    def test_ignores_one_empty_line_between_requests(self):
        connection = self.connect()
        connection.send(request("/echo", "POST", body=b"x") + b"\r\n" + request("/json"))
        self.assertEqual([connection.response().status for _ in range(2)], [200, 200])


class SplitTest(unittest.TestCase):

    def check_every_split(self, text):
        # One shard takes what arrives in order: when it has answered another connection, it has read the first part.
        with service.Service("http_server", shards=1) as http:
            with Connection(http.address) as connection, Connection(http.address) as other:
                for split in range(1, len(text)):
                    connection.send(text[:split])
                    other.ask()
                    self.assertFalse(connection.buffer)
                    connection.send(text[split:])
                    response = connection.response()
                    self.assertEqual((response.status, response.body), (200, b"hello!"), f"split at {split}")
            http.stop(self)
            self.assertEqual(http.total("requests"), 2 * (len(text) - 1))

    def test_reads_a_request_that_is_split_anywhere(self):
        self.check_every_split(request("/echo", "POST", body=b"hello!"))

    def test_reads_a_chunked_request_that_is_split_anywhere(self):
        chunks = b"3\r\nhel\r\n003;name=value\r\nlo!\r\n0\r\nTrailer: x\r\n\r\n"
        self.check_every_split(request("/echo", "POST", ["Transfer-Encoding: chunked"]) + chunks)
