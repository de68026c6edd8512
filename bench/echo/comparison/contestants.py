"""The servers that are compared: where they are, how they are started and stopped."""

import dataclasses
import re
import select
import shlex
import subprocess
import time

_READY = re.compile(r"listening on (\S+):(\d+) ")
_START_SECONDS = 20
_STOP_SECONDS = 20

_PEER_FLAGS = "--port=0 --cpu={cpu} --buffer_size={buffer_size}"
_PELTON_FLAGS = "--port=0 --shards=1 --cpus={cpu}"

# The one that the others are related to.
LIMIT = "raw-uring"
OURS = "pelton"


class ServerError(Exception):
    """A server that did not start, or did not end as it should."""


@dataclasses.dataclass(frozen=True)
class Contestant:
    """A server. `flags` may hold {cpu} and {buffer_size}; `target` is its Bazel label, or None for a program found elsewhere."""

    name: str
    flags: str
    target: str | None = None
    path: str | None = None

    def command(self, cpu, buffer_size):
        return [self.path] + shlex.split(self.flags.format(cpu=cpu, buffer_size=buffer_size))


KNOWN = (
    Contestant(OURS, _PELTON_FLAGS, target="//framework/examples:echo_server"),
    Contestant(LIMIT, _PEER_FLAGS, target="//bench/peers:raw_uring_echo"),
    Contestant("raw-epoll", _PEER_FLAGS, target="//bench/peers:raw_epoll_echo"),
    Contestant("asio", _PEER_FLAGS, target="//bench/peers:asio_echo"),
    Contestant("libuv", _PEER_FLAGS, target="//bench/peers:libuv_echo"),
)


def choose(names, extra):
    """The contestants called `names` (a list), with those of --server=NAME:PATH[:FLAGS] replaced or added."""
    by_name = {contestant.name: contestant for contestant in KNOWN}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise ValueError(f"no such server: {', '.join(unknown)}; there are {', '.join(by_name)}")
    chosen = {name: by_name[name] for name in names}
    for text in extra:
        name, _, rest = text.partition(":")
        path, _, flags = rest.partition(":")
        if not name or not path:
            raise ValueError(f"--server={text}: it must be NAME:PATH[:FLAGS]")
        known = by_name.get(name)
        chosen[name] = Contestant(name, flags or (known.flags if known else _PELTON_FLAGS), path=path)
    return list(chosen.values())


class Server:
    """A running contestant: `with Server(contestant, cpu, buffer_size) as server: ... server.address, server.pid`."""

    def __init__(self, contestant, cpu, buffer_size):
        self._command = contestant.command(cpu, buffer_size)
        self._name = contestant.name

    def __enter__(self):
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE)
        self.pid = self._process.pid
        try:
            self.address = self._await_address()
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(self, error_type, error, traceback):
        self._process.terminate()
        try:
            code = self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            code = f"nothing within {_STOP_SECONDS} s"
        self._kill()
        if code != 0 and error is None:
            raise ServerError(f"{self._name}: SIGTERM was answered with {code}, not 0")

    def _kill(self):
        self._process.kill()  # does nothing to a process that has ended
        self._process.wait()
        self._process.stdout.close()

    def _await_address(self):
        deadline = time.monotonic() + _START_SECONDS
        text = b""
        while not text.endswith(b"\n"):
            left = max(0, deadline - time.monotonic())
            if not select.select([self._process.stdout], [], [], left)[0]:
                raise ServerError(f"{self._name}: not ready within {_START_SECONDS} s")
            byte = self._process.stdout.read1(1)
            if not byte:
                raise ServerError(f"{self._name}: ended before it was ready: {shlex.join(self._command)}")
            text += byte
        ready = _READY.match(text.decode())
        if not ready:
            raise ServerError(f"{self._name}: not the line that says ready: {text.decode()!r}")
        host, port = ready.groups()
        return f"{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"
