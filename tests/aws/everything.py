"""Every List and Describe that an account answers, as boto3 has it, to compare with later.

Of each service here all that its behaviour knows is asked, and what moto alone answers of the kinds
that an environment may bring about, if it needs no input; what lists only name is asked for one by
one, as `snapshot` does. Nothing is left out of the answers but their request ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore import xform_name
from botocore.exceptions import ClientError

from .registry import MODEL_NAMES, MODULES, service_find
from .snapshot import Snapshot

if TYPE_CHECKING:
    from .endpoint import Endpoint

MOTOS = {"ec2": {"DescribeAddresses", "DescribeTags", "DescribeVpcEndpoints"},
         "iam": {"ListRoles", "ListInstanceProfiles", "ListUsers"},
         "route53": {"ListHostedZones", "ListHealthChecks"}, "secretsmanager": {"ListSecrets"},
         "sns": {"ListTopics"},
         "logs": {"DescribeResourcePolicies", "DescribeDestinations"}}
CATALOGUES = {"ListPolicies"}  # a thousand policies of AWS's own


class Raw(Snapshot):
    """What stands behind the lists, as it was answered."""

    def clean(self, value: Any) -> Any:
        return value

    def named(self, text: str) -> str:
        return text


class Everything:
    """Knows which operations there are; they are found out once."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        models = botocore.session.get_session()
        self.operations = []
        for module in sorted(MODULES):
            service, name = service_find(module), MODEL_NAMES.get(module, module)
            known = MOTOS.get(module, set()) | (service.functions.keys() if service else set())
            for operation in sorted(o for o in known - CATALOGUES
                                    if o.startswith(("List", "Describe"))):
                shape = models.get_service_model(name).operation_model(operation).input_shape
                if shape is None or not shape.required_members:
                    self.operations.append((name, operation))

    def take(self) -> dict[str, Any]:
        """By operation or, for what is asked for one by one, by kind and name."""
        lists = {f"{name}.{operation}": self._ask(name, operation)
                 for name, operation in self.operations}
        return {**lists, **Raw(self.endpoint).take()}

    def _ask(self, name: str, operation: str) -> Any:
        """All pages, or with which error it is refused, e.g. for want of a name."""
        client, method = self.endpoint.client(name), xform_name(operation)
        try:
            if not client.can_paginate(method):
                answer = getattr(client, method)()
            else:
                answer = client.get_paginator(method).paginate().build_full_result()
        except ClientError as error:
            return {"refused": error.response["Error"]["Code"]}
        answer.pop("ResponseMetadata", None)
        return answer


Change = tuple[str, list[Any], list[Any]]


def changes(now: Any, before: Any, path: str = "") -> Iterator[Change]:
    """What is not as it was: where, what has come and what has gone; of lists, item by item."""
    if isinstance(now, dict) and isinstance(before, dict):
        for key in sorted({*now, *before}):
            yield from changes(now.get(key), before.get(key), f"{path}/{key}")
    elif isinstance(now, list) and isinstance(before, list):
        come, gone = _without(now, before), _without(before, now)
        if come or gone:
            yield path, come, gone
    elif now != before:
        yield path, [] if now is None else [now], [] if before is None else [before]


def _without(items: list[Any], others: list[Any]) -> list[Any]:
    return [item for item in items if item not in others]
