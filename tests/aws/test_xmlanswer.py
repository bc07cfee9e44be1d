# SPDX-License-Identifier: MIT
"""Answers as XML are to the byte what moto's serializers write, for every action of ours."""

from __future__ import annotations

import random
import re
from datetime import datetime, timezone
from typing import Any

import pytest
from moto.core.serialize import (EC2Serializer, QuerySerializer, RestXMLSerializer,
                                 SerializationContext)

from .registry import MODULES, service_find
from .wire import model_load
from .xmlanswer import answer_write

KINDS: dict[str, Any] = {"ec2": EC2Serializer, "rest-xml": RestXMLSerializer,
                         "query": QuerySerializer}
SCALARS: dict[str, list[Any]] = {
    "boolean": [True, False, "true"], "integer": [0, 7, "8"], "long": [2**40],
    "float": [1, 2.5], "double": [0.1], "blob": [b"\xff\x00", "text"],
    "timestamp": [0, 1574500000.25, "2019-12-01T10:00:00Z",
                  datetime(2019, 12, 1, 10, 0, 0, 5000, timezone.utc)],
    "string": ["", "plain", "a<b>&c\"d'\n\ré", 5]}


def answer_of(chance: random.Random, shape: Any, depth: int = 0) -> Any:
    """Something that an action could answer, and much that none does."""
    kind = shape.type_name
    if kind == "structure":
        return {key: answer_of(chance, member, depth + 1) if chance.random() < 0.9 else None
                for key, member in shape.members.items()
                if depth < 4 and chance.random() < 0.8}
    if kind == "list":
        return [answer_of(chance, shape.member, depth + 1) for _ in range(chance.randint(0, 2))]
    if kind == "map":
        return {f"k&{i}": answer_of(chance, shape.value, depth + 1)
                for i in range(chance.randint(1, 2))}
    return chance.choice(SCALARS[kind])


@pytest.mark.parametrize("service", [
    name for name in MODULES
    if KINDS.keys() & {*model_load(name).metadata.get("protocols", [model_load(name).protocol])}])
def test_an_answer_is_written_as_moto_does(service: str) -> None:
    model, known, chance = model_load(service), service_find(service), random.Random(2019)
    assert known is not None
    protocol = model.protocol if model.protocol in KINDS else "query"
    for action in sorted(known.functions):
        operation = model.operation_model(action)
        shape = operation.output_shape
        for _ in range(2):
            output = answer_of(chance, shape) if shape is not None else {}
            wanted = KINDS[protocol](operation, SerializationContext("id-1")).serialize(output)
            body = re.sub(r"<(\w+)></\1>", r"<\1/>", wanted["body"])  # the same in XML
            assert answer_write(operation, protocol, output, "id-1") == body, action
