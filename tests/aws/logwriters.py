"""Who writes to log groups that nobody asked for, and makes them anew if they are deleted too early.

Container Insights "automatically creates a log group for the performance log events", once a minute,
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Container-Insights-reference.html,
kept for a day, and so also "whilst destroying": ministryofjustice/opg-digideps#1325. The awslogs
driver does where `awslogs-create-group` lets it:
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moto.logs.models import logs_backends

if TYPE_CHECKING:
    from .world import World

FOREVER = float("inf")


@dataclass
class Writer:
    """Writes to a group after every `pause` seconds, which it tells as `until` does until when: of
    what is known, and at the speed that the clock has, now."""

    pause: Callable[[], float]
    until: Callable[[], float]
    retention: int | None = None


class Writers:
    """Those of an account and region, by their group's name."""

    def __init__(self, world: World, account: str, region: str) -> None:
        self.world, self.account, self.region = world, account, region
        self.by_group: dict[str, dict[str, Writer]] = {}

    def add(self, group: str, key: str, writer: Writer, at_once: bool = False) -> None:
        """A writer, which is known by KEY, from now on; AT_ONCE: it begins by making its group."""
        self.by_group.setdefault(group, {})[key] = writer
        if at_once:
            self._write(group, writer)
        else:
            self.world.clock.after(writer.pause(), lambda: self._write(group, writer))

    def deleted(self, group: str) -> None:
        """The group is deleted: whoever has still something to write makes it anew."""
        now = self.world.clock.now()
        for key, writer in list(self.by_group.get(group, {}).items()):
            until = writer.until()
            if until > now:
                self.world.clock.at(min(until, now + writer.pause()),
                                    lambda w=writer: self._write(group, w))  # type: ignore[misc]
            else:
                del self.by_group[group][key]

    def _write(self, group: str, writer: Writer) -> None:
        backend: Any = logs_backends[self.account][self.region]
        if group in backend.groups or writer.until() < self.world.clock.now():
            return
        backend.create_log_group(group, {})
        if writer.retention is not None:
            backend.put_retention_policy(group, str(writer.retention))
