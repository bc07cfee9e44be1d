# SPDX-License-Identifier: MIT
"""<module>-build: images built by buildah as a job's user who has nothing, and pushed to ECR's
registry. boto3 is the witness for what is there, /proc and the host's directories for what is left.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from imagehost import (  # noqa: F401
    PLAIN, SYSTEM, USER, ImageHost, compiled, drive_of, error_of, host, registry, running, users)
from jobhost import command_of, processes_of, run_account_tool
from waiting import until
from world import ENVIRONMENT

pytestmark = pytest.mark.by_the_clock

# A builder that writes down, when it is to push, whether the count goes on.
WATCHER = """case " $* " in *" push "*)
    before=$(od -An -tu8 {count}); sleep 0.5
    echo $before $(od -An -tu8 {count}) > {seen};;
esac
exec buildah "$@"
"""


def test_an_image_is_built_once_for_its_content(host: ImageHost) -> None:
    planned = host.build("plan-api-build")
    assert planned.exit_code == 0, planned.log
    assert "would build 'api' with 'api/Dockerfile' by buildah" in planned.log
    assert host.images() == {}

    first = host.build()
    assert first.exit_code == 0, first.log
    images = host.images()
    content = next(tag for tag in images if tag.startswith("branch-content-"))
    assert set(images) == {f"{ENVIRONMENT}-102", ENVIRONMENT, content}
    digest = images[ENVIRONMENT]
    assert set(images.values()) == {digest}
    assert re.search(rf"api: {digest}, \d\.\d MB; built in \S+ \S+, pushed in", first.log)
    assert host.left() == []

    again = host.build()
    assert again.exit_code == 0, again.log
    assert "nothing to build" in again.log and "STEP" not in again.log
    assert host.images() == images | {f"{ENVIRONMENT}-103": digest}

    host.put("api/program", (host.project / "api/hang").read_bytes())
    changed = host.build()
    assert changed.exit_code == 0, changed.log
    after = host.images()
    assert after[ENVIRONMENT] == after[f"{ENVIRONMENT}-104"] != digest
    assert after[content] == digest


def test_production_trusts_its_own_builds_alone(host: ImageHost) -> None:
    host.config["allowUnisolatedProduction"] = True
    assert host.build().exit_code == 0
    host.aws.record_clear()
    result = host.build(ref="master", protected=True)
    assert result.exit_code == 0, result.log
    assert "STEP" in result.log
    images = host.images()
    assert images["latest"] == images["automation-master"] != images[ENVIRONMENT]
    put = [c["input"]["imageTag"] for c in host.aws.calls("ecr", "PutImage")]
    assert put[1:] == ["automation-master-102", "automation-master", "latest"]
    assert re.fullmatch("content-[0-9a-f]{64}", put[0])
    branch = host.build(ref="dev/feature/other")  # has what production has built
    assert "nothing to build" in branch.log


def test_an_older_pipeline_moves_no_tag_back(host: ImageHost) -> None:
    """Run once more, or late: it has its own image, which its deploy takes. One that is newer, of
    the same commit or another, moves them all."""
    production = {"ref": "master", "protected": True}
    host.config["allowUnisolatedProduction"] = True
    host.module({})
    first = host.build(pipeline=200, **production)
    assert first.exit_code == 0 and "stays" not in first.log, first.log
    assert "stays" not in host.build(pipeline=300, **production).log
    new = host.images()
    assert new["automation-master"] == new["latest"] == new["automation-master-300"]
    old = host.build(pipeline=250, **production)
    assert old.exit_code == 0, old.log
    assert ("'automation-api:automation-master', like 'latest', stays the image of pipeline 300, "
            "which is newer than this one") in old.log
    assert host.images().items() - new.items() == {
        ("automation-master-250", host.images()["automation-master-250"])}
    assert "stays" not in host.build(pipeline=301, **production).log
    images = host.images()
    assert images["automation-master"] == images["latest"] == images["automation-master-301"]


@pytest.mark.parametrize("sandbox", [False, True])
def test_what_runs_in_a_build(host: ImageHost, sandbox: bool, monkeypatch: pytest.MonkeyPatch
                              ) -> None:
    """RUN works for a user without subordinate ids; no login is there yet."""
    if sandbox:
        host.config["sandbox"] = "bubblewrap"
        monkeypatch.setattr(tempfile, "tempdir", str(host.directory))  # it hides /tmp
    host.put("api/Dockerfile", PLAIN + 'ARG WHO\nLABEL who=$WHO\nRUN ["/srv/program", "x"]\n')
    host.module({"args": {"WHO": "${KIND}"}})
    result = host.build()
    assert result.exit_code == 0, result.log
    assert "built in any case: modules.api has no 'paths'" in result.log
    assert not [tag for tag in host.images() if "content" in tag]
    calls = [c["action"] for c in host.aws.record() if c["service"] == "ecr"]
    assert calls.index("GetAuthorizationToken") > calls.index("DescribeRepositories")
    assert host.left() == []


@pytest.mark.parametrize(("change", "code", "message"), [
    ("dockerfile", USER, "modules.api: there is no 'api/Dockerfile' in the repository: add it"),
    ("link", USER, "modules.api: 'api/Dockerfile' goes through a symbolic link, which is not "
                   "followed: name another as 'dockerfile'"),
    ("outside", USER, "modules.api.dockerfile: '../Dockerfile' leads out of its directory: name "
                      "another as 'dockerfile'"),
    ("repository", USER, "repository 'automation-api' does not exist: run the job 'basic-infra'"),
    ("paths", USER, "modules.api.paths: 'lib': cannot read 'lib'"),
    ("builder", SYSTEM, "the host config's 'builder' does not work on this host: /opt/none/buildah"),
])
def test_what_is_missing(host: ImageHost, change: str, code: int, message: str) -> None:
    if change == "dockerfile":
        (host.project / "api/Dockerfile").unlink()
    elif change == "link":
        (host.project / "api/Dockerfile").rename(host.project / "Dockerfile")
        (host.project / "api/Dockerfile").symlink_to("../Dockerfile")
    elif change == "outside":
        host.module({"dockerfile": "../Dockerfile"})
    elif change == "repository":
        host.ecr.delete_repository(repositoryName="automation-api")
    elif change == "paths":
        host.module({"paths": ["api", "lib"]})
    else:
        host.config["builder"] = ["/opt/none/buildah"]
    result = host.build()
    assert result.exit_code == code, result.log
    assert message in error_of(result)
    assert host.left() == []


def test_a_repository_is_one_modules_and_this_projects(host: ImageHost) -> None:
    """Both are known before anything is built."""
    host.module({}, web={"repository": "automation-api"})
    shared = host.build()
    assert shared.exit_code == USER, shared.log
    assert ".berth/environment.json" in error_of(shared)
    assert "modules.web.repository: 'automation-api' is the repository of module 'api' already" \
        in error_of(shared)
    host.module({})
    arn = host.ecr.describe_repositories()["repositories"][0]["repositoryArn"]
    host.ecr.tag_resource(resourceArn=arn, tags=[{"Key": "berth:project", "Value": "78"}])
    foreign = host.build()
    assert foreign.exit_code == USER, foreign.log
    assert "modules.api: repository 'automation-api' is another project's, whose id its tag " \
        "'berth:project' says (78; this one is 77)" in error_of(foreign)
    assert "STEP" not in shared.log + foreign.log and host.images() == {}
    host.ecr.tag_resource(resourceArn=arn, tags=[{"Key": "berth:project", "Value": "77"}])
    assert host.build().exit_code == 0


def test_a_build_that_fails(host: ImageHost) -> None:
    host.put("api/Dockerfile", PLAIN + "COPY ../outside /x\n")
    result = host.build()
    assert result.exit_code == USER, result.log
    assert "modules.api: the image was not built: 'buildah build' of 'api/Dockerfile' ended with" \
        in error_of(result)
    assert host.images() == {} and host.left() == []
    assert not host.aws.calls("ecr", "GetAuthorizationToken")


def test_a_build_that_hangs_and_one_that_is_cancelled(host: ImageHost) -> None:
    host.put("api/Dockerfile", PLAIN + 'RUN ["/srv/hang"]\n')
    with running(host) as job:
        until(lambda: "hang" in host.left())
        job.cancel()
        result = job.wait(240)
    assert result.status == "canceled", result.log
    assert host.images() == {} and host.left() == []
    host.config["buildSeconds"] = 1
    result = host.build()
    assert result.exit_code == SYSTEM, result.log
    assert "the image was not built: 'buildah' took longer than 1 s and was ended" in \
        error_of(result)
    assert host.left() == []


def test_pushes_that_go_wrong(host: ImageHost) -> None:
    host.aws.fault(service="ecr", action="UploadLayerPart", nth=1, fault="error", status=503)
    result = host.build()
    assert result.exit_code == 0, result.log
    assert "the push failed; trying again in 2 s (2 of 4)" in result.log
    assert ENVIRONMENT in host.images()
    host.aws.clear_faults()

    host.put("api/more", "more")
    host.deny("ecr:InitiateLayerUpload")
    denied = host.build()
    assert denied.exit_code == SYSTEM, denied.log
    assert "the registry does not let berth push to 'automation-api'" in error_of(denied)
    host.deny()

    host.ecr.put_image_tag_mutability(repositoryName="automation-api",
                                      imageTagMutability="IMMUTABLE")
    before = host.images()
    immutable = host.build()
    assert immutable.exit_code == USER, immutable.log
    assert f"immutable, and its tag '{ENVIRONMENT}' is another image's" in error_of(immutable)
    assert host.images()[ENVIRONMENT] == before[ENVIRONMENT]
    assert host.left() == []


def test_a_push_that_is_cancelled(host: ImageHost) -> None:
    host.aws.fault(service="ecr", action="UploadLayerPart", fault="slow", seconds=600)
    with running(host) as job:
        until(lambda: host.aws.calls("ecr", "GetAuthorizationToken"))
        job.cancel()
        result = job.wait(240)
    assert result.status == "canceled", result.log
    assert host.images() == {} and host.left() == []
    assert "eyJ" not in result.log and "Basic " not in result.log


# A builder whose build leaves files of an id that is subordinate to the job's user.
LEAVES = """case " $* " in *" build "*)
    mkdir left; touch left/file {shm} {shm}-own; chown 5:5 left left/file {shm}; chmod 700 left
    chown 7 {shm}-own;;
esac
exec buildah "$@"
"""


def test_what_a_build_leaves_of_subordinate_ids(host: ImageHost) -> None:
    """The job's user could remove none of it, and its next job would not get its sources. What is
    of somebody else of the host, whose id lies in the range, stays."""
    user = host.config["user"][0]
    somebody = f"{user}-own"
    run_account_tool("usermod", "--add-subuids", "1900000000-1900065535",
                     "--add-subgids", "1900000000-1900065535", user)
    run_account_tool("useradd", "--system", "--uid", "1900000006", "--non-unique", "--gid", user,
                     "--no-create-home", somebody)
    shm = Path(f"/dev/shm/{host.directory.name}")
    own = Path(f"{shm}-own")
    try:
        host.build_with(LEAVES.format(shm=shm))
        seen = host.build(keep=True)
        assert seen.exit_code == 0, seen.log
        assert not shm.exists() and list(host.builds.rglob("left")) == []
        assert own.stat().st_uid == 1900000006
        again = host.build(keep=True)  # in the same directory
        assert again.exit_code == 0 and "nothing to build" in again.log, again.log
    finally:
        own.unlink(missing_ok=True)
        run_account_tool("userdel", somebody)
        run_account_tool("usermod", "--del-subuids", "1900000000-1900065535",
                         "--del-subgids", "1900000000-1900065535", user)


# docker's command line without its daemon: what it is called with, a line each.
DOCKER = """echo "$@" >> {called}
"""


@pytest.mark.skipif(shutil.which("docker") is None, reason="there is no docker to ask")
def test_docker_has_the_options_that_it_is_called_with(host: ImageHost) -> None:
    called = host.shared() / "called"
    host.build_with(DOCKER.format(called=called), "docker")
    host.module({"args": {"A": "1"}, "target": "x", "platform": "linux/amd64"})
    assert "was pushed, but repository 'automation-api' has no tag" in error_of(host.build())
    commands = [line.split() for line in called.read_text().splitlines()]
    assert [words[0] for words in commands] == ["info", "build", "push", "rmi"]
    for command, *words in commands:
        known = subprocess.run(["docker", command, "--help"], capture_output=True, text=True).stdout
        options = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert options <= set(re.findall(r"--[a-z-]+", known)), command


def is_pushing(host: ImageHost) -> bool:
    """Whether a builder has begun to."""
    return any(" push " in command_of(pid) for pid, _ in processes_of(host.config["user"]))


def test_a_push_that_is_killed_and_tried_again(host: ImageHost) -> None:
    host.aws.fault(service="ecr", action="UploadLayerPart", fault="slow", seconds=600)
    with running(host) as job:
        os.kill(until(lambda: is_pushing(host) and drive_of(host)), signal.SIGKILL)
        result = job.wait(240)
    assert result.exit_code == SYSTEM, result.log
    assert host.images() == {} and host.left() == []
    host.aws.clear_faults()
    host.pipeline -= 1
    again = host.build()
    assert again.exit_code == 0, again.log
    assert f"{ENVIRONMENT}-{host.pipeline}" in host.images() and host.left() == []


# A builder that builds nothing, and pushes so.
PUSHES = """case " $* " in *" push "*) {};; esac
"""
# What buildah says, after tries of its own that take as long again.
REFUSED = """echo 'Error: trying to reuse blob sha256:0 at destination: pinging container registry \
127.0.0.1:1: Get "https://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused' >&2
exit 125"""


TOO_LARGE = """echo "Error: uploading manifest 1 to $registry/denied-certificate: \
received unexpected HTTP status: 413 Request Entity Too Large" >&2
exit 125"""


def test_a_repositorys_name_says_nothing_of_what_is_wrong(host: ImageHost) -> None:
    name = "denied-certificate"
    host.ecr.create_repository(repositoryName=name)
    host.module({"repository": name})
    host.build_with(PUSHES.format(TOO_LARGE.replace("$registry", host.registry.host)))
    result = host.build()
    assert result.exit_code == SYSTEM, result.log
    assert "push' failed, as its own words above say" in error_of(result)
    assert "trying again" not in result.log


def test_a_registry_that_is_not_there(host: ImageHost) -> None:
    """Refused, of an authority that nobody trusts, and silent."""
    empty = host.directory / "empty"
    empty.mkdir()
    trusted, host.config["registry"] = host.config["registry"], {"certificates": str(empty)}
    untrusted = host.build()
    assert untrusted.exit_code == SYSTEM, untrusted.log
    assert "not pushed: the registry's certificate is not trusted" in error_of(untrusted)
    assert "trying again" not in untrusted.log
    host.config["registry"] = trusted
    host.build_with(PUSHES.format(REFUSED))
    refused = host.build()
    assert refused.exit_code == SYSTEM, refused.log
    assert "the push failed; trying again in 8 s (4 of 4)" in refused.log
    assert "modules.api: the image was built, but not pushed: the registry " \
        f"'{host.registry.host}' cannot be reached from this host" in error_of(refused)
    builder = host.build_with(PUSHES.format("exec sleep 600"))
    host.config["buildSeconds"] = 5
    silent = host.build()
    assert silent.exit_code == SYSTEM, silent.log
    assert f"not pushed: '{builder}' took longer than 5 s and was ended" in error_of(silent)
    assert host.images() == {} and host.left() == []


def test_nothing_of_the_users_runs_beside_the_login(host: ImageHost, compiled: Path) -> None:
    """Else what a script has left could read it from the builder's descriptors."""
    count, seen, chain = (host.shared() / name for name in ("count", "seen", "chain"))
    shutil.copy(compiled / "chain", chain)
    host.build_with(WATCHER.format(count=count, seen=seen))
    result = host.build(script=f"{chain} {count} & sleep 0.5")
    assert result.exit_code == 0, result.log
    before, after = seen.read_text().split()
    assert int(before) > 0 and before == after
    assert host.left() == []
