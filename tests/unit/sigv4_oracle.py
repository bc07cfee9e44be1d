#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Requests signed by botocore: the oracle of tests/unit/test_sigv4.c, one JSON object a line."""
from __future__ import annotations

import datetime
import json
import random
from typing import Any
from urllib.parse import quote
from unittest import mock

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

REQUESTS = 400
PIECES = ("a", "Z", "0", "-", ".", "_", "~", "/", "//", "%", "*", "+", " ", "=", "&", ":", "@", "é",
          "漢", "arn:aws:ecs", "name", "..")


def piece(rng: random.Random, without: str = "") -> str:
    text = "".join(rng.choice(PIECES) for _ in range(rng.randint(0, 6)))
    return "".join(c for c in text if c not in without)


def path_of(rng: random.Random) -> str:
    """A path as it stands in the request line."""
    return "/" + quote(piece(rng), safe="/-._~")


def request(rng: random.Random) -> dict[str, Any]:
    query = "&".join(f"{quote(piece(rng) or 'k', safe='-._~')}={quote(piece(rng), safe='-._~')}"
                     for _ in range(rng.randint(0, 4)))
    headers = {"Content-Type": rng.choice(["application/x-amz-json-1.1", "text/xml"]),
               "X-Amz-Target": "Service." + (piece(rng, " é漢") or "Action")}
    if rng.random() < 0.5:
        headers["X-Spaces"] = "a  b   c"
    return {"method": rng.choice(["GET", "POST", "PUT", "DELETE"]), "path": path_of(rng),
            "query": query,
            "headers": headers, "body": piece(rng) * rng.randint(0, 30),
            "region": rng.choice(["us-east-1", "eu-central-1"]),
            "service": rng.choice(["ecs", "iam", "ec2", "route53"]),
            "secret": "secret" + piece(rng), "token": rng.choice([None, "token/+=="]),
            "time": rng.randint(10**9, 2 * 10**9)}


def sign(case: dict[str, Any]) -> dict[str, Any]:
    host = "example.amazonaws.com"
    url = f"https://{host}{case['path']}" + (f"?{case['query']}" if case["query"] else "")
    aws = AWSRequest(case["method"], url, headers=dict(case["headers"]),
                     data=case["body"].encode())
    credentials = Credentials("AKIDEXAMPLE", case["secret"], case["token"])
    auth = botocore.auth.SigV4Auth(credentials, case["service"], case["region"])
    now = datetime.datetime.fromtimestamp(case["time"], datetime.timezone.utc)
    with mock.patch("botocore.auth.get_current_datetime", lambda *_: now.replace(tzinfo=None)):
        auth.add_auth(aws)
    case["headers"] = {"Host": host, **{name: value for name, value in aws.headers.items()
                                        if name != "Authorization"}}
    case["authorization"] = aws.headers["Authorization"]
    del aws.headers["Authorization"]
    case["canonical"] = auth.canonical_request(aws)
    return case


def main() -> None:
    rng = random.Random(4)
    for _ in range(REQUESTS):
        print(json.dumps(sign(request(rng))))


if __name__ == "__main__":
    main()
