"""Inputs checked against botocore's models: unknown and missing members, types, lengths, ranges.

The services word such refusals differently; the code is the service's own (`Service.invalid`).
"""

from __future__ import annotations

import re
from typing import Any

from botocore.validate import ParamValidator
from moto.core.model import ServiceModel

from .errors import AwsError
from .registry import Service
from .wire import Request

VALIDATOR = ParamValidator()


def input_check(model: ServiceModel, service: Service, request: Request) -> None:
    """Raise the service's error if the input does not fit its action's model."""
    shape = model.operation_model(request.action).input_shape
    members = {} if request.input is None else request.input
    if shape is None:
        return
    if model.protocol == "json":
        members = request.input = _without_nulls(members)
    report = VALIDATOR.validate(members, shape)
    text = report.generate_report() if report.has_errors() else _enums_and_patterns(members, shape)
    if not text:
        return
    if model.protocol == "ec2" and "Missing required parameter" in text:
        name = re.search(r'Missing required parameter in input: "(\w+)"', text)
        raise AwsError("MissingParameter", "The request must contain the parameter "
                       f"{name.group(1) if name else ''}")
    raise AwsError(service.invalid, text.replace("\n", "; "))


def _without_nulls(value: Any) -> Any:
    """JSON services take null for a member that is absent."""
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


def _enums_and_patterns(value: Any, shape: Any, where: str = "") -> str:
    """What is wrong with the first string that is not of its enum or pattern, or ''."""
    if shape.type_name == "structure" and isinstance(value, dict):
        found = (_enums_and_patterns(value[name], member, f"{where}.{name}")
                 for name, member in shape.members.items() if name in value)
    elif shape.type_name == "list" and isinstance(value, list):
        found = (_enums_and_patterns(item, shape.member, f"{where}[{i}]")
                 for i, item in enumerate(value))
    elif shape.type_name == "map" and isinstance(value, dict):
        found = (_enums_and_patterns(item, shape.value, f"{where}.{key}")
                 for key, item in value.items())
    else:
        return _string_fault(value, shape, where.lstrip("."))
    return next((text for text in found if text), "")


def _string_fault(value: Any, shape: Any, where: str) -> str:
    if shape.type_name != "string" or not isinstance(value, str):
        return ""
    if getattr(shape, "enum", None) and value not in shape.enum:
        return (f"Value '{value}' at '{where}' failed to satisfy constraint: Member must satisfy "
                f"enum value set: [{', '.join(shape.enum)}]")
    longest = shape.metadata.get("max")
    if longest is not None and len(value) > longest:
        return (f"Value '{value}' at '{where}' failed to satisfy constraint: Member must have "
                f"length less than or equal to {longest}")
    pattern = shape.metadata.get("pattern")
    if pattern:
        try:
            if not re.search(_python_pattern(pattern), value):
                return (f"Value '{value}' at '{where}' failed to satisfy constraint: Member must "
                        f"satisfy regular expression pattern: {pattern}")
        except re.error:  # a pattern in Java's dialect that Python does not have
            return ""
    return ""


def _python_pattern(pattern: str) -> str:
    r"""Java's \p{..} classes, as far as Python's `re` can say them; anchored as AWS does."""
    text = (pattern.replace(r"\p{L}\p{Z}\p{N}", r"\w\s").replace(r"\p{L}\p{M}\p{Z}\p{S}\p{N}\p{P}",
                                                               r"\s\S"))
    return f"^(?:{text})$"
