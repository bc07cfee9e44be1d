# SPDX-License-Identifier: MIT
"""What the config executable says: executors/custom/custom.go, dynamicConfig; api.ConfigExecOutput.

The runner hands its standard output to Go's json.Unmarshal: keys match in any case, the last of
several wins, unknown ones are ignored, null leaves a field alone; one wrong type, a second value or
anything else that is no JSON is an error.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from .errors import StageError

PREFIX = "error while parsing JSON output: "


class Pairs(list[tuple[str, Any]]):
    """A JSON object as it was written: every key, in order."""


@dataclass
class ConfigOutput:
    """None: not said, config.toml's value stays."""

    driver_name: str | None = None
    driver_version: str | None = None
    hostname: str | None = None
    builds_dir: str | None = None
    cache_dir: str | None = None
    builds_dir_is_shared: bool | None = None
    shell: str | None = None
    job_env: dict[str, str] = field(default_factory=dict)


STRINGS = ("hostname", "builds_dir", "cache_dir", "shell")


def type_error(value: Any, where: str, wanted: str) -> StageError:
    names = {Pairs: "object", list: "array", str: "string", bool: "bool"}
    name = names.get(type(value), "number")
    return StageError(
        f"{PREFIX}json: cannot unmarshal {name} into Go struct field "
        f"ConfigExecOutput.{where} of type {wanted}"
    )


def take_string(value: Any, where: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise type_error(value, where, "string")
    # encoding/json puts U+FFFD where an escape names half of a surrogate pair.
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def take_driver(output: ConfigOutput, value: Any) -> None:
    if value is None:
        output.driver_name = output.driver_version = None
        return
    if not isinstance(value, Pairs):
        raise type_error(value, "driver", "api.DriverInfo")
    for key, item in value:
        if key.casefold() == "name":
            output.driver_name = take_string(item, "driver.name")
        elif key.casefold() == "version":
            output.driver_version = take_string(item, "driver.version")


def take_job_env(output: ConfigOutput, value: Any) -> None:
    """A map is filled up by a second object of the same key; a null value is the empty string."""
    if value is None:
        output.job_env = {}
        return
    if not isinstance(value, Pairs):
        raise type_error(value, "job_env", "map[string]string")
    for key, item in value:
        name = take_string(key, "job_env") or ""
        output.job_env[name] = take_string(item, "job_env") or ""


def take_field(output: ConfigOutput, key: str, value: Any) -> None:
    name = key.casefold()
    if name in STRINGS:
        setattr(output, name, take_string(value, name))
    elif name == "builds_dir_is_shared":
        if value is not None and not isinstance(value, bool):
            raise type_error(value, name, "bool")
        output.builds_dir_is_shared = value
    elif name == "driver":
        take_driver(output, value)
    elif name == "job_env":
        take_job_env(output, value)


def refuse_constant(name: str) -> None:
    raise ValueError(f"invalid character '{name[0]}' looking for beginning of value")


def parse_config(data: bytes) -> ConfigOutput:
    """No output at all is no configuration; white space alone is an error already."""
    output = ConfigOutput()
    if not data:
        return output
    try:
        # A byte order mark is U+FEFF to this decoder, and then no beginning of a value.
        document = json.loads(
            data.decode("utf-8", "replace"),
            object_pairs_hook=Pairs,
            parse_constant=refuse_constant,
        )
    except (ValueError, RecursionError) as error:
        raise StageError(f"{PREFIX}{error}") from error
    if document is None:
        return output
    if not isinstance(document, Pairs):
        raise type_error(document, "", "api.ConfigExecOutput")
    for key, value in document:
        take_field(output, key, value)
    return output
