"""What AWS says of a dashboard's body: errors, with which it is refused, and warnings.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
The words are those that people were given: aws-samples/aws-eda-slurm-cluster#116,
aws-solutions-library-samples/guidance-for-automating-network-monitoring-and-alerting-on-aws#7.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ..errors import AwsError

WIDGETS_MOST = 500
BODY_MOST = 1 << 20
# The types of widgets, and what their properties must have.
REQUIRED = {"metric": (), "text": ("markdown",), "log": ("query", "region"), "alarm": ("alarms",),
            "explorer": ("metrics", "labels"), "chart": ("data",), "custom": ("endpoint",)}
MEMBERS = {"start", "end", "periodOverride", "widgets", "variables"}
WIDTH = 24

Finding = tuple[bool, str, str]  # whether it is an error, its path, its words


def body_check(text: str) -> list[dict[str, str]]:
    """The warnings of a body; AwsError where it has errors."""
    if len(text.encode()) > BODY_MOST:
        raise AwsError("InvalidParameterInput", "The dashboard body is too large.")
    try:
        body = json.loads(text)
    except ValueError:
        raise AwsError("InvalidParameterInput",
                       "The field DashboardBody must be a valid JSON object") from None
    found = list(_body(body))
    errors, warnings = ([{"DataPath": path, "Message": message} for wrong, path, message in found
                         if wrong is kind] for kind in (True, False))
    if errors:
        listed = json.dumps([{"dataPath": e["DataPath"], "message": e["Message"]}
                             for e in errors], indent=2)
        raise AwsError("InvalidParameterInput", f"The dashboard body is invalid, there are "
                       f"{len(errors)} validation errors:\n{listed}",
                       dashboardValidationMessages=errors)
    return warnings


def _body(body: Any) -> Iterator[Finding]:
    if not isinstance(body, dict):
        yield True, "", "Should be object"
        return
    for name in body.keys() - MEMBERS:
        yield False, "", f"Should NOT have additional properties: '{name}'"
    widgets = body.get("widgets")
    if not isinstance(widgets, list):
        yield True, "", "Should have required property 'widgets'"
        return
    if len(widgets) > WIDGETS_MOST:
        yield True, "/widgets", f"Should NOT have more than {WIDGETS_MOST} items"
    for number, widget in enumerate(widgets):
        yield from _widget(f"/widgets/{number}", widget)


def _widget(path: str, widget: Any) -> Iterator[Finding]:
    if not isinstance(widget, dict):
        yield True, path, "Should be object"
        return
    for name in ("type", "properties"):
        if name not in widget:
            yield True, path, f"Should have required property '{name}'"
            return
    for name, least, most in (("x", 0, WIDTH - 1), ("y", 0, None), ("width", 1, WIDTH),
                              ("height", 1, 1000)):
        value = widget.get(name, least)
        if not isinstance(value, int) or value < least or most is not None and value > most:
            yield True, f"{path}/{name}", f"Should be an integer from {least} to {most}"
    if widget["type"] not in REQUIRED:
        yield False, f"{path}/type", f"Widget type '{widget['type']}' is not known"
        return
    yield from _properties(f"{path}/properties", widget["type"], widget["properties"])


def _properties(path: str, kind: str, properties: Any) -> Iterator[Finding]:
    if not isinstance(properties, dict):
        yield True, path, "Should be object"
        return
    for name in REQUIRED[kind]:
        if name not in properties:
            yield True, path, f"Should have required property '{name}'"
    if kind == "alarm" and properties.get("alarms") == []:
        yield True, f"{path}/alarms", "Should NOT have less than 1 items"
    if kind != "metric":
        return
    if "metrics" not in properties and "annotations" not in properties:
        yield True, path, "Should have required property 'metrics'"
        yield True, path, ("The metric widget should have specified a region and a data source or "
                           "an alarm annotation")
    elif "metrics" in properties and "region" not in properties:
        yield True, path, "Should have required property 'region'"
    if properties.get("view", "timeSeries") not in (
            "timeSeries", "singleValue", "gauge", "bar", "pie", "table"):
        yield False, f"{path}/view", "Should be equal to one of the allowed values"
