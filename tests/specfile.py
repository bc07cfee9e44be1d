# SPDX-License-Identifier: MIT
"""Reads a repository's spec as the tests need it: JSON whose lines may be comments."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

SPEC = Path(".berth") / "environment.json"


def spec_read(project: Path) -> dict[str, Any]:
    """That of the project in this directory."""
    return dict(json.loads(re.sub(r"(?m)^\s*//.*$", "", (project / SPEC).read_text())))
