"""Secrets Manager: moto's, with inputs checked.

https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DescribeSecret.html
"""

from __future__ import annotations

from .registry import Service

ACTIONS = Service("secretsmanager", throttle=("ThrottlingException", 400),
                  invalid="InvalidParameterException")
