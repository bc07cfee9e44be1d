"""The registry's side of ECR: who may push and pull there, and what a push makes.

The registry itself, with the Docker Registry HTTP API, is `tests/registry`; it asks here, through
/_berth/push, for everything that AWS decides. A client logs in as the user AWS, with a password of
GetAuthorizationToken, by basic authentication; it may then do what that call's principal may do by
the API's actions.
https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html
https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..authorize import authorize
from ..errors import AwsError
from ..identity import CANARY, keys_of
from ..registry import Call
from .model import ACTIONS, Ecr, repository_get

if TYPE_CHECKING:
    from ..world import World

# As long as ECR's are, which are too long for many a buffer.
PASSWORD_DIGITS = 1800


def registry_host(world: World, account: str, region: str) -> str:
    """What the repositories' names begin with."""
    return world.registry or f"{account}.dkr.ecr.{region}.amazonaws.com"


def registry_set(world: World, host: str | None) -> dict[str, Any]:
    """From now on images are pushed to HOST; repositories that are there move with it."""
    world.registry = host
    for (kind, *_), store in list(world._stores.items()):
        if kind is not Ecr:
            continue
        for repository in store.repositories.values():
            address = registry_host(world, store.account, store.region)
            repository.fields["repositoryUri"] = f"{address}/{repository.name}"
    return {"host": host}


@dataclass
class Login:
    """Whom a password stands for, and until when."""

    access_key: str
    ends: float


class Logins:
    """The passwords that were given out."""

    def __init__(self, world: World, account: str, region: str) -> None:
        self.world = world
        self.logins: dict[str, Login] = {}

    def make(self, access_key: str, seconds: float) -> str:
        password = CANARY + self.world.hex(PASSWORD_DIGITS)
        self.logins[password] = Login(access_key, self.world.clock.now() + seconds)
        return password

    def check(self, authorization: str) -> Login:
        """Raise what the registry answers to whoever is not logged in."""
        scheme, _, encoded = authorization.partition(" ")
        try:
            user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            user, password = "", ""
        login = self.logins.get(password)
        if scheme.lower() != "basic" or user != "AWS" or login is None:
            raise AwsError("NotAuthorized", "Not Authorized", 401)
        if login.ends < self.world.clock.now():
            raise AwsError("AccessDeniedException", "Your authorization token has expired. "
                           "Reauthenticate and try again.", 403)
        return login


def push(world: World, account: str, region: str, given: dict[str, Any]) -> dict[str, Any]:
    """Carry out an action for whoever is logged in; see whether it may be done, where `ask` is set.

    {"authorization", "action", "input", "ask"} gives {"status", "answer"} or {"status", "code",
    "message"}; faults for the action strike here, too. A layer, whose content the registry has, is
    put with {"layer": digest, "size"} in place of an action.
    """
    answer: dict[str, Any] = {"status": 200}
    try:
        login = world.store(Logins, account, region).check(given.get("authorization", ""))
        action, details = given.get("action"), given.get("input", {})
        if action:
            key = keys_of(world).find(login.access_key)
            call = Call(world, "ecr", action, details, region, account, key.arn if key else "",
                        login.access_key, _no_forward)
            fault = world.faults.strike("ecr", action, details) or {}
            if fault.get("fault") in ("throttle", "error", "http"):
                raise AwsError("TOOMANYREQUESTS" if fault["fault"] == "throttle" else "UNKNOWN",
                               fault.get("message", "Rate exceeded"), fault.get("status", 429))
            answer["seconds"] = fault.get("seconds", 0)
            authorize(call)
            repository = repository_get(call)
            if "layer" in given:
                repository.layers[given["layer"]] = bytes(given["size"])
            elif not given.get("ask"):
                answer["answer"] = ACTIONS.functions[action](call)
    except AwsError as error:
        return {"status": error.status, "code": error.code, "message": error.message}
    return answer


def _no_forward() -> Any:
    raise NotImplementedError("the registry's actions are all behaviours")
