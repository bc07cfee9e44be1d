"""What tests may ask of the endpoint itself: JSON under /_berth/.

  GET    health                  {"ok": true, "now": virtual time, "cpu": seconds of this process}
  POST   reset                   all that exists goes, the seed comes back, the record is empty
  POST   save, restore           {"name"}: keep this state; come back to it, see `processes`
  POST   spawn, stop             another server with a copy of this world; end that one
  GET    record, DELETE record   every AWS call in order, see `front`
  POST   record                  {"members": [...]}: these of every call
  POST   clock                   {"advance": seconds} and/or {"speed": factor or "instant"}
  POST   faults, DELETE faults   a rule or a list of rules, see `faults`
  POST   kill                    {"n": 1 is the next call, "when": "before" or "after", "pgid": P};
                                 "during": not killed, but sent SIGTERM while it waits for the answer
  POST   answers                 {"on": bool}: whether the record has them
  POST   latency                 {"seconds": N}: what an AWS call takes, its own work included
  POST   pages                   {"size": N or null}: no page of a list holds more
  POST   enforce                 {"on": bool} or {"principal", "policy", "log", "for"}: see
                                 `authorize`
  POST   expire                  {"key": access key id, or none for all sessions}: ended now
  POST   issuer                  {"url", "key": PEM, "audiences": [...]}: an issuer of tokens, `jwt`
  POST   confirm                 {"endpoint": address}: follows the link in SNS's mail, see `sns`
  POST   quota                   {"service", "code", "value"}: what Service Quotas says applies; no
                                 value: it says nothing of it
  POST   registry                {"host": "127.0.0.1:5000"}: where images are pushed to, tests/registry
  POST   push                    what that registry asks: `ecr.login`
  POST   host                    the instance's role, a container with credentials: `metadata`
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from . import seed
from .authorize import Enforcement
from .identity import keys_of
from .metadata import Host
from .tagging import Index
from .world import ACCOUNT, World

if TYPE_CHECKING:
    from .front import Front


class Control:
    """The endpoint's own interface; its caller holds the lock."""

    def __init__(self, front: Front) -> None:
        self.front = front
        self.kill: dict[str, Any] | None = None

    def handle(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        try:
            given = json.loads(body) if body else {}
            function = ACTIONS.get((method, path))
            if function is None:
                return 404, {"error": f"no such control: {method} {path}"}
            return 200, function(self, given)
        except (ValueError, KeyError, TypeError) as error:
            return 400, {"error": f"{type(error).__name__}: {error}"}

    def reset(self, _: Any = None) -> Any:
        front = self.front
        registry = front.dispatcher.world.registry
        front.dispatcher.world = World(front.speed, front.instant)
        front.dispatcher.world.registry = registry
        seed.moto_reset()
        if front.seed:
            seed.plant(front.dispatcher.world)
        front.record.clear()
        front.failed.clear()
        self.kill = None
        return {}

    def health(self, _: Any) -> Any:
        return {"ok": True, "now": self.front.world.clock.now(), "cpu": time.process_time()}

    def record(self, _: Any) -> Any:
        return self.front.record

    def record_members(self, given: Any) -> Any:
        return [{name: call[name] for name in given["members"]} for call in self.front.record]

    def record_clear(self, _: Any) -> Any:
        self.front.record.clear()
        return {}

    def clock(self, given: Any) -> Any:
        clock = self.front.world.clock
        if "speed" in given:
            for index in self.front.world.stores(Index, ACCOUNT):
                index.settle()
            clock.set_speed(given["speed"])
        if "advance" in given:
            clock.advance(float(given["advance"]))
        clock.run_due()
        return {"now": clock.now()}

    def faults(self, given: Any) -> Any:
        for rule in given if isinstance(given, list) else [given]:
            self.front.world.faults.add(rule)
        return {}

    def faults_clear(self, _: Any) -> Any:
        self.front.world.faults.clear()
        self.kill = None
        return {}

    def kill_set(self, given: Any) -> Any:
        if given["when"] not in ("before", "during", "after"):
            raise ValueError("when must be before, during or after")
        self.kill = {"fault": "cancel" if given["when"] == "during" else "kill",
                     "n": int(given["n"]), "when": given["when"], "pgid": int(given["pgid"]),
                     "seconds": 0.3}
        return {}

    def spawn(self, _: Any) -> Any:
        return self.front.processes.spawn()

    def answers(self, given: Any) -> Any:
        self.front.answers = bool(given["on"])
        return {}

    def latency(self, given: Any) -> Any:
        self.front.latency = float(given["seconds"])
        return {}

    def pages(self, given: Any) -> Any:
        self.front.world.page_size = None if given["size"] is None else int(given["size"])
        return {}

    def enforce(self, given: Any) -> Any:
        self.front.world.store(Enforcement, ACCOUNT, "aws").configure(given)
        return {}

    def expire(self, given: Any) -> Any:
        return {"expired": keys_of(self.front.world).expire(given.get("key"))}

    def issuer(self, given: Any) -> Any:
        from .jwt import Issuers
        self.front.world.store(Issuers, ACCOUNT, "aws").add(given)
        return {}

    def confirm(self, given: Any) -> Any:
        from .sns import confirm
        return {"confirmed": confirm(self.front.world, ACCOUNT, given["endpoint"])}

    def quota(self, given: Any) -> Any:
        from .servicequotas import quota_set
        return quota_set(self.front.world, ACCOUNT, seed.REGION, given)

    def registry(self, given: Any) -> Any:
        from .ecr.login import registry_set
        return registry_set(self.front.world, given["host"])

    def push(self, given: Any) -> Any:
        from .ecr.login import push
        return push(self.front.world, ACCOUNT, seed.REGION, given)

    def host(self, given: Any) -> Any:
        return self.front.world.store(Host, ACCOUNT, "aws").configure(given)

    def kill_due(self) -> dict[str, Any] | None:
        """Count an AWS call; the kill, if this is the call that it is for."""
        if self.kill is None:
            return None
        self.kill["n"] -= 1
        if self.kill["n"] > 0:
            return None
        due, self.kill = self.kill, None
        return due


ACTIONS = {
    ("GET", "health"): Control.health,
    ("POST", "reset"): Control.reset,
    ("GET", "record"): Control.record,
    ("POST", "record"): Control.record_members,
    ("DELETE", "record"): Control.record_clear,
    ("POST", "clock"): Control.clock,
    ("POST", "faults"): Control.faults,
    ("DELETE", "faults"): Control.faults_clear,
    ("POST", "kill"): Control.kill_set,
    ("POST", "spawn"): Control.spawn,
    ("POST", "answers"): Control.answers,
    ("POST", "latency"): Control.latency,
    ("POST", "pages"): Control.pages,
    ("POST", "enforce"): Control.enforce,
    ("POST", "expire"): Control.expire,
    ("POST", "issuer"): Control.issuer,
    ("POST", "confirm"): Control.confirm,
    ("POST", "quota"): Control.quota,
    ("POST", "registry"): Control.registry,
    ("POST", "push"): Control.push,
    ("POST", "host"): Control.host,
}
