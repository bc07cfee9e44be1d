"""Inputs checked against botocore's models: unknown and missing members, types, enums, lengths,
ranges, patterns.

The words are those of AWS's common validation ("1 validation error detected: Value '..' at '..'
failed to satisfy constraint: ..."); the code is the service's own (`Service.invalid`). A JSON
value of the wrong type does not get as far: SerializationException.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from moto.core.model import ServiceModel

from .errors import AwsError
from .form import FormFault, form_check
from .patterns import satisfies
from .wire import Request, protocol_of

STRINGS = ("string", "character")
NUMBERS = {"integer": int, "long": int, "float": (int, float), "double": (int, float)}


class Fault(Exception):
    """The first thing that is wrong; KIND is missing, unknown, type or value."""

    def __init__(self, kind: str, where: str, message: str) -> None:
        super().__init__(message)
        self.kind, self.where = kind, where


def input_check(model: ServiceModel, invalid: str, request: Request) -> None:
    """Raise the service's error if the input does not fit its action's model."""
    shape = model.operation_model(request.action).input_shape
    protocol = protocol_of(request)
    ec2 = protocol == "ec2"
    if protocol == "json":
        request.input = _without_nulls(request.input)
    elif protocol in ("query", "ec2"):
        try:
            form_check(request.form, shape, ec2)
        except FormFault as fault:
            code = "UnknownParameter" if ec2 and fault.unknown else invalid
            raise AwsError(code, str(fault)) from None
        if request.input is None:
            raise AwsError("InvalidParameterValue" if ec2 else "MalformedQueryString",
                           "The parameters cannot be read as this action's.")
    elif request.service != "route53":
        return  # another REST service's members are not all read
    try:
        if shape is not None:
            value_check(shape, request.input or {}, "", strict_types=protocol == "json")
        elif request.input:
            raise Fault("unknown", next(iter(request.input)), "")
    except Fault as fault:
        raise _refusal(fault, invalid, ec2) from None


def _refusal(fault: Fault, invalid: str, ec2: bool) -> AwsError:
    if fault.kind == "type":
        return AwsError("SerializationException", str(fault))
    if ec2 and fault.kind == "missing":
        return AwsError("MissingParameter", "The request must contain the parameter "
                        f"{fault.where.rpartition('.')[2]}")
    return AwsError(invalid, f"1 validation error detected: {fault}")


def _without_nulls(value: Any) -> Any:
    """JSON services take null for a member that is absent."""
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


def value_check(shape: Any, value: Any, where: str, strict_types: bool) -> None:
    """Raise Fault for the first thing in VALUE that its SHAPE forbids."""
    if strict_types:
        _type_check(shape, value, where)
    for reason in _limits(shape, value):
        text = value if isinstance(value, (str, int, float)) else f"{type(value).__name__}"
        raise Fault("value", where, f"Value '{text}' at '{where}' failed to satisfy constraint: "
                    f"Member must {reason}")
    if shape.type_name == "structure":
        _structure_check(shape, value, where, strict_types)
    elif shape.type_name == "list":
        for number, item in enumerate(value):
            value_check(shape.member, item, f"{where}.{number + 1}.member", strict_types)
    elif shape.type_name == "map":
        for key, item in value.items():
            value_check(shape.key, key, f"{where}.{key}.key", strict_types)
            value_check(shape.value, item, f"{where}.{key}.value", strict_types)


def _structure_check(shape: Any, value: dict[str, Any], where: str, strict: bool) -> None:
    path = f"{where}." if where else ""
    for name in value:
        if name not in shape.members:
            raise Fault("unknown", path + name, f"'{path}{name}' is not a member of {shape.name}")
    for name in shape.required_members:
        if name not in value:
            raise Fault("missing", path + name, f"Value null at '{path}{name}' failed to satisfy "
                        "constraint: Member must not be null")
    if getattr(shape, "is_tagged_union", False) and len(value) != 1:
        raise Fault("value", where, f"'{where}' must have exactly one member")
    for name, item in value.items():
        value_check(shape.members[name], item, path + name, strict)


def _type_check(shape: Any, value: Any, where: str) -> None:
    """JSON types. Timestamps are numbers, blobs are base64, in awsJson."""
    kind = shape.type_name
    if kind in NUMBERS or kind == "timestamp":
        wanted: Any = NUMBERS.get(kind, (int, float))
        fits = isinstance(value, wanted) and not isinstance(value, bool)
    elif kind in ("structure", "map"):
        fits = isinstance(value, dict)
    else:
        fits = isinstance(value, {"list": list, "boolean": bool}.get(kind, str))
    if not fits:
        names = {dict: "Start of structure or map", list: "Start of list", bool: "TRUE_VALUE",
                 str: "STRING_VALUE", int: "NUMBER_VALUE", float: "DECIMAL_VALUE"}
        raise Fault("type", where, f"{names.get(type(value), 'Value')} found where "
                    f"{kind} was expected, at '{where}'")


def _limits(shape: Any, value: Any) -> Iterator[str]:
    """What VALUE itself, not what is in it, must be and is not."""
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if shape.type_name in STRINGS:
        if getattr(shape, "enum", None) and value not in shape.enum:
            yield f"satisfy enum value set: [{', '.join(shape.enum)}]"
        yield from _size(len(value), least, most, "length")
        pattern = shape.metadata.get("pattern")
        if pattern and not satisfies(pattern, value):
            yield f"satisfy regular expression pattern: {pattern}"
    elif shape.type_name in ("list", "map"):
        yield from _size(len(value), least, most, "length")
    elif shape.type_name in NUMBERS:
        yield from _size(value, least, most, "value")


def _size(size: float, least: float | None, most: float | None, what: str) -> Iterator[str]:
    if least is not None and size < least:
        yield f"have {what} greater than or equal to {least}"
    if most is not None and size > most:
        yield f"have {what} less than or equal to {most}"
