"""Repositories, images and layers as they are kept.

https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_PutImage.html and its kin;
https://github.com/opencontainers/image-spec/blob/main/manifest.md for manifests.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import AwsError
from ..registry import Call, Service

if TYPE_CHECKING:
    from ..world import World

# https://docs.aws.amazon.com/AmazonECR/latest/userguide/common-errors.html
ACTIONS = Service("ecr", exclusive=True, throttle=("ThrottlingException", 400),
                  invalid="InvalidParameterException")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass
class Image:
    """A manifest and the tags that point to it."""

    digest: str
    manifest: str
    media_type: str
    size: int
    pushed: float
    tags: list[str] = field(default_factory=list)


@dataclass
class Repository:
    """A repository; `fields` as DescribeRepositories gives it."""

    fields: dict[str, Any]
    tags: list[dict[str, str]]
    images: dict[str, Image] = field(default_factory=dict)
    layers: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, bytes] = field(default_factory=dict)
    lifecycle: str | None = None
    policy: str | None = None

    @property
    def name(self) -> str:
        return str(self.fields["repositoryName"])

    def image_find(self, key: dict[str, str]) -> Image | None:
        """By imageDigest, imageTag, or both; None too if the two are of different images."""
        image = None
        if "imageTag" in key:
            image = next((i for i in self.images.values() if key["imageTag"] in i.tags), None)
            if image and key.get("imageDigest", image.digest) != image.digest:
                return None
        elif "imageDigest" in key:
            image = self.images.get(key["imageDigest"])
        return image


class Ecr:
    """The registry of an account in a region."""

    def __init__(self, world: World, account: str, region: str) -> None:
        self.world, self.account, self.region = world, account, region
        self.repositories: dict[str, Repository] = {}

    def now(self) -> float:
        return round(self.world.clock.now(), 3)


def refuse(message: str) -> AwsError:
    return AwsError("InvalidParameterException", message)


def not_found(name: str, account: str) -> AwsError:
    return AwsError("RepositoryNotFoundException", f"The repository with name '{name}' does not "
                    f"exist in the registry with id '{account}'")


def repository_get(call: Call) -> Repository:
    store: Ecr = call.store(Ecr)
    name = call.input["repositoryName"]
    if name not in store.repositories or call.input.get("registryId", call.account) != call.account:
        raise not_found(name, call.input.get("registryId", call.account))
    return store.repositories[name]


def tags_check(tags: list[dict[str, str]]) -> list[dict[str, str]]:
    if len(tags) > 50:
        raise AwsError("TooManyTagsException", "A resource can have at most 50 tags.")
    if any(tag["Key"].lower().startswith("aws:") for tag in tags):
        raise AwsError("InvalidTagParameterException", "Tag keys must not start with 'aws:'.")
    return [{"Key": tag["Key"], "Value": tag.get("Value", "")} for tag in tags]


def about(repository: Repository, *members: str) -> dict[str, Any]:
    return {m: repository.fields[m] for m in ("registryId", "repositoryName", *members)}
