"""Images: manifests and the tags that point to them.

https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_PutImage.html
https://github.com/opencontainers/image-spec/blob/main/manifest.md
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from ..errors import AwsError
from ..registry import Call, paged
from .model import ACTIONS, DIGEST, Ecr, Image, Repository, refuse, repository_get

TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,299}")
INDEXES = ("application/vnd.oci.image.index.v1+json",
           "application/vnd.docker.distribution.manifest.list.v2+json")
DEFAULT_TYPE = "application/vnd.docker.distribution.manifest.v2+json"


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


def _is_in_a_list(repository: Repository, image: Image) -> bool:
    """Whether an image of several platforms is made of it."""
    return any(image.digest == one["digest"] for other in repository.images.values()
               if other.media_type in INDEXES for one in json.loads(other.manifest)["manifests"])


@ACTIONS.action("BatchDeleteImage")
def batch_delete_image(call: Call) -> dict[str, Any]:
    """By tag: the tag goes, and the image if it was the last; by digest: the image goes.

    An image that a manifest list refers to stays, and its last tag with it.
    """
    repository = repository_get(call)
    if not 1 <= len(call.input["imageIds"]) <= 100:
        raise refuse("imageIds must have 1 to 100 elements.")
    gone, failures = [], []
    for key in call.input["imageIds"]:
        failure = image_failure(repository, key)
        if failure:
            failures.append(failure)
            continue
        image = repository.image_find(key)
        assert image is not None
        tags = [key["imageTag"]] if "imageTag" in key else list(image.tags)
        if set(tags) == set(image.tags) and _is_in_a_list(repository, image):
            failures.append({"imageId": key, "failureCode": "ImageReferencedByManifestList",
                             "failureReason": "Requested image referenced by manifest list"})
            continue
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
