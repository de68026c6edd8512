"""wrk, the load generator, against the HTTP server: no error, and every shard takes its share."""

import re
import subprocess
import unittest

import service

CONNECTIONS = 64


class LoadTest(unittest.TestCase):

    def test_wrk_finds_no_error_and_both_shards_serve(self):
        with service.Service("http_server") as http:
            done = subprocess.run(
                ["wrk", "--threads=1", f"--connections={CONNECTIONS}", "--duration=2s", "--timeout=20s",
                 http.url("/plaintext")], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                timeout=service.PATIENCE)
            self.assertEqual(done.returncode, 0, done.stderr)
            print(done.stdout)
            self.assertNotIn("Socket errors", done.stdout)
            self.assertNotIn("Non-2xx", done.stdout)
            requests = int(re.search(r"(\d+) requests in", done.stdout).group(1))
            self.assertGreater(requests, 0)
            http.stop(self)
            reports = http.reports()
            self.assertEqual([report.shard for report in reports], [0, 1])
            for report in reports:
                self.assertGreater(report.connections, 0)
                self.assertGreater(report.requests, 0)
                self.assertEqual(report.refused, 0)
            # wrk opens one more to look whether somebody listens, and stops in the middle of the last requests.
            self.assertIn(http.total("connections"), (CONNECTIONS, CONNECTIONS + 1))
            self.assertGreaterEqual(http.total("requests"), requests)
