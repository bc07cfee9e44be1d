"""The API's actions.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html and its kin.
"""

from __future__ import annotations

import re
from typing import Any

from ..errors import AwsError
from ..registry import Call, paged
from .lifecycle import Operation
from .model import ACTIONS, CloudFormation, Stack, Version, found, refuse, store_of
from .template import (capabilities_check, order_of, parameters_of, template_read, types_check)

NAME = r"[a-zA-Z][-a-zA-Z0-9]*"
# API_UpdateStack; "Stack:... is in ROLLBACK_COMPLETE state and can not be updated."
UPDATABLE = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_FAILED",
             "IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE"}
DELETABLE_BUSY = {"CREATE_IN_PROGRESS", "DELETE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"}


def version_of(call: Call, before: Stack | None) -> Version:
    """What the call asks for, checked."""
    given = call.input
    if "TemplateURL" in given:
        raise refuse("This endpoint reads no TemplateURL.")
    body = given.get("TemplateBody")
    if given.get("UsePreviousTemplate") and before is not None:
        body = before.version.body
    if body is None:
        raise refuse("Either Template URL or Template Body must be specified.")
    template = template_read(body)
    order_of(template)
    parameters = parameters_of(template, given.get("Parameters", []),
                               before.version.parameters if before else {})
    capabilities_check(template, given.get("Capabilities", []))
    types_check(template, given.get("ResourceTypes"))
    return Version(body, template, parameters, tags_of(call, before),
                   given.get("Capabilities", []))


def tags_of(call: Call, before: Stack | None) -> dict[str, str]:
    """"If you don't specify this parameter, CloudFormation doesn't modify the stack's tags" """
    if "Tags" not in call.input and before is not None:
        return before.version.tags
    tags = call.input.get("Tags", [])
    if len(tags) > 50:
        raise refuse("1 validation error detected: Value at 'tags' failed to satisfy constraint: "
                     "Member must have length less than or equal to 50")
    if any(tag["Key"].lower().startswith("aws:") for tag in tags):
        raise refuse("aws: prefixed tag key names are not allowed for external use.")
    if len({tag["Key"] for tag in tags}) < len(tags):
        raise refuse("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    return {tag["Key"]: tag["Value"] for tag in tags}


def asked_before(call: Call) -> dict[str, Any] | None:
    """The answer that the same request with the same token has had; a token for one request alone.
    """
    token = call.input.get("ClientRequestToken")
    if token is None:
        return None
    if len(token) > 128 or not re.fullmatch(r"[a-zA-Z0-9][-a-zA-Z0-9]*", token):
        raise refuse(f"1 validation error detected: Value '{token}' at 'clientRequestToken' failed "
                     "to satisfy constraint: Member must satisfy regular expression pattern: "
                     "[a-zA-Z0-9][-a-zA-Z0-9]*")
    known = store_of(call).tokens.get(token)
    if known is None:
        return None
    if known[:2] != (call.action, call.input):
        raise AwsError("TokenAlreadyExistsException",
                       f"Client Request Token [{token}] already exists.")
    return known[2]


def answered(call: Call, answer: dict[str, Any]) -> dict[str, Any]:
    if "ClientRequestToken" in call.input:
        store_of(call).tokens[call.input["ClientRequestToken"]] = (call.action, call.input, answer)
    return answer


@ACTIONS.action("CreateStack")
def create_stack(call: Call) -> dict[str, Any]:
    store, given = store_of(call), call.input
    known = asked_before(call)
    if known is not None:
        if store.stacks[known["StackId"]].status == "DELETE_COMPLETE":
            raise AwsError("TokenAlreadyExistsException", "Client Request Token "
                           f"[{given['ClientRequestToken']}] already exists.")
        return known
    stack = new_stack(call, version_of(call, None))
    stack.on_failure = given.get("OnFailure", "DO_NOTHING" if given.get("DisableRollback")
                                 else "ROLLBACK")
    stack.protected = given.get("EnableTerminationProtection", False)
    Operation(store, stack).create()
    return answered(call, {"StackId": stack.id})


def new_stack(call: Call, version: Version) -> Stack:
    store, name = store_of(call), call.input["StackName"]
    if not re.fullmatch(NAME, name) or len(name) > 128:
        raise refuse(f"1 validation error detected: Value '{name}' at 'stackName' failed to satisfy "
                     f"constraint: Member must satisfy regular expression pattern: {NAME}")
    if store.find(name) is not None:
        raise AwsError("AlreadyExistsException", f"Stack [{name}] already exists")
    stack = Stack(name, store.new_id(name), store.now(), version,
                  token=call.input.get("ClientRequestToken", ""))
    store.stacks[stack.id] = stack
    return stack


@ACTIONS.action("UpdateStack")
def update_stack(call: Call) -> dict[str, Any]:
    store, stack = store_of(call), found(call)
    known = asked_before(call)
    if known is not None:
        return known
    if stack.status not in UPDATABLE:
        raise refuse(f"Stack:{stack.id} is in {stack.status} state and can not be updated.")
    version = version_of(call, stack)
    if (version.template, version.parameters, version.tags) == (
            stack.version.template, stack.version.parameters, stack.version.tags):
        raise refuse("No updates are to be performed.")
    stack.token = call.input.get("ClientRequestToken", "")
    Operation(store, stack).update(version)
    return answered(call, {"StackId": stack.id})


@ACTIONS.action("DeleteStack")
def delete_stack(call: Call) -> dict[str, Any]:
    """Of a stack that is not there, or is deleted, it succeeds."""
    store = store_of(call)
    stack = store.find(call.input["StackName"])
    if stack is None or stack.status in ("DELETE_COMPLETE", "DELETE_IN_PROGRESS"):
        return {}
    if asked_before(call) is not None:
        return {}
    if stack.protected:
        raise refuse(f"Stack [{stack.name}] cannot be deleted while TerminationProtection is "
                     "enabled")
    if stack.busy and stack.status not in DELETABLE_BUSY:
        raise refuse(f"Stack [{stack.id}] cannot be deleted while in status {stack.status}")
    stack.token = call.input.get("ClientRequestToken", "")
    for logical in call.input.get("RetainResources", []):
        if stack.status != "DELETE_FAILED":
            raise refuse("Invalid operation on stack [" + stack.id + "]. RetainResources is for "
                         "stacks in the DELETE_FAILED state.")
        stack.resources.pop(logical, None)
    Operation(store, stack).delete()
    return answered(call, {})


@ACTIONS.action("UpdateTerminationProtection")
def update_protection(call: Call) -> dict[str, Any]:
    stack = found(call)
    stack.protected = call.input["EnableTerminationProtection"]
    return {"StackId": stack.id}


@ACTIONS.action("CreateChangeSet")
def create_change_set(call: Call) -> dict[str, Any]:
    """Of a new stack alone, which waits in REVIEW_IN_PROGRESS for somebody to execute it."""
    if call.input.get("ChangeSetType") != "CREATE":
        raise refuse("This endpoint makes change sets of new stacks alone.")
    stack = new_stack(call, version_of(call, None))
    store_of(call).become(stack, "REVIEW_IN_PROGRESS", "User Initiated")
    name = call.input["ChangeSetName"]
    return {"StackId": stack.id, "Id": stack.id.replace(
        f":stack/{stack.name}", f":changeSet/{name}")}


# --- reading ---

def stack_show(stack: Stack) -> dict[str, Any]:
    hidden = {name for name, rules in stack.version.template.get("Parameters", {}).items()
              if str(rules.get("NoEcho", "")).lower() == "true"}
    shown: dict[str, Any] = {
        "StackId": stack.id, "StackName": stack.name, "StackStatus": stack.status,
        "CreationTime": stack.created, "DisableRollback": False, "NotificationARNs": [],
        "Capabilities": stack.version.capabilities, "RollbackConfiguration": {},
        "EnableTerminationProtection": stack.protected,
        "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
        "Tags": [{"Key": k, "Value": v} for k, v in stack.version.tags.items()],
        "Parameters": [{"ParameterKey": k, "ParameterValue": "****" if k in hidden else v}
                       for k, v in stack.version.parameters.items()]}
    for member, value in (("Outputs", stack.outputs), ("StackStatusReason", stack.reason),
                          ("LastUpdatedTime", stack.updated), ("DeletionTime", stack.deleted),
                          ("Description", stack.version.template.get("Description"))):
        if value:
            shown[member] = value
    return shown


@ACTIONS.action("DescribeStacks")
def describe_stacks(call: Call) -> dict[str, Any]:
    if "StackName" in call.input:
        return {"Stacks": [stack_show(found(call, "Stack with id {} does not exist"))]}
    stacks = [s for s in store_of(call).stacks.values() if s.status != "DELETE_COMPLETE"]
    page, more = pages(stacks, call)
    return {"Stacks": [stack_show(s) for s in page], **more}


@ACTIONS.action("ListStacks")
def list_stacks(call: Call) -> dict[str, Any]:
    """Deleted ones, too, unless the filter leaves them out; without tags (API_StackSummary)."""
    wanted = call.input.get("StackStatusFilter")
    stacks = [s for s in store_of(call).stacks.values() if not wanted or s.status in wanted]
    page, more = pages(stacks, call)
    members = ("StackId", "StackName", "StackStatus", "StackStatusReason", "CreationTime",
               "LastUpdatedTime", "DeletionTime", "DriftInformation")
    return {"StackSummaries": [{k: v for k, v in stack_show(s).items() if k in members}
                               for s in page], **more}


def pages(items: list[Any], call: Call) -> tuple[list[Any], dict[str, str]]:
    return paged(items, call, "-", "NextToken", 100, 100, refuse)


@ACTIONS.action("DescribeStackEvents")
def describe_events(call: Call) -> dict[str, Any]:
    """"in reverse chronological order" """
    page, more = pages(found(call).events[::-1], call)
    return {"StackEvents": page, **more}


def resources_show(stack: Stack) -> list[dict[str, Any]]:
    return [{"LogicalResourceId": m.logical, "PhysicalResourceId": m.physical,
             "ResourceType": m.kind, "ResourceStatus": m.status, "LastUpdatedTimestamp":
             stack.updated or stack.created, "Timestamp": stack.updated or stack.created}
            for m in stack.resources.values()]


@ACTIONS.action("ListStackResources")
def list_resources(call: Call) -> dict[str, Any]:
    page, more = pages(resources_show(found(call, "Stack with id {} does not exist")), call)
    return {"StackResourceSummaries": [{k: v for k, v in r.items() if k != "Timestamp"}
                                       for r in page], **more}


@ACTIONS.action("GetTemplate")
def get_template(call: Call) -> dict[str, Any]:
    stack = found(call, "Stack with id {} does not exist")
    return {"TemplateBody": stack.version.body, "StagesAvailable": ["Original", "Processed"]}
