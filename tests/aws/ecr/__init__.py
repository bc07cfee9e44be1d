"""Amazon ECR: a model of its own, since moto's digests are not those of the manifests.

https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_PutImage.html and its kin.

  model                         what there is
  repositories, images, layers  the API's actions
  login                         who may push and pull at the registry itself (tests/registry)
"""

from . import images, layers, repositories  # noqa: F401
from .model import ACTIONS, Ecr

__all__ = ["ACTIONS", "Ecr"]
