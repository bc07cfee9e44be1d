# SPDX-License-Identifier: MIT
"""What a job's script writes before its image is built does not get the registry's login, which the
builder is handed (test_image.py has the processes that a script leaves running)."""

from __future__ import annotations

import tempfile

import pytest

from imagehost import PODMAN, ImageHost, compiled, host, registry, users  # noqa: F401

# A program that copies the login from whoever calls it, and where builders look for names of
# programs: containers-registries.conf(5), where a name with a slash is one beside the working
# directory, and docker's plugins.
THIEF = r"""
mkdir -p docker-credential-x "$HOME/.config/containers" "$HOME/.docker/cli-plugins"
printf '#!/bin/sh\ncat /proc/$PPID/fd/9 /proc/self/fd/9 >> %s/stolen\nexit 1\n' "$PWD" > docker-credential-x/evil
chmod +x docker-credential-x/evil
mkdir -p "$TMPDIR/docker-login/cli-plugins"
for directory in "$HOME/.docker" "$TMPDIR/docker-login"; do
    cp docker-credential-x/evil "$directory/cli-plugins/docker-evil"
done
"""
HELPER = """echo 'credential-helpers = ["x/evil", "containers-auth.json"]' \
> "$HOME/.config/containers/registries.conf"
"""
# What could as well say `insecure = true`, which nobody here would notice.
BLOCKED = """printf '[[registry]]\\nlocation = "%s"\\nblocked = true\\n' {registry} \
> "$HOME/.config/containers/registries.conf"
"""
SEEN = "if test -e stolen; then echo 'the login is' stolen; fi"
# docker as far as it counts here: its plugins are called for each command.
DOCKER = """config=${{DOCKER_CONFIG:-$HOME/.docker}}
case " $* " in *" push "*)
    find "$HOME" "$config" -mindepth 1 -printf '%f\\n' > {seen}
    for plugin in "$HOME"/.docker/cli-plugins/* "$config"/cli-plugins/*; do "$plugin"; done
    grep -q auths "$config/config.json" && echo a login >> {seen};;
esac
"""


def sandbox(host: ImageHost, monkeypatch: pytest.MonkeyPatch) -> None:
    host.config["sandbox"] = "bubblewrap"
    monkeypatch.setattr(tempfile, "tempdir", str(host.directory))


@pytest.mark.parametrize("builder", ["buildah", PODMAN], ids=["buildah", "podman"])
@pytest.mark.parametrize("boxed", [False, True], ids=["plain", "sandbox"])
@pytest.mark.parametrize("planted", [HELPER, BLOCKED], ids=["helper", "blocked"])
def test_a_scripts_home_is_not_the_pushs(
        host: ImageHost, builder: str | list[str], boxed: bool, planted: str,
        monkeypatch: pytest.MonkeyPatch) -> None:
    if boxed:
        sandbox(host, monkeypatch)
    host.config["builder"] = builder
    script = THIEF + planted.format(registry=host.registry.host)
    result = host.build(script=script, after_script=SEEN)
    assert result.exit_code == 0, result.log
    assert "the login is stolen" not in result.log
    assert host.images() and host.left() == []


def test_a_scripts_home_is_not_the_pulls(host: ImageHost) -> None:
    """What is fetched with a login comes before the build, which may have its script's HOME."""
    base = f"{host.registry.host}/automation-api:base"
    host.build()
    image = host.ecr.batch_get_image(
        repositoryName="automation-api",
        imageIds=[{"imageDigest": next(iter(host.images().values()))}])["images"][0]
    host.ecr.put_image(repositoryName="automation-api", imageManifest=image["imageManifest"],
                       imageTag="base")
    host.put("api/Dockerfile", f"FROM {base}\nCOPY api/ /srv/\n")
    result = host.build(script=THIEF + HELPER, after_script=SEEN)
    assert result.exit_code == 0, result.log
    assert "the login is stolen" not in result.log


def test_dockers_plugins_are_not_a_scripts(host: ImageHost) -> None:
    seen = host.shared() / "seen"
    host.build_with(DOCKER.format(seen=seen), "docker")
    result = host.build(script=THIEF, after_script=SEEN)
    assert "but repository 'automation-api' has no tag" in result.log
    assert "the login is stolen" not in result.log
    assert seen.read_text().splitlines() == ["config.json", "a login"]
