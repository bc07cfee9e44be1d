"""Operations as clients see them, and the tags of namespaces and services.

https://docs.aws.amazon.com/cloud-map/latest/api/API_GetOperation.html
"""

from __future__ import annotations

from typing import Any

from ..errors import AwsError
from ..registry import Call, paged
from .model import ACTIONS, Namespace, Registry, filtered, refuse, store_of, tags_check


@ACTIONS.action("GetOperation")
def get_operation(call: Call) -> dict[str, Any]:
    operations = store_of(call).operations
    if call.input["OperationId"] not in operations:
        raise AwsError("OperationNotFound", "Operation not found.")
    return {"Operation": operations[call.input["OperationId"]]}


@ACTIONS.action("ListOperations")
def list_operations(call: Call) -> dict[str, Any]:
    found = filtered(call, {
        "NAMESPACE_ID": lambda o: o["Targets"].get("NAMESPACE", ""),
        "SERVICE_ID": lambda o: o["Targets"].get("SERVICE", ""),
        "STATUS": lambda o: o["Status"], "TYPE": lambda o: o["Type"],
    }, list(store_of(call).operations.values()))
    page, more = paged(found, call, "MaxResults", "NextToken", 100, 100, refuse)
    return {"Operations": [{"Id": o["Id"], "Status": o["Status"]} for o in page], **more}


def _tagged(call: Call) -> Namespace | Registry:
    store, arn = store_of(call), call.input["ResourceARN"]
    everything: list[Namespace | Registry] = [*store.namespaces.values(), *store.services.values()]
    for resource in everything:
        if resource.fields["Arn"] == arn:
            return resource
    raise AwsError("ResourceNotFoundException", f"Resource not found: {arn}")


@ACTIONS.action("TagResource")
def tag_resource(call: Call) -> dict[str, Any]:
    resource = _tagged(call)
    keys = {tag["Key"] for tag in call.input["Tags"]}
    resource.tags = tags_check([t for t in resource.tags if t["Key"] not in keys]
                               + call.input["Tags"])
    return {}


@ACTIONS.action("UntagResource")
def untag_resource(call: Call) -> dict[str, Any]:
    resource = _tagged(call)
    resource.tags = [t for t in resource.tags if t["Key"] not in call.input["TagKeys"]]
    return {}


@ACTIONS.action("ListTagsForResource")
def list_tags(call: Call) -> dict[str, Any]:
    return {"Tags": _tagged(call).tags}
