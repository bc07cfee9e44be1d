import json
import unittest
import urllib.error
from unittest.mock import MagicMock

from notifier.slack import LIMIT, SlackClient, make_request

URL = "https://hooks.example.com/services/T0/B0"


def opener(status):
    urlopen = MagicMock()
    urlopen.return_value.__enter__.return_value.status = status
    return urlopen


class SlackTest(unittest.TestCase):
    def test_a_message_is_the_text_of_a_json_object(self):
        request = make_request(URL, "edge 7 is offline")
        self.assertEqual(json.loads(request.data), {"text": "edge 7 is offline"})
        self.assertEqual(request.get_method(), "POST")

    def test_a_long_message_is_truncated(self):
        text = json.loads(make_request(URL, "x" * (LIMIT + 1)).data)["text"]
        self.assertTrue(text.endswith("x ... (truncated)"))
        self.assertEqual(len(text), LIMIT)

    def test_it_is_sent_once_slack_says_so(self):
        self.assertTrue(SlackClient(URL, opener(200)).send("hello"))
        self.assertFalse(SlackClient(URL, opener(204)).send("hello"))

    def test_a_failure_is_told(self):
        failing = MagicMock(side_effect=urllib.error.URLError("no route to host"))
        self.assertFalse(SlackClient(URL, failing).send("hello"))
