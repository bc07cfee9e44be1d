# SPDX-License-Identifier: MIT
"""What the runner makes of exit statuses, of BUILD_EXIT_CODE_FILE and of the config executable's
output: tables of command.go (waitForCommand) and custom.go (dynamicConfig)."""

from __future__ import annotations

import json
import re

import pytest

from contract.command import dedup_environment, parse_int
from contract.configexec import parse_config
from contract.errors import StageError

JOB, SYSTEM = "script_failure", "runner_system_failure"


@pytest.mark.parametrize(("body", "exit_code", "reason", "text"), [
    ("exit 0", 0, None, "Job succeeded"),
    ("exit 1", 1, JOB, "Job failed: exit status 1"),
    ("exit 2", 2, SYSTEM, "Job failed (system failure): exit status 2"),
    ("exit 3", 2, SYSTEM, "unknown Custom executor executable exit code 3; executable execution "
                          "terminated with: exit status 3"),
    ("exit 255", 2, SYSTEM, "executable exit code 255"),
    ("kill -KILL $$", 2, SYSTEM, "exit code -1; executable execution terminated with: "
                                 "signal: killed"),
])
def test_exit_statuses(run_stage, body, exit_code, reason, text):
    result = run_stage(body)
    assert (result.exit_code, result.failure_reason) == (exit_code, reason)
    assert text in result.log


@pytest.mark.parametrize(("content", "code"), [
    ("42", 42), ("42\n", 42), ("42\r\n", 42), ("42\nanything", 42), ("+7", 7), ("-1", -1),
    ("99999999999", 99999999999), ("0", 0),
])
def test_code_file_that_is_a_number(run_stage, content, code):
    result = run_stage(f"printf %s '{content}' > \"$BUILD_EXIT_CODE_FILE\"; exit 1")
    assert (result.failure_reason, result.script_exit_code) == (JOB, code)
    assert result.log.endswith(f"ERROR: Job failed: exit status {code}\n")


@pytest.mark.parametrize("content", [
    "", "42 ", " 42", "\n42", "abc", "4_2", "9223372036854775808", "1\r\r\n", "٤",
])
def test_code_file_that_is_none(run_stage, content):
    result = run_stage(f"printf %s '{content}' > \"$BUILD_EXIT_CODE_FILE\"; exit 1")
    assert (result.exit_code, result.failure_reason) == (2, SYSTEM)
    assert "unknown Custom executor executable exit code 2" in result.log


@pytest.mark.parametrize(("status", "exit_code"), [(0, 0), (2, 2), (7, 2)])
def test_code_file_counts_for_exit_1_alone(run_stage, status, exit_code):
    result = run_stage(f"echo 42 > \"$BUILD_EXIT_CODE_FILE\"; exit {status}")
    assert result.exit_code == exit_code
    assert result.script_exit_code is None


def test_code_file_of_an_earlier_stage_is_still_there(host):
    host.write("run", '[ "$2" = get_sources ] && echo 42 > "$BUILD_EXIT_CODE_FILE"; "$1" || exit 1')
    assert host.run(script="exit 5").script_exit_code == 42


def test_code_file_counts_for_prepare(host):
    host.write("prepare", 'echo 42 > "$BUILD_EXIT_CODE_FILE"; exit 1')
    assert host.run().script_exit_code == 42
    host.write("prepare", '> "$BUILD_EXIT_CODE_FILE"; exit 1')
    result = host.run()
    assert [r.name for r in result.stages].count("prepare") == 3, "no number: tried again"


def test_executable_that_cannot_start(host):
    host.write("run", "exit 0", interpreter="/nowhere/bash")
    result = host.run()
    assert (result.exit_code, result.failure_reason) == (2, SYSTEM)
    assert "failed to start command: fork/exec" in result.log
    assert "no such file or directory" in result.log


@pytest.mark.parametrize("output", [
    "null", "{}", "{}\n", " {} ", '{"unknown": [1]}', '{"builds_dir": null, "driver": null}',
    '{"driver": {"version": "1"}}', '{"driver": {"name": null, "x": 1}}',
])
def test_config_output_that_changes_nothing(output):
    config = parse_config(output.encode())
    assert (config.driver_name, config.builds_dir, config.job_env) == (None, None, {})


def test_no_config_output_is_no_configuration():
    assert parse_config(b"") == parse_config(b"{}")


@pytest.mark.parametrize("output", [
    " ", "\n", "{} {}", "{}x", "log line\n{}", "\ufeff{}", "{} // c", "{'a': 1}", '{"a": 1,}',
    "[]", '"text"', "1", "true", "{", '{"a": NaN}', '{"a": "\n"}', "{\"a\": '1'}",
    '{"builds_dir": 1}', '{"builds_dir": []}', '{"job_env": {"A": 1}}', '{"job_env": {"A": true}}',
    '{"job_env": []}', '{"builds_dir_is_shared": "true"}', '{"builds_dir_is_shared": 1}',
    '{"driver": "naive"}', '{"driver": {"version": 1.0}}', '{"shell": {}}', '{"hostname": false}',
])
def test_config_output_that_is_an_error(output):
    with pytest.raises(StageError, match="^error while parsing JSON output: "):
        parse_config(output.encode())


def test_config_keys_match_in_any_case_and_the_last_wins():
    config = parse_config(
        b'{"BUILDS_DIR": "/a", "builds_dir": "/b", "Job_Env": {"A": null, "B": "1"}, '
        b'"job_env": {"B": "\\ud800"}, "Builds_Dir_Is_Shared": true}'
    )
    assert config.builds_dir == "/b"
    assert config.builds_dir_is_shared is True
    assert config.job_env == {"A": "", "B": "\ufffd"}


def test_bad_config_output_is_tried_again_and_a_system_failure(host):
    host.write("config", "echo 'Configuring...'; echo '{}'")
    result = host.run()
    assert [r.name for r in result.stages] == ["config", "cleanup"] * 3
    assert (result.exit_code, result.failure_reason) == (2, SYSTEM)


@pytest.mark.parametrize(("config", "options", "tries", "text"), [
    ({"builds_dir": ""}, {}, 1, "the builds_dir is not configured"),
    ({}, {"builds_dir": ""}, 1, "the builds_dir is not configured"),
    ({}, {"cache_dir": ""}, 1, "the cache_dir is not configured"),
    ({"shell": "fish"}, {}, 3, "shell fish not found"),
])
def test_config_that_cannot_be_used(host, config, options, tries, text):
    host.write("config", f"echo '{json.dumps(config)}'")
    result = host.run(**options)
    assert [r.name for r in result.stages] == ["config", "cleanup"] * tries
    assert text in result.log
    assert result.failure_reason == ("configuration_error" if tries == 1 else SYSTEM)


@pytest.mark.parametrize(("driver", "text"), [
    ({"name": "d", "version": "1.0"}, " with driver d 1.0..."),
    ({"name": "d"}, " with driver d..."),
    ({"version": "1.0"}, "..."),
])
def test_driver_is_named(host, driver, text):
    host.write("config", f"echo '{json.dumps({'driver': driver})}'; echo diagnostics >&2")
    log = host.run().log
    assert f"\nUsing Custom executor{text}\n" in log
    assert "diagnostics\n" in log


@pytest.mark.parametrize(("shared", "tail"), [
    (True, r"/builds/[^/]+/\d+/mettel/automation"), (False, "/builds/mettel/automation"),
])
def test_directories_of_config(host, shared, tail):
    builds = str(host.directory / "builds")
    output = {"builds_dir": builds, "cache_dir": builds, "builds_dir_is_shared": shared,
              "hostname": "branch-host"}
    host.write("config", f"echo '{json.dumps(output)}'")
    result = host.run(script="pwd; echo $CI_BUILDS_DIR")
    pattern = f"^{host.directory}{tail}$"
    assert [line for line in result.log.splitlines() if re.match(pattern, line)]
    assert f"\n{builds}\n" in result.log
    assert " via branch-host...\n" in result.log


@pytest.mark.parametrize(("text", "number"), [
    ("0", 0), ("-0", 0), ("007", 7), ("9223372036854775807", 2**63 - 1),
    ("-9223372036854775808", -(2**63)), ("-9223372036854775809", None), ("+", None), ("0x1", None),
])
def test_atoi(text, number):
    assert parse_int(text) == number


def test_last_of_several_values_stays_in_its_own_place():
    assert list(dedup_environment(["A=1", "B=2", "A=3=4"]).items()) == [("B", "2"), ("A", "3=4")]
