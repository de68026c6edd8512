"""SIGQUIT makes a service write its tasks to stderr, and nothing else."""

import signal
import unittest

import service
from http_client import Connection


class DumpTest(unittest.TestCase):

    def test_sigquit_shows_every_shard_and_serving_goes_on(self):
        with service.Service("http_server") as server, Connection(server.address) as connection:
            self.assertEqual(connection.ask().status, 200)
            port = connection.local_port()
            waiting = rf"^  task 0x[0-9a-f]+ \[main\] .* old, waits for input of descriptor \d+ from 127\.0\.0\.1:{port}$"
            # The answer is here before its task waits again, so the first dump may come too early.
            deadline = service.Deadline()
            server.process.send_signal(signal.SIGQUIT)
            while server.stderr.wait_for(waiting, seconds=0.2) is None:
                deadline.check("no dump shows the task of the connection")
                server.process.send_signal(signal.SIGQUIT)
            for shard in (0, 1):
                self.assertIsNotNone(server.stderr.wait_for(rf"^shard {shard}$"))
            self.assertIsNotNone(server.stderr.wait_for(r"^    at framework/examples/http_connection\.cc:\d+ in "))
            self.assertIsNotNone(server.stderr.wait_for(r"^task 0x.* waits for a connection to 127\.0\.0\.1:\d+$"))
            self.assertEqual(connection.ask().status, 200)
            server.stop(self)


if __name__ == "__main__":
    unittest.main()
