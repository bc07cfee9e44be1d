#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves from the includes that dependencies point down only.

    mains -> engine -> drivers -> drivers/aws -> base

A file may include headers of its own layer and of those below it. The few programs that the runner
calls for every stage must not reach the engine, the drivers or the AWS client at all.
"""

import re
import subprocess
import sys
from pathlib import Path

LAYERS = [  # the first prefix that fits decides; a higher number may include a lower one
    ("executor/base/", 0),
    ("drivers/aws/", 1),
    ("drivers/", 2),
    ("executor/engine/", 3),
    ("executor/", 4),
]
SMALL = ["config", "prepare", "run", "cleanup", "job", "dispatch", "hostconfig", "script", "joblog",
         "jobuser", "claim", "wipe", "sandbox", "guard"]
FOREIGN = {  # libraries by the layers that may know them
    "curl/": {"drivers/aws/"},
    "libxml/": {"drivers/aws/", "drivers/xmlread.c"},
    "openssl/": {"drivers/aws/", "executor/environment.c"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]', re.MULTILINE)


def layer(path: str) -> int | None:
    return next((rank for prefix, rank in LAYERS if path.startswith(prefix)), None)


def problems(path: str, text: str) -> list[str]:
    found = []
    small = path in {f"executor/{name}.{end}" for name in SMALL for end in "ch"}
    for include in INCLUDE.findall(text):
        below = layer(include)
        if below is not None and below > layer(path):
            found.append(f"{path}: includes {include}, which lies above it")
        if small and include.startswith(("drivers/", "executor/engine/")):
            found.append(f"{path}: includes {include}, which a stage must not pay for")
        for library, allowed in FOREIGN.items():
            if include.startswith(library) and not path.startswith(tuple(allowed)):
                found.append(f"{path}: includes <{include}>, which only {', '.join(sorted(allowed))} may")
    return found


def main() -> int:
    files = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard",
                            "executor/*.[ch]", "drivers/*.[ch]"],
                           check=True, capture_output=True, text=True).stdout.split()
    found = [line for path in files if Path(path).exists()
             for line in problems(path, Path(path).read_text())]
    print("\n".join(found) or f"arrows: {len(files)} files, every include points down")
    return 1 if found or not files else 0


if __name__ == "__main__":
    sys.exit(main())
