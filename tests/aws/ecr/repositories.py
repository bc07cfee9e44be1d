"""Repositories, their policies and tags, and the login.

https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_CreateRepository.html
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from ..errors import AwsError
from ..registry import Call, paged
from .login import Logins, registry_host
from .model import ACTIONS, Ecr, Repository, about, not_found, refuse, repository_get, tags_check

NAME = re.compile(r"(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*")
TOKEN_SECONDS = 12 * 3600


@ACTIONS.action("CreateRepository")
def create_repository(call: Call) -> dict[str, Any]:
    store: Ecr = call.store(Ecr)
    given, name = call.input, call.input["repositoryName"]
    if not 2 <= len(name) <= 256 or not NAME.fullmatch(name):
        raise refuse("Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must "
                     f"satisfy regular expression '{NAME.pattern}''")
    if name in store.repositories:
        raise AwsError("RepositoryAlreadyExistsException", f"The repository with name '{name}' "
                       f"already exists in the registry with id '{call.account}'")
    fields = {
        "repositoryArn": f"arn:aws:ecr:{call.region}:{call.account}:repository/{name}",
        "registryId": call.account, "repositoryName": name,
        "repositoryUri": f"{registry_host(call.world, call.account, call.region)}/{name}",
        "createdAt": store.now(), "imageTagMutability": given.get("imageTagMutability", "MUTABLE"),
        "imageScanningConfiguration": {"scanOnPush": False,
                                       **given.get("imageScanningConfiguration", {})},
        "encryptionConfiguration": given.get("encryptionConfiguration",
                                             {"encryptionType": "AES256"})}
    store.repositories[name] = Repository(fields, tags_check(given.get("tags", [])))
    return {"repository": fields}


@ACTIONS.action("DescribeRepositories")
def describe_repositories(call: Call) -> dict[str, Any]:
    """A single missing name fails the whole call; names exclude paging."""
    store: Ecr = call.store(Ecr)
    names = call.input.get("repositoryNames")
    if names is None:
        fields = [r.fields for _, r in sorted(store.repositories.items())]
        page, more = paged(fields, call, "maxResults", "nextToken", 100, 1000, refuse)
        return {"repositories": page, **more}
    if "maxResults" in call.input or "nextToken" in call.input:
        raise refuse("maxResults and nextToken cannot be used with repositoryNames.")
    for name in names:
        if name not in store.repositories:
            raise not_found(name, call.account)
    return {"repositories": [store.repositories[name].fields for name in names]}


@ACTIONS.action("DeleteRepository")
def delete_repository(call: Call) -> dict[str, Any]:
    store: Ecr = call.store(Ecr)
    repository = repository_get(call)
    if repository.images and not call.input.get("force"):
        raise AwsError("RepositoryNotEmptyException", f"The repository with name "
                       f"'{repository.name}' in registry with id '{call.account}' cannot be "
                       "deleted because it still contains images")
    del store.repositories[repository.name]
    return {"repository": repository.fields}


@ACTIONS.action("PutImageTagMutability")
def put_mutability(call: Call) -> dict[str, Any]:
    repository = repository_get(call)
    repository.fields["imageTagMutability"] = call.input["imageTagMutability"]
    return about(repository, "imageTagMutability")


@ACTIONS.action("PutImageScanningConfiguration")
def put_scanning(call: Call) -> dict[str, Any]:
    repository = repository_get(call)
    repository.fields["imageScanningConfiguration"] = {
        "scanOnPush": False, **call.input["imageScanningConfiguration"]}
    return about(repository, "imageScanningConfiguration")


@ACTIONS.action("PutLifecyclePolicy")
def put_lifecycle(call: Call) -> dict[str, Any]:
    repository, text = repository_get(call), call.input["lifecyclePolicyText"]
    try:
        if not json.loads(text)["rules"]:
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise refuse("Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: "
                     "'Lifecycle policy validation failure'") from None
    repository.lifecycle = text
    return {**about(repository), "lifecyclePolicyText": text}


@ACTIONS.action("GetLifecyclePolicy")
def get_lifecycle(call: Call) -> dict[str, Any]:
    repository = repository_get(call)
    if repository.lifecycle is None:
        raise AwsError("LifecyclePolicyNotFoundException", "Lifecycle policy does not exist for "
                       f"the repository with name '{repository.name}' in the registry with id "
                       f"'{call.account}'")
    return {**about(repository), "lifecyclePolicyText": repository.lifecycle}


@ACTIONS.action("DeleteLifecyclePolicy")
def delete_lifecycle(call: Call) -> dict[str, Any]:
    answer = get_lifecycle(call)
    repository_get(call).lifecycle = None
    return answer


@ACTIONS.action("SetRepositoryPolicy")
def set_policy(call: Call) -> dict[str, Any]:
    repository = repository_get(call)
    repository.policy = call.input["policyText"]
    return {**about(repository), "policyText": repository.policy}


@ACTIONS.action("GetRepositoryPolicy")
def get_policy(call: Call) -> dict[str, Any]:
    repository = repository_get(call)
    if repository.policy is None:
        raise AwsError("RepositoryPolicyNotFoundException", "Repository policy does not exist for "
                       f"the repository with name '{repository.name}' in the registry with id "
                       f"'{call.account}'")
    return {**about(repository), "policyText": repository.policy}


# --- login, tags ---

@ACTIONS.action("GetAuthorizationToken")
def get_token(call: Call) -> dict[str, Any]:
    """Valid for twelve hours (API_GetAuthorizationToken)."""
    store: Ecr = call.store(Ecr)
    password = call.store(Logins).make(call.access_key, TOKEN_SECONDS)
    token = base64.b64encode(f"AWS:{password}".encode()).decode()
    registries = call.input.get("registryIds", [call.account])
    return {"authorizationData": [
        {"authorizationToken": token, "expiresAt": store.now() + TOKEN_SECONDS,
         "proxyEndpoint": f"https://{registry_host(call.world, registry, call.region)}"}
        for registry in registries]}


def _tagged(call: Call) -> Repository:
    store: Ecr = call.store(Ecr)
    arn = call.input["resourceArn"]
    for repository in store.repositories.values():
        if repository.fields["repositoryArn"] == arn:
            return repository
    raise not_found(arn.partition(":repository/")[2] or arn, call.account)


@ACTIONS.action("TagResource")
def tag_resource(call: Call) -> dict[str, Any]:
    repository = _tagged(call)
    keys = {tag["Key"] for tag in call.input["tags"]}
    repository.tags = tags_check([t for t in repository.tags if t["Key"] not in keys]
                                 + call.input["tags"])
    return {}


@ACTIONS.action("UntagResource")
def untag_resource(call: Call) -> dict[str, Any]:
    repository = _tagged(call)
    repository.tags = [t for t in repository.tags if t["Key"] not in call.input["tagKeys"]]
    return {}


@ACTIONS.action("ListTagsForResource")
def list_tags(call: Call) -> dict[str, Any]:
    return {"tags": _tagged(call).tags}
