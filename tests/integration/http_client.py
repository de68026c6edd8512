"""A client that sees every byte of HTTP: tests say what is sent, in which pieces, and read one response after the other."""

import socket
import struct

import service


class Closed(Exception):
    """The server closed the connection, or reset it, before what was waited for had come."""


class Response:
    """One response; header names in lower case."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def announces_close(self):
        return self.headers.get("connection", "").lower() == "close"


def parse_head(head):
    """(status, headers) of the head of a response, given without its empty line."""
    status_line, *fields = head.decode("latin-1").split("\r\n")
    version, status, _ = status_line.split(" ", 2)
    if version != "HTTP/1.1":
        raise AssertionError(f"not a status line: {status_line!r}")
    headers = {}
    for field in fields:
        name, separator, value = field.partition(":")
        if not separator or name != name.strip() or name.lower() in headers:
            raise AssertionError(f"malformed or repeated header field: {field!r}")
        headers[name.lower()] = value.strip()
    return int(status), headers


def take_response(buffer, method="GET"):
    """Takes a response off the front of the bytearray `buffer`; None when it is not all there."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return None
    status, headers = parse_head(bytes(buffer[:end]))
    length = 0 if method == "HEAD" or status < 200 else int(headers["content-length"])
    if len(buffer) < end + 4 + length:
        return None
    body = bytes(buffer[end + 4:end + 4 + length])
    del buffer[:end + 4 + length]
    return Response(status, headers, body)


def request(path="/plaintext", method="GET", headers=(), body=None, version="1.1"):
    """The bytes of a request; a body brings its Content-Length."""
    lines = [f"{method} {path} HTTP/{version}", "Host: localhost", *headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines + ["", ""]).encode("latin-1") + (body or b"")


class Connection:
    """A connection on which every wait has a deadline."""

    def __init__(self, address, seconds=service.PATIENCE, receive_buffer=None):
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(address)
        self.buffer = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def local_port(self):
        return self.socket.getsockname()[1]

    def close(self):
        self.socket.close()

    def reset(self):
        """Closes with a reset instead of a FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def send(self, data):
        self.socket.sendall(data)

    def _receive(self):
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionError as error:
            raise Closed(f"{error} after {bytes(self.buffer[:200])!r}") from error
        if not data:
            raise Closed(f"end after {bytes(self.buffer[:200])!r}")
        self.buffer += data

    def response(self, method="GET"):
        """The next response."""
        while True:
            found = take_response(self.buffer, method)
            if found is not None:
                return found
            self._receive()

    def ask(self, path="/plaintext", method="GET", headers=(), body=None, version="1.1"):
        """Sends a request and returns the response to it."""
        self.send(request(path, method, headers, body, version))
        return self.response(method)

    def exactly(self, count):
        """The next `count` bytes."""
        while len(self.buffer) < count:
            self._receive()
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def rest(self):
        """What comes until the server closes, in good order."""
        while True:
            try:
                data = self.socket.recv(1 << 16)
            except ConnectionError as error:
                raise Closed(f"{error} instead of an orderly end") from error
            if not data:
                return bytes(self.buffer)
            self.buffer += data

    def expect_closed(self):
        """Waits for the server to close; it may have reset the connection, and must not say anything more."""
        try:
            rest = self.rest()
        except Closed:
            return
        if rest:
            raise AssertionError(f"more comes before the end: {rest[:200]!r}")
