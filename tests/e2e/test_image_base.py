# SPDX-License-Identifier: MIT
"""What images are built on: a public one, whose registry says what it is now, and one of the
account's own registry, which only a login gets, and no build sees.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from imagehost import (  # noqa: F401
    SYSTEM, USER, ImageHost, compiled, error_of, host, registry, users)
from registry import Public, public
from world import ENVIRONMENT

ON = "FROM {}\nCOPY api/program /srv/\n"
# A builder that writes down what it was called with, and whether a build finds a login.
WATCHER = """login=none; test -e /dev/fd/9 && login=9
for word; do case $word in build|pull|push) echo $word $login >> {seen};; esac; done
exec buildah "$@"
"""


@pytest.fixture(scope="module")
def base() -> Iterator[Public]:
    with public() as server:
        yield server


@pytest.fixture
def on_public(host: ImageHost, base: Public) -> ImageHost:  # noqa: F811
    """The module is built on the public image."""
    base.mode = ""
    base.put("first")
    host.config["registry"]["certificates"] = str(host.trust(base.certificates))
    host.put("api/Dockerfile", ON.format(base.image))
    return host


def test_a_public_base_is_what_its_registry_says(on_public: ImageHost, base: Public) -> None:
    """One for a single platform, too, at which buildah 1.28 cannot look."""
    first = on_public.build()
    assert first.exit_code == 0, first.log
    assert "built in any case" not in first.log and "STEP 1/" in first.log
    digest = on_public.images()[ENVIRONMENT]
    base.asked.clear()
    again = on_public.build()
    assert again.exit_code == 0 and "nothing to build" in again.log, again.log
    assert [a.split()[0] for a in base.asked] == ["HEAD", "GET", "HEAD"]
    base.put("second")
    changed = on_public.build()
    assert changed.exit_code == 0 and "STEP 1/" in changed.log, changed.log
    assert on_public.images()[ENVIRONMENT] != digest
    assert on_public.left() == []


def test_no_answer_of_a_registry_is_trusted(on_public: ImageHost, base: Public) -> None:
    """A digest that is none is made from the bytes; of all else nothing is skipped."""
    base.mode = "digest of no form"
    assert "in any case" not in on_public.build("plan-api-build").log
    for mode, words in (("elsewhere", "the registry answers with 307"),
                        ("realm in clear", "the registry wants a login (401)"),
                        ("token with a line", "gives no token to whoever has no login (200)")):
        base.mode = mode
        base.asked.clear()
        planned = on_public.build("plan-api-build")
        assert f"does not let berth know what '{base.image}' is now: " in planned.log, planned.log
        assert words in planned.log, planned.log
        assert not [a for a in base.asked if "else" in a]
    base.mode = ""
    on_public.config["registry"]["certificates"] = str(on_public.trust(
        Path(on_public.registry.certificates)))
    untrusted = on_public.build("plan-api-build").log
    assert f"is now: cannot reach https://{base.host}: " in untrusted, untrusted


def test_a_base_of_the_accounts_own(host: ImageHost) -> None:  # noqa: F811
    """It takes a login, which the build does not have."""
    for name in ("automation-base", "automation-empty"):
        host.ecr.create_repository(repositoryName=name)
    host.put("base/Dockerfile", "FROM scratch\nCOPY api/hang /base\n")
    own = f"{host.registry.host}/automation-base:{ENVIRONMENT}"
    host.put("api/Dockerfile", ON.format(own))
    host.module({"paths": ["api"]}, base={"paths": ["base", "api/hang"]})
    early = host.build()
    assert early.exit_code == USER, early.log
    assert f"there is no '{own}', on which 'api/Dockerfile' builds" in error_of(early)
    assert host.build("base-build").exit_code == 0

    seen = host.shared() / "seen"
    host.build_with(WATCHER.format(seen=seen))
    built = host.build()
    assert built.exit_code == 0, built.log
    assert seen.read_text().split("\n") == ["pull 9", "build none", "push 9", ""]
    digest = host.images()[ENVIRONMENT]
    assert "nothing to build" in host.build().log
    host.put("base/Dockerfile", "FROM scratch\nCOPY api/program /base\n")
    assert host.build("base-build").exit_code == 0
    changed = host.build()
    assert changed.exit_code == 0 and "STEP" in changed.log, changed.log
    assert host.images()[ENVIRONMENT] != digest

    host.deny("ecr:GetDownloadUrlForLayer")
    host.put("api/program", b"other")
    denied = host.build()
    assert denied.exit_code == SYSTEM, denied.log
    assert f"the registry does not let berth pull '{own}', on which 'api/Dockerfile' builds: the " \
        "role needs ecr:BatchCheckLayerAvailability, ecr:BatchGetImage" in error_of(denied)
    host.deny()
    assert host.left() == []
