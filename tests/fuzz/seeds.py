#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the seeds of the fuzz targets that can be made from something else in this repository.

    tests/fuzz/seeds.py DIRECTORY

One answer for each action in drivers/aws/actions.txt, with every member of its output shape that
botocore's model has, in the service's wire protocol; the host config and the spec of the examples.
What is worth keeping of it, libFuzzer's -merge=1 decides; docs/testing.md says how.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import botocore.session
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
MAX_DEPTH = 8
SCALARS: dict[str, Any] = {"string": "abc", "boolean": True, "integer": 7, "long": 7, "float": 1.5,
                           "double": 1.5, "timestamp": 1700000000.5, "blob": "YWJj",
                           "character": "a"}


def actions() -> Iterator[tuple[str, str]]:
    for line in (ROOT / "drivers/aws/actions.txt").read_text().splitlines():
        words = line.split("#")[0].split()
        if len(words) == 2:
            yield words[0], words[1]


def as_json(shape: Shape, depth: int = 0) -> Any:
    if isinstance(shape, StructureShape):
        if depth > MAX_DEPTH:
            return {}
        return {member.serialization.get("name", name): as_json(member, depth + 1)
                for name, member in shape.members.items()}
    if isinstance(shape, ListShape):
        return [] if depth > MAX_DEPTH else [as_json(shape.member, depth + 1)]
    if isinstance(shape, MapShape):
        return {} if depth > MAX_DEPTH else {"key": as_json(shape.value, depth + 1)}
    return shape.enum[0] if getattr(shape, "enum", None) else SCALARS[shape.type_name]


def element(name: str, content: str) -> str:
    return f"<{name}>{content}</{name}>"


def as_xml(shape: Shape, name: str, depth: int = 0) -> str:
    """The element or, of a flattened list or map, the elements."""
    if depth > MAX_DEPTH:
        return element(name, "")
    if isinstance(shape, StructureShape):
        return element(name, "".join(
            as_xml(member, member.serialization.get("name", key), depth + 1)
            for key, member in shape.members.items()))
    flat = shape.serialization.get("flattened", False)
    if isinstance(shape, ListShape):
        item = shape.member.serialization.get("name", "member")
        inner = as_xml(shape.member, item if not flat or "name" in shape.member.serialization
                       else name, depth + 1)
        return inner if flat else element(name, inner)
    if isinstance(shape, MapShape):
        pair = (as_xml(shape.key, shape.key.serialization.get("name", "key"), depth + 1)
                + as_xml(shape.value, shape.value.serialization.get("name", "value"), depth + 1))
        return element(name, pair) if flat else element(name, element("entry", pair))
    value = "2023-11-14T22:13:20.500Z" if shape.type_name == "timestamp" else as_json(shape)
    return element(name, escape(str(value).lower() if isinstance(value, bool) else str(value)))


def xml_answer(operation: OperationModel) -> str:
    output = operation.output_shape
    wrapper = output.serialization.get("resultWrapper") if output is not None else None
    body = as_xml(output, wrapper or "x") if output is not None else ""
    if wrapper is None:
        body = body.removeprefix("<x>").removesuffix("</x>")
    rest = output is not None and operation.service_model.protocol == "rest-xml"
    return element(output.name if rest else f"{operation.name}Response", body)


ERROR = {
    "json": '{"__type":"com.amazonaws.ecs#ClusterNotFoundException","message":"no cluster"}',
    "query": "<ErrorResponse><Error><Type>Sender</Type><Code>NoSuchEntity</Code><Message>no role"
             "</Message></Error><RequestId>1-2-3</RequestId></ErrorResponse>",
    "ec2": "<Response><Errors><Error><Code>InvalidGroup.NotFound</Code><Message>no group</Message>"
           "</Error></Errors><RequestID>1-2-3</RequestID></Response>",
    "restxml": "<ErrorResponse><Error><Type>Sender</Type><Code>NoSuchHostedZone</Code><Message>no"
               "</Message></Error><RequestId>1-2-3</RequestId></ErrorResponse>",
}


def answers() -> Iterator[tuple[str, str, str]]:
    session = botocore.session.get_session()
    from drivers.aws import shapes
    names = shapes.FOLDERS
    for service, action in actions():
        model = session.get_service_model(names.get(service, service))
        operation = model.operation_model(action)
        protocol = model.protocol.replace("-", "")
        text = json.dumps(as_json(operation.output_shape) if operation.output_shape else {}) \
            if protocol == "json" else xml_answer(operation)
        yield protocol, f"{service}-{action}", f"{service} {action}\n{text}"
    for protocol, text in ERROR.items():
        yield protocol, "error", f"-\n{text}"


def seeds() -> Iterator[tuple[str, str, str]]:
    yield from answers()
    yield "host", "example", (ROOT / "config/berth.json").read_text()
    for path in sorted((ROOT / "config/examples").glob("*/.berth/environment.json")):
        yield "spec", path.parts[-3], path.read_text()
    yield "toml", "example", (ROOT / "config/config.toml").read_text()


def main() -> None:
    for target, name, text in seeds():
        directory = Path(sys.argv[1]) / target
        directory.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)


if __name__ == "__main__":
    main()
