# SPDX-License-Identifier: MIT
"""Jobs that may do what `berth iam-policy` prints for their spec, and nothing else.

With BERTH_POLICY set in the environment every end-to-end test is played so: berth has the keys of
a user of its own, whom the endpoint holds to the printed policy, while the tests look on with
theirs. A policy is attached before a spec changes, and whoever takes something out of a spec leaves
the old one attached until it is gone (docs/iam-policy.md); so a job has the policies of the example
and of each spec that its test has had so far.

If BERTH_POLICY is the name of a file, it gets the decisions: which statements allowed which action
in which test. `tests/policy/needed` reads it, and takes actions away to see these tests fail.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aws.endpoint import ACCOUNT
from aws.identity import JOBS_KEY, JOBS_SECRET

if TYPE_CHECKING:
    from world import World

WANTED = os.environ.get("BERTH_POLICY", "")
JOBS = f"arn:aws:iam::{ACCOUNT}:user/berth-jobs"
Statements = list[dict[str, Any]]
Pair = tuple[str, str]  # the kind of a statement, and one of its actions


@dataclass
class Played:
    """The test that is played, and what is taken from its jobs; tests/policy/held.py sets it."""

    test: str = ""
    without: Pair | None = None


played = Played()


@contextlib.contextmanager
def shared() -> Iterator[None]:
    """What is made here serves other tests, too: nothing is taken from it, and it is none's."""
    before = (played.test, played.without)
    played.test, played.without = "", None
    try:
        yield
    finally:
        played.test, played.without = before


def kind_of(sid: str) -> str:
    """Statements that differ in their resources alone are one: "FirewallVpc2" is "FirewallVpc"."""
    return re.sub(r"\d+$", "", sid)


def printed(world: World, kind: str, directory: Path, purpose: str = "jobs") -> Statements | None:
    """The statements for a spec as berth prints them; None where it finds the spec wrong."""
    from world import BUILD, EXAMPLE
    variables = json.loads((EXAMPLE / "ci-variables.json").read_text())
    done = subprocess.run(
        [BUILD / "bin" / "berth", "iam-policy", "--json", f"--kind={kind}", f"--dir={directory}",
         f"--for={purpose}", f"--account={ACCOUNT}",
         *(f"--var={k}={v}" for k, v in variables.items())],
        capture_output=True, text=True, timeout=60,
        env={"PATH": os.environ["PATH"], "BERTH_CONFIG": str(world.config_path)})
    if done.returncode != 0:
        return None
    return [statement for policy in json.loads(done.stdout)["policies"]
            for statement in policy["document"]["Statement"]]


def actions_for(world: World, kind: str, purpose: str) -> set[str]:
    return {action for statement in printed(world, kind, world.project, purpose) or []
            for action in statement["Action"]}


class Police:
    """Holds a world's jobs to the policies of what it has asked for; or, of another `purpose`, the
    command of that name to what is printed for it."""

    def __init__(self, world: World, purpose: str = "jobs") -> None:
        self.world, self.purpose = world, purpose
        self.log = str(Path(WANTED).absolute()) if WANTED not in ("", "1") else ""
        self.statements: dict[str, Statements] = {}
        self.seen: dict[tuple[str, bytes, str], Statements] = {}
        self.without: set[Pair] = set()  # that a test takes away
        from world import EXAMPLE
        self.standing: tuple[Path, ...] = (EXAMPLE,)  # whose policies jobs have besides

    def environ(self) -> dict[str, str]:
        return {"AWS_ACCESS_KEY_ID": JOBS_KEY, "AWS_SECRET_ACCESS_KEY": JOBS_SECRET}

    def of_spec(self, kind: str, directory: Path) -> Statements:
        path = directory / ".berth" / "environment.json"
        key = (kind, path.read_bytes() if path.is_file() else b"",
               self.world.config_path.read_text() if self.world.config_path.exists() else "")
        if key not in self.seen:
            self.seen[key] = printed(self.world, kind, directory) or []
            self.note(self.seen[key])
        return self.seen[key]

    def note(self, statements: Statements) -> None:
        """Log what a policy has."""
        if self.log:
            lines = [json.dumps(["printed", kind_of(s["Sid"]), action]) + "\n"
                     for s in statements for action in s["Action"]]
            with open(self.log, "a") as file:  # the endpoint writes there, too
                os.write(file.fileno(), "".join(lines).encode())

    def less(self, statements: Statements) -> Statements:
        without = self.without | {played.without}
        return [{**s, "Action": [a for a in s["Action"] if (kind_of(s["Sid"]), a) not in without]}
                for s in statements]

    def hold_command(self) -> None:
        """What the command is allowed, on environments of both kinds."""
        both = [statement for kind in ("production", "ephemeral") for statement in
                printed(self.world, kind, self.world.project, self.purpose) or []]
        self.world.aws.enforce_on(JOBS, {"Version": "2012-10-17", "Statement": self.less(both)})

    def hold(self, kind: str) -> None:
        """What a job of this kind is allowed from now on."""
        if self.purpose != "jobs":
            self.hold_command()
            return
        all_of_kind = self.statements.setdefault(kind, [])
        for directory in (*self.standing, self.world.project):
            for statement in self.of_spec(kind, directory):
                if statement not in all_of_kind:
                    all_of_kind.append(statement)
        allowed = self.less(all_of_kind)
        project = next(iter(self.world.config["projects"].values()), {})
        role = project.get(kind, {}).get("roleArn")
        if role is not None:  # the runner's own credentials may assume it, and nothing else
            self.world.aws.enforce_on(JOBS, {"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role}]})
        self.world.aws.enforce_on(role or JOBS, {"Version": "2012-10-17", "Statement": allowed},
                                  log=self.log, asks_for=played.test)
