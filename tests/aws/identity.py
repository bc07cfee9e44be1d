"""Who calls: the access keys that exist, their secrets, and the principals behind them.

Three kinds of keys: the account's own user, whose key every test knows; those that IAM's
CreateAccessKey made; and sessions, which AssumeRole and its kin, an instance or a container hand
out, with a token and an end.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .world import World

# AWS's documentation has this pair as its example.
ACCESS_KEY, SECRET_KEY = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
# And this one, which is another user's: who is held to a policy while the tests look with the first.
JOBS_KEY, JOBS_SECRET = "AKIAI44QH8DHBEXAMPLE", "je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY"


# What every secret that the endpoint hands out begins with: tests look for it where it must not be.
CANARY = "kAnAryOfBerth"


@dataclass
class Key:
    """An access key. `owner` is the user or the role whose policies count."""

    id: str
    secret: str
    arn: str
    owner: str
    user_id: str
    token: str | None = None
    ends: float | None = None  # in real seconds since the epoch: clients live in real time
    active: bool = True
    limits: list[dict[str, Any]] | None = None  # the statements of a session's own policy

    @property
    def expired(self) -> bool:
        return self.ends is not None and self.ends <= time.time()


class Keys:
    """All access keys of an account."""

    def __init__(self, world: World, account: str, region: str) -> None:
        self.world, self.account = world, account
        user = f"arn:aws:iam::{account}:user/berth"
        self.fixed = {
            ACCESS_KEY: Key(ACCESS_KEY, SECRET_KEY, user, user, "AIDAIOSFODNN7EXAMPLE"),
            JOBS_KEY: Key(JOBS_KEY, JOBS_SECRET, f"{user}-jobs", f"{user}-jobs",
                          "AIDAI44QH8DHBEXAMPLE")}
        self.sessions: dict[str, Key] = {}

    def find(self, access_key: str) -> Key | None:
        if access_key in self.fixed:
            return self.fixed[access_key]
        return self.sessions.get(access_key) or self._of_a_user(access_key)

    def owned_by(self, arn: str) -> Key | None:
        """A key of a user or role, if it has any."""
        users = [self._of_a_user(key.access_key_id) for user in iam_of(self.account).users.values()
                 for key in user.access_keys]
        every = [*self.fixed.values(), *self.sessions.values(), *users]
        return next((key for key in every if key is not None and key.owner == arn), None)

    def _of_a_user(self, access_key: str) -> Key | None:
        for user in iam_of(self.account).users.values():
            for key in user.access_keys:
                if key.access_key_id == access_key:
                    return Key(access_key, key.secret_access_key, user.arn, user.arn, user.id,
                               active=key.status == "Active")
        return None

    def session(self, role: Any, name: str, seconds: float,
                limits: list[dict[str, Any]] | None = None) -> Key:
        """A new session of a role, to which LIMITS apply as well, if there are any."""
        world = self.world
        key = Key("ASIA" + world.hex(16).upper(), CANARY + world.hex(40 - len(CANARY)),
                  f"arn:aws:sts::{self.account}:assumed-role/{role.name}/{name}", role.arn,
                  f"{role.id}:{name}", "FwoGZXIvYXdzE" + CANARY + world.hex(120),
                  float(int(time.time() + seconds)), limits=limits)
        self.sessions[key.id] = key
        return key

    def expire(self, access_key: str | None) -> int:
        """End a session now, or all of them; how many there were."""
        ended = [key for key in self.sessions.values() if access_key in (None, key.id)]
        for key in ended:
            key.ends = time.time()
        return len(ended)


def iam_of(account: str) -> Any:
    from moto.iam.models import iam_backends
    return iam_backends[account]["aws"]


def keys_of(world: World) -> Keys:
    from .world import ACCOUNT
    return world.store(Keys, ACCOUNT, "aws")


def role_named(account: str, name: str) -> Any:
    """The role of a name or an ARN, or None."""
    roles = iam_of(account).roles.values()
    return next((role for role in roles if name in (role.name, role.arn)), None)
