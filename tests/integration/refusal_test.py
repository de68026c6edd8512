"""Requests that the server must not serve: each is answered with its status, the connection is closed, and what was hidden
behind the request is not run. The parser's own tests have many more; these show that its verdict reaches the client.
"""

import service
from http_client import Connection, request

HIDDEN = request("/json", headers=["X-Smuggled: yes"])


def head(*lines):
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


MALFORMED = {
    "no HTTP at all": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    "request line without a version": (400, head("GET /plaintext", "Host: x")),
    "two spaces in the request line": (400, head("GET  /plaintext HTTP/1.1", "Host: x")),
    "NUL in the target": (400, head("GET /plain\0text HTTP/1.1", "Host: x")),
    "HTTP/2.0": (505, head("GET /plaintext HTTP/2.0", "Host: x")),
    "no Host": (400, head("GET /plaintext HTTP/1.1")),
    "two Hosts": (400, head("GET /plaintext HTTP/1.1", "Host: x", "Host: y")),
    "field without a colon": (400, head("GET /plaintext HTTP/1.1", "Host: x", "Field")),
    "unknown expectation": (417, head("POST /echo HTTP/1.1", "Host: x", "Expect: wonders", "Content-Length: 1")),
    "unknown transfer coding": (501, head("POST /echo HTTP/1.1", "Host: x", "Transfer-Encoding: gzip, chunked")),
}

SMUGGLING = {
    "Content-Length and Transfer-Encoding": head("POST /echo HTTP/1.1", "Host: x", "Content-Length: 5",
                                                 "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "Transfer-Encoding and Content-Length": head("POST /echo HTTP/1.1", "Host: x", "Transfer-Encoding: chunked",
                                                 "Content-Length: 5") + b"0\r\n\r\n",
    "two lengths": head("POST /echo HTTP/1.1", "Host: x", "Content-Length: 5", "Content-Length: 0") + b"hello",
    "a list of lengths": head("POST /echo HTTP/1.1", "Host: x", "Content-Length: 5, 5") + b"hello",
    "a signed length": head("POST /echo HTTP/1.1", "Host: x", "Content-Length: +5") + b"hello",
    "a hexadecimal length": head("POST /echo HTTP/1.1", "Host: x", "Content-Length: 0x5") + b"hello",
    "chunked twice": head("POST /echo HTTP/1.1", "Host: x", "Transfer-Encoding: chunked, chunked") + b"0\r\n\r\n",
    "chunked, not last": head("POST /echo HTTP/1.1", "Host: x", "Transfer-Encoding: chunked, identity") + b"0\r\n\r\n",
    "Transfer-Encoding in HTTP/1.0": head("POST /echo HTTP/1.0", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "space before the colon": head("POST /echo HTTP/1.1", "Host: x", "Content-Length : 5") + b"hello",
    "folded field": head("POST /echo HTTP/1.1", "Host: x", "X-Field: a", " Content-Length: 5"),
    "bare LF after the request line": b"GET /plaintext HTTP/1.1\nHost: x\r\n\r\n",
    "bare LF after a field": b"GET /plaintext HTTP/1.1\r\nHost: x\nX-Field: y\r\n\r\n",
    "bare LF for the empty line": b"GET /plaintext HTTP/1.1\r\nHost: x\r\n\n",
    "bare CR in a field": b"GET /plaintext HTTP/1.1\r\nHost: x\r\nX-Field: a\rContent-Length: 5\r\n\r\n",
}

BAD_CHUNKS = {
    "no size": b"\r\nhello\r\n0\r\n\r\n",
    "negative size": b"-5\r\nhello\r\n0\r\n\r\n",
    "size with a prefix": b"0x5\r\nhello\r\n0\r\n\r\n",
    "size of 17 digits": b"00000000000000005\r\nhello\r\n0\r\n\r\n",
    "chunk longer than its size": b"4\r\nhello\r\n0\r\n\r\n",
    "bare LF after a size": b"5\nhello\r\n0\r\n\r\n",
    "bare LF after a chunk": b"5\r\nhello\n0\r\n\r\n",
    "bare LF in an extension": b"5;a\nb\r\nhello\r\n0\r\n\r\n",
}


class RefusalTest(service.ServedTest):

    def refuse(self, text, status):
        """Sends `text` and a hidden request, and checks that one response refuses it all."""
        with Connection(self.service.address) as connection:
            connection.send(text + HIDDEN)
            response = connection.response()
            self.assertEqual(response.status, status)
            self.assertTrue(response.announces_close())
            self.assertEqual(connection.rest(), b"")

    def test_refuses_what_is_malformed(self):
        for name, (status, text) in MALFORMED.items():
            with self.subTest(name):
                self.refuse(text, status)

    def test_refuses_what_two_servers_could_read_in_two_ways(self):
        for name, text in SMUGGLING.items():
            with self.subTest(name):
                self.refuse(text, 400)

    def test_refuses_malformed_chunks(self):
        for name, chunks in BAD_CHUNKS.items():
            with self.subTest(name):
                self.refuse(request("/echo", "POST", ["Transfer-Encoding: chunked"]) + chunks, 400)

    def test_answers_what_came_before_the_refused_request(self):
        with Connection(self.service.address) as connection:
            connection.send(request() + request("/json") + b"garbage\r\n\r\n" + HIDDEN)
            self.assertEqual([connection.response().status for _ in range(3)], [200, 200, 400])
            self.assertEqual(connection.rest(), b"")


class LimitTest(service.ServedTest):

    def ask(self, text):
        """The status of the answer to `text`, which closes the connection when it is an error."""
        with Connection(self.service.address) as connection:
            connection.send(text)
            response = connection.response()
            if response.status >= 400:
                self.assertTrue(response.announces_close())
                self.assertEqual(connection.rest(), b"")
            return response.status

    def test_431_beyond_16_kib_of_head(self):
        room = 16 * 1024 - len(request(headers=["X-Field: "]))
        self.assertEqual(self.ask(request(headers=["X-Field: " + "x" * room])), 200)
        self.assertEqual(self.ask(request(headers=["X-Field: " + "x" * (room + 1)])), 431)

    def test_431_beyond_100_fields(self):
        self.assertEqual(self.ask(request(headers=["X-Field: x"] * 99)), 200)
        self.assertEqual(self.ask(request(headers=["X-Field: x"] * 100)), 431)

    def test_414_beyond_8_kib_of_target(self):
        self.assertEqual(self.ask(request("/plaintext?" + "x" * (8192 - 11))), 200)
        self.assertEqual(self.ask(request("/plaintext?" + "x" * (8192 - 10))), 414)

    def test_431_arrives_although_the_client_goes_on_sending(self):
        # Unread input would turn into a reset that destroys the answer.
        self.assertEqual(self.ask(request(headers=["X-Field: " + "x" * 500_000])), 431)

    def test_413_is_told_before_the_body_is_sent(self):
        self.assertEqual(self.ask(request("/echo", "POST", [f"Content-Length: {(1 << 20) + 1}"])), 413)

    def test_413_instead_of_100_continue(self):
        headers = [f"Content-Length: {1 << 40}", "Expect: 100-continue"]
        self.assertEqual(self.ask(request("/echo", "POST", headers)), 413)

    def test_413_beyond_1_mib_of_chunks(self):
        chunk = b"8000\r\n" + bytes(0x8000) + b"\r\n"
        chunked = request("/echo", "POST", ["Transfer-Encoding: chunked"]) + chunk * 32
        self.assertEqual(self.ask(chunked + b"0\r\n\r\n"), 200)
        self.assertEqual(self.ask(chunked + b"1\r\nx\r\n0\r\n\r\n"), 413)

    def test_408_when_a_request_does_not_arrive_in_time(self):
        with service.Service("http_server", "--request_timeout=200ms") as http:
            for part in (b"GET /pla", request("/echo", "POST", ["Content-Length: 10"]) + b"abc"):
                with Connection(http.address) as connection:
                    connection.send(part)
                    self.assertEqual(connection.response().status, 408)
                    self.assertEqual(connection.rest(), b"")
            http.stop(self)
            self.assertEqual((http.total("refused"), http.total("requests")), (2, 0))

    def test_closes_without_a_word_when_a_connection_idles_too_long(self):
        with service.Service("http_server", "--idle_timeout=200ms") as http:
            with Connection(http.address) as silent, Connection(http.address) as served:
                self.assertEqual(served.ask().status, 200)
                self.assertEqual((silent.rest(), served.rest()), (b"", b""))
            http.stop(self)
