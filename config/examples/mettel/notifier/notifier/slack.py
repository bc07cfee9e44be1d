"""Messages for a Slack channel, by its incoming webhook."""

import json
import urllib.error
import urllib.request

LIMIT = 40000
TRUNCATED = " ... (truncated)"


def make_request(url, text):
    """Slack truncates what is longer than 40,000 characters; we do it ourselves, and say so."""
    if len(text) > LIMIT:
        text = text[:LIMIT - len(TRUNCATED)] + TRUNCATED
    body = json.dumps({"text": text}).encode()
    return urllib.request.Request(url, body, {"Content-Type": "application/json"})


class SlackClient:
    def __init__(self, url, urlopen=urllib.request.urlopen):
        self._url = url
        self._urlopen = urlopen

    def send(self, text):
        """Whether Slack has taken the message. The webhook's URL is a secret: it is never logged."""
        try:
            with self._urlopen(make_request(self._url, text), timeout=10) as response:
                return response.status == 200
        except urllib.error.URLError:
            return False
