"""Time as the endpoint's resources see it, and how long AWS takes for things.

The virtual clock is real monotonic time multiplied by a speed, plus steps made by tests. States
that take time on AWS are events on this clock: nothing runs in the background, due events are
carried out, in the order of their times, before each call is.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable

# Seconds that AWS takes, typically. Where AWS publishes no figure, that of the thread named.
DURATIONS: dict[str, float] = {
    # A Fargate task is RUNNING some 35 s after it was asked for, most of it the image's pull:
    # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html
    "task.provisioning": 12.0,
    "task.pending": 23.0,
    "task.healthy": 20.0,
    # From StopTask to STOPPED: SIGTERM, stopTimeout, deprovisioning.
    "task.deactivating": 5.0,
    "task.stopping": 15.0,
    "task.deprovisioning": 20.0,
    # The network interface outlives its task: hashicorp/terraform-provider-aws#3414.
    "task.interface": 20.0,
    # Cloud Map instances disappear a little after the task: hashicorp/terraform-provider-aws#4853.
    "task.deregister": 10.0,
    # The service scheduler acts, and declares a steady state, with a delay.
    "service.schedule": 1.0,
    "service.steady": 5.0,
    # Container Insights collects once a minute: "Container Insights metrics ... at one minute".
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-container-insights.html
    "insights.write": 60.0,
    # The log drivers send what they have every few seconds.
    "logs.write": 5.0,
    # Create and delete together take 69.6 s: hashicorp/terraform-provider-aws#2589.
    "cloudmap.submitted": 5.0,
    "cloudmap.namespace": 20.0,
    "cloudmap.service": 4.0,
    "cloudmap.instance": 1.0,
    # "Changes generally propagate to all Route 53 name servers within 60 seconds": API_GetChange.
    "route53.sync": 45.0,
    # A node of Redis and its end take 395 to 460 s together, a replication group's 708 to 1166:
    # hashicorp/terraform-provider-aws#49114, #22183, #29274.
    "cache.creating": 300.0,
    "cache.deleting": 120.0,
    "cache.group": 540.0,
    "cache.group.deleting": 240.0,
    "cache.modifying": 60.0,
    "cache.scaling": 360.0,
    "cache.tagging": 10.0,
    "cache.interface": 30.0,
    # Tests that make and delete an ALB take 160 to 250 s: hashicorp/terraform-provider-aws#22551.
    "elb.provisioning": 120.0,
    # Its interfaces go minutes after it: hashicorp/terraform#3758.
    "elb.interface": 60.0,
    # A target group is "in use" a while after its listener is gone; terraform-provider-aws retries.
    "elb.detach": 10.0,
    # A stack of one topic takes some 20 to 60 s: a resource's part of it.
    "stack.resource": 15.0,
    # From a DNS record to an issued certificate: minutes.
    "acm.validation": 120.0,
    # The tagging API's index follows "eventually"; minutes have been seen.
    "tagging.index": 60.0,
}
INSTANT_SPEED = 1000.0


class Clock:
    """Virtual time in seconds since the epoch, and the events that are still to come."""

    def __init__(self, speed: float = 20.0, instant: bool = False) -> None:
        self.instant = instant
        self._speed = INSTANT_SPEED if instant else speed
        self._virtual = time.time()
        self._real = time.monotonic()
        self._within: float | None = None
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def now(self) -> float:
        """The virtual time; while an event is carried out, that event's time."""
        if self._within is not None:
            return self._within
        return self._virtual + (time.monotonic() - self._real) * self._speed

    def advance(self, seconds: float) -> None:
        """Step forward; what falls due on the way happens, each thing at its time."""
        self._virtual += seconds
        self.run_due()

    def set_speed(self, speed: float | str) -> None:
        self._virtual, self._real = self.now(), time.monotonic()
        self.instant = speed == "instant"
        self._speed = INSTANT_SPEED if self.instant else float(speed)

    def hold(self) -> None:
        """Stand still, until `resume`."""
        self._virtual, self._real = self.now(), time.monotonic()

    def resume(self) -> None:
        """Go on from where it was held, however long that has been."""
        self._real = time.monotonic()

    def duration(self, name: str) -> float:
        """How long the state NAME of DURATIONS takes; nothing does in an instant world."""
        return 0.0 if self.instant else DURATIONS[name]

    def span(self, seconds: float) -> float:
        """A time that a resource's own settings say; nothing in an instant world."""
        return 0.0 if self.instant else seconds

    def kept(self, seconds: float) -> float:
        """How long what has ended can be looked at: in an instant world by the clock of who looks,
        so that it is there still however busy the machine is."""
        return seconds * self._speed if self.instant else seconds

    def at(self, when: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), event))

    def after(self, seconds: float, event: Callable[[], None]) -> None:
        self.at(self.now() + seconds, event)

    def run_due(self) -> None:
        """Carry out the events whose time has come, also those that they bring about."""
        until = self.now()
        while self._events and self._events[0][0] <= until:
            at, _, event = heapq.heappop(self._events)
            self._within = at
            try:
                event()
            finally:
                self._within = None
