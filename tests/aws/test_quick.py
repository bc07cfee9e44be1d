# SPDX-License-Identifier: MIT
"""What is quicker than a library's own is as right."""

from __future__ import annotations

import io
from typing import Any

import pytest
import xmltodict
from moto.ec2.models import ec2_backends

from .endpoint import REGION
from .headers import headers_read
from .quick import copied, document_write, tags_get

TREES: list[dict[str, Any]] = [
    {"a": {"@xmlns": 'x"y', "b": [1, None, "", {"c": True}], "e": [], "t": "a<b>&\"'\r\n\x85é"}},
    {"a": {}}, {"a": None}, {"a": {"#text": "x", "@k": None}}, {"a": {"b": (), "c": b"\xff"}},
    {"a": {"b": {"c": []}, "d": [{}, {"e": False}], "f": 1.5, "g": 0}},
    {"a": {"#text": "&", "b": "c"}},
]


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("tree", TREES)
def test_documents_are_written_as_xmltodict_does(tree: dict[str, Any], whole: bool) -> None:
    assert document_write(tree, full_document=whole) == xmltodict.unparse(
        tree, full_document=whole, short_empty_elements=True)


def test_a_resource_has_the_tags_that_moto_describes() -> None:
    backend = ec2_backends["210987654321"][REGION]
    first, second = (backend.create_vpc(f"10.{n}.0.0/16") for n in (1, 2))
    backend.create_tags([first.id], {"Name": "one", "a": "b"})
    backend.create_tags([second.id], {"Name": "two"})
    for vpc in (first, second):
        assert tags_get(vpc) == backend.describe_tags(filters={"resource-id": [vpc.id]}) != []
    assert tags_get(backend.create_vpc("10.3.0.0/16")) == []


def test_headers_are_read_by_their_names() -> None:
    text = b"Host: here\r\nX-Twice:  a \r\nx-twice: b\r\nEmpty:\r\n\r\nbody"
    stream = io.BytesIO(text)
    assert headers_read(stream) == {"host": "here", "x-twice": "a,b", "empty": ""}
    assert stream.read() == b"body"


@pytest.mark.parametrize("text", [b"no header\r\n\r\n", b": none\r\n\r\n", b"a : b\r\n\r\n",
                                  b" folded: b\r\n\r\n", b"a: b\r\n" * 200,
                                  b"a: " + b"b" * 70000 + b"\r\n\r\n"])
def test_what_is_no_header_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        headers_read(io.BytesIO(text))


def test_a_copy_shares_nothing_that_can_change() -> None:
    given = {"a": [{"b": [1, "x", None, True, 1.5]}], "c": {}}
    other = copied(given)
    assert other == given
    other["a"][0]["b"].append(2)
    other["c"]["d"] = 1
    assert given == {"a": [{"b": [1, "x", None, True, 1.5]}], "c": {}}
