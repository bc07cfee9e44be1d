# SPDX-License-Identifier: MIT
"""Jobs of a driver: what `run` makes of `drive`, its end and its outputs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from executorhost import Host


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


# Jobs of a driver.

DRIVE = 'test "$1" = check || echo "drive $1"\n'


@pytest.mark.parametrize(
    ("job", "variables", "order"),
    [
        ("deploy-branches", {}, ["drive run", "script"]),
        ("destroy-branches", {}, ["script", "drive run"]),
        ("deploy-branches", {"BERTH_WHEN": "before"}, ["script", "drive run"]),
        ("destroy-branches", {"BERTH_WHEN": "after"}, ["drive run", "script"]),
        ("deploy: [a, b]", {}, ["drive run", "script"]),
        ("deploy 1/3", {}, ["drive run", "script"]),
        ("redeploy", {}, ["script"]),
    ],
)
def test_script_and_drive_in_their_order(
    host: Host, job: str, variables: dict[str, str], order: list[str]
) -> None:
    host.put_drive(DRIVE)
    result = host.play(job, script="echo script", variables=variables)
    assert result.exit_code == 0, result.log
    assert re.findall(r"(?m)^(drive run|script)$", result.log) == order


def test_a_job_that_may_not_act_fails_before_any_stage(host: Host) -> None:
    host.put_drive('test "$1" != check || { echo "not on this branch"; exit 1; }\n')
    result = host.play("deploy-branches", script="echo script")
    assert result.exit_code == 1 and "not on this branch" in result.log
    assert [stage.name for stage in result.stages] == ["config", "prepare", "cleanup"]


@pytest.mark.parametrize("code", [1, 2])
def test_drives_failure_is_the_jobs(host: Host, code: int) -> None:
    host.put_drive(f'test "$1" = check || exit {code}\n')
    result = host.play("deploy-branches", script="echo scr''ipt")
    assert result.exit_code == code
    assert not re.search(r"(?m)^script$", result.log)


def test_a_failed_script_keeps_drive_from_running(host: Host) -> None:
    host.put_drive(DRIVE)
    result = host.play("destroy-branches", script="exit 4")
    assert result.script_exit_code == 4 and "drive run" not in result.log


@pytest.mark.parametrize(
    ("end", "message"),
    [("kill -SEGV $$", "ended by signal 11"), ("exit 3", "unexpected code 3")],
)
def test_a_crash_of_drive_is_a_system_failure(host: Host, end: str, message: str) -> None:
    host.put_drive(f'test "$1" = check || {end}\n')
    result = host.play("deploy-branches", script="echo scr''ipt")
    assert result.exit_code == 2 and message in result.log
    assert not re.search(r"(?m)^script$", result.log)


def test_a_missing_drive_is_a_system_failure(host: Host) -> None:
    host.put_drive("")
    (host.programs / "drive").unlink()
    result = host.play("deploy-branches")
    assert result.exit_code == 2 and "berth is not installed whole" in result.log


def test_outputs_reach_the_script(host: Host) -> None:
    outputs = {f"BERTH_{n}": str(n) for n in range(20)} | {"LD_PRELOAD": "/nowhere"}
    host.put_drive(f"""echo '{json.dumps(outputs)}' > "$TMPDIR/berth-outputs.json"\n""")
    result = host.play("deploy-branches", script="echo got $(compgen -v | grep -c ^BERTH_)")
    assert re.search(r"(?m)^got 15$", result.log), result.log
    assert "'LD_PRELOAD' is not handed to the script" in result.log


def test_an_output_that_a_job_has_put_there_counts_for_nothing(host: Host) -> None:
    host.put_drive(
        """test "$1" = run || echo '{"BERTH_URL": "forged"}' > "$TMPDIR/berth-outputs.json"\n"""
    )
    result = host.play("deploy-branches", script="echo url=$BERTH_URL")
    assert re.search(r"(?m)^url=$", result.log), result.log


def write_spec(host: Host, text: str) -> None:
    (host.project / ".berth").mkdir()
    (host.project / ".berth" / "environment.json").write_text(text)


def test_the_spec_says_which_modules_there_are(host: Host) -> None:
    write_spec(host, '// comment\n{ "modules": { "notifier": { "path": "notifier" } } }')
    host.put_drive(DRIVE)
    assert "drive run" in host.play("notifier-linter").log
    assert "drive run" not in host.play("other-linter").log


BROKEN = 'test "$1" = check || { echo "drive says what is wrong"; exit 1; }\n'


@pytest.mark.parametrize("job", ["deploy-notifier", "notifier-test", "notifier-linter",
                                 "plan-notifier"])
def test_a_broken_spec_passes_for_nothing_done(host: Host, job: str) -> None:
    """Whether the job deploys, or is held to a gate, is what the spec would have said."""
    write_spec(host, "{ not JSON")
    host.put_drive(BROKEN)
    result = host.play(job)
    assert result.exit_code == 1 and "drive says what is wrong" in result.log, result.log


def test_a_broken_spec_breaks_no_script(host: Host) -> None:
    write_spec(host, "{ not JSON")
    host.put_drive(BROKEN)
    assert host.play("compile", script="echo ran").exit_code == 0


def test_the_checkout_must_lie_beneath_the_builds_directory(host: Host) -> None:
    write_spec(host, '{ "modules": { "notifier": {} } }')
    result = host.play("notifier-test", variables={"CI_PROJECT_DIR": str(host.project)})
    assert result.exit_code == 1 and "does not lie beneath" in result.log, result.log


def test_the_host_configs_own_names(host: Host) -> None:
    host.config["dispatch"] = [{"job": "ship-*", "as": "deploy"}, {"job": "deploy", "as": "script"}]
    host.put_drive(DRIVE)
    assert "drive run" in host.play("ship-it").log
    assert "drive run" not in host.play("deploy").log
