# SPDX-License-Identifier: MIT
"""berth sweep: environments that nobody uses go, and never one that somebody might."""

from __future__ import annotations

import fcntl
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from gitlabhost import TOKEN, Answer, GitLab
from policed import Police, actions_for
from test_destroy import alarm_of
from test_expiry import set_left, set_time_to_live
from test_list import deny_role
from waiting import wait_for_call
from world import BRANCH, BUILD, ENVIRONMENT, FIX, FIX_ENVIRONMENT, PROJECT_ID, World

MINUTE = timedelta(minutes=1)


@pytest.fixture
def gitlab() -> Iterator[GitLab]:
    with GitLab(PROJECT_ID, ["master", BRANCH, FIX]) as server:
        yield server


@pytest.fixture
def world(three: World, tmp_path: Path, gitlab: GitLab) -> World:
    world = three.unpoliced()
    token = tmp_path / "gitlab.token"
    token.write_text(TOKEN + "\n")
    token.chmod(0o600)
    world.config["gitlab"] = {"url": gitlab.url, "tokenFile": "gitlab.token"}
    world.write_config()
    return world


def sweep(world: World, *arguments: str, code: int = 0) -> dict[str, dict[str, Any]]:
    done = world.berth("sweep", "--json", *arguments, code=code)
    assert TOKEN not in done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["schema"] == "berth-sweep/1" and told["succeeded"] == (code == 0)
    return {one["environment"]: one for one in told["environments"]}


def clusters(world: World) -> set[str]:
    ecs = world.aws.client("ecs")
    found = ecs.describe_clusters(clusters=ecs.list_clusters()["clusterArns"])["clusters"]
    return {one["clusterName"] for one in found if one["status"] == "ACTIVE"}


ALL = {ENVIRONMENT, FIX_ENVIRONMENT, "automation-master"}


def test_what_has_no_branch_goes_and_all_else_stays(world: World, gitlab: GitLab) -> None:
    gitlab.branches.remove(FIX)
    dry = sweep(world)
    assert world.writes() == []
    assert {name for name, one in dry.items() if one["sweep"]} == {FIX_ENVIRONMENT}
    assert dry[FIX_ENVIRONMENT]["reason"] == "branch gone"
    assert dry["automation-master"]["why"] == "it is production"
    done = sweep(world, "--yes")
    assert done[FIX_ENVIRONMENT]["result"] == "destroyed" and done[FIX_ENVIRONMENT]["removed"] > 15
    assert {one["result"] for name, one in done.items() if name != FIX_ENVIRONMENT} == {"none"}
    assert clusters(world) == ALL - {FIX_ENVIRONMENT}
    assert FIX_ENVIRONMENT not in sweep(world, "--yes")
    assert world.job().exit_code == 0  # the other one is whole


def test_what_is_over_goes_unless_a_deploy_renews_it(world: World) -> None:
    set_time_to_live(world, "72h")
    assert not any(one["sweep"] for one in sweep(world).values())  # without a tag: no limit yet
    set_left(world, -MINUTE)
    assert sweep(world)[ENVIRONMENT]["reason"] == "time over"
    set_time_to_live(world, None)  # a tag from before means nothing then
    assert not any(one["sweep"] for one in sweep(world).values())
    set_time_to_live(world, "72h")
    del world.config["gitlab"]
    world.write_config()
    assert sweep(world, "--yes")[ENVIRONMENT]["result"] == "destroyed"
    assert clusters(world) == ALL - {ENVIRONMENT}


def empty(answer: Answer) -> Answer:
    return answer[0], answer[1], "[]"


def cut(answer: Answer) -> Answer:
    return answer[0], {"Content-Length": str(len(answer[2]))}, answer[2][:-20]


def without(name: str, answer: Answer) -> Answer:
    return answer[0], answer[1], json.dumps([b for b in json.loads(answer[2]) if b["name"] != name])


WRONG = {
    "an error": lambda answer: (500, {}, json.dumps({"message": "500 Internal Server Error"})),
    "a page of its proxy": lambda answer: (200, answer[1], "<html>Sign in</html>"),
    "no permission": lambda answer: (403, {}, json.dumps({"message": "403 Forbidden"})),
    "somewhere else": lambda answer: (302, {"Location": "https://127.0.0.1:1/sign_in"}, ""),
    "an empty list": empty,
    "a truncated one": cut,
    "one that lacks a branch": lambda answer: without(FIX, answer),
    "one without the default branch": lambda answer: without("master", answer),
    "nothing": lambda answer: None,
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_not_the_whole_list_sweeps_nothing(world: World, gitlab: GitLab,
                                                   what: str) -> None:
    """Also not what is over: something is wrong, and somebody should look first."""
    set_time_to_live(world, "72h")
    set_left(world, -MINUTE)
    gitlab.branches.remove(BRANCH)
    gitlab.wrong = lambda path, answer: \
        WRONG[what](answer) if "pagination=keyset" in path else answer
    world.aws.record_clear()
    told = sweep(world, "--yes", code=2)
    assert world.writes() == [] and clusters(world) == ALL
    assert {one["sweep"] for one in told.values()} == {False}
    assert told[ENVIRONMENT]["why"] == "which branches there are is not known"


def test_pages_are_followed_and_counted(world: World, gitlab: GitLab) -> None:
    gitlab.branches += [f"dev/other/{n:04}" for n in range(250)]
    gitlab.branches.remove(FIX)
    assert {n for n, one in sweep(world).items() if one["sweep"]} == {FIX_ENVIRONMENT}
    assert len([r for r in gitlab.requests if "keyset" in r]) == 3
    # Beyond the first page nothing, as if that were all.
    gitlab.wrong = lambda path, answer: empty((200, {}, "")) if "page_token" in path else answer
    assert not any(one["sweep"] for one in sweep(world, code=2).values())


def test_a_branch_that_comes_back_is_spared(world: World, gitlab: GitLab) -> None:
    """Once the lock is held GitLab is asked for the one branch again."""
    gitlab.branches.remove(FIX)

    def pushed(path: str, answer: Answer) -> Answer:
        if "?" not in path and FIX not in gitlab.branches:
            gitlab.branches.append(FIX)
            return gitlab.answer(path, TOKEN)
        return answer
    gitlab.wrong = pushed
    told = sweep(world, "--yes")
    assert told[FIX_ENVIRONMENT]["result"] == "spared"
    assert world.writes() == [] and clusters(world) == ALL


def test_one_that_fails_does_not_stop_the_others(world: World, gitlab: GitLab) -> None:
    gitlab.branches = ["master"]
    world.aws.fault(service="ecs", action="DeleteCluster", match={"cluster": FIX_ENVIRONMENT},
                    fault="error", code="AccessDeniedException", message="no", status=400)
    told = sweep(world, "--yes", code=2)
    assert told[FIX_ENVIRONMENT]["result"] == "failed" and told[FIX_ENVIRONMENT]["error"]
    assert told[ENVIRONMENT]["result"] == "destroyed"
    assert clusters(world) == ALL - {ENVIRONMENT}
    world.aws.clear_faults()
    assert sweep(world, "--yes")[FIX_ENVIRONMENT]["result"] == "destroyed"
    assert clusters(world) == {"automation-master"}


def test_what_cannot_be_looked_at_keeps_nobody_from_the_others(world: World,
                                                               gitlab: GitLab) -> None:
    ecs = world.aws.client("ecs")
    ecs.delete_service(cluster=FIX_ENVIRONMENT, service=f"{FIX_ENVIRONMENT}-notifier", force=True)
    ecs.delete_cluster(cluster=FIX_ENVIRONMENT)
    world.aws.fault(service="elasticache", action="DescribeCacheClusters", fault="error",
                    match={"CacheClusterId": FIX_ENVIRONMENT}, code="AccessDenied", message="no",
                    status=403)
    gitlab.branches.remove(BRANCH)
    told = sweep(world, "--yes")
    assert told[ENVIRONMENT]["result"] == "destroyed" and not told[FIX_ENVIRONMENT]["sweep"]
    gitlab.branches.remove(FIX)
    told = sweep(world, "--yes", code=2)
    assert told[FIX_ENVIRONMENT]["result"] == "failed"
    assert "AccessDenied" in told[FIX_ENVIRONMENT]["error"]
    world.aws.clear_faults()
    assert sweep(world, "--yes")[FIX_ENVIRONMENT]["result"] == "destroyed"


@pytest.mark.parametrize("kind", ["production", "ephemeral"])
def test_what_a_role_cannot_read_is_not_swept_and_all_else_is(world: World, gitlab: GitLab,
                                                              kind: str) -> None:
    arn = deny_role(world, kind)
    gitlab.branches.remove(FIX)
    done = world.berth("sweep", "--yes", "--json", code=2)
    told = json.loads(done.stdout)
    assert [one["roleArn"] for one in told["unread"]] == [arn]
    assert told["error"].startswith(f"the environments in us-east-1 as {arn}: ")
    assert told["error"] in done.stderr
    readable = kind == "production"
    assert clusters(world) == (ALL - {FIX_ENVIRONMENT} if readable else ALL)
    assert (world.writes() != []) == readable


def sweep_with_an_alarm_again(world: World, meanwhile: Callable[[], None]) -> str:
    """What a sweep says during which one of FIX_ENVIRONMENT's alarms is made anew."""
    alarm = alarm_of(world, FIX_ENVIRONMENT)
    world.aws.fault(service="ecs", action="DeleteService", fault="slow", seconds=2)
    with subprocess.Popen([BUILD / "bin" / "berth", "sweep", "--yes"], env=world.environ(),
                          stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        wait_for_call(world, "DeleteService")
        meanwhile()
        world.aws.client("cloudwatch").put_metric_alarm(**alarm)
        said = process.stderr.read()
    assert process.returncode == 0, said
    return said


def alarms(world: World) -> list[str]:
    found = world.aws.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{FIX_ENVIRONMENT}-")
    return [one["AlarmName"] for one in found["MetricAlarms"]]


def test_a_branch_that_comes_back_meanwhile_keeps_what_is_made_for_it(world: World,
                                                                      gitlab: GitLab) -> None:
    """Whoever pushes it after the first removals gets an environment, which is not removed too."""
    gitlab.branches.remove(FIX)
    said = sweep_with_an_alarm_again(world, lambda: gitlab.branches.append(FIX))
    assert "came back, and is left: 1 alarm" in said
    assert f"'{FIX_ENVIRONMENT}' is kept: it is in use again; deploy its branch" in said
    assert f"nothing is left of {FIX_ENVIRONMENT}" not in said
    assert len(alarms(world)) == 1


def test_what_comes_back_of_one_that_is_over_goes_unless_its_cluster_does(world: World) -> None:
    set_time_to_live(world, "72h")
    set_left(world, -MINUTE, FIX_ENVIRONMENT)
    said = sweep_with_an_alarm_again(world, lambda: None)
    assert "came back, and is removed once more: 1 alarm" in said and alarms(world) == []
    assert clusters(world) == ALL - {FIX_ENVIRONMENT}


def denied(done: subprocess.CompletedProcess[str]) -> set[str]:
    return set(re.findall(r"not authorized to perform: (\S+)", done.stderr))


def test_the_printed_policy_is_enough_and_no_more(world: World, gitlab: GitLab) -> None:
    gitlab.branches.remove(FIX)
    world.police = Police(world, "sweep")
    world.police.without = {("ClusterChange", "ecs:DeleteCluster")}
    # Other repositories of the account are not looked into.
    assert denied(world.berth("sweep", "--yes", code=2)) == {"ecr:ListImages", "ecs:DeleteCluster"}
    assert clusters(world) == ALL
    world.police.without = set()
    assert denied(world.berth("sweep", "--yes")) == {"ecr:ListImages"}
    assert clusters(world) == ALL - {FIX_ENVIRONMENT}
    for kind in ("production", "ephemeral"):
        actions = actions_for(world, kind, "sweep")
        assert ("ecs:DeleteCluster" in actions) == (kind == "ephemeral")
        assert not [a for a in actions if ":Create" in a or ":Put" in a or ":Register" in a]


def test_production_is_never_swept(world: World, gitlab: GitLab) -> None:
    """Not even where it could be destroyed, its branch is gone and its time is over."""
    world.config["projects"][str(PROJECT_ID)]["production"]["allowDestroy"] = True
    world.write_config()
    gitlab.branches.remove("master")
    gitlab.branches.append("main")
    gitlab.default = "main"
    told = sweep(world, "--yes")
    assert told["automation-master"]["why"] == "it is production"
    assert world.writes() == [] and clusters(world) == ALL


def test_a_job_sweeps_from_the_protected_production_branch_alone(world: World,
                                                                 gitlab: GitLab) -> None:
    gitlab.branches.remove(FIX)
    for ref, protected, said in ((BRANCH, True, "only the protected production branch may run it"),
                                 ("master", False, "is production's, but not protected")):
        result = world.job("sweep", ref, protected=protected)
        assert result.exit_code == 1 and said in result.log
    assert world.writes() == []
    result = world.job("plan-sweep", "master", protected=True)
    assert result.exit_code == 0 and "this was a dry run: nothing was changed" in result.log
    assert world.writes() == [] and clusters(world) == ALL
    result = world.job("sweep", "master", protected=True, variables={"GITLAB_TOKEN": "x" * 20})
    assert result.exit_code == 0, result.log
    assert f"sweeping '{FIX_ENVIRONMENT}' of '{FIX}': its branch is gone" in result.log
    assert f"nothing is left of {FIX_ENVIRONMENT}" in result.log and TOKEN not in result.log
    assert clusters(world) == ALL - {FIX_ENVIRONMENT}


def test_it_waits_for_a_deploy_that_holds_the_lock(world: World, gitlab: GitLab) -> None:
    """And sees then that the branch is there again."""
    gitlab.branches.remove(FIX)
    locks = world.directory / "locks"
    locks.mkdir(mode=0o755, exist_ok=True)
    with open(locks / f"{FIX_ENVIRONMENT}.lock", "w") as lock:
        lock.write("job 12 of pipeline 34")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        with subprocess.Popen([BUILD / "bin" / "berth", "sweep", "--yes"], env=world.environ(),
                              stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if "waiting for job 12 of pipeline 34" in line:
                    break
            gitlab.branches.append(FIX)
            fcntl.flock(lock, fcntl.LOCK_UN)
            rest = process.stderr.read()
    assert process.returncode == 0 and f"'{FIX_ENVIRONMENT}' is kept: it is in use again" in rest
    assert world.writes() == [] and clusters(world) == ALL


def make_certificate(directory: Path) -> tuple[Path, Path]:
    key, certificate = directory / "key.pem", directory / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=gitlab",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
                   check=True, capture_output=True)
    return certificate, key


def test_gitlabs_certificate_must_be_trusted(world: World, gitlab: GitLab, tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    gitlab.use_certificate(certificate, key)
    gitlab.branches.remove(FIX)
    world.config["gitlab"]["url"] = gitlab.url
    world.write_config()
    done = world.berth("sweep", "--yes", code=2)
    assert "gitlab.caFile in the host config names a file of trusted certificates" in done.stderr
    assert gitlab.requests == [] and world.writes() == []
    world.config["gitlab"]["caFile"] = "cert.pem"
    world.write_config()
    assert sweep(world)[FIX_ENVIRONMENT]["sweep"]


def test_without_a_reason_to_sweep_it_says_so(world: World) -> None:
    del world.config["gitlab"]
    world.write_config()
    done = world.berth("sweep", "--yes", code=2)
    assert "tells no reason to sweep anything" in done.stderr
    done = world.berth("sweep", "--yes", "--dry-run", code=1)
    assert "give one of them" in done.stderr


def test_the_tokens_file_is_nobody_elses(world: World, tmp_path: Path) -> None:
    (tmp_path / "gitlab.token").chmod(0o644)
    done = world.berth("sweep", "--yes", code=2)
    assert "can be read or written by others: run 'chmod 600" in done.stderr
    assert world.writes() == []
