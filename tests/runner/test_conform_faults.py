# SPDX-License-Identifier: MIT
"""That the conformance suite's cases can fail: the plain executor, with faults put into it that the
naive one does not have."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
TIMEOUT = 600

BASH = '["bash", script], env=environ, stdin=subprocess.DEVNULL'


@dataclass(frozen=True)
class Faults:
    """What to write instead of what, and the cases that then break, with words of the evidence."""

    changes: tuple[tuple[str, str], ...]
    cases: dict[str, str]


FAULTS = {
    "config talks and believes variables": Faults(
        (
            ('    print(json.dumps(document)', '    print("a word" if "CUSTOM_ENV_CI_DEBUG_TRACE" '
             'in os.environ else "", json.dumps(document)'),
            ('"builds_dir_is_shared": True,', '"builds_dir_is_shared": False, "job_env": {'
             'key: "" for key in os.environ if key.startswith("CUSTOM_ENV_LD_")},'),
            ('f"{PLACE}/cache"', '"x" + os.environ.get("CUSTOM_ENV_CI_COMMIT_REF_NAME", "")'),
        ),
        {"debugging-is-not-output": "error while parsing JSON output",
         "job-environment": "the names depend on the job's variables",
         "directories-are-absolute": "cache_dir is 'xdev/feature/login'",
         "hostile-names": "cache_dir is 'x$(touch", "two-jobs-of-one-project": "the"},
    ),
    "a whole page before the object": Faults(
        (('    print(json.dumps(document)', '    print("{}", json.dumps(document)'),),
        {"one-object": "Extra data"},
    ),
    "output is collected": Faults(
        (
            (BASH, BASH + ", stdout=subprocess.PIPE"),
            ("    code = bash.wait()",
             '    out = bash.communicate()[0].decode("utf-8", "replace")\n'
             '    code = bash.returncode\n    print(out.rstrip("D"), end="", flush=True)'),
        ),
        {"every-byte": "it came as", "last-byte": "OUT-EN'", "much-output": "MiB of memory for it",
         "output-as-it-comes": "1.5 s were between"},
    ),
    "bash is started carelessly": Faults(
        (
            (BASH, '["sh", script, os.environ.get("CUSTOM_ENV_DEPLOY_SECRET", "")], env=environ, '
             'stdin=os.open("/etc/passwd", os.O_RDONLY), restore_signals=False, pass_fds=(7,)'),
            ("    told = []", "    told = []\n    os.dup2(2, 7)"),
        ),
        {"standard-input": "the script said: ", "signals-at-their-default": "SigIgn is",
         "no-foreign-descriptors": "descriptors 0 1 2 7", "command-lines": "sh (",
         "script-is-bash": "ended with 1"},
    ),
    "a script becomes an argument": Faults(
        ((BASH, 'f"exec bash -c \\"$(cat {script})\\"", env=environ, shell=True'),),
        {"odd-temporary-directory": "exit status", "large-script": "ended with"},
    ),
    "failures pass for success": Faults(
        (
            ("    if code == 0 and not told:", "    if code == 0 or told:"),
            ('        say(f"the script\'s exit code', '        os._exit(0)\n        say(f"'),
        ),
        {"run-at-any-moment": "run ended with 0", "script-that-ends-with-zero": "run ended with 0",
         "code-file-that-cannot-be": "'/nowhere/at/all/code': run ended with 0",
         "directory-gone-beneath-a-run": "run ended with 0"},
    ),
    "prepare is narrow": Faults(
        (
            ("        return response, ", '        if set(response) - {"id", "token"} and '
             '"new_of_tomorrow" in response or not response["inputs"] == {}:\n'
             '            raise HostError("unknown")\n        return response, '),
            ('raise HostError(f"the job response', 'os._exit(1)  # raise HostError(f"the job'),
            ('os.makedirs(f"{PLACE}/builds", exist_ok=True)', 'say(os.environ.get('
             '"CUSTOM_ENV_SECRET_0"))\n    open(os.environ["TMPDIR"] + "/../left", "w").close()'),
        ),
        {"response-with-nulls": "plain: unknown", "response-of-tomorrow": "plain: unknown",
         "broken-response": "missing: prepare ended with 1",
         "no-response-named": "prepare ended with 1",
         "executables-keep-secrets": "prepare says 'swordfish", "no-temporary-files": "left: left"},
    ),
    "cleanup is thorough": Faults(
        (
            ('    if directory and os.path.dirname(',
             '    os.path.exists("kept") and os.unlink("kept")\n    os.listdir(directory or ".")\n'
             '    os.mkdir(f"{directory}/cleaned") if directory else None\n'
             '    if directory and os.path.dirname('),
        ),
        {"nothing-to-clean": "is left: ['build_exit_code']",
         "cleanup-of-what-is-gone": "of what is gone: cleanup ended with 2",
         "cleanup-again": "call 2 ended with 2"},
    ),
    "stages and codes of its own": Faults(
        (
            ("    clear_code_file()", '    os.mkdir(os.environ["TMPDIR"] + "/" + sys.argv[-1])'),
            ("def config():", "def config():\n    signal.signal(signal.SIGTERM, "
             "lambda *_: os._exit(0))\n    time.sleep(0.1)"),
        ),
        {"called-twice": "the second call ended with 2",
         "config-at-any-moment": "config ended with 0"},
    ),
}


def put_faults(directory: Path, faults: Faults) -> None:
    text = (HERE / "plain" / "executor").read_text()
    for old, new in faults.changes:
        assert text.count(old) == 1, f"the plain executor has not one '{old}'"
        text = text.replace(old, new)
    directory.mkdir()
    (directory / "executor").write_text(text)
    (directory / "executor").chmod(0o755)
    for name in ("config", "prepare", "run", "cleanup"):
        (directory / name).symlink_to("executor")


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_found(name: str, tmp_path: Path) -> None:
    faults = FAULTS[name]
    put_faults(tmp_path / "executor", faults)
    report = tmp_path / "report.json"
    only = [word for case in faults.cases for word in ("--only", case)]
    done = subprocess.run(
        [HERE / "conform", tmp_path / "executor", *only, "--json", report],
        env=dict(os.environ, PLAIN_DIRECTORY=str(tmp_path / "plain")), capture_output=True,
        text=True, timeout=TIMEOUT, check=False,
    )
    assert report.exists(), done.stderr
    outcomes = {entry["case"]: entry for entry in json.loads(report.read_text())["outcomes"]}
    assert set(outcomes) == set(faults.cases)
    missed = [
        case for case, words in faults.cases.items()
        if outcomes[case]["result"] != "broken" or words not in outcomes[case]["evidence"]
    ]
    assert not missed, done.stdout
