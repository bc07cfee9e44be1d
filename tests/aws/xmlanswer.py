# SPDX-License-Identifier: MIT
"""Answers as XML: what moto's serializers write, in one pass over the answer.

https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#response-serialization
https://smithy.io/2.0/aws/protocols/aws-ec2-query-protocol.html#response-serialization
https://smithy.io/2.0/aws/protocols/aws-restxml-protocol.html
What a shape's members are called, and how each is written, is looked up once; moto's look it up for
every value, build a tree of it, and have that written: a quarter of what a call took here.
"""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from moto.core.model import OperationModel
from moto.core.serialize import TimestampSerializer
from moto.core.utils import get_value

DECLARATION = '<?xml version="1.0" encoding="utf-8"?>\n'
Content = Callable[[Any], str]  # of an element, from a value
Elements = Callable[[Any], str]  # a member's, from its value
TIMES = {"ec2": TimestampSerializer.TIMESTAMP_FORMAT_ISO8601_ZEROED}
STAMPS = TimestampSerializer("")


def answer_write(operation: OperationModel, protocol: str, output: Any, request_id: str) -> str:
    """The body of an answer in the protocol query, ec2 or rest-xml."""
    shape, name = operation.output_shape, operation.name
    content = content_of(shape, protocol)(output) if shape is not None else ""
    wrapper = shape.serialization.get("resultWrapper") if shape is not None else None
    namespace = operation.metadata.get("xmlNamespace")
    head = f"{name}Response xmlns={quoteattr(namespace)}" if namespace else f"{name}Response"
    number = escape(request_id)
    if protocol == "ec2":
        return f"{DECLARATION}<{head}>{content}<requestId>{number}</requestId></{name}Response>"
    if protocol == "rest-xml":
        if not content and not (shape is not None and _in_body(shape)):
            return ""
        return DECLARATION + _element(f"{name}Response", content)
    if shape is not None:
        content = _element(wrapper or f"{shape.name}Result", content)
    return (f"<{head}>{content}<ResponseMetadata><RequestId>{number}</RequestId>"
            f"</ResponseMetadata></{name}Response>")


def _in_body(shape: Any) -> bool:
    return any("location" not in member.serialization for member in shape.members.values())


def _element(name: str, content: str) -> str:
    return f"<{name}>{content}</{name}>" if content else f"<{name}/>"


@functools.lru_cache(None)
def content_of(shape: Any, protocol: str) -> Content:
    """How the content of an element with a value of SHAPE is written."""
    kind = shape.type_name
    if kind == "structure":
        return Structure(shape, protocol).content
    if kind == "list":
        name = shape.member.serialization.get("name", "member")
        return lambda values: _items(shape, protocol, name, values)
    if kind == "map":
        return lambda values: _entries(shape, protocol, "entry", values)
    if kind == "timestamp":
        form = shape.serialization.get("timestampFormat", TIMES.get(
            protocol, TimestampSerializer.TIMESTAMP_FORMAT_ISO8601))
        return lambda value: escape(str(_time(value, form)))
    return SCALARS.get(kind, _text)


def elements_of(shape: Any, protocol: str, key: str) -> Elements:
    """How a structure's member KEY is written: one element or, of a flattened list, one of each."""
    name, flat = shape.serialization.get("name", key), shape.serialization.get("flattened")
    if flat and shape.type_name == "list":
        item = shape.member.serialization.get("name", name)
        return lambda values: _items(shape, protocol, item, values)
    if flat and shape.type_name == "map":
        return lambda values: _entries(shape, protocol, name, values)
    content, empty, start, end = content_of(shape, protocol), f"<{name}/>", f"<{name}>", f"</{name}>"

    def write(value: Any) -> str:
        inside = content(value)
        return start + inside + end if inside else empty
    return write


class Structure:
    """Its members are looked up when the first one is written: a shape may be part of itself."""

    def __init__(self, shape: Any, protocol: str) -> None:
        self.shape, self.protocol = shape, protocol

    @functools.cached_property
    def members(self) -> list[tuple[str, Elements]]:
        """Those that are not in headers or elsewhere."""
        return [(key, elements_of(member, self.protocol, key))
                for key, member in self.shape.members.items()
                if "location" not in member.serialization]

    def content(self, value: Any) -> str:
        text = ""
        for key, write in self.members:
            one = value.get(key) if isinstance(value, dict) else get_value(value, key, None)
            if one is not None:
                text += write(one)
        return text


def _items(shape: Any, protocol: str, name: str, values: Any) -> str:
    """A list's; a structure without members is none."""
    content = content_of(shape.member, protocol)
    if shape.member.type_name != "structure":
        return "".join(_element(name, content(value)) for value in values)
    written = (content(value) for value in values if value is not None)
    return "".join(f"<{name}>{one}</{name}>" for one in written if one)


def _entries(shape: Any, protocol: str, name: str, values: dict[str, Any]) -> str:
    key = elements_of(shape.key, protocol, "key")
    value = elements_of(shape.value, protocol, "value")
    return "".join(f"<{name}>{key(k)}{value(v)}</{name}>" for k, v in values.items()
                   if v is not None)


@functools.lru_cache(4096)
def _time(value: Any, form: str) -> Any:
    return STAMPS._convert_timestamp_to_str(value, form)


def _text(value: Any) -> str:
    return escape(str(value))


def _boolean(value: Any) -> str:
    return "true" if value is True or str(value).lower() == "true" else "false"


def _blob(value: str | bytes) -> str:
    data = value.encode() if isinstance(value, str) else value
    return base64.b64encode(data).decode("ascii")


SCALARS: dict[str, Content] = {
    "boolean": _boolean, "blob": _blob,
    "integer": lambda value: str(int(value)), "long": lambda value: str(int(value)),
    "float": lambda value: str(float(value)), "double": lambda value: str(float(value)),
}
