# SPDX-License-Identifier: MIT
"""What libraries do for every call, as cheaply as this endpoint needs it: the same results.

A suite makes hundreds of thousands of calls here, and without these most of the processor's time
goes into general means to small ends: a SAX writer with name checks for names out of models, two
compiled patterns to find the tags of one id.
"""

from __future__ import annotations

import types
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import moto.core.serialize
import moto.core.utils
from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.models.tags import EC2_PREFIX_TO_RESOURCE, get_prefix

from .wire import model_read

DECLARATION = '<?xml version="1.0" encoding="utf-8"?>\n'


def document_write(tree: dict[str, Any], full_document: bool = True, **_: Any) -> str:
    """xmltodict.unparse(TREE, short_empty_elements=True), not pretty."""
    parts = [DECLARATION] if full_document else []
    for name, value in tree.items():
        _elements_write(parts, name, value)
    return "".join(parts)


def _elements_write(parts: list[str], name: str, value: Any) -> None:
    for one in value if isinstance(value, (list, tuple)) else (value,):
        if isinstance(one, dict):
            _element_write(parts, name, one)
        elif one is None or one == "":
            parts.append(f"<{name}/>")
        else:
            parts.append(f"<{name}>{escape(_text(one))}</{name}>")


def _element_write(parts: list[str], name: str, tree: dict[str, Any]) -> None:
    head, text = name, tree.get("#text")
    children = []
    for key, value in tree.items():
        if key.startswith("@"):
            head += f" {key[1:]}={quoteattr(_text(value))}"
        elif key != "#text" and value != []:
            children.append((key, value))
    if not children and text in (None, ""):
        parts.append(f"<{head}/>")
        return
    parts.append(f"<{head}>")
    for key, value in children:
        _elements_write(parts, key, value)
    parts.append(f"{escape(_text(text))}</{name}>")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value)


def tags_get(resource: Any) -> list[dict[str, Any]]:
    """TaggedEC2Resource.get_tags: describe_tags of moto's EC2, with this resource's id as filter."""
    tags = resource.ec2_backend.tags.get(resource.id)
    if not tags:
        return []
    kind = EC2_PREFIX_TO_RESOURCE.get(get_prefix(resource.id), "")
    return [{"resource_id": resource.id, "key": key, "value": value, "resource_type": kind}
            for key, value in tags.items()]


def copied(value: Any) -> Any:
    """copy.deepcopy of what JSON can hold."""
    if isinstance(value, dict):
        return {name: copied(member) for name, member in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value


def install() -> None:
    """Have moto use them."""
    moto.core.serialize.xmltodict = types.SimpleNamespace(  # type: ignore[attr-defined]
        unparse=document_write)
    moto.core.utils._load_service_model = model_read  # type: ignore[attr-defined]
    TaggedEC2Resource.get_tags = tags_get  # type: ignore[method-assign]
