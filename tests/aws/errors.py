"""The one exception by which a behaviour refuses a call, in AWS's words."""

from __future__ import annotations

from typing import Any


class AwsError(Exception):
    """An error answer: AWS's code, message, HTTP status, and members beyond these two."""

    def __init__(self, code: str, message: str, status: int = 400, **members: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members = members
