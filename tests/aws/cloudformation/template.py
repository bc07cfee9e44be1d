"""Templates: read, checked, their parameters and functions worked out.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-anatomy.html
The words of refusals are AWS's as far as threads quote them.
"""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from .kinds import KINDS, capability_of
from .model import refuse

SECTIONS = {"AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Mappings",
            "Conditions", "Transform", "Resources", "Outputs", "Rules"}
ATTRIBUTES = {"Type", "Properties", "DependsOn", "Condition", "Metadata", "DeletionPolicy",
              "UpdatePolicy", "UpdateReplacePolicy", "CreationPolicy"}
BODY_BYTES = 51200


class Loader(yaml.SafeLoader):
    """YAML with the short forms of functions."""


def _short(loader: Loader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.SequenceNode):
        value: Any = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    else:
        value = loader.construct_scalar(node)  # type: ignore[arg-type]
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


Loader.add_multi_constructor("!", _short)


def template_read(body: str) -> dict[str, Any]:
    """The template, well-formed and of known parts."""
    if len(body.encode()) > BODY_BYTES:
        raise refuse(f"1 validation error detected: Value '{body[:40]}...' at 'templateBody' failed "
                     "to satisfy constraint: Member must have length less than or equal to "
                     f"{BODY_BYTES}")
    if body.lstrip().startswith("{"):
        try:
            template = json.loads(body)
        except json.JSONDecodeError as error:
            raise refuse("Template format error: JSON not well-formed. "
                         f"(line {error.lineno}, column {error.colno})") from None
    else:
        try:
            template = yaml.load(body, Loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
            raise refuse(f"Template format error: YAML not well-formed.{where}") from None
    if not isinstance(template, dict):
        raise refuse("Template format error: unsupported structure.")
    _parts_check(template)
    return template


def _parts_check(template: dict[str, Any]) -> None:
    unknown = sorted(set(template) - SECTIONS)
    if unknown:
        raise refuse(f"Invalid template property or properties [{', '.join(unknown)}]")
    resources = template.get("Resources")
    if not resources:
        raise refuse("Template format error: At least one Resources member must be defined.")
    for logical, resource in resources.items():
        if "Type" not in resource:
            raise refuse("Template format error: [/Resources/" + logical + "] Every Resources "
                         "object must contain a Type member.")
        wrong = sorted(set(resource) - ATTRIBUTES)
        if wrong:
            raise refuse("Invalid template resource property '" + wrong[0] + "'")
    kinds = sorted({r["Type"] for r in resources.values()} - set(KINDS))
    if kinds:
        raise refuse(f"Template format error: Unrecognized resource types: [{', '.join(kinds)}]")
    known = {*resources, *template.get("Parameters", {}), *PSEUDO}
    for part in ("Resources", "Outputs"):
        missing = sorted(_names_in(template.get(part, {})) - known)
        if missing:
            raise refuse(f"Template format error: Unresolved resource dependencies "
                         f"[{', '.join(missing)}] in the {part} block of the template")


PSEUDO = {"AWS::Region", "AWS::AccountId", "AWS::StackName", "AWS::StackId", "AWS::Partition",
          "AWS::NoValue", "AWS::URLSuffix", "AWS::NotificationARNs"}
SUB = re.compile(r"\$\{([^!}][^}]*)\}")


def _names_in(value: Any) -> set[str]:
    """What is named by Ref, GetAtt and Sub anywhere in a value."""
    if isinstance(value, list):
        return set().union(*(_names_in(v) for v in value))
    if not isinstance(value, dict):
        return set()
    if len(value) == 1:
        [(function, given)] = value.items()
        if function == "Ref":
            return {str(given)}
        if function == "Fn::GetAtt":
            return {(given if isinstance(given, list) else given.split("."))[0]}
        if function == "Fn::Sub":
            text, own = (given, {}) if isinstance(given, str) else (given[0], given[1])
            return {n.split(".")[0] for n in SUB.findall(text)} - set(own) | _names_in(own)
    return set().union(*(_names_in(v) for v in value.values()), set())


def order_of(template: dict[str, Any]) -> list[str]:
    """The resources, each after those that it names or depends on."""
    resources, order = template["Resources"], []  # type: dict[str, Any], list[str]

    def place(logical: str, path: tuple[str, ...]) -> None:
        if logical in path:
            raise refuse(f"Circular dependency between resources: [{', '.join(path)}]")
        if logical in order:
            return
        depends = resources[logical].get("DependsOn", [])
        for other in sorted(_names_in(resources[logical].get("Properties", {}))
                            | set([depends] if isinstance(depends, str) else depends)):
            if other in resources:
                place(other, (*path, logical))
        order.append(logical)

    for logical in resources:
        place(logical, ())
    return order


def capabilities_check(template: dict[str, Any], given: list[str]) -> None:
    """https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html"""
    from ..errors import AwsError
    needed = {capability_of(r) for r in template["Resources"].values()} - {""}
    if "Transform" in template and "CAPABILITY_AUTO_EXPAND" not in given:
        raise AwsError("InsufficientCapabilitiesException",
                       "Requires capabilities : [CAPABILITY_AUTO_EXPAND]")
    if "CAPABILITY_NAMED_IAM" in needed and "CAPABILITY_NAMED_IAM" not in given:
        raise AwsError("InsufficientCapabilitiesException",
                       "Requires capabilities : [CAPABILITY_NAMED_IAM]")
    if needed and not {"CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"} & set(given):
        raise AwsError("InsufficientCapabilitiesException",
                       "Requires capabilities : [CAPABILITY_IAM]")


def types_check(template: dict[str, Any], allowed: list[str] | None) -> None:
    """ResourceTypes of the call: "If the list of resource types doesn't include a resource that
    you're creating, the stack creation fails" (API_CreateStack)."""
    if allowed is None:
        return
    for resource in template["Resources"].values():
        kind = resource["Type"]
        if not any(kind == a or a.endswith("*") and kind.startswith(a[:-1]) for a in allowed):
            raise refuse(f"Resource type {kind} is not allowed by parameter ResourceTypes "
                         f"[{', '.join(allowed)}]")


def parameters_of(template: dict[str, Any], given: list[dict[str, Any]],
                  before: dict[str, str]) -> dict[str, str]:
    """Every parameter's value, checked against what the template says of it."""
    declared = template.get("Parameters", {})
    named = {p["ParameterKey"]: p for p in given}
    unknown = sorted(set(named) - set(declared))
    if unknown:
        raise refuse(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    values, missing = {}, []
    for name, rules in declared.items():
        if named.get(name, {}).get("UsePreviousValue") and name in before:
            values[name] = before[name]
        elif "ParameterValue" in named.get(name, {}):
            values[name] = named[name]["ParameterValue"]
        elif "Default" in rules:
            values[name] = str(rules["Default"])
        else:
            missing.append(name)
            continue
        _value_check(name, values[name], rules)
    if missing:
        raise refuse(f"Parameters: [{', '.join(missing)}] must have values")
    return values


def _value_check(name: str, value: str, rules: dict[str, Any]) -> None:
    wrong = ""
    if "AllowedValues" in rules and value not in [str(v) for v in rules["AllowedValues"]]:
        wrong = f"Parameter '{name}' must be one of AllowedValues"
    elif "AllowedPattern" in rules and not re.fullmatch(rules["AllowedPattern"], value):
        wrong = f"Parameter {name} failed to satisfy constraint: Parameter {name} must match " \
            f"pattern {rules['AllowedPattern']}"
    elif len(value) < int(rules.get("MinLength", 0)):
        wrong = f"Parameter '{name}' must contain at least {rules['MinLength']} characters"
    elif len(value) > int(rules.get("MaxLength", 4096)):
        wrong = f"Parameter '{name}' must contain at most {rules.get('MaxLength')} characters"
    elif rules.get("Type") == "Number" and not re.fullmatch(r"-?\d+(\.\d+)?", value):
        wrong = f"Parameter '{name}' must be a number"
    if wrong and "ConstraintDescription" in rules:
        wrong = f"Parameter {name} failed to satisfy constraint: {rules['ConstraintDescription']}"
    if wrong:
        raise refuse(wrong)


def value_of(value: Any, ref: Any, att: Any) -> Any:
    """A value with its functions carried out; REF(name) and ATT(name, attribute) look up."""
    if isinstance(value, list):
        return [value_of(v, ref, att) for v in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        [(function, given)] = value.items()
        if function == "Ref":
            return ref(given)
        if function == "Fn::GetAtt":
            name, attribute = given if isinstance(given, list) else given.split(".", 1)
            return att(name, attribute)
        if function == "Fn::Join":
            return given[0].join(str(value_of(v, ref, att)) for v in given[1])
        if function == "Fn::Sub":
            return _substituted(given, ref, att)
    return {k: value_of(v, ref, att) for k, v in value.items()}


def _substituted(given: Any, ref: Any, att: Any) -> str:
    text, own = (given, {}) if isinstance(given, str) else (given[0], given[1])

    def one(match: re.Match[str]) -> str:
        name = match.group(1)
        if name in own:
            return str(value_of(own[name], ref, att))
        return str(att(*name.split(".", 1)) if "." in name else ref(name))
    return SUB.sub(one, text).replace("${!", "${")
