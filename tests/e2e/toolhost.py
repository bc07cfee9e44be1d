# SPDX-License-Identifier: MIT
"""A runner host for jobs of tools: a project with one module, and programs of the test's own."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from executorhost import Host

SPEC = ".berth/environment.json"


def write_project(project: Path, modules: dict[str, Any]) -> None:
    spec = project / SPEC
    spec.parent.mkdir(exist_ok=True)
    spec.write_text(json.dumps({"network": {"vpc": "vpc-1", "privateSubnets": ["subnet-1"]},
                                "services": {}, "modules": modules}, indent=2))


class ToolHost(Host):
    """A module `app` with one clean file."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.bin = directory / "bin"
        self.bin.mkdir()
        self.modules({"app": {}})
        self.put("app/main.py", '"""A module."""\n')

    def modules(self, modules: dict[str, Any]) -> None:
        write_project(self.project, modules)

    def put(self, path: str, text: str) -> None:
        file = self.project / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def put_program(self, name: str, text: str) -> Path:
        """A bash script in a directory of its own, named by its full path in the host config."""
        program = self.bin / name
        program.write_text("#!/bin/bash\n" + text)
        program.chmod(0o755)
        return program

    def linter(self, text: str, *arguments: str) -> Path:
        program = self.put_program("linter", text)
        self.config["tools"] = {"linter": [str(program), *arguments]}
        return program


def errors(log: str) -> list[str]:
    """What berth says; the last such line is the runner's own."""
    return [e for e in re.findall(r"(?m)^ERROR: (.*)$", log) if not e.startswith("Job failed")]
