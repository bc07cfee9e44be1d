"""Dashboards: put whole, kept as they were put.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutDashboard.html
"""

from __future__ import annotations

import re
from typing import Any

from ..errors import AwsError
from ..registry import Call, paged
from .bodies import body_check
from .model import ACTIONS, Dashboard, dashboards_of, tags_read

NAMES_MOST, PAGE = 100, 1000


def bad_value(message: str) -> AwsError:
    return AwsError("InvalidParameterValue", message)


def not_there(name: str) -> AwsError:
    return AwsError("ResourceNotFound", f"Dashboard {name} does not exist", 404)


@ACTIONS.action("PutDashboard")
def put_dashboard(call: Call) -> dict[str, Any]:
    """"If you specify Tags when updating an existing dashboard, the tag updates are ignored.\""""
    store, name = dashboards_of(call), call.input["DashboardName"]
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,255}", name):
        raise AwsError("InvalidParameterInput", f"The value {name} for field DashboardName is "
                       "invalid: it must be 1 to 255 of A-Z, a-z, 0-9, '-' and '_'")
    tags = tags_read(call.input.get("Tags", []))
    warnings = body_check(call.input["DashboardBody"])
    old = store.by_name.get(name)
    store.by_name[name] = Dashboard(
        name, f"arn:aws:cloudwatch::{call.account}:dashboard/{name}", call.input["DashboardBody"],
        round(store.world.clock.now(), 3), old.tags if old else tags)
    return {"DashboardValidationMessages": warnings}


@ACTIONS.action("GetDashboard")
def get_dashboard(call: Call) -> dict[str, Any]:
    name = call.input["DashboardName"]
    found = dashboards_of(call).by_name.get(name)
    if found is None:
        raise not_there(name)
    return {"DashboardArn": found.arn, "DashboardBody": found.body, "DashboardName": name}


@ACTIONS.action("ListDashboards")
def list_dashboards(call: Call) -> dict[str, Any]:
    prefix = call.input.get("DashboardNamePrefix", "")
    found = [{"DashboardName": d.name, "DashboardArn": d.arn, "LastModified": d.modified,
              "Size": len(d.body.encode())}
             for name, d in sorted(dashboards_of(call).by_name.items()) if name.startswith(prefix)]
    page, more = paged(found, call, "", "NextToken", PAGE, PAGE, bad_value)
    return {"DashboardEntries": page, **more}


@ACTIONS.action("DeleteDashboards")
def delete_dashboards(call: Call) -> dict[str, Any]:
    """"If there is an error during this call, the operation attempts to delete as many dashboards
    as possible.\""""
    store, names = dashboards_of(call), call.input["DashboardNames"]
    if len(names) > NAMES_MOST:
        raise bad_value(f"At most {NAMES_MOST} dashboards can be deleted at once")
    unknown = [name for name in names if store.by_name.pop(name, None) is None]
    if unknown:
        raise not_there(unknown[0])
    return {}
