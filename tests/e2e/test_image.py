# SPDX-License-Identifier: MIT
"""<module>-build: images built by buildah as a job's user who has nothing, and pushed to ECR's
registry. boto3 is the witness for what is there, /proc and the host's directories for what is left.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import policed
from jobhost import JobHost, make_users, processes_of, remove_users, wait_for
from registry import Registry
from runner import Result, RunningJob, make_options
from world import BRANCH, ENVIRONMENT, Endpoint

USER, SYSTEM = 1, 2
PRINCIPAL = "arn:aws:iam::123456789012:user/berth"
PROBE = "int main(int n, char **v) { (void)v; return n > 9; }\n"
HANG = "#include <unistd.h>\nint main(void) { for (;;) pause(); }\n"
# One that is gone when it is looked at, and always there: it counts in the file that it is given.
CHAIN = """
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    int fd = open(argv[argc - 1], O_RDWR | O_CREAT, 0666);
    unsigned long *count = ftruncate(fd, 8) == 0
        ? mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : NULL;
    time_t end = time(NULL) + 60;
    signal(SIGTERM, SIG_IGN);
    setsid();
    while (time(NULL) < end) {
        if (fork() > 0)
            _exit(0);
        ++*count;
    }
    return 0;
}
"""
# A builder that writes down, when it is to push, whether the count goes on.
WATCHER = """#!/bin/sh
case " $* " in *" push "*)
    before=$(od -An -tu8 {count}); sleep 0.5
    echo $before $(od -An -tu8 {count}) > {seen};;
esac
exec buildah "$@"
"""
PLAIN = "FROM scratch\nCOPY api/ /srv/\nENTRYPOINT [\"/srv/program\"]\n"


@pytest.fixture(scope="module")
def users() -> Iterator[list[str]]:
    if os.geteuid() != 0:
        pytest.skip("only root can run builds as another user")
    names = make_users(1)
    yield names
    remove_users(names)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Static programs, since an image built on nothing has no libraries."""
    directory = tmp_path_factory.mktemp("compiled")
    for name, text in (("program", PROBE), ("hang", HANG), ("chain", CHAIN)):
        (directory / f"{name}.c").write_text(text)
        subprocess.run(["gcc", "-static", "-Os", "-o", directory / name, directory / f"{name}.c"],
                       check=True)
    return directory


@pytest.fixture(scope="module")
def registry(endpoint: Endpoint) -> Iterator[Registry]:
    with Registry(endpoint.url) as started:
        yield started
    endpoint.control("POST", "registry", {"host": None})


class ImageHost(JobHost):
    """A project with a module `api`, whose repository is there."""

    def __init__(self, users: list[str], aws: Endpoint, registry: Registry, compiled: Path) -> None:
        super().__init__(users)
        self.aws, self.registry, self.pipeline, self.denied = aws, registry, 100, False
        self.config_path = Path(self.environ["BERTH_CONFIG"])
        self.environ |= {"AWS_ENDPOINT_URL": aws.url, "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
                         "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
        self.police = policed.Police(self) if policed.WANTED else None  # type: ignore[arg-type]
        self.environ |= self.police.environ() if self.police else {}
        certificates = shutil.copytree(registry.certificates, self.directory / "certificates")
        self.config |= {"builder": "buildah", "registry": {"certificates": str(certificates)}}
        self.ecr = aws.client("ecr")
        self.ecr.create_repository(repositoryName="automation-api")
        self.put("api/Dockerfile", PLAIN)
        for name in ("program", "hang"):
            self.put(f"api/{name}", (compiled / name).read_bytes())
        self.module({"paths": ["api"]})

    def put(self, path: str, content: str | bytes) -> None:
        file = self.project / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        file.chmod(0o755)

    def module(self, module: dict[str, Any], **others: dict[str, Any]) -> None:
        self.put(".berth/environment.json", json.dumps(
            {"network": {"vpc": "vpc-1", "privateSubnets": ["subnet-1"]}, "services": {},
             "modules": {"api": module, **others}}, indent=2))

    def options(self, job: str = "api-build", **more: Any) -> dict[str, Any]:
        self.pipeline += 1
        given = {"ref": BRANCH, "pipeline": self.pipeline, "timeout": 600, **more}
        self.write_config()
        if self.police and not self.denied:
            self.police.hold("production" if given["ref"] == "master" else "ephemeral")
        return super().options(job, **given)

    def deny(self, *actions: str) -> None:
        """Some actions to whom jobs run as, who may do all else."""
        self.denied = bool(actions)
        statements: list[dict[str, Any]] = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
        if actions:
            statements.append({"Effect": "Deny", "Action": list(actions), "Resource": "*"})
        self.aws.enforce_on(policed.JOBS if self.police else PRINCIPAL,
                            {"Version": "2012-10-17", "Statement": statements})

    def build(self, job: str = "api-build", **more: Any) -> Result:
        return self.play(job, **more)

    def images(self) -> dict[str, str]:
        """Digests by tag."""
        found = self.ecr.describe_images(repositoryName="automation-api")["imageDetails"]
        return {tag: i["imageDigest"] for i in found for tag in i.get("imageTags", [])}

    def left(self) -> list[str]:
        """What is on the host of the jobs that have ended."""
        user = self.config["user"][0]
        found = [str(p) for p in (self.builds / user / "tmp").glob("*")]
        found += [str(p) for p in (self.directory / "cache").rglob("*images*")]
        return found + [name for _, name in processes_of([user])]


@pytest.fixture
def host(users: list[str], endpoint: Endpoint, registry: Registry, compiled: Path
         ) -> Iterator[ImageHost]:
    endpoint.reset()
    host = ImageHost(users, endpoint, registry, compiled)
    yield host
    host.remove()


def error_of(result: Result) -> str:
    errors = re.findall(r"(?m)^ERROR: (.*)$", result.log)
    return str([e for e in errors if not e.startswith("Job failed")][-1])


@contextmanager
def job(host: ImageHost) -> Iterator[RunningJob]:
    with RunningJob(make_options(**host.options(graceful_kill_timeout=120.0))) as running:
        yield running


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
    ("repository", USER, "repository 'automation-api' does not exist: run the job 'basic-infra'"),
    ("paths", USER, "modules.api.paths: 'lib': cannot read 'lib'"),
    ("builder", SYSTEM, "the host config's 'builder' does not work on this host: /opt/none/buildah"),
])
def test_what_is_missing(host: ImageHost, change: str, code: int, message: str) -> None:
    if change == "dockerfile":
        (host.project / "api/Dockerfile").unlink()
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
    with job(host) as running:
        wait_for_long(lambda: "hang" in host.left())
        running.cancel()
        result = running.wait(240)
    assert result.status == "canceled", result.log
    assert host.images() == {} and host.left() == []
    host.config["buildSeconds"] = 1
    result = host.build()
    assert result.exit_code == SYSTEM, result.log
    assert "the image was not built: 'buildah' took longer than 1 s and was ended" in \
        error_of(result)
    assert host.left() == []


def wait_for_long(look: Any) -> None:
    for _ in range(10):
        try:
            wait_for(look)
            return
        except AssertionError:
            continue
    raise AssertionError("it never came")


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
    with job(host) as running:
        wait_for_long(lambda: host.aws.calls("ecr", "GetAuthorizationToken"))
        running.cancel()
        result = running.wait(240)
    assert result.status == "canceled", result.log
    assert host.images() == {} and host.left() == []
    assert "eyJ" not in result.log and "Basic " not in result.log


def test_nothing_of_the_users_runs_beside_the_login(host: ImageHost, compiled: Path) -> None:
    """Else what a script has left could read it from the builder's descriptors."""
    shared = host.directory / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    count, seen = shared / "count", shared / "seen"
    chain, builder = shared / "chain", shared / "buildah"
    shutil.copy(compiled / "chain", chain)
    builder.write_text(WATCHER.format(count=count, seen=seen))
    builder.chmod(0o755)
    host.config["builder"] = [str(builder)]
    result = host.build(script=f"{chain} {count} & sleep 0.5")
    assert result.exit_code == 0, result.log
    before, after = seen.read_text().split()
    assert int(before) > 0 and before == after
    assert host.left() == []
