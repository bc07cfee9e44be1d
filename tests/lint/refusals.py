#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each refusal that a driver can give is told on its page in docs/drivers/.

A refusal is a message of class ERR_USER or ERR_REFUSED, or one about a lookup that found nothing.
The page tells it if it has the longest of the parts between its values, up to what it advises.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DRIVERS = ("alb", "coverage", "ec2", "elasticache", "route53", "security_group")
LITERAL = r'"((?:[^"\\]|\\.)*)"'
REFUSAL = re.compile(r"(?:err_set\(\w+,\s*ERR_(?:USER|REFUSED),|resource_set_missing\([^,]+,)\s*"
                     rf"((?:{LITERAL}\s*)+)", re.DOTALL)
VALUE = re.compile(r"%(?:\.?\d*|\.\*)[a-z]+")


def refusals(source: str) -> Iterator[str]:
    """The longest part of each message that holds no value."""
    for found in REFUSAL.finditer(source):
        text = "".join(re.findall(LITERAL, found[1])).replace('\\"', '"').replace("%%", "%")
        parts = [re.split("[;:,] ", part.strip(" ':."))[0].strip(" '") for part in
                 VALUE.split(text.split(";")[0])]
        yield max(parts, key=len)


def main() -> int:
    missing, count = [], 0
    for name in DRIVERS:
        page = " ".join((ROOT / "docs" / "drivers" / f"{name}.md").read_text().split())
        for path in sorted((ROOT / "drivers").glob(f"{name}*.c")):
            for text in refusals(path.read_text()):
                count += 1
                if text not in page:
                    missing.append(f"docs/drivers/{name}.md does not tell what {path.name} says: "
                                   f"{text}")
    print("\n".join(missing) or f"refusals: {count} are told on their drivers' pages")
    return 1 if missing or count < 40 else 0


if __name__ == "__main__":
    sys.exit(main())
