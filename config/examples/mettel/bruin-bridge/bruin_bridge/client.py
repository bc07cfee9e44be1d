"""Bruin's HTTP interface, with the token that it wants to see."""

import base64
import json
import urllib.error
import urllib.parse
import urllib.request

UNAUTHORIZED = 401


def encode_credentials(client_id, client_secret):
    return base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()


class BruinClient:
    """A token lasts about an hour: it is fetched when there is none, and once more when Bruin refuses it."""

    def __init__(self, config, urlopen=urllib.request.urlopen):
        self._config = config
        self._urlopen = urlopen
        self._token = None

    def login(self):
        credentials = encode_credentials(self._config["client_id"], self._config["client_secret"])
        request = urllib.request.Request(
            self._config["login_url"] + "/identity/connect/token",
            urllib.parse.urlencode({"grant_type": "client_credentials", "scope": "public_api"}).encode(),
            {"Authorization": f"Basic {credentials}"})
        with self._urlopen(request, timeout=30) as response:
            self._token = json.load(response)["access_token"]

    def get(self, path, **params):
        """The status and the decoded body of an answer."""
        if self._token is None:
            self.login()
        status, body = self._get_once(path, params)
        if status == UNAUTHORIZED:
            self.login()
            status, body = self._get_once(path, params)
        return status, body

    def _get_once(self, path, params):
        url = f"{self._config['base_url']}{path}?{urllib.parse.urlencode(sorted(params.items()))}"
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {self._token}"})
        try:
            with self._urlopen(request, timeout=90) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, error.reason
