# SPDX-License-Identifier: MIT
"""The flow of a job, its environment, its stages and its log, seen through throwaway
executables."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from runner import SYSTEM_FAILURE, Variable

HERE = Path(__file__).resolve().parent


def names(result) -> list[str]:
    return [record.name for record in result.stages]


def test_plain_job_succeeds(host):
    result = host.run(script="cat README; pwd")
    assert result.exit_code == 0, result.log
    assert names(result) == [
        "config", "prepare", "prepare_script", "get_sources", "build_script", "cleanup",
    ]
    assert "$ cat README; pwd\na project\n" in result.log
    assert result.log.endswith("Job succeeded\n")
    assert "section_" not in result.log and "\x1b" not in result.log
    assert b"section_start:" in result.raw_log


def test_missing_executables_are_skipped_except_run(host):
    for name in ("config", "prepare", "cleanup"):
        (host.executors / name).unlink()
    assert names(host.run()) == ["prepare_script", "get_sources", "build_script"]
    (host.executors / "run").unlink()
    result = host.run()
    assert result.failure_reason == "configuration_error"
    assert result.log.count("custom executor is missing RunExec") >= 1
    assert not result.stages


def test_prepare_is_tried_three_times_each_with_its_own_directory_and_cleanup(host):
    host.write("prepare", 'echo "$TMPDIR" >> "$NOTES/prepared"; exit 2')
    host.write("cleanup", 'echo "$TMPDIR" >> "$NOTES/cleaned"')
    result = host.run()
    assert names(result) == ["config", "prepare", "cleanup"] * 3
    assert [r.attempt for r in result.stages] == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert host.lines("prepared") == host.lines("cleaned")
    assert len(set(host.lines("prepared"))) == 3
    assert result.exit_code == SYSTEM_FAILURE
    assert result.log.count("ERROR: Preparation failed: exit status 2") == 3
    assert result.log.count("Will be retried in 0s ...") == 3
    assert "ERROR: Job failed (system failure): exit status 2" in result.log


def test_build_error_in_prepare_is_not_retried(host):
    host.write("prepare", "exit 1")
    result = host.run()
    assert names(result) == ["config", "prepare", "cleanup"]
    assert (result.exit_code, result.failure_reason) == (1, "script_failure")


def test_second_try_may_succeed(host):
    host.write("prepare", '[ -e "$NOTES/again" ] && exit 0; touch "$NOTES/again"; exit 2')
    result = host.run()
    assert result.exit_code == 0
    assert names(result).count("prepare") == 2


def test_failed_config_leaves_cleanup_without_job_env(host):
    host.write("config", """
        if [ -e "$NOTES/again" ]; then echo '{"job_env": {"A": "1"}}'; exit 2; fi
        touch "$NOTES/again"; echo '{"job_env": {"A": "1"}}'""")
    host.write("prepare", "exit 2")
    host.write("cleanup", 'echo "A=$A" >> "$NOTES/cleaned"')
    host.run()
    assert host.lines("cleaned") == ["A=1", "A=", "A="]


def test_temporary_directory_is_removed_and_response_is_private(host):
    host.write("config", """
        stat -c '%a %n' "$TMPDIR" "$JOB_RESPONSE_FILE" > "$NOTES/modes"; echo '{}'""")
    host.write("cleanup", '[ -e "$JOB_RESPONSE_FILE" ] && pwd > "$NOTES/cwd"')
    host.run()
    modes = [line.split() for line in host.lines("modes")]
    assert [mode for mode, _ in modes] == ["700", "600"]
    assert host.lines("cwd") == [modes[0][1]]
    assert not list(host.temp.iterdir())


def test_cleanup_runs_with_empty_names_when_there_is_no_temporary_directory(host):
    host.write("cleanup", 'echo "[$TMPDIR][$JOB_RESPONSE_FILE][$BUILD_EXIT_CODE_FILE]" '
                          '>> "$NOTES/cleaned"')
    result = host.run(environ={"TMPDIR": str(host.directory / "nowhere")})
    assert host.lines("cleaned") == ["[][][]"] * 3
    assert result.failure_reason == "runner_system_failure"


def test_response_file(host):
    host.write("cleanup", 'cp "$JOB_RESPONSE_FILE" "$NOTES/response"')
    host.run(
        job="a<b>&c", protected=True, project_id=9007199254740993,
        variables=[Variable("CI_PROJECT_ID", "1"), Variable("BYTES", "\udcff")],
    )
    text = host.note("response").read_text()
    assert text.count("\n") == 1 and text.endswith("}\n")
    assert "a\\u003cb\\u003e\\u0026c" in text
    assert '"value":"\\ufffd"' in text, "what is no UTF-8"
    response = json.loads(text)
    assert response["job_info"]["project_id"] == 9007199254740993
    assert response["git_info"]["ref"] == "dev/feature/login"
    assert response["git_info"]["protected"] is True
    assert response["cache"] is None and response["dependencies"] is None
    ids = [v["value"] for v in response["variables"] if v["key"] == "CI_PROJECT_ID"]
    assert ids == ["9007199254740993", "1"], "the first is the server's, the last is effective"
    assert set(response["variables"][0]) == {"key", "value", "public", "file", "masked", "raw"}


@pytest.mark.parametrize(("options", "ref", "variables"), [
    ({}, "r", {"CI_COMMIT_BRANCH": "r"}),
    ({"ref_type": "tag"}, "r", {"CI_COMMIT_TAG": "r"}),
    ({"mr": 5}, "refs/merge-requests/5/head", {"CI_MERGE_REQUEST_IID": "5"}),
])
def test_kinds_of_refs(host, options, ref, variables):
    host.write("cleanup", 'cp "$JOB_RESPONSE_FILE" "$NOTES/response"')
    result = host.run(ref="r", script="cat README", **options)
    assert result.exit_code == 0, result.log
    response = json.loads(host.note("response").read_text())
    assert response["git_info"]["ref"] == ref
    said = {v["key"]: v["value"] for v in response["variables"]}
    kinds = ("CI_COMMIT_BRANCH", "CI_COMMIT_TAG", "CI_MERGE_REQUEST_IID")
    assert {key: said[key] for key in kinds if key in said} == variables


@pytest.mark.parametrize("ref", ["a b", "../../etc", "dev/feature/" + "x" * 300, "$(id)", "ä'\""])
def test_odd_refs_can_be_played(host, ref):
    result = host.run(ref=ref, script="printf '%s\\n' \"$CI_COMMIT_REF_NAME\"")
    assert result.exit_code == 0, result.log
    assert f"\n{ref}\n" in result.log


def test_environment_and_its_order(host):
    host.write("config", """
        echo '{"job_env": {"HOSTS": "job", "BUILD_FAILURE_EXIT_CODE": "9",
               "CUSTOM_ENV_CI_JOB_NAME": "stolen", "PATH_X": null}}'
        env -0 > "$NOTES/config.env" """)
    host.write("prepare", 'env -0 > "$NOTES/prepare.env"; exit 1')
    # The host's own TMPDIR is what the runner's variables override.
    result = host.run(job="n", environ={"HOSTS": "host"}, variables={"CI_SERVER": "no"})
    assert result.exit_code == 1, "the runner's comparison stays with 1"

    def read(name: str) -> dict[str, str]:
        entries = host.note(name).read_text().split("\0")
        return dict(entry.split("=", 1) for entry in entries if entry)

    before, after = read("config.env"), read("prepare.env")
    assert (before["HOSTS"], after["HOSTS"]) == ("host", "job")
    assert (before["BUILD_FAILURE_EXIT_CODE"], after["BUILD_FAILURE_EXIT_CODE"]) == ("1", "9")
    assert after["PATH_X"] == ""
    assert after["CUSTOM_ENV_CI_JOB_NAME"] == "n", "job_env cannot override the job's variables"
    assert after["CUSTOM_ENV_CI_SERVER"] == "no", "the job's variables override the runner's"
    assert after["CUSTOM_ENV_CI_SHARED_ENVIRONMENT"] == "true"
    assert before["CUSTOM_ENV_CI_PROJECT_DIR"] == "" != after["CUSTOM_ENV_CI_PROJECT_DIR"]
    assert after["CUSTOM_ENV_CI_JOB_SERVICES"] == ""
    assert list(after).index("CUSTOM_ENV_CI_JOB_SERVICES") > list(after).index("HOSTS")
    assert after["BUILD_EXIT_CODE_FILE"] == after["TMPDIR"] + "/build_exit_code"
    assert after["BERTH_CONFIG"].endswith("/config/berth.json")


def test_services_are_told_as_json(host):
    host.write("prepare", 'echo "$CUSTOM_ENV_CI_JOB_SERVICES" > "$NOTES/services"')
    host.run(services=[{"name": "redis:5", "alias": "redis,db"}])
    assert host.lines("services") == [
        '[{"name":"redis:5","alias":"redis","entrypoint":null,"command":null}]'
    ]


def test_variables_are_expanded_unless_raw_and_files_are_contents(host):
    host.write("prepare", r"""
        printf '%s\n' "$CUSTOM_ENV_A" "$CUSTOM_ENV_R" "$CUSTOM_ENV_F" > "$NOTES/values" """)
    variables = [
        Variable("A", "$CI_JOB_NAME-${B}-$$x-$1"), Variable("B", "not this"), Variable("B", "b"),
        Variable("R", "$B", raw=True), Variable("F", "content", file=True),
    ]
    result = host.run(job="n", variables=variables, script='[ "$(cat "$F")" = content ]')
    assert host.lines("values") == ["n-b-$x-", "$B", "content"]
    assert result.exit_code == 0, result.log
    assert names(result)[-2:] == ["cleanup_file_variables", "cleanup"]


def test_project_settings(host):
    settings = {
        "PLAIN": "1", "HIDDEN": {"value": "swordfish", "masked": True},
        "KEPT": {"value": "2", "protected": True},
    }
    (host.project / "ci-variables.json").write_text(json.dumps(settings))
    script = 'echo "$PLAIN,$HIDDEN,$KEPT"; ls'
    assert "1,[MASKED],\nREADME\n" in host.run(script=script).log
    assert "1,[MASKED],2\n" in host.run(script=script, protected=True).log


def test_too_large_and_impossible_environments_do_not_start(host):
    result = host.run(variables={"LARGE": "x" * 131072})
    assert "failed to start command: fork/exec" in result.log
    assert "argument list too long" in result.log
    limit = 131072 - len("CUSTOM_ENV_LARGE=") - 1
    script = "echo ${#LARGE}"
    assert f"\n{limit}\n" in host.run(variables={"LARGE": "x" * limit}, script=script).log
    host.write("config", r"""printf '%s' '{"job_env": {"A": "\u0000"}}'""")
    result = host.run()
    assert "exec: environment variable contains NUL" in result.log
    assert result.exit_code == SYSTEM_FAILURE


def test_process_environment(host):
    host.write("prepare", """
        import os, signal
        print("fds", sorted(os.readlink(f"/proc/self/fd/{n}").split(":")[0] for n in range(3)))
        print("stdin", os.readlink("/proc/self/fd/0"))
        print("same", os.readlink("/proc/self/fd/1") == os.readlink("/proc/self/fd/2"))
        print("leader", os.getpgid(0) == os.getpid(), os.getsid(0) != os.getpid())
        status = open("/proc/self/status").read()
        print("blocked", [l.split()[1] for l in status.splitlines() if l.startswith("SigBlk")])
    """.replace("\n        ", "\n"), interpreter=sys.executable)
    host.write("cleanup", 'echo "$(trap)" > "$NOTES/traps"')
    log = host.run().log
    assert "stdin /dev/null" in log and "same False" in log
    assert "fds ['/dev/null', 'pipe', 'pipe']" in log
    assert "leader True True" in log
    assert "blocked ['0000000000000000']" in log
    assert host.lines("traps") == [""], "bash lists signals that were ignored when it started"


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGPIPE])
def test_what_the_runner_ignores_its_executables_do_not(host, number):
    """As when it was started with nohup(1), or in the background of a shell."""
    host.write("prepare", "grep SigIgn /proc/self/status")
    before = signal.signal(number, signal.SIG_IGN)
    try:
        log = host.run().log
    finally:
        signal.signal(number, before)
    ignored = int(re.search(r"SigIgn:\t([0-9a-f]+)\n", log)[1], 16)
    assert ignored & ~(3 << 31) == 0, "32 and 33 are the C library's own"


def test_run_keyword_is_a_script_for_step_runner(host):
    host.write("step-runner", 'echo "$1: $STEPS"')
    host.write("prepare", 'cp "$JOB_RESPONSE_FILE" "$NOTES/response"')
    steps = [{"name": "hello", "script": "echo it's"}]
    path = f"{host.executors}:{os.environ['PATH']}"
    result = host.run(run=steps, environ={"PATH": path})
    assert f"ci: {json.dumps(steps)}\n" in result.log
    assert json.loads(host.note("response").read_text())["run"] == steps


def test_commands_with_arguments(host):
    host.write("run", 'echo "first=$1 stage=$3"; exec "$2"')
    result = host.run(commands={"run": [str(host.executors / "run"), "an argument"]})
    assert result.exit_code == 0 and names(result)[0] == "prepare_script"
    assert "first=an argument stage=build_script\n" in result.log


def test_failed_sources_mean_no_script_but_uploads(host):
    host.write("run", '[ "$2" = get_sources ] && exit 1; exec "$1"')
    result = host.run(
        after_script="echo after", artifacts=["README"], artifacts_when="always",
        variables=[Variable("F", "x", file=True), Variable("GET_SOURCES_ATTEMPTS", "3")],
    )
    assert names(result)[3:] == [
        "get_sources", "clear_worktree", "get_sources", "clear_worktree", "get_sources",
        "upload_artifacts_on_failure", "cleanup_file_variables", "cleanup",
    ]
    assert result.exit_code == 1


def test_failed_prepare_script_goes_straight_to_cleanup(host):
    host.write("run", "exit 2")
    result = host.run(after_script="echo after", artifacts=["README"], artifacts_when="always")
    assert names(result)[2:] == ["prepare_script", "cleanup"]
    assert "ERROR: Job failed (system failure): prepare environment: exit status 2. " in result.log


def test_after_script_sees_the_status_and_does_not_change_it(host):
    host.write("cleanup", 'echo "$CUSTOM_ENV_CI_JOB_STATUS" >> "$NOTES/status"')
    result = host.run(script="exit 4", after_script="echo status=$CI_JOB_STATUS; exit 1")
    assert "status=failed\n" in result.log
    assert "WARNING: after_script failed, but job will continue unaffected" in result.log
    assert host.run(after_script="exit 1").exit_code == 0
    host.write("run", "exit 1")
    host.run()
    assert host.lines("status") == ["failed", "success", "running"]


def test_uploads_without_the_program_are_a_warning(host):
    result = host.run(artifacts=["README"])
    assert names(result)[-2:] == ["upload_artifacts_on_success", "cleanup"]
    assert "Missing gitlab-runner. Uploading artifacts is disabled." in result.log
    assert result.exit_code == 0


def test_each_call_has_its_own_script_and_the_name_build_script(host):
    host.write("run", """
        [ "$(stat -c %a "$1")" = 700 ] || exit 2
        echo "$1 $2" >> "$NOTES/calls"; exec "$1" """)
    result = host.run()
    calls = [line.split() for line in host.lines("calls")]
    assert [stage for _, stage in calls] == ["prepare_script", "get_sources", "build_script"]
    assert len({script for script, _ in calls}) == 3
    assert all(os.path.basename(script) == "script" for script, _ in calls)
    assert result.log.count("WARNING: Starting with version 17.0") == 1


def test_script_shape(host):
    script = ["false | true", "echo not reached"]
    result = host.run(script=script)
    assert "$ false | true\n" in result.log and "not reached\n$" not in result.log
    assert result.script_exit_code == 1
    host.write("run", 'exec "$1" <<< input')
    result = host.run(script="read x || printf '%s\\n' 'done: [$IFS] äö'")
    assert "\ndone: [$IFS] äö\n" in result.log, "a script's standard input is empty"
    assert host.run(script="kill -TERM $BASHPID; sleep 5").script_exit_code == 1


def test_commit_depends_on_content_and_message(host):
    first = host.run(pipeline=1, job_id=1).sha
    assert host.run(pipeline=2, job_id=2, ref="master").sha == first
    assert host.run(message="another").sha != first
    (host.project / "README").write_text("changed\n")
    assert host.run().sha != first


def test_kept_directory_is_fetched_into_and_others_are_removed(host, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(host.directory))
    builds = host.directory / "builds"
    options = {"builds_dir": str(builds), "cache_dir": str(builds)}
    kept = host.run(keep=True, script="touch left", **options)
    assert (Path(kept.build_dir) / "left").exists()
    log = host.run(script="[ ! -e left ]", **options).log
    assert "Created fresh repository" not in log and log.endswith("Job succeeded\n")
    assert Path(kept.build_dir).exists(), "this job did not make it"
    for path in host.directory.rglob("builds"):
        subprocess.run(["rm", "-rf", path], check=True)
    assert not Path(host.run(**options).build_dir).exists()


def test_cleanup_does_not_write_the_job_log(host, capfd):
    host.write("cleanup", "echo out; echo problem >&2; exit 1")
    result = host.run()
    assert result.exit_code == 0
    assert "problem" not in result.log and result.log.endswith("Job succeeded\n")
    noise = capfd.readouterr().err
    assert "runner log: cleanup_std=err: problem" in noise
    assert "Cleanup script failed: exit status 1" in noise


def test_program(host):
    host.write("prepare", "readlink /proc/$$/fd/0")
    script = host.note("script")
    script.write_text('echo "$A,$B"\nexit 1\n')
    output = host.note("result.json")
    command = [
        HERE / "job", "--job", "j", "--ref", "r", "--project", host.project, "--executors",
        host.executors, "--script", script, "--var", "A=1", "--masked", "B=swordfish",
        "--json", output,
    ]
    done = subprocess.run(
        command, input="", capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "\n/dev/null\n" in done.stdout, "the program's own standard input is a pipe here"
    assert "\n1,[MASKED]\n" in done.stdout
    assert done.stdout.endswith("ERROR: Job failed: exit status 1\n")
    document = json.loads(output.read_text())
    assert document["failure_reason"] == "script_failure" and document["version"] == 1
    assert [s["name"] for s in document["stages"]][-1] == "cleanup"


@pytest.mark.parametrize("arguments", [
    [], ["--job", "j"], ["--job", "j", "--ref", "r", "--var", "novalue"],
    ["--job", "j", "--ref", "r", "--executors", "/nowhere"],
    ["--job", "j", "--ref", "r", "--executors", "naive", "--project", "/nowhere"],
    ["--job", "j", "--ref", "r", "--cancel-kind", "maybe"],
])
def test_wrong_use_ends_with_3(arguments):
    done = subprocess.run([HERE / "job", *arguments], cwd=HERE, capture_output=True, timeout=60,
                          check=False)
    assert done.returncode == 3
    assert done.stderr.startswith((b"usage: ", b"job: "))


def test_naive_executor_runs_a_plain_script(host):
    result = host.run(executors=HERE / "naive", script="cat README", job_id=os.getpid())
    assert result.exit_code == 0, result.log
    assert "Using Custom executor with driver naive..." in result.log


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a script as another user")
def test_sources_can_be_fetched_by_another_user(host):
    """A job's script may run as a user that the repository does not belong to."""
    host.write("config", """
        mkdir -m 777 -p /tmp/"runner-test-$PPID-$CUSTOM_ENV_CI_JOB_ID"
        echo "{\\"builds_dir\\": \\"/tmp/runner-test-$PPID-$CUSTOM_ENV_CI_JOB_ID\\"}" """)
    host.write("run", "chmod 755 \"$TMPDIR\"; setpriv --reuid 65534 --regid 65534 --clear-groups "
                      "env HOME=/nonexistent bash < \"$1\"")
    host.write("cleanup", 'rm -rf /tmp/"runner-test-$PPID-$CUSTOM_ENV_CI_JOB_ID"')
    result = host.run(script="id -u; cat README", environ={"TMPDIR": "/tmp"})
    assert "\n65534\na project\n" in result.log, result.log
