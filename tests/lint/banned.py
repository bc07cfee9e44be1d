#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Refuses C functions that berth does without, each with what to use instead.

Nor does a format cut a text to so many bytes, "%.100s": half a secret is none that the redactor
knows. What is cut for AWS, which is not shown, may be.
"""

import re
import subprocess
import sys
from pathlib import Path

BANNED = {
    "strcpy": "strbuf or xstrdup", "strcat": "strbuf", "sprintf": "strbuf_addf", "gets": "read",
    "vsprintf": "strbuf_vaddf", "strtok": "strcspn", "gmtime": "gmtime_r", "localtime": "gmtime_r",
    "atoi": "str_to_int64", "atol": "str_to_int64", "system": "process.h", "popen": "process.h",
    "cJSON_GetObjectItem": "json_get, which regards case", "cJSON_Parse": "json_parse",
    "malloc": "xmalloc", "calloc": "xcalloc", "realloc": "xrealloc", "strdup": "xstrdup",
    "setlocale": "nothing: cJSON needs the C locale",
}
ALLOWED = {("executor/base/str.c", "malloc"), ("executor/base/str.c", "calloc"),
           ("executor/base/str.c", "realloc")}
CUT = re.compile(r"%-?\.\d{2,}s")
CUT_FOR_AWS = ("drivers/ecs_task.c", "drivers/iam_preflight.c", "drivers/security_group.c")
CALL = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\])*\"", re.DOTALL)


def main() -> int:
    files = subprocess.run(["git", "ls-files", "executor/*.[ch]", "drivers/*.[ch]"], check=True,
                           capture_output=True, text=True).stdout.split()
    found = []
    for path in files:
        text = Path(path).read_text()
        found += [f"{path}: {cut}: use redact_short" for cut in CUT.findall(text)
                  if path not in CUT_FOR_AWS]
        code = COMMENT.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)
        for number, line in enumerate(code.splitlines(), 1):
            for name in CALL.findall(line):
                if (path, name) not in ALLOWED:
                    found.append(f"{path}:{number}: {name}: use {BANNED[name]}")
    print("\n".join(found) or f"banned: none of {len(BANNED)} functions in {len(files)} files")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
