import io
import json
import unittest
import urllib.error

from bruin_bridge.client import BruinClient, encode_credentials

CONFIG = {"client_id": "automation", "client_secret": "secret", "login_url": "https://id.example.com",
          "base_url": "https://bruin.example.com"}


class Answer(io.BytesIO):
    status = 200


class Bruin:
    """Accepts the newest token alone."""

    def __init__(self):
        self.tokens = 0
        self.requests = []

    def __call__(self, request, timeout):
        self.requests.append(request)
        if request.full_url.endswith("/connect/token"):
            self.tokens += 1
            return Answer(json.dumps({"access_token": f"token-{self.tokens}"}).encode())
        if request.get_header("Authorization") != f"Bearer token-{self.tokens}":
            raise urllib.error.HTTPError(request.full_url, 401, "Unauthorized", {}, None)
        return Answer(b'{"responses": []}')


class ClientTest(unittest.TestCase):
    def setUp(self):
        self.bruin = Bruin()
        self.client = BruinClient(CONFIG, self.bruin)

    def test_it_logs_in_once(self):
        for _ in range(2):
            self.assertEqual(self.client.get("/api/Ticket", ClientId=7), (200, {"responses": []}))
        self.assertEqual(self.bruin.tokens, 1)
        self.assertEqual(self.bruin.requests[0].get_header("Authorization"),
                         "Basic " + encode_credentials("automation", "secret"))
        self.assertEqual(self.bruin.requests[1].full_url, "https://bruin.example.com/api/Ticket?ClientId=7")

    def test_a_token_that_has_run_out_is_replaced(self):
        self.client.get("/api/Ticket")
        self.bruin.tokens = 5
        self.assertEqual(self.client.get("/api/Ticket")[0], 200)
        self.assertEqual(self.bruin.tokens, 6)
