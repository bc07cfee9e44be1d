#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What botocore makes of every action that berth calls: the oracle of tests/unit/test_protocols.c.

Prints one JSON object a line. "request": an input and what botocore puts on the wire for it.
"answer": an answer as the service would send it and what botocore reads in it. Values are made up
from the models, always the same ones; the answers' writer is ours, their reading is botocore's.
"""
from __future__ import annotations

import base64
import datetime
import json
import random
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

import botocore.parsers
import botocore.serialize
import botocore.session

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "drivers" / "aws"))
from shapes import FOLDERS, PROTOCOLS, read_actions  # noqa: E402

VARIANTS = 4
DEPTH_MAX = 9
TEXTS = ("a", "plain-name_1.2", "with blank", "a&b=c+d/e%f", "grün 漢字 ☃", "<tag> \"quoted\" 'x'",
         "line\nbreak\ttab", "~!*()@:,;$#[]{}|^`\\", " edges ")
# ElementTree has a short form for what holds nothing.
EMPTY = re.compile(r"<(\w+) />")


class Maker:
    """Makes up values of shapes; `wire` and what botocore is given differ for blobs alone."""

    def __init__(self, seed: str, every: bool, is_input: bool) -> None:
        self.random = random.Random(seed)
        self.every = every
        self.is_input = is_input

    def value(self, shape: Any, depth: int = 0) -> Any:
        return getattr(self, f"make_{shape.type_name}", self.make_number)(shape, depth)

    def make_structure(self, shape: Any, depth: int) -> dict[str, Any]:
        if shape.is_document_type:
            return {"any": ["thing", 1, {"x": True}]}
        names = list(shape.members)
        if shape.is_tagged_union:
            names = [self.random.choice(names)]
        elif depth > DEPTH_MAX:
            names = [n for n in names if n in shape.required_members]
        elif not self.every:
            names = [n for n in names if n in shape.required_members or
                     self.random.random() < 0.4]
            self.random.shuffle(names)
        return {name: self.value(shape.members[name], depth + 1) for name in names}

    def length(self, shape: Any, most: int) -> int:
        low = int(shape.metadata.get("min", 0))
        high = min(int(shape.metadata.get("max", most)), max(low, most))
        return self.random.randint(low, max(low, high))

    def make_list(self, shape: Any, depth: int) -> list[Any]:
        n = int(shape.metadata.get("min", 0)) if depth > DEPTH_MAX else self.length(shape, 3)
        return [self.value(shape.member, depth + 1) for _ in range(n)]

    def make_map(self, shape: Any, depth: int) -> dict[str, Any]:
        n = 0 if depth > DEPTH_MAX else self.length(shape, 3)
        return {self.value(shape.key): self.value(shape.value, depth + 1) for _ in range(n)}

    def make_string(self, shape: Any, _depth: int) -> str:
        if shape.metadata.get("enum"):
            return self.random.choice(shape.metadata["enum"])
        if shape.name == "policyDocumentType" and not self.is_input:
            return quote('{"Version": "2012-10-17", "x": "ü+%"}')
        low, high = int(shape.metadata.get("min", 0)), int(shape.metadata.get("max", 60))
        text = self.random.choice(TEXTS)
        while len(text) < low:
            text += "x"
        return text[:high]

    def make_blob(self, _shape: Any, _depth: int) -> bytes:
        return bytes(self.random.randrange(256) for _ in range(self.random.randint(0, 20)))

    def make_boolean(self, _shape: Any, _depth: int) -> bool:
        return self.random.random() < 0.5

    def make_timestamp(self, _shape: Any, _depth: int) -> int:
        return self.random.randint(0, 2_000_000_000)

    def make_number(self, shape: Any, _depth: int) -> float:
        whole = shape.type_name in ("integer", "long")
        low = int(shape.metadata.get("min", -5))
        high = int(shape.metadata.get("max", 2**31 - 1 if shape.type_name == "integer" else 10**15))
        if not whole:
            return float(low) + 0.5
        return self.random.choice([low, min(high, low + 7), high])


def plain(value: Any) -> Any:
    """The value as berth has it in JSON."""
    if isinstance(value, dict):
        return {key: plain(child) for key, child in value.items()}
    if isinstance(value, list):
        return [plain(child) for child in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime.datetime):
        return value.timestamp()
    if isinstance(value, str) and value.startswith("%7B"):
        return unquote(value)
    return value


def scalar_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value)


def xml_element(name: str, shape: Any, value: Any) -> str:
    """An element of an answer, as the query protocols write it."""
    kind = shape.type_name
    if kind == "structure":
        return f"<{name}>{xml_members(shape, value)}</{name}>"
    if kind == "list":
        item = shape.member.serialization.get("name")
        if shape.serialization.get("flattened"):
            return "".join(xml_element(item or name, shape.member, v) for v in value)
        inner = "".join(xml_element(item or "member", shape.member, v) for v in value)
        return f"<{name}>{inner}</{name}>"
    if kind == "map":
        key, item = shape.key.serialization.get("name"), shape.value.serialization.get("name")
        inner = "".join(f"<entry>{xml_element(key or 'key', shape.key, k)}"
                        f"{xml_element(item or 'value', shape.value, v)}</entry>"
                        for k, v in value.items())
        return f"<{name}>{inner}</{name}>"
    if kind == "timestamp":
        value = datetime.datetime.fromtimestamp(value, datetime.timezone.utc)
        text = value.strftime("%Y-%m-%dT%H:%M:%S.250Z")
        return f"<{name}>{text}</{name}>"
    text = escape(scalar_text(value)).replace("\r", "&#13;")
    return f"<{name}>{text}</{name}>"


def xml_members(shape: Any, value: dict[str, Any]) -> str:
    return "\n  ".join(xml_element(shape.members[name].serialization.get("name", name),
                                   shape.members[name], child) for name, child in value.items())


def xml_answer(operation: Any, value: dict[str, Any], ec2: bool) -> str:
    shape = operation.output_shape
    inner = xml_members(shape, value) if shape is not None else ""
    wrapper = shape.serialization.get("resultWrapper") if shape is not None else None
    if wrapper:
        inner = f"<{wrapper}>{inner}</{wrapper}>"
    request_id = "<requestId>id-1</requestId>" if ec2 else \
        "<ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata>"
    return (f'<?xml version="1.0" encoding="UTF-8"?>\n<{operation.name}Response '
            f'xmlns="http://example.com/doc/">{inner}{request_id}</{operation.name}Response>')


def json_value(shape: Any, value: Any) -> Any:
    """A value of an answer, as AWS JSON has it; with nulls and members that no model knows."""
    if shape.type_name == "structure" and not shape.is_document_type:
        members = {shape.members[k].serialization.get("name", k): json_value(shape.members[k], v)
                   for k, v in value.items()}
        if not shape.is_tagged_union:
            members["newMember"] = {"x": 1}
            for name in list(shape.members)[:1]:
                members.setdefault(shape.members[name].serialization.get("name", name), None)
        return members
    if shape.type_name == "list":
        return [json_value(shape.member, v) for v in value]
    if shape.type_name == "map":
        return {k: json_value(shape.value, v) for k, v in value.items()}
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def request_line(model: Any, protocol: str, operation: Any, value: Any) -> dict[str, Any]:
    serializer = botocore.serialize.create_serializer(protocol, include_validation=False)
    request = serializer.serialize_to_request(value, operation)
    body = request["body"]
    if isinstance(body, dict):
        body = "&".join(f"{quote(str(k), safe='-._~')}={quote(str(v), safe='-._~')}"
                        for k, v in body.items())
    else:
        body = EMPTY.sub(r"<\1></\1>", body.decode())
    query = [(k, v) for k, vs in request["query_string"].items()
             for v in (vs if isinstance(vs, list) else [vs])] if request["query_string"] else []
    return {"method": request["method"], "path": request["url_path"],
            "query": "&".join(f"{quote(k, safe='-._~')}={quote(str(v), safe='-._~')}"
                              for k, v in query),
            "headers": dict(request["headers"]), "body": body}


def answer_line(protocol: str, operation: Any, value: Any) -> dict[str, Any]:
    if protocol == "json":
        body = json.dumps(json_value(operation.output_shape, value)
                          if operation.output_shape else {})
    else:
        body = xml_answer(operation, value, protocol == "ec2")
    parser = botocore.parsers.create_parser(protocol)
    parsed = parser.parse({"body": body.encode(), "headers": {}, "status_code": 200},
                          operation.output_shape)
    parsed.pop("ResponseMetadata", None)
    return {"body": body, "expected": plain(parsed)}


def main() -> None:
    session = botocore.session.Session()
    for service, actions in read_actions().items():
        model = session.get_service_model(FOLDERS.get(service, service))
        known = model.metadata.get("protocols") or [model.metadata["protocol"]]
        protocol = next(p for p in PROTOCOLS if p in known)
        for action in actions:
            operation = model.operation_model(action)
            for variant in range(VARIANTS):
                seed, every = f"{service} {action} {variant}", variant == 0
                value = Maker(seed, every, True).value(operation.input_shape) \
                    if operation.input_shape else {}
                line = {"service": service, "action": action, "input": plain(value),
                        "request": request_line(model, protocol, operation, value)}
                value = Maker(seed, every, False).value(operation.output_shape) \
                    if operation.output_shape else {}
                line["answer"] = answer_line(protocol, operation, value)
                print(json.dumps(line))


if __name__ == "__main__":
    main()
