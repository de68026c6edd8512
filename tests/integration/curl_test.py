"""The HTTP server as curl sees it."""

import json
import os
import re
import subprocess
import tempfile
import unittest

import http_client
import service


def curl(*arguments):
    """Runs curl. Returns (response, what it said of the exchange on stderr)."""
    done = subprocess.run(["curl", "--silent", "--show-error", "--include", "--max-time", "30", *arguments],
                          stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"curl {arguments} exited with {done.returncode}: {done.stderr.decode()}")
    output = done.stdout
    while True:
        head, _, output = output.partition(b"\r\n\r\n")
        status, headers = http_client.parse_head(head)
        if status >= 200:
            return http_client.Response(status, headers, output), done.stderr.decode("latin-1")


def file_of(test, data):
    """The path of a file that holds `data` until the test ends."""
    file = tempfile.NamedTemporaryFile(dir=os.environ.get("TEST_TMPDIR"))  # pylint: disable=consider-using-with
    test.addCleanup(file.close)
    file.write(data)
    file.flush()
    return file.name


class CurlTest(service.ServedTest):

    def test_get_plaintext(self):
        response, _ = curl(self.service.url("/plaintext"))
        self.assertEqual((response.status, response.body), (200, b"Hello, World!"))
        self.assertEqual(response.headers["content-type"], "text/plain")
        self.assertRegex(response.headers["date"], r"^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$")

    def test_get_json(self):
        response, _ = curl(self.service.url("/json"))
        self.assertEqual(response.headers["content-type"], "application/json")
        self.assertEqual(json.loads(response.body), {"message": "Hello, World!"})

    def test_the_query_does_not_choose_the_page(self):
        self.assertEqual(curl(self.service.url("/plaintext?q=/json"))[0].body, b"Hello, World!")

    def test_head_has_the_length_and_no_body(self):
        response, _ = curl("--head", self.service.url("/plaintext"))
        self.assertEqual((response.status, response.headers["content-length"], response.body), (200, "13", b""))

    def test_post_comes_back(self):
        response, _ = curl("--data-binary", "ping", self.service.url("/echo"))
        self.assertEqual((response.status, response.body), (200, b"ping"))

    def test_empty_post_comes_back(self):
        response, _ = curl("--data-binary", "", self.service.url("/echo"))
        self.assertEqual((response.status, response.body), (200, b""))

    def test_post_of_the_largest_body_comes_back(self):
        body = os.urandom(1 << 20)
        response, _ = curl("--data-binary", "@" + file_of(self, body), self.service.url("/echo"))
        self.assertEqual(response.status, 200)
        self.assertTrue(response.body == body, "the body came back changed")

    def test_chunked_post_comes_back(self):
        body = os.urandom(300_000)
        response, _ = curl("--header", "Transfer-Encoding: chunked", "--data-binary", "@" + file_of(self, body),
                           self.service.url("/echo"))
        self.assertEqual(response.status, 200)
        self.assertTrue(response.body == body, "the body came back changed")

    def test_a_client_that_waits_for_100_continue_is_told_to_go_on(self):
        # Curl would go on by itself only after the minute that it is told to wait here.
        response, said = curl("--verbose", "--header", "Expect: 100-continue", "--expect100-timeout", "60",
                              "--data-binary", "x" * 5000, self.service.url("/echo"))
        self.assertIn("HTTP/1.1 100 Continue", said)
        self.assertEqual((response.status, response.body), (200, b"x" * 5000))

    def test_unknown_path_is_404(self):
        self.assertEqual(curl(self.service.url("/nowhere"))[0].status, 404)

    def test_wrong_method_is_405_and_names_the_right_ones(self):
        for method, path, allowed in (("POST", "/plaintext", "GET, HEAD"), ("DELETE", "/json", "GET, HEAD"),
                                      ("GET", "/echo", "POST")):
            with self.subTest(method=method, path=path):
                response, _ = curl("--request", method, self.service.url(path))
                self.assertEqual((response.status, response.headers["allow"]), (405, allowed))

    def test_too_large_a_body_is_413(self):
        response, _ = curl("--data-binary", "@" + file_of(self, bytes((1 << 20) + 1)), self.service.url("/echo"))
        self.assertEqual((response.status, response.announces_close()), (413, True))

    def test_requests_share_a_connection(self):
        _, said = curl("--verbose", self.service.url("/plaintext"), self.service.url("/json"))
        self.assertEqual(len(re.findall("Re-using existing connection", said)), 1)

    def test_http_1_0_is_answered_and_closed(self):
        response, said = curl("--verbose", "--http1.0", self.service.url("/plaintext"))
        self.assertEqual((response.status, response.body, response.announces_close()), (200, b"Hello, World!", True))
        self.assertIn("Closing connection", said)


class AddressTest(unittest.TestCase):

    def test_serves_both_families_on_the_wildcard_address_of_ipv6(self):
        with service.Service("http_server", address="[::]") as http:
            port = http.address[1]
            for host in ("[::1]", "127.0.0.1"):
                with self.subTest(host=host):
                    self.assertEqual(curl(f"http://{host}:{port}/plaintext")[0].body, b"Hello, World!")
            http.stop(self)

    def test_serves_ipv6_alone_on_its_loopback_address(self):
        with service.Service("http_server", address="[::1]") as http:
            self.assertEqual(curl("--globoff", http.url("/json"))[0].status, 200)
            http.stop(self)
