#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Generates drivers/aws/shapes.inc: what AWS's models say about the actions that berth calls.

The models are botocore's, https://github.com/boto/botocore/tree/develop/botocore/data; what their
attributes mean is told in https://smithy.io/2.0/aws/protocols/. Without an argument the file is
(re)written; with --check the exit code tells whether it is what would be written.
"""
from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import botocore
import botocore.session
from botocore.model import OperationModel, Shape

HERE = Path(__file__).resolve().parent
OUTPUT = HERE / "shapes.inc"
# Names of ours for services whose folder in botocore is called otherwise.
FOLDERS = {"monitoring": "cloudwatch", "servicequotas": "service-quotas",
           "tagging": "resourcegroupstaggingapi"}
PROTOCOLS = {"json": "PROTOCOL_JSON", "query": "PROTOCOL_QUERY", "ec2": "PROTOCOL_EC2",
             "rest-xml": "PROTOCOL_REST_XML"}
# One region of each partition that is not where the partition's global services live.
PARTITION_REGIONS = ("us-west-2", "cn-northwest-1", "us-gov-east-1")
KINDS = {"structure": "STRUCTURE", "list": "LIST", "map": "MAP", "string": "STRING",
         "character": "STRING", "blob": "BLOB", "boolean": "BOOLEAN", "integer": "INTEGER",
         "long": "LONG", "float": "DOUBLE", "double": "DOUBLE", "timestamp": "TIMESTAMP"}
PLACES = {"uri": "MEMBER_PATH", "querystring": "MEMBER_QUERY", "header": "MEMBER_HEADER"}
READS = ("Describe", "List", "Get", "BatchGet", "BatchCheck", "Discover", "AssumeRole", "Filter",
         "Simulate")


def quoted(text: str | None) -> str:
    """The text as a C string, or NULL."""
    return "NULL" if text is None else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Tables:
    """The rows of the generated arrays, and where each shape is in them."""

    def __init__(self) -> None:
        self.shapes: list[str] = []
        self.members: list[str] = []
        self.words: list[str] = []
        self.word_runs: dict[tuple[str, ...], int] = {}
        self.known: dict[Any, int] = {}
        self.row((), "STRUCTURE", [], 0, 0)

    def row(self, key: Any, kind: str, flags: list[str], first: int, count: int,
            names: tuple[str | None, str | None] = (None, None),
            limits: tuple[int, int] = (0, 0)) -> int:
        """Adds a shape's row, unless a row that says the same is there; returns its index."""
        text = (f"{{ SHAPE_{kind}, {' | '.join(flags) or 0}, {first}, {count}, "
                f"{quoted(names[0])}, {quoted(names[1])}, {limits[0]}, {limits[1]} }}")
        if kind != "STRUCTURE" and text in self.known:
            return self.known[text]
        self.shapes.append(text)
        self.known[text] = self.known[key] = len(self.shapes) - 1
        return len(self.shapes) - 1

    def run_of_words(self, words: list[str]) -> int:
        """Where an enumeration's values begin among all words."""
        key = tuple(words)
        if key not in self.word_runs:
            self.word_runs[key] = len(self.words)
            self.words.extend(words)
        return self.word_runs[key]

    def add(self, service: str, shape: Shape | None, is_input: bool) -> int:
        """The index of a shape's row."""
        if shape is None:
            return 0
        flags = []
        if shape.serialization.get("flattened"):
            flags.append("SHAPE_FLATTENED")
        if shape.metadata.get("sensitive"):
            flags.append("SHAPE_SECRET")
        if shape.name == "policyDocumentType" and service == "iam" and not is_input:
            flags.append("SHAPE_PERCENT")
        if "timestampFormat" in shape.serialization:
            raise ValueError(f"{service}: {shape.name} has a timestampFormat: teach the codecs")
        kind = KINDS[shape.type_name]
        if kind == "STRUCTURE" and shape.is_document_type:
            kind = "DOCUMENT"
        adder = getattr(self, f"add_{kind.lower()}", self.add_scalar)
        return adder(service, shape, is_input, kind, flags)

    def add_structure(self, service: str, shape: Any, is_input: bool, kind: str,
                      flags: list[str]) -> int:
        """A structure; it takes its place before its members, for recursion's sake."""
        key = (service, shape.name, is_input)
        if key in self.known:
            return self.known[key]
        if shape.is_tagged_union:
            flags.append("SHAPE_UNION")
        index = self.known[key] = len(self.shapes)
        self.shapes.append("")
        rows = [self.member(service, shape, name, is_input) for name in shape.members]
        self.shapes[index] = (f"{{ SHAPE_{kind}, {' | '.join(flags) or 0}, {len(self.members)}, "
                              f"{len(rows)}, NULL, NULL, 0, 0 }}")
        self.members.extend(rows)
        return index

    def member(self, service: str, owner: Any, name: str, is_input: bool) -> str:
        """One member's row."""
        shape = owner.members[name]
        wire, query = shape.serialization.get("name"), shape.serialization.get("queryName")
        flags = []
        if is_input and name in owner.required_members:
            flags.append("MEMBER_REQUIRED")
        if shape.metadata.get("idempotencyToken"):
            flags.append("MEMBER_TOKEN")
        flags += place_of(service, owner, name)
        return (f"{{ {quoted(name)}, {quoted(wire if wire != name else None)}, {quoted(query)}, "
                f"{self.add(service, shape, is_input)}, {' | '.join(flags) or 0} }}")

    def limits(self, shape: Shape, is_input: bool, flags: list[str]) -> tuple[int, int]:
        """Least and largest length or value; only inputs are checked."""
        if not is_input:
            return (0, 0)
        low, high = shape.metadata.get("min"), shape.metadata.get("max")
        if low is not None:
            flags.append("SHAPE_HAS_MIN")
        if high is not None:
            flags.append("SHAPE_HAS_MAX")
        return (int(low or 0), int(high or 0))

    def add_list(self, service: str, shape: Any, is_input: bool, kind: str,
                 flags: list[str]) -> int:
        """A list."""
        limits = self.limits(shape, is_input, flags)
        item = self.add(service, shape.member, is_input)
        return self.row((service, shape.name, is_input, tuple(flags)), kind, flags, item, 0,
                        (shape.member.serialization.get("name"), None), limits)

    def add_map(self, service: str, shape: Any, is_input: bool, kind: str,
                flags: list[str]) -> int:
        """A map; its keys are strings of a shape of their own."""
        key, value = shape.key, shape.value
        return self.row((service, shape.name, is_input, tuple(flags)), kind, flags,
                        self.add(service, value, is_input), self.add(service, key, is_input),
                        (value.serialization.get("name"), key.serialization.get("name")))

    def add_scalar(self, service: str, shape: Any, is_input: bool, kind: str,
                   flags: list[str]) -> int:
        """A value without parts; equal ones share a row."""
        words = list(shape.metadata.get("enum", [])) if is_input and kind == "STRING" else []
        limits = (0, 0) if kind in ("TIMESTAMP", "BLOB", "BOOLEAN", "DOCUMENT") else \
            self.limits(shape, is_input, flags)
        first = self.run_of_words(words) if words else 0
        return self.row((service, shape.name, is_input, tuple(flags)), kind, flags, first,
                        len(words), (None, None), limits)


def place_of(service: str, owner: Any, name: str) -> list[str]:
    """Where a REST protocol has the member, [] for the body; what no action of ours has is refused.

    https://smithy.io/2.0/spec/http-bindings.html, https://smithy.io/2.0/spec/protocol-traits.html
    """
    shape = owner.members[name]
    place = shape.serialization.get("location")
    known = place is None or place in PLACES and (
        shape.type_name in ("string", "boolean", "integer", "long") or
        place == "querystring" and shape.type_name == "list")
    if not known or "xmlAttribute" in shape.serialization or "payload" in owner.serialization or \
            "xmlNamespace" in shape.serialization:
        raise ValueError(f"{service}: {owner.name}.{name} is {shape.serialization}: teach the "
                         "codecs")
    return [PLACES[place]] if place else []


def rest_of(operation: OperationModel) -> str:
    """The initializer of a REST action's `struct rest`."""
    http, shape = operation.http, operation.input_shape
    if "?" in http["requestUri"] or "+}" in http["requestUri"]:
        raise ValueError(f"{operation.name}: the path is {http['requestUri']}: teach the codecs")
    root = namespace = None
    if shape is not None and any("location" not in m.serialization for m in
                                 shape.members.values()):
        root = shape.serialization["name"]
        namespace = shape.serialization.get("xmlNamespace", {}).get("uri")
    return (f"{{ {quoted(http['method'])}, {quoted(http['requestUri'])}, {quoted(root)}, "
            f"{quoted(namespace)} }}")


def read_actions() -> dict[str, list[str]]:
    """Service -> its actions, both sorted."""
    actions: dict[str, list[str]] = {}
    for line in (HERE / "actions.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            service, action = line.split()
            actions.setdefault(service, []).append(action)
    return {service: sorted(set(names)) for service, names in sorted(actions.items())}


def as_list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value] if value else []


def paging_of(session: Any, folder: str, operation: OperationModel) -> str | None:
    """The paging's initializer: the paginator's, or, where botocore has none, nextToken's."""
    try:
        config = session.get_paginator_model(folder).get_paginator(operation.name)
    except (ValueError, botocore.exceptions.UnknownServiceError):
        config = {}
        for token in ("nextToken", "NextToken"):
            if all(shape is not None and token in shape.members
                   for shape in (operation.input_shape, operation.output_shape)):
                config = {"input_token": token, "output_token": token}
    inputs, outputs = as_list(config.get("input_token")), as_list(config.get("output_token"))
    if not inputs:
        return None
    for text in outputs:
        if not text.isalnum():
            raise ValueError(f"{folder}: {operation.name} pages by '{text}': teach the client")
    names = [", ".join(map(quoted, tokens)) for tokens in (inputs, outputs)]
    return f"{{ {{ {names[0]} }}, {{ {names[1]} }}, {quoted(config.get('more_results'))} }}"


def operation_row(tables: Tables, service: str, operation: OperationModel,
                  paging: str, rest: str) -> str:
    """One action's row."""
    output = operation.output_shape
    wrapper = output.serialization.get("resultWrapper") if output else None
    flags = []
    if not operation.name.startswith(READS):
        flags.append("OPERATION_WRITE")
    if operation.auth_type == "none" or "smithy.api#noAuth" in (operation.auth or []):
        flags.append("OPERATION_UNSIGNED")
    if operation.idempotent_members:
        flags.append("OPERATION_TOKEN")
    prefix = (operation.endpoint or {}).get("hostPrefix")
    return (f"{{ {quoted(operation.name)}, {quoted(wrapper)}, {quoted(prefix)}, "
            f"{tables.add(service, operation.input_shape, True)}, "
            f"{tables.add(service, output, False)}, {' | '.join(flags) or 0}, {paging}, "
            f"{rest} }}")


def endpoints_of(session: Any, folder: str) -> str:
    """The host rule of each partition, found by asking botocore's own rules."""
    rules = []
    for region in PARTITION_REGIONS:
        client = session.create_client(folder, region_name=region, aws_access_key_id="x",
                                       aws_secret_access_key="x")
        host = client.meta.endpoint_url.removeprefix("https://")
        template = host.replace(region, "{region}")
        fixed = None if "{region}" in template else signing_region(client)
        rules.append(f"{{ {quoted(template)}, {quoted(fixed)} }}")
    return "{ " + ", ".join(rules) + " }"


def signing_region(client: Any) -> str:
    """The region that a global service's requests are signed for."""
    model = client.meta.service_model
    operation = model.operation_model(sorted(model.operation_names)[0])
    endpoint = client._ruleset_resolver.construct_endpoint(operation, {}, {})
    return endpoint.properties["authSchemes"][0]["signingRegion"]


def service_rows(session: Any, tables: Tables, service: str,
                 actions: list[str]) -> tuple[list[str], str]:
    """The service's own arrays, and its row."""
    folder = FOLDERS.get(service, service)
    model = session.get_service_model(folder)
    meta = model.metadata
    protocols = meta.get("protocols") or [meta["protocol"]]
    protocol = next(p for p in PROTOCOLS if p in protocols)
    lines, rows, symbol = [], [], service.replace("-", "_")
    for action in actions:
        operation = model.operation_model(action)
        paging = paging_of(session, folder, operation)
        reference = rest = "NULL"
        if paging is not None:
            reference = f"&{symbol}_{action}_paging"
            lines.append(f"static const struct paging {reference[1:]} = {paging};")
        if protocol.startswith("rest"):
            rest = f"&{symbol}_{action}_rest"
            lines.append(f"static const struct rest {rest[1:]} = {rest_of(operation)};")
        rows.append("    " + operation_row(tables, service, operation, reference, rest) + ",")
    lines += [f"static const struct operation {symbol}_operations[] = {{", *rows, "};"]
    query_mode = "true" if "awsQueryCompatible" in meta else "false"
    env = meta["serviceId"].upper().replace(" ", "_").replace("-", "_")
    row = (f"    {{ {quoted(service)}, {quoted(env)}, {quoted(model.signing_name)}, "
           f"{quoted(meta.get('targetPrefix'))}, {quoted(meta.get('jsonVersion'))}, "
           f"{quoted(meta['apiVersion'])}, {PROTOCOLS[protocol]}, {query_mode},\n"
           f"      {endpoints_of(session, folder)},\n"
           f"      {symbol}_operations, ARRAY_SIZE({symbol}_operations) }},")
    return lines, row


def generate() -> str:
    """The whole text of shapes.inc."""
    session = botocore.session.Session()
    tables = Tables()
    arrays: list[str] = []
    services: list[str] = []
    for service, actions in read_actions().items():
        lines, row = service_rows(session, tables, service, actions)
        arrays += lines
        services.append(row)
    assert max(len(tables.shapes), len(tables.members), len(tables.words)) < 65536
    head = ["/* SPDX-License-Identifier: MIT */",
            "/* Generated by drivers/aws/shapes.py from the models of botocore "
            f"{botocore.__version__}: do not edit, run `make shapes`. */",
            "/* clang-format off */"]
    parts = [head, ["const char *const shape_words[] = {", *(f"    {quoted(w)}," for w in
                                                             tables.words), "};"],
             ["const struct shape_member shape_members[] = {",
              *(f"    {row}," for row in tables.members), "};"],
             ["const struct shape shapes[] = {", *(f"    {row}," for row in tables.shapes), "};"],
             arrays, ["static const struct service services[] = {", *services, "};"]]
    return "\n".join(line for part in parts for line in part) + "\n"


def main() -> int:
    text = generate()
    if sys.argv[1:] == ["--check"]:
        if OUTPUT.exists() and OUTPUT.read_text(encoding="utf-8") == text:
            return 0
        print("drivers/aws/shapes.inc is not what drivers/aws/shapes.py makes of actions.txt and "
              f"botocore {botocore.__version__}: run `make shapes`", file=sys.stderr)
        return 1
    if sys.argv[1:]:
        print("usage: shapes.py [--check]", file=sys.stderr)
        return 2
    OUTPUT.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
