"""Forms, as query and EC2 requests send them, checked name by name against the model.

https://smithy.io/2.0/aws/protocols/aws-query-protocol.html
https://smithy.io/2.0/aws/protocols/aws-ec2-query-protocol.html
A name that no member has, or a number or boolean that is none, is refused: a client that sends one
does not do what its author means.
"""

from __future__ import annotations

import re
from typing import Any

ENVELOPE = {"Action", "Version"}
NUMBER = {"integer": r"[+-]?\d+", "long": r"[+-]?\d+",
          "float": r"[+-]?[\d.]+([eE][+-]?\d+)?", "double": r"[+-]?[\d.]+([eE][+-]?\d+)?"}


class FormFault(ValueError):
    """What is wrong with one parameter; `unknown` if the action has none of that name."""

    def __init__(self, name: str, message: str, unknown: bool = False) -> None:
        super().__init__(message)
        self.name, self.unknown = name, unknown


def form_check(form: dict[str, str], shape: Any, ec2: bool) -> None:
    """Raise FormFault for the first parameter that does not fit the action's input SHAPE."""
    for name, value in form.items():
        if name in ENVELOPE:
            continue
        leaf = _leaf(shape, name.split("."), ec2) if shape else None
        if leaf is None:
            raise FormFault(name, f"The parameter {name} is not recognized", unknown=True)
        number = NUMBER.get(leaf.type_name)
        if number and not re.fullmatch(number, value):
            raise FormFault(name, f"Invalid value '{value}' for {name}: it must be a number.")
        if leaf.type_name == "boolean" and value.lower() not in ("true", "false"):
            raise FormFault(name, f"Invalid value '{value}' for {name}: it must be true or false.")


def _leaf(shape: Any, parts: list[str], ec2: bool) -> Any | None:
    """The shape that the parts of a parameter's name lead to, or None."""
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            if parts and parts[0] in _names(member, name, ec2):
                return _leaf(member, parts[1:], ec2)
        return None
    if shape.type_name == "list":
        return _in_list(shape, parts, ec2)
    if shape.type_name == "map":
        return _in_map(shape, parts, ec2)
    return shape if not parts else None


def _names(member: Any, name: str, ec2: bool) -> set[str]:
    """What a structure's member is called on the wire."""
    serialization = member.serialization
    if ec2:
        if "queryName" in serialization:
            return {serialization["queryName"]}
        wire = serialization.get("name", name)
        return {wire[0].upper() + wire[1:]}
    if member.type_name == "list" and serialization.get("flattened") and \
            "name" in member.member.serialization:
        return {member.member.serialization["name"]}
    return {serialization.get("name", name)}


def _in_list(shape: Any, parts: list[str], ec2: bool) -> Any | None:
    """An empty list is its bare name; elements are numbered from 1."""
    if not parts:
        return shape
    if not ec2 and not shape.serialization.get("flattened"):
        if parts[0] != shape.member.serialization.get("name", "member"):
            return None
        parts = parts[1:]
    if not parts or not re.fullmatch(r"[1-9]\d*", parts[0]):
        return None
    return _leaf(shape.member, parts[1:], ec2)


def _in_map(shape: Any, parts: list[str], ec2: bool) -> Any | None:
    if not shape.serialization.get("flattened"):
        if not parts or parts[0] != "entry":
            return None
        parts = parts[1:]
    if len(parts) < 2 or not parts[0].isdigit():
        return None
    if parts[1] == shape.key.serialization.get("name", "key"):
        return _leaf(shape.key, parts[2:], ec2)
    if parts[1] == shape.value.serialization.get("name", "value"):
        return _leaf(shape.value, parts[2:], ec2)
    return None
