"""Load that keeps account: clients that ask on as fast as they can, and note what became of each request."""

import errno
import select
import selectors
import socket
import time

import http_client
import service


class Exchange:
    """What a client sends at once, and the methods of the requests in it."""

    def __init__(self, data, methods, body):
        self.data = data
        self.methods = methods
        self.body = body  # of each response


PLAIN = Exchange(http_client.request(), ["GET"], b"Hello, World!")
PIPELINED = Exchange(http_client.request() * 4, ["GET"] * 4, b"Hello, World!")
ECHO = Exchange(http_client.request("/echo", "POST", body=b"e" * 2000), ["POST"], b"e" * 2000)
HEAD = Exchange(http_client.request(method="HEAD"), ["HEAD"], b"")
LAST = Exchange(http_client.request(headers=["Connection: close"]), ["GET"], b"Hello, World!")
MIX = (PLAIN, PIPELINED, ECHO, HEAD)


class _Client:
    """One connection of the load."""

    def __init__(self, address, exchange, is_late):
        self.exchange = exchange
        self.is_late = is_late
        self.is_connected = False
        self.socket = socket.socket()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        error = self.socket.connect_ex(address)
        self.connect_error = 0 if error == errno.EINPROGRESS else error
        self.buffer = bytearray()
        self.waiting = []  # methods of the requests that are not answered
        self.sent_at = 0.0
        self.answered = 0
        self.is_closing = False  # the server has announced it

    def send(self):
        self.sent_at = time.monotonic()
        self.waiting = list(self.exchange.methods)
        sent = self.socket.send(self.exchange.data)
        assert sent == len(self.exchange.data), "an exchange fits into the socket's buffer"


class HttpLoad:
    """Connections that each send the next exchange when the last one is answered. One that ends is made anew, until the
    server refuses it. Nothing may be lost on the way: see `cut_off`.
    """

    def __init__(self, address, mix=MIX, connections=32):
        self.address = address
        self.answered = 0
        self.refused = 0  # attempts to connect
        self.cut_off = []  # what befell each request that was neither answered nor void
        self.late_resets = 0  # connections made during the stop that ended before the server took them
        self.is_stopping = False  # the server was told to stop, so connections may end
        self._selector = selectors.DefaultSelector()
        for index in range(connections):
            self._open(mix[index % len(mix)])

    def run(self, until):
        """Goes on until `until()` or until the last connection has ended and a new one is refused."""
        deadline = service.Deadline()
        while self._selector.get_map() and not until():
            deadline.check("the load")
            for key, _ in self._selector.select(0.1):
                if key.data.is_connected:
                    self._receive(key.data)
                else:
                    self._finish_connecting(key.data)

    def run_to_the_end(self):
        """Goes on until the server has stopped."""
        self.run(lambda: False)

    def close(self):
        for key in list(self._selector.get_map().values()):
            self._drop(key.data)
        self._selector.close()

    def _open(self, exchange):
        client = _Client(self.address, exchange, self.is_stopping)
        self._selector.register(client.socket, selectors.EVENT_WRITE, client)

    def _finish_connecting(self, client):
        error = client.connect_error or client.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error == errno.ECONNREFUSED:
            self.refused += 1
            return self._drop(client)
        if error != 0:
            return self._end(client, errno.errorcode[error])
        client.is_connected = True
        self._selector.modify(client.socket, selectors.EVENT_READ, client)
        self._send(client)

    def _send(self, client):
        try:
            client.send()
        except ConnectionError as error:
            self._end(client, errno.errorcode[error.errno])

    def _receive(self, client):
        try:
            data = client.socket.recv(1 << 16)
        except BlockingIOError:
            return
        except ConnectionError as error:
            return self._end(client, errno.errorcode[error.errno])
        if not data:
            return self._end(client, "end of the stream")
        client.buffer += data
        while client.waiting and not client.is_closing:
            response = http_client.take_response(client.buffer, client.waiting[0])
            if response is None:
                return
            if (response.status, response.body) != (200, client.exchange.body):
                raise AssertionError(f"wrong answer: {response.status} {response.body[:100]!r}")
            del client.waiting[0]
            client.answered += 1
            self.answered += 1
            # Requests behind it are void, and the client knows.
            client.is_closing = response.announces_close()
        if not client.is_closing:
            self._send(client)

    def _end(self, client, how):
        if not client.is_closing or client.buffer:
            if client.is_late and client.answered == 0 and not client.buffer:
                self.late_resets += 1
            else:
                waited = (time.monotonic() - client.sent_at) * 1000
                self.cut_off.append(f"{how} {waited:.0f} ms after a request was sent, {client.answered} answered before, "
                                    f"{len(client.buffer)} bytes of the answer, stopping={self.is_stopping}")
        if not self.is_stopping and not client.is_closing:
            raise AssertionError(f"a connection ended while nobody was stopping: {how}")
        exchange = client.exchange
        self._drop(client)
        self._open(exchange)

    def _drop(self, client):
        self._selector.unregister(client.socket)
        client.socket.close()


class EchoLoad:
    """Connections that keep some of a pattern in flight, and compare what comes back with it byte by byte. Once the server
    is told to stop they may end anywhere.
    """

    _PATTERN = bytes(range(251)) * 4096  # its period is no power of two, so that no shift by a block looks right
    _BLOCK = 16_000

    def __init__(self, address, connections=32):
        self.echoed = 0
        self.is_stopping = False
        self._selector = selectors.DefaultSelector()
        for _ in range(connections):
            client = socket.create_connection(address, timeout=service.PATIENCE)
            client.setblocking(False)
            self._selector.register(client, selectors.EVENT_READ, [0])  # where in the pattern the next echo is expected
            client.send(self._PATTERN[:self._BLOCK])

    def run(self, until):
        deadline = service.Deadline()
        while self._selector.get_map() and not until():
            deadline.check("the load")
            for key, _ in self._selector.select(0.1):
                self._receive(key.fileobj, key.data)

    def run_to_the_end(self):
        self.run(lambda: False)

    def close(self):
        for key in list(self._selector.get_map().values()):
            self._drop(key.fileobj)
        self._selector.close()

    def _receive(self, client, expected):
        try:
            data = client.recv(1 << 16)
            start = expected[0] % 251
            if data != self._PATTERN[start:start + len(data)]:
                raise AssertionError(f"what came back after {expected[0]} bytes differs from what was sent")
            if data:
                # As much again: what is in flight stays the same, and fits the socket's buffer.
                start = (expected[0] + self._BLOCK) % 251
                client.send(self._PATTERN[start:start + len(data)])
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if not data:
            if not self.is_stopping:
                raise AssertionError("a connection ended while nobody was stopping")
            return self._drop(client)
        expected[0] += len(data)
        self.echoed += len(data)

    def _drop(self, client):
        self._selector.unregister(client)
        client.close()


def send_until_full(client, message):
    """Sends `message` over and over on a socket whose peer's answers nobody reads, until nothing more fits. Returns how many
    bytes did; the last message is hardly ever whole. Fails when the peer takes far more than socket buffers hold.
    """
    client.setblocking(False)
    total = 0
    while select.select([], [client], [], 0.3)[1]:
        try:
            total += client.send(message[total % len(message):])
        except BlockingIOError:
            pass
        if total > 64 << 20:
            raise AssertionError(f"the peer has taken {total} bytes, and goes on although nobody reads its answers")
    return total
