"""Parameter Store: moto's, with inputs checked and pages of the size that is asked for.

https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from moto.core.exceptions import ServiceException

from .errors import AwsError
from .registry import Call, Raw, Service, paged

ACTIONS = Service("ssm", throttle=("ThrottlingException", 400), invalid="ValidationException")


@ACTIONS.action("DescribeParameters")
def describe_parameters(call: Call) -> dict[str, Any] | Raw:
    from moto.ssm.models import ssm_backends
    given = call.input
    try:
        found = ssm_backends[call.account][call.region].describe_parameters(
            given.get("Filters"), given.get("ParameterFilters"))
    except ServiceException:
        return call.forward()  # which says it in moto's words
    page, more = paged(found, call, "MaxResults", "NextToken", 10, 50,
                       lambda text: AwsError("InvalidNextToken", text))
    shown = [p.describe_response_object(False) for p in page]
    return {"Parameters": [{k: v.timestamp() if isinstance(v, datetime) else v
                            for k, v in one.items()} for one in shown], **more}
