"""Layers: uploaded in parts, and asked for.

https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_UploadLayerPart.html
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from ..errors import AwsError
from ..registry import Call
from .model import ACTIONS, DIGEST, Repository, about, repository_get

LAYER_PART = 20971520


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
    return {**about(repository), "uploadId": name, "lastByteReceived": last}


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
    return {**about(repository), "uploadId": name, "layerDigest": digest}


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
