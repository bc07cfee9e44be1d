"""Service Quotas: what an account may have, as far as it applies to it; a quota can be raised.

The defaults and codes are those of the Service Quotas console; a real account's list is longer.
https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_ListServiceQuotas.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import AwsError
from .registry import Call, Service, paged

if TYPE_CHECKING:
    from .world import World

ACTIONS = Service("servicequotas", exclusive=True, throttle=("TooManyRequestsException", 400),
                  invalid="IllegalArgumentException")
Row = tuple[str, str, float]
DEFAULTS: dict[str, list[Row]] = {
    # "Each supported Region: 6" is what new accounts begin with; used ones have 4,000 and more.
    "fargate": [("L-3032A538", "Fargate On-Demand vCPU resource count", 4000),
                ("L-36FBB829", "Fargate Spot vCPU resource count", 4000)],
    "elasticloadbalancing": [("L-53DA6B97", "Application Load Balancers per Region", 50),
                             ("L-69A177A2", "Network Load Balancers per Region", 50),
                             ("L-B22855CB", "Target Groups per Region", 3000)],
    "AWSCloudMap": [("L-0FE3F50E", "Namespaces per Region", 50)],
    "vpc": [("L-F678F1CE", "VPCs per Region", 5), ("L-407747CB", "Subnets per VPC", 200),
            ("L-E79EC296", "VPC security groups per Region", 2500),
            ("L-0EA8095F", "Inbound or outbound rules per security group", 60)],
    "route53": [("L-4EA4796A", "Hosted zones", 500)],
    "elasticache": [("L-DFE45DF3", "Nodes per Region", 300)],
}


class Quotas:
    """The quotas of an account in a region, by service and code."""

    def __init__(self, world: World, account: str, region: str) -> None:
        self.account, self.region = account, region
        self.values = {(service, code): value for service, rows in DEFAULTS.items()
                       for code, _, value in rows}

    def show(self, service: str, row: Row) -> dict[str, Any]:
        code, name, _ = row
        return {"ServiceCode": service, "QuotaCode": code, "QuotaName": name, "Unit": "None",
                "QuotaArn": f"arn:aws:servicequotas:{self.region}:{self.account}:{service}/{code}",
                "Value": self.values[(service, code)], "Adjustable": True, "GlobalQuota": False}


def rows_of(service: str) -> list[Row]:
    if service not in DEFAULTS:
        raise AwsError("NoSuchResourceException", "The request failed because the specified "
                       "service does not exist.")
    return DEFAULTS[service]


@ACTIONS.action("ListServiceQuotas")
def list_quotas(call: Call) -> dict[str, Any]:
    store: Quotas = call.store(Quotas)
    service = call.input["ServiceCode"]
    shown = [store.show(service, row) for row in rows_of(service)
             if (service, row[0]) in store.values]
    page, more = paged(shown, call, "MaxResults", "NextToken", 100, 100,
                       lambda text: AwsError("InvalidPaginationTokenException", text))
    return {"Quotas": page, **more}


@ACTIONS.action("GetServiceQuota")
def get_quota(call: Call) -> dict[str, Any]:
    store: Quotas = call.store(Quotas)
    service, code = call.input["ServiceCode"], call.input["QuotaCode"]
    row = next((r for r in rows_of(service) if r[0] == code), None)
    if row is None or (service, code) not in store.values:
        raise AwsError("NoSuchResourceException", "The request failed because the specified "
                       "service quota does not exist.")
    return {"Quota": store.show(service, row)}


@ACTIONS.action("RequestServiceQuotaIncrease")
def request_increase(call: Call) -> dict[str, Any]:
    """Granted at once; AWS takes minutes to days. No quota can be lowered."""
    store: Quotas = call.store(Quotas)
    given = call.input
    service, code = given["ServiceCode"], given["QuotaCode"]
    if given["DesiredValue"] <= store.values.get((service, code), 0):
        raise AwsError("IllegalArgumentException", "You must provide a quota value greater than "
                       "the current quota value.")
    store.values[(service, code)] = given["DesiredValue"]
    return {"RequestedQuota": {"Id": call.world.uuid(), "ServiceCode": service,
                               "QuotaCode": code, "DesiredValue": given["DesiredValue"],
                               "Status": "CASE_CLOSED"}}


def quota_set(world: World, account: str, region: str, given: dict[str, Any]) -> dict[str, Any]:
    """A test's wish: {"service", "code", "value"}; no value: it is listed no more."""
    store = world.store(Quotas, account, region)
    key = (given["service"], given["code"])
    if given.get("value") is None:
        store.values.pop(key, None)
    else:
        store.values[key] = float(given["value"])
    return {}
