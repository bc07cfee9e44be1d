"""Parameter groups, as far as clusters name them: those of AWS's defaults, and further ones.

https://docs.aws.amazon.com/AmazonElastiCache/latest/APIReference/API_CreateCacheParameterGroup.html
"""

from __future__ import annotations

from typing import Any

from ..errors import AwsError
from ..registry import Call
from .checks import name_check
from .model import ACTIONS, Cache, families, page_of, refuse, store_of


def _show(store: Cache, name: str) -> dict[str, Any]:
    return {"CacheParameterGroupName": name, "CacheParameterGroupFamily":
            store.parameter_groups[name], "Description": f"Parameters of {name}",
            "IsGlobal": False, "ARN": store.arn("parametergroup", name)}


@ACTIONS.action("CreateCacheParameterGroup")
def create_parameter_group(call: Call) -> dict[str, Any]:
    store, given = store_of(call), call.input
    name = name_check("CacheParameterGroupName", given["CacheParameterGroupName"], 255)
    if name in store.parameter_groups:
        raise AwsError("CacheParameterGroupAlreadyExists",
                       f"Cache parameter group {name} already exists.")
    if given["CacheParameterGroupFamily"] not in families():
        raise refuse(f"CacheParameterGroupFamily {given['CacheParameterGroupFamily']} is not a "
                     "valid parameter group family.")
    store.parameter_groups[name] = given["CacheParameterGroupFamily"]
    return {"CacheParameterGroup": _show(store, name)}


@ACTIONS.action("DescribeCacheParameterGroups")
def describe_parameter_groups(call: Call) -> dict[str, Any]:
    store = store_of(call)
    names = sorted(store.parameter_groups)
    if "CacheParameterGroupName" in call.input:
        names = [n for n in names if n == call.input["CacheParameterGroupName"]]
        if not names:
            raise AwsError("CacheParameterGroupNotFound", "CacheParameterGroup not found: "
                           + call.input["CacheParameterGroupName"], 404)
    page, more = page_of(names, call)
    return {"CacheParameterGroups": [_show(store, name) for name in page], **more}
