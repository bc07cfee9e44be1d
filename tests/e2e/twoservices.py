# SPDX-License-Identifier: MIT
"""An environment of two services and little else, for tests of what a run says while it waits."""

from __future__ import annotations

from typing import Any

from world import ENVIRONMENT, World

NOTIFIER, T7 = f"{ENVIRONMENT}-notifier", f"{ENVIRONMENT}-t7-bridge"


def make_small(world: World) -> None:
    """Services and what they cannot do without: t7-bridge needs the notifier."""
    world.keep_services("notifier", "t7-bridge")
    spec = world.spec()
    for key in ("redis", "loadBalancer", "records", "stacks", "alarms", "dashboards", "grafana"):
        spec.pop(key, None)
    spec["serviceDefaults"] |= {"discovery": False, "dependsOn": []}
    spec["services"]["t7-bridge"]["dependsOn"] = ["notifier"]
    world.write_spec(spec)


def change(world: World, **members: Any) -> None:
    """Both services get another task definition, and the notifier what is said here."""
    spec = world.spec()
    spec["serviceDefaults"]["environment"]["CHANGED"] = "1"
    spec["services"]["notifier"] |= members
    world.write_spec(spec)
