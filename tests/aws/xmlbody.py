"""The XML that a REST service is given, held against its model: root, namespace, names.

Route 53 has its requests validated by a schema: aws/aws-sdk-js#71 (unknown members),
chilts/nice-route53#8 (a list of nothing), flexera-public/right_aws_api#30 (the namespace),
aws/aws-cli#152 (the root). Members are taken in any order: aws/aws-sdk-ruby#137 tells of one that
they must have, but of an older version of the API; aws/aws-sdk-go#324 sends the Type last, and boto3
what its caller has in that order. What they may be is `validate`'s.
"""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from .errors import AwsError


def body_check(operation: Any, body: bytes) -> None:
    """Raise AwsError unless BODY is what the operation's input is as XML."""
    shape = operation.input_shape
    if shape is None or not _members(shape):
        return
    namespace = shape.serialization.get("xmlNamespace", {}).get("uri", "")
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        raise AwsError("InvalidInput", f"Invalid XML ; {error}") from None
    given, wanted = root.tag.rpartition("}")[2], shape.serialization.get("name", shape.name)
    if given != wanted:
        raise AwsError("MalformedInput", f"{given} is not valid, expected {wanted}")
    if root.tag != _tag(wanted, namespace):
        raise AwsError("InvalidInput", "Invalid XML ; cvc-elt.1: Cannot find the declaration of "
                       f"element '{given}'.")
    _check(root, shape, namespace)


def _check(element: ElementTree.Element, shape: Any, namespace: str) -> None:
    if shape.type_name == "list":
        name = _tag(shape.member.serialization.get("name", "member"), namespace)
        if len(element) < shape.metadata.get("min", 0):
            raise AwsError("InvalidInput", "Invalid XML ; cvc-complex-type.2.4.b: The content of "
                           f"element '{element.tag}' is not complete.")
        for item in element:
            if item.tag != name:
                raise _unexpected(item, [name])
            _check(item, shape.member, namespace)
        return
    members = {_tag(name, namespace): member for name, member in _members(shape).items()}
    left = list(members)
    for child in element:
        if child.tag not in left:
            raise _unexpected(child, left)
        left.remove(child.tag)
        _check(child, members[child.tag], namespace)


def _members(shape: Any) -> dict[str, Any]:
    """Those of a structure that are in the body, by their names there; nothing has none."""
    if shape.type_name != "structure":
        return {}
    return {member.serialization.get("name", name): member for name, member in
            shape.members.items() if "location" not in member.serialization}


def _tag(name: str, namespace: str) -> str:
    return f"{{{namespace}}}{name}" if namespace else name


def _unexpected(element: ElementTree.Element, wanted: list[str]) -> AwsError:
    return AwsError("InvalidInput", "Invalid XML ; cvc-complex-type.2.4.a: Invalid content was found "
                    f"starting with element '{element.tag}'. One of '{{{', '.join(wanted)}}}' is "
                    "expected.")
