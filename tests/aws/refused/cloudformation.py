"""AWS CloudFormation: what it refuses of templates, parameters, names and states."""

from __future__ import annotations

import json
from typing import Any

from ..build import Builder
from . import AWS, Row, twice

API = AWS + "AWSCloudFormation/latest/APIReference/API_"
GUIDE = AWS + "AWSCloudFormation/latest/UserGuide/"
INVALID = "ValidationError"
PARAMETERS = GUIDE + "parameters-section-structure.html"
ANATOMY = GUIDE + "template-anatomy.html"
HANDLE = {"Type": "AWS::CloudFormation::WaitConditionHandle"}
PLAIN = {"Resources": {"H": HANDLE}}


def create(template: Any = None, **given: Any) -> Any:
    body = template if isinstance(template, str) else json.dumps(template or PLAIN)
    return lambda b: b.client("cloudformation").create_stack(
        **{"StackName": "S", "TemplateBody": body, **given})


def then(call: Any, **before: Any) -> Any:
    def run(build: Builder) -> Any:
        create(**before)(build)
        build.endpoint.advance(100)
        return call(build)
    return run


def of(action: str, **given: Any) -> Any:
    return lambda b: getattr(b.client("cloudformation"), action)(**given)


def with_parameter(value: str | None = None, key: str = "P", **rules: Any) -> Any:
    given = [] if value is None else [{"ParameterKey": key, "ParameterValue": value}]
    return create({**PLAIN, "Parameters": {"P": {"Type": "String", **rules}}}, Parameters=given)


def update(**given: Any) -> Any:
    return of("update_stack", **{"StackName": "S", "TemplateBody": json.dumps(PLAIN), **given})


ROWS = [
    Row("a stack made twice", API + "CreateStack.html", twice(create()),
        "AlreadyExistsException"),
    Row("a stack's name begins with a letter", API + "CreateStack.html",
        create(StackName="1S"), INVALID),
    Row("a stack's name has no underscore", API + "CreateStack.html",
        create(StackName="a_b"), INVALID),
    Row("a stack's name has at most 128 characters", API + "CreateStack.html",
        create(StackName="a" * 129), INVALID),
    Row("a template's size", GUIDE + "cloudformation-limits.html",
        create({**PLAIN, "Description": "x" * 51200}), INVALID),
    Row("a template is JSON", ANATOMY, create("{"), INVALID),
    Row("a template is YAML", ANATOMY, create("Resources: [a"), INVALID),
    Row("a template's sections", ANATOMY, create({**PLAIN, "Resource": {}}), INVALID),
    Row("a template has resources", GUIDE + "resources-section-structure.html",
        create({"Description": "x"}), INVALID),
    Row("a resource has a type", GUIDE + "resources-section-structure.html",
        create({"Resources": {"H": {"Properties": {}}}}), INVALID),
    Row("a type that there is not", GUIDE + "aws-template-resource-type-ref.html",
        create({"Resources": {"H": {"Type": "AWS::Not::There"}}}), INVALID),
    Row("a reference to nothing", GUIDE + "intrinsic-function-reference-ref.html",
        create({**PLAIN, "Outputs": {"O": {"Value": {"Ref": "X"}}}}), INVALID),
    Row("a circle of resources", GUIDE + "troubleshooting.html", create({"Resources": {
        "A": {**HANDLE, "DependsOn": "B"}, "B": {**HANDLE, "DependsOn": "A"}}}), INVALID),
    Row("a type that ResourceTypes lacks", API + "CreateStack.html",
        create(ResourceTypes=["AWS::SNS::*"]), INVALID),
    Row("a parameter without a value", PARAMETERS, with_parameter(), INVALID),
    Row("a parameter that the template lacks", PARAMETERS, with_parameter("v", key="Q"), INVALID),
    Row("a parameter's pattern", PARAMETERS, with_parameter("b", AllowedPattern="a"), INVALID),
    Row("a parameter's allowed values", PARAMETERS,
        with_parameter("b", AllowedValues=["a"]), INVALID),
    Row("a parameter's least length", PARAMETERS, with_parameter("b", MinLength=2), INVALID),
    Row("a parameter's largest length", PARAMETERS, with_parameter("bbb", MaxLength=2), INVALID),
    Row("a parameter that is a number", PARAMETERS, with_parameter("b", Type="Number"), INVALID),
    Row("a tag of AWS's", API + "Tag.html",
        create(Tags=[{"Key": "aws:x", "Value": "y"}]), INVALID),
    Row("more than 50 tags", API + "CreateStack.html",
        create(Tags=[{"Key": f"k{i}", "Value": "y"} for i in range(51)]), INVALID),
    Row("a request token's form", API + "CreateStack.html",
        create(ClientRequestToken="a b"), INVALID),
    Row("a role without a capability", API + "CreateStack.html", create({"Resources": {
        "R": {"Type": "AWS::IAM::Role"}}}), "InsufficientCapabilitiesException"),
    Row("a macro without a capability", API + "CreateStack.html",
        create({**PLAIN, "Transform": "X"}), "InsufficientCapabilitiesException"),
    Row("nothing to update", API + "UpdateStack.html", then(update()), INVALID),
    Row("an update of a stack that is not there", API + "UpdateStack.html", update(), INVALID),
    Row("an update while it is created", API + "UpdateStack.html",
        lambda b: (create()(b), update(TemplateBody=json.dumps(
            {"Resources": {"H": HANDLE, "I": HANDLE}}))(b)), INVALID),
    Row("a stack that is not there", API + "DescribeStacks.html",
        of("describe_stacks", StackName="S"), INVALID),
    Row("events of a stack that is not there", API + "DescribeStackEvents.html",
        of("describe_stack_events", StackName="S"), INVALID),
    Row("a deletion of what is protected", GUIDE + "using-cfn-protect-stacks.html",
        then(of("delete_stack", StackName="S"), EnableTerminationProtection=True), INVALID),
    Row("a deletion of what is not there succeeds", API + "DeleteStack.html",
        of("delete_stack", StackName="S"), ""),
]
