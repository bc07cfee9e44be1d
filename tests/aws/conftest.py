"""The fixtures of the endpoint's own tests."""

from .fixtures import aws_server, endpoint

__all__ = ["aws_server", "endpoint"]
