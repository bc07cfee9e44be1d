"""What AWS refuses: a row for each rule, with the page that has it, a call, and the error's code.

The calls are boto3's, without botocore's own check of inputs. Each service has a module with its
`ROWS`; `test_refusals` makes them all, each in a world of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..build import Builder

AWS = "https://docs.aws.amazon.com/"
ECS = AWS + "AmazonECS/latest/APIReference/API_"
EC2 = AWS + "AWSEC2/latest/APIReference/API_"
CLOUDWATCH = AWS + "AmazonCloudWatch/latest/APIReference/API_"
CLOUDMAP = AWS + "cloud-map/latest/api/API_"
ECR = AWS + "AmazonECR/latest/APIReference/API_"
IAM = AWS + "IAM/latest/APIReference/API_"
LOGS = AWS + "AmazonCloudWatchLogs/latest/APIReference/API_"
STS = AWS + "STS/latest/APIReference/API_"
SSM = AWS + "systems-manager/latest/APIReference/API_"
SECRETS = AWS + "secretsmanager/latest/apireference/API_"
TAGGING = AWS + "resourcegroupstagging/latest/APIReference/API_"


@dataclass
class Row:
    """One rule. CALL's last call is the one that is refused, with CODE; "" means that it is not."""

    rule: str
    source: str
    call: Callable[[Builder], Any]
    code: str


def twice(call: Callable[[Builder], Any]) -> Callable[[Builder], Any]:
    def run(build: Builder) -> Any:
        call(build)
        return call(build)
    return run
