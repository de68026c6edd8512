"""tools/gdb/pelton.py on core files of a server, and on the server itself while it runs."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

import service
from http_client import Connection

_CONNECTIONS = 1000
_SCRIPT = os.path.join(os.getcwd(), "tools", "gdb", "pelton.py")
# Where a connection's task waits for its next request.
_AWAIT = re.compile(r"^    at framework/examples/http_connection\.cc:\d+ in .*HttpConnection::ServeRequests\(\)$", re.MULTILINE)


def run_gdb(*arguments, commands):
    """What gdb prints; it reads no one's configuration."""
    command = ["gdb", "-nx", "-batch", "-x", _SCRIPT]
    for one in commands:
        command += ["-ex", one]
    done = subprocess.run([*command, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=4 * service.PATIENCE, check=False)
    return done.stdout + done.stderr


class GdbTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.mkdtemp(dir=os.environ.get("TEST_TMPDIR"))
        self.addCleanup(shutil.rmtree, folder)
        self.core = os.path.join(folder, "core")

    def open_connections(self, server, count):
        """Connections that have each had an answer, so that a task waits on every one."""
        for _ in range(count):
            connection = Connection(server.address)
            self.addCleanup(connection.close)
            self.assertEqual(connection.ask().status, 200)

    def dump_core(self, server):
        done = subprocess.run(["gcore", "-o", self.core, str(server.process.pid)], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=4 * service.PATIENCE, check=False)
        path = f"{self.core}.{server.process.pid}"
        self.assertTrue(os.path.exists(path), done.stdout + done.stderr)
        return path

    def test_core_file_of_a_thousand_connections(self):
        with service.Service("http_server") as server:
            self.open_connections(server, _CONNECTIONS)
            core = self.dump_core(server)
            self.assertLess(os.path.getsize(core), 1 << 30, "a core file must not hold reserved addresses")
            program = service.binary("http_server")
            output = run_gdb(program, core, commands=["pelton tasks", "pelton shards"])
            self.assertEqual(len(_AWAIT.findall(output)), _CONNECTIONS, output[-2000:])
            waiting = re.findall(r"^  task 0x[0-9a-f]+ \[main\] [\d.]+ s old, waits for input of descriptor (\d+)$", output,
                                 re.MULTILINE)
            self.assertEqual(len(set(waiting)), _CONNECTIONS, output[-2000:])
            # Beside them, each of the two shards has its acceptor.
            self.assertEqual(len(re.findall(r"^task 0x.* waits for a connection on descriptor \d+$", output, re.MULTILINE)), 2)
            self.assertIn(f"{_CONNECTIONS + 2} tasks", output)
            by_shard = [int(count) for count in re.findall(r"^shard \d: tasks: (\d+) suspended$", output, re.MULTILINE)]
            self.assertEqual(sum(by_shard), _CONNECTIONS + 2)
            self.check_backtrace(program, core, output)
            server.stop(self)

    def check_backtrace(self, program, core, output):
        """The backtrace of one connection's task goes on in the acceptor's, which spawned it."""
        task = re.search(r"^  task (0x[0-9a-f]+) ", output, re.MULTILINE).group(1)
        backtrace = run_gdb(program, core, commands=[f"pelton bt {task}"])
        places = re.findall(r"^  at (\S+):\d+ in ", backtrace, re.MULTILINE)
        self.assertIn("framework/examples/http_connection.cc", places)
        self.assertIn("framework/examples/http_server.cc", places)
        self.assertIn("framework/shard.cc", places)
        self.assertIn("spawned by", backtrace)

    def test_live_process(self):
        with service.Service("echo_server") as server:
            output = run_gdb("-p", str(server.process.pid), commands=["pelton tasks --shard 1"])
            self.assertRegex(output, r"(?m)^shard 1$")
            self.assertRegex(output, r"(?m)^task 0x.* waits for a connection on descriptor \d+$")
            self.assertNotRegex(output, r"(?m)^shard 0$")
            server.stop(self)

    def test_mistakes_are_explained(self):
        program = service.binary("echo_server")
        with service.Service("echo_server") as server:
            output = run_gdb("-p", str(server.process.pid), commands=["pelton bt 0x10"])
            self.assertIn("there is no task 0x10", output)
            server.stop(self)
        self.assertIn("usage: pelton bt TASK", run_gdb(program, commands=["pelton bt zero"]))
        self.assertIn("usage: pelton tasks", run_gdb(program, commands=["pelton tasks --shards"]))
        self.assertIn("this is no program built on Pelton", run_gdb("/bin/true", commands=["pelton tasks"]))


if __name__ == "__main__":
    unittest.main()
