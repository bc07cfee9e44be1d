"""Amazon ECR: a model of its own, since moto's digests are not those of the manifests.

https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_PutImage.html and its kin;
https://github.com/opencontainers/image-spec/blob/main/manifest.md for manifests.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .errors import AwsError
from .registry import Call, Service, paged

if TYPE_CHECKING:
    from .world import World

# https://docs.aws.amazon.com/AmazonECR/latest/userguide/common-errors.html
ACTIONS = Service("ecr", exclusive=True, throttle=("ThrottlingException", 400),
                  invalid="InvalidParameterException")
NAME = re.compile(r"(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,299}")
INDEXES = ("application/vnd.oci.image.index.v1+json",
           "application/vnd.docker.distribution.manifest.list.v2+json")
DEFAULT_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
TOKEN_SECONDS = 12 * 3600
LAYER_PART = 20971520


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


# --- repositories ---

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
        "repositoryUri": f"{call.account}.dkr.ecr.{call.region}.amazonaws.com/{name}",
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
    return _about(repository, "imageTagMutability")


@ACTIONS.action("PutImageScanningConfiguration")
def put_scanning(call: Call) -> dict[str, Any]:
    repository = repository_get(call)
    repository.fields["imageScanningConfiguration"] = {
        "scanOnPush": False, **call.input["imageScanningConfiguration"]}
    return _about(repository, "imageScanningConfiguration")


def _about(repository: Repository, *members: str) -> dict[str, Any]:
    return {m: repository.fields[m] for m in ("registryId", "repositoryName", *members)}


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
    return {**_about(repository), "lifecyclePolicyText": text}


@ACTIONS.action("GetLifecyclePolicy")
def get_lifecycle(call: Call) -> dict[str, Any]:
    repository = repository_get(call)
    if repository.lifecycle is None:
        raise AwsError("LifecyclePolicyNotFoundException", "Lifecycle policy does not exist for "
                       f"the repository with name '{repository.name}' in the registry with id "
                       f"'{call.account}'")
    return {**_about(repository), "lifecyclePolicyText": repository.lifecycle}


@ACTIONS.action("DeleteLifecyclePolicy")
def delete_lifecycle(call: Call) -> dict[str, Any]:
    answer = get_lifecycle(call)
    repository_get(call).lifecycle = None
    return answer


@ACTIONS.action("SetRepositoryPolicy")
def set_policy(call: Call) -> dict[str, Any]:
    repository = repository_get(call)
    repository.policy = call.input["policyText"]
    return {**_about(repository), "policyText": repository.policy}


@ACTIONS.action("GetRepositoryPolicy")
def get_policy(call: Call) -> dict[str, Any]:
    repository = repository_get(call)
    if repository.policy is None:
        raise AwsError("RepositoryPolicyNotFoundException", "Repository policy does not exist for "
                       f"the repository with name '{repository.name}' in the registry with id "
                       f"'{call.account}'")
    return {**_about(repository), "policyText": repository.policy}


# --- images ---

@ACTIONS.action("PutImage")
def put_image(call: Call) -> dict[str, Any]:
    """The digest is the manifest's sha256; a tag moves, unless the repository forbids it."""
    store: Ecr = call.store(Ecr)
    repository, given = repository_get(call), call.input
    text, tag = given["imageManifest"], given.get("imageTag")
    if tag is not None and not TAG.fullmatch(tag):
        raise refuse(f"Invalid parameter at 'imageTag': '{tag}'")
    media_type, size = manifest_check(repository, text, given.get("imageManifestMediaType"))
    digest = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    if given.get("imageDigest", digest) != digest:
        raise AwsError("ImageDigestDoesNotMatchException", f"The digest {given['imageDigest']} "
                       f"does not match the manifest's, {digest}")
    image = repository.images.get(digest)
    holder = repository.image_find({"imageTag": tag}) if tag else None
    if image and (tag is None or holder is image):
        raise AwsError("ImageAlreadyExistsException", f"Image with digest '{digest}' and tag "
                       f"'{tag}' already exists in the repository with name '{repository.name}' "
                       f"in registry with id '{call.account}'")
    if holder and repository.fields["imageTagMutability"] == "IMMUTABLE":
        raise AwsError("ImageTagAlreadyExistsException", f"The image tag '{tag}' already exists in "
                       f"the '{repository.name}' repository and cannot be overwritten because the "
                       "repository is immutable.")
    if image is None:
        image = repository.images[digest] = Image(digest, text, media_type, size, store.now())
    if holder and tag:
        holder.tags.remove(tag)
    if tag:
        image.tags.append(tag)
    return {"image": image_show(repository, image, {"imageTag": tag} if tag else {})}


def manifest_check(repository: Repository, text: str, media_type: str | None) -> tuple[str, int]:
    """A manifest's media type and size; refused if what it names is not in the repository."""
    try:
        manifest = json.loads(text)
        media_type = media_type or manifest.get("mediaType") or DEFAULT_TYPE
        index = media_type in INDEXES
        parts = manifest["manifests"] if index else [manifest["config"], *manifest["layers"]]
        digests, size = [p["digest"] for p in parts], sum(int(p.get("size", 0)) for p in parts)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise refuse("Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid "
                     "JSON syntax'") from None
    known: Any = repository.images if index else repository.layers
    missing = sorted({digest for digest in digests if digest not in known})
    if missing:
        raise AwsError("ReferencedImagesNotFoundException" if index else "LayersNotFoundException",
                       f"The {'images' if index else 'layers'} with digests '[{','.join(missing)}]'"
                       f" required for pushing image into repository with name '{repository.name}'"
                       f" in the registry with id '{repository.fields['registryId']}' do not exist")
    return media_type, size


def image_show(repository: Repository, image: Image, key: dict[str, str]) -> dict[str, Any]:
    return {"registryId": repository.fields["registryId"], "repositoryName": repository.name,
            "imageId": {"imageDigest": image.digest, **key}, "imageManifest": image.manifest,
            "imageManifestMediaType": image.media_type}


def image_failure(repository: Repository, key: dict[str, str]) -> dict[str, Any] | None:
    """Why there is no image for a key, in BatchGetImage's words; None if there is one."""
    if "imageDigest" not in key and "imageTag" not in key:
        code, reason = "MissingDigestAndTag", "Invalid request parameters: both tag and digest " \
            "cannot be null"
    elif "imageDigest" in key and not DIGEST.fullmatch(key["imageDigest"]):
        code, reason = "InvalidImageDigest", "Invalid request parameters: image digest should " \
            "satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'"
    elif repository.image_find(key):
        return None
    elif len(key) == 2 and repository.image_find({"imageTag": key["imageTag"]}):
        code, reason = "ImageTagDoesNotMatchDigest", "Requested image tag does not match digest"
    else:
        code, reason = "ImageNotFound", "Requested image not found"
    return {"imageId": key, "failureCode": code, "failureReason": reason}


@ACTIONS.action("BatchGetImage")
def batch_get_image(call: Call) -> dict[str, Any]:
    repository = repository_get(call)
    keys = call.input["imageIds"]
    if not 1 <= len(keys) <= 100:
        raise refuse("imageIds must have 1 to 100 elements.")
    images, failures = [], []
    for key in keys:
        failure = image_failure(repository, key)
        if failure:
            failures.append(failure)
            continue
        image = repository.image_find(key)
        assert image is not None
        tag = {"imageTag": key["imageTag"]} if "imageTag" in key else {}
        images.append(image_show(repository, image, tag))
    return {"images": images, "failures": failures}


@ACTIONS.action("BatchDeleteImage")
def batch_delete_image(call: Call) -> dict[str, Any]:
    """By tag: the tag goes, and the image if it was the last; by digest: the image goes."""
    repository = repository_get(call)
    gone, failures = [], []
    for key in call.input["imageIds"]:
        failure = image_failure(repository, key)
        if failure:
            failures.append(failure)
            continue
        image = repository.image_find(key)
        assert image is not None
        tags = [key["imageTag"]] if "imageTag" in key else list(image.tags)
        for tag in tags:
            image.tags.remove(tag)
            gone.append({"imageDigest": image.digest, "imageTag": tag})
        if not tags:
            gone.append({"imageDigest": image.digest})
        if not image.tags:
            del repository.images[image.digest]
    return {"imageIds": gone, "failures": failures}


def _tag_status(call: Call, image: Image) -> bool:
    status = call.input.get("filter", {}).get("tagStatus", "ANY")
    return status == "ANY" or bool(image.tags) == (status == "TAGGED")


@ACTIONS.action("DescribeImages")
def describe_images(call: Call) -> dict[str, Any]:
    repository = repository_get(call)
    keys = call.input.get("imageIds")
    if keys is None:
        images = [i for i in repository.images.values() if _tag_status(call, i)]
        page, more = paged(images, call, "maxResults", "nextToken", 100, 1000, refuse)
        return {"imageDetails": [image_detail(repository, i) for i in page], **more}
    found = []
    for key in keys:
        image = repository.image_find(key)
        if image is None:
            digest, tag = key.get("imageDigest", "null"), key.get("imageTag", "null")
            raise AwsError("ImageNotFoundException", "The image with imageId {imageDigest:'"
                           f"{digest}', imageTag:'{tag}'}} does not exist within the repository "
                           f"with name '{repository.name}' in the registry with id "
                           f"'{call.account}'")
        if image not in found:
            found.append(image)
    return {"imageDetails": [image_detail(repository, i) for i in found]}


def image_detail(repository: Repository, image: Image) -> dict[str, Any]:
    detail = {"registryId": repository.fields["registryId"], "repositoryName": repository.name,
              "imageDigest": image.digest, "imageSizeInBytes": image.size,
              "imagePushedAt": image.pushed, "imageManifestMediaType": image.media_type}
    return {**detail, "imageTags": image.tags} if image.tags else detail


@ACTIONS.action("ListImages")
def list_images(call: Call) -> dict[str, Any]:
    repository = repository_get(call)
    keys: list[dict[str, str]] = []
    for image in repository.images.values():
        if _tag_status(call, image):
            keys += [{"imageDigest": image.digest, "imageTag": tag} for tag in image.tags] or [
                {"imageDigest": image.digest}]
    page, more = paged(keys, call, "maxResults", "nextToken", 100, 1000, refuse)
    return {"imageIds": page, **more}


# --- layers ---

@ACTIONS.action("InitiateLayerUpload")
def initiate_upload(call: Call) -> dict[str, Any]:
    repository, name = repository_get(call), call.world.uuid()
    repository.uploads[name] = b""
    return {"uploadId": name, "partSize": LAYER_PART}


def _upload(call: Call, repository: Repository) -> str:
    name = str(call.input["uploadId"])
    if name not in repository.uploads:
        raise AwsError("UploadNotFoundException", f"Upload with id '{name}' could not be found for "
                       f"repository with name '{repository.name}' in the registry with id "
                       f"'{call.account}'")
    return name


@ACTIONS.action("UploadLayerPart")
def upload_part(call: Call) -> dict[str, Any]:
    repository = repository_get(call)
    name = _upload(call, repository)
    blob = base64.b64decode(call.input["layerPartBlob"])
    first, last = call.input["partFirstByte"], call.input["partLastByte"]
    if first != len(repository.uploads[name]) or last - first + 1 != len(blob):
        raise AwsError("InvalidLayerPartException", "Layer part range is invalid.",
                       lastValidByteReceived=len(repository.uploads[name]) - 1, uploadId=name,
                       registryId=call.account, repositoryName=repository.name)
    repository.uploads[name] += blob
    return {**_about(repository), "uploadId": name, "lastByteReceived": last}


@ACTIONS.action("CompleteLayerUpload")
def complete_upload(call: Call) -> dict[str, Any]:
    repository = repository_get(call)
    name = _upload(call, repository)
    content = repository.uploads[name]
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    if digest not in call.input["layerDigests"]:
        raise AwsError("InvalidLayerException", "Layer digest does not match the uploaded bytes.")
    del repository.uploads[name]
    if digest in repository.layers:
        raise AwsError("LayerAlreadyExistsException", f"Layer with digest '{digest}' already "
                       f"exists in the repository with name '{repository.name}' in the registry "
                       f"with id '{call.account}'")
    repository.layers[digest] = content
    return {**_about(repository), "uploadId": name, "layerDigest": digest}


@ACTIONS.action("BatchCheckLayerAvailability")
def check_layers(call: Call) -> dict[str, Any]:
    repository = repository_get(call)
    layers, failures = [], []
    for digest in call.input["layerDigests"]:
        if not DIGEST.fullmatch(digest):
            failures.append({"layerDigest": digest, "failureCode": "InvalidLayerDigest",
                             "failureReason": "Invalid request parameters: layer digest"})
        elif digest in repository.layers:
            layers.append({"layerDigest": digest, "layerAvailability": "AVAILABLE",
                           "layerSize": len(repository.layers[digest])})
        else:
            layers.append({"layerDigest": digest, "layerAvailability": "UNAVAILABLE"})
    return {"layers": layers, "failures": failures}


# --- login, tags ---

@ACTIONS.action("GetAuthorizationToken")
def get_token(call: Call) -> dict[str, Any]:
    """Valid for twelve hours (API_GetAuthorizationToken)."""
    store: Ecr = call.store(Ecr)
    password = store.world.hex(64)
    token = base64.b64encode(f"AWS:{password}".encode()).decode()
    registries = call.input.get("registryIds", [call.account])
    return {"authorizationData": [
        {"authorizationToken": token, "expiresAt": store.now() + TOKEN_SECONDS,
         "proxyEndpoint": f"https://{registry}.dkr.ecr.{call.region}.amazonaws.com"}
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
