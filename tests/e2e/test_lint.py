# SPDX-License-Identifier: MIT
"""<module>-linter: what is found, how it is told, and what is not the developer's fault."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from executorhost import is_alive, wait_for
from runner import Result, start_job
from toolhost import ToolHost, errors

USER, SYSTEM = 1, 2
LONG = "x = '" + "a" * 125 + "'\n"  # 131 columns
MIDDLE = "x = '" + "a" * 95 + "'\n"  # 101 columns
REPORT = "gl-code-quality-report.json"

needs_pycodestyle = pytest.mark.skipif(shutil.which("pycodestyle") is None,
                                       reason="pycodestyle is missing")


@pytest.fixture
def host(tmp_path: Path) -> ToolHost:
    return ToolHost(tmp_path)


def lint(host: ToolHost) -> Result:
    return host.play("app-linter", after_script=f"echo; sed 's/^/report: /' {REPORT}")


def report_of(result: Result) -> list[dict[str, Any]]:
    [report] = re.findall(r"(?m)^report: (.*)$", result.log)
    return json.loads(report)


@needs_pycodestyle
def test_clean(host: ToolHost) -> None:
    host.put("app/long.py", MIDDLE)
    result = lint(host)
    assert result.exit_code == 0, result.log
    assert "'pycodestyle' has nothing to say against 'app'" in result.log
    assert report_of(result) == []


@needs_pycodestyle
def test_findings(host: ToolHost) -> None:
    host.put("app/a.py", LONG + "import os;\n" + LONG)
    host.put("app/deep/b: 1.py", "def f() :\n    pass\n")
    host.put("app/broken.py", "def f(:\n")
    host.put("other.py", LONG)
    result = lint(host)
    assert result.exit_code == USER, result.log
    assert "\napp/a.py:1:121: E501 line too long (131 > 120 characters)\n" in result.log
    assert "\napp/deep/b: 1.py:1:8: E203 whitespace before ':'\n" in result.log
    assert "\napp/broken.py:2:1: E901 " in result.log
    assert "other.py" not in result.log
    found = report_of(result)
    assert errors(result.log) == [f"{len(found)} findings in 'app': mend what stands above"]
    assert {entry["location"]["path"] for entry in found} == \
        {"app/a.py", "app/deep/b: 1.py", "app/broken.py"}
    [first, second] = [e for e in found if e["check_name"] == "E501"]
    assert first["description"] == "E501 line too long (131 > 120 characters)"
    assert (first["location"]["lines"], second["location"]["lines"]) == ({"begin": 1}, {"begin": 3})
    assert first["severity"] == "minor"
    assert {e["severity"] for e in found if e["check_name"].startswith("E9")} == {"critical"}
    prints = [entry["fingerprint"] for entry in found]
    assert len(set(prints)) == len(prints)
    host.put("app/a.py", "\n\n\n" + LONG + "import os;\n" + LONG)
    again = lint(host)
    assert set(prints) <= {entry["fingerprint"] for entry in report_of(again)}


@needs_pycodestyle
@pytest.mark.parametrize("where, text, fails", [
    ("app/setup.cfg", "[pycodestyle]\nmax-line-length = 140\n", False),
    ("app/tox.ini", "[flake8]\nx=1\n[pycodestyle]\nmax_line_length: 140\n", False),
    ("app/setup.cfg", "[pep8]\nmax-line-length=140\n", False),
    ("setup.cfg", "[pycodestyle]\nMax-Line-Length = 140\n", False),
    ("app/setup.cfg", "[pycodestyle]\nmax-line-length = 100\n", True),
    ("app/setup.cfg", "[pycodestyle]\nignore = E2\n", True),
    ("app/setup.cfg", "[pycodestyle]\nignore = E2\n[pep8]\nmax-line-length = 140\n", True),
    ("app/setup.cfg", "[metadata]\nmax-line-length = 140\n", True),
])
def test_the_repositorys_own_length(host: ToolHost, where: str, text: str, fails: bool) -> None:
    host.put("app/long.py", LONG)
    host.put(where, text)
    result = lint(host)
    assert result.exit_code == (USER if fails else 0), result.log
    limit = "100" if "100" in text else "120"
    assert (f"(131 > {limit} characters)" in result.log) == fails


@needs_pycodestyle
def test_the_hosts_length_gives_way_to_the_repositorys(host: ToolHost) -> None:
    host.config["tools"] = {"linter": ["pycodestyle", "--max-line-length=90"]}
    host.put("app/long.py", MIDDLE)
    assert "(101 > 90 characters)" in lint(host).log
    host.put("app/tox.ini", "[pycodestyle]\nmax-line-length = 110\n")
    assert lint(host).exit_code == 0


@needs_pycodestyle
def test_a_broken_setting_is_the_repositorys(host: ToolHost) -> None:
    host.put("app/setup.cfg", "[pycodestyle\nmax-line-length = 100\n")
    result = lint(host)
    assert result.exit_code == USER, result.log
    assert "setup.cfg" in result.log and "correct the file that it names" in errors(result.log)[0]


@needs_pycodestyle
@pytest.mark.parametrize("text, says", [
    (b"[pycodestyle]\nmax-line-length = wide\n", "base 10: 'wide'"),
    (b"[pycodestyle]\nstatistics = maybe\n", "Not a boolean: maybe"),
    (b"[metadata]\nauthor = Andr\xe9\n", "can't decode byte 0xe9"),
])
def test_a_value_that_cannot_be_read_is_the_repositorys(host: ToolHost, text: bytes, says: str
                                                        ) -> None:
    """Of which Python names no file; without one in the repository it is the host's."""
    (host.project / "app/setup.cfg").write_bytes(text)
    result = lint(host)
    assert result.exit_code == USER, result.log
    assert says in result.log
    assert errors(result.log)[0].startswith(
        "'pycodestyle' cannot read the repository's settings in 'app' (setup.cfg, tox.ini, .flake8)")
    host.linter("echo 'File \"/usr/lib/configparser.py\", line 1' >&2; exit 1\n")
    (host.project / "app/setup.cfg").unlink()
    result = lint(host)
    assert result.exit_code == SYSTEM, result.log


@needs_pycodestyle
def test_a_module_without_python(host: ToolHost) -> None:
    """Of which pycodestyle would say nothing. Another linter may have something to read there."""
    (host.project / "app/main.py").rename(host.project / "app/main.js")
    result = lint(host)
    assert result.exit_code == USER, result.log
    [error] = errors(result.log)
    assert error.startswith("there is no Python file in 'app', and 'pycodestyle' checks nothing else: "
                            "correct the module's path, name another linter in ")
    host.put("app/setup.cfg", "[pycodestyle]\nfilename = *.js\n")
    assert lint(host).exit_code == 0
    (host.project / "app/setup.cfg").unlink()
    own_linter(host, host.put_program("eslint", "exit 0\n"))
    assert lint(host).exit_code == 0
    own_linter(host, "pycodestyle")
    host.put("app/deep/er/b.py", "")
    assert lint(host).exit_code == 0


@needs_pycodestyle
def test_the_repositorys_own_format(host: ToolHost) -> None:
    host.put("app/setup.cfg", "[pycodestyle]\nformat = pylint\n")
    host.put("app/a.py", LONG)
    result = lint(host)
    assert result.exit_code == USER, result.log
    assert errors(result.log) == ["1 finding in 'app': mend what stands above"]
    assert [entry["location"]["path"] for entry in report_of(result)] == ["app/a.py"]


@needs_pycodestyle
@pytest.mark.parametrize("where, quiet", [("app", 1), (".", 2)])
def test_findings_that_the_repository_silences(host: ToolHost, where: str, quiet: int) -> None:
    host.put(f"{where}/setup.cfg", f"[pycodestyle]\nquiet = {quiet}\n")
    host.put("app/a.py", LONG)
    result = lint(host)
    assert result.exit_code == USER, result.log
    assert errors(result.log) == [
        "'pycodestyle' does not say here what it has found, for the repository tells it 'quiet': "
        f"remove that from [pycodestyle] of the settings in '{where}' (setup.cfg, tox.ini, .flake8)"]


@pytest.mark.parametrize("option", ["quiet = 2", "output-file = found.txt"])
def test_findings_that_the_repository_keeps_from_flake8(host: ToolHost, option: str) -> None:
    """It reads its settings where it runs, in the project's directory."""
    program = host.put_program("flake8", 'test "$1" = --format=default || exit 2\nexit 1\n')
    host.config["tools"] = {"linter": [str(program)]}
    assert lint(host).exit_code == SYSTEM
    host.put(".flake8", f"[flake8]\n{option}\n")
    result = lint(host)
    assert result.exit_code == USER, result.log
    assert f"tells it '{option.split()[0]}': remove that from [flake8]" in errors(result.log)[0]


@needs_pycodestyle
def test_a_bad_option_of_the_hosts(host: ToolHost) -> None:
    host.config["tools"] = {"linter": ["pycodestyle", "--no-such-option"]}
    result = lint(host)
    assert result.exit_code == SYSTEM
    assert "no such option: --no-such-option" in result.log
    assert "'pycodestyle' failed with code 2" in errors(result.log)[0]


@needs_pycodestyle
def test_a_directory_like_an_option(host: ToolHost) -> None:
    host.modules({"app": {"path": "--help"}})
    host.put("--help/a.py", LONG)
    result = lint(host)
    assert result.exit_code == USER and "\n--help/a.py:1:121: E501" in result.log, result.log


@pytest.mark.parametrize("text, code, says", [
    ("kill -SEGV $$", SYSTEM, "was ended by signal 11"),
    ("echo Traceback >&2; exit 1", SYSTEM, "failed with code 1"),
    ("echo app/a.py:1:1: E501 long; exit 2", SYSTEM, "failed with code 2"),
    ("echo app/a.py:1:1: E501 long; exit 1", USER, "1 finding in 'app'"),
    ("echo tox.ini: bad >&2; exit 1", USER, "correct the file that it names"),
])
def test_how_a_linter_ends(host: ToolHost, text: str, code: int, says: str) -> None:
    host.linter(text + "\n")
    result = lint(host)
    assert result.exit_code == code and says in errors(result.log)[0], result.log
    assert "Traceback" not in text or "\nTraceback\n" in result.log


def test_another_linter(host: ToolHost) -> None:
    """As ruff says it (concise), and with a report-only linter."""
    host.linter('echo "app/a.py:3:7: F401 [*] \\`os\\` imported but unused"\n'
                'echo "app/a.py:9:1: invalid-syntax: Expected an expression"\n'
                'echo "Found 2 errors."; test "$RUFF_OUTPUT_FORMAT" = concise || exit 2; exit $1\n', "1")
    result = lint(host)
    assert result.exit_code == USER and "2 findings in 'app'" in result.log, result.log
    assert [(e["check_name"], e["severity"]) for e in report_of(result)] == \
        [("F401", "major"), ("invalid-syntax", "critical")]
    host.config["tools"]["linter"][1] = "0"
    result = lint(host)
    assert result.exit_code == 0 and "2 findings in 'app', which" in result.log, result.log


# --- a module's own linter ---

OWN = "modules.app.lint.command: "


def own_linter(host: ToolHost, *command: object, **other: object) -> None:
    host.modules({"app": {"lint": {"command": [str(word) for word in command]}}, **other})


def test_a_modules_own_linter(host: ToolHost) -> None:
    """It is that module's alone; the others have the host's."""
    host.linter("exit 0\n")
    own = host.put_program("own", 'echo "$2/a.py:3:7: F401 unused"; test "$1" = --strict\n')
    own_linter(host, own, "--strict", other={})
    host.put("other/main.py", "")
    result = lint(host)
    assert result.exit_code == 0 and "1 finding in 'app', which" in result.log, result.log
    own_linter(host, own, "check", other={})
    result = lint(host)
    assert result.exit_code == USER, result.log
    assert errors(result.log) == ["1 finding in 'app': mend what stands above"]
    [entry] = report_of(result)
    assert (entry["location"], entry["severity"]) == \
        ({"path": "app/a.py", "lines": {"begin": 3}}, "major")
    result = host.play("other-linter")
    assert result.exit_code == 0 and f"'{host.bin}/linter' has nothing to say" in result.log


def test_a_linter_that_lies_in_the_repository(host: ToolHost) -> None:
    own_linter(host, "tools/check")
    host.put("tools/check", "#!/bin/sh\necho $1/a.py:1:1: X1 no\nexit 1\n")
    (host.project / "tools" / "check").chmod(0o755)
    result = lint(host)
    assert result.exit_code == USER and "\napp/a.py:1:1: X1 no\n" in result.log, result.log


@pytest.mark.parametrize("name", ["no-such-linter", "/nowhere/linter", "tools/none"])
def test_a_modules_own_linter_is_missing(host: ToolHost, name: str) -> None:
    host.linter("exit 0\n")
    own_linter(host, name)
    result = host.play("app-linter")
    assert result.exit_code == USER, result.log
    [error] = errors(result.log)
    assert error.startswith(".berth/environment.json:") and name in error
    assert OWN in error and "name another, or ask the host's administrator to install it" in error


@pytest.mark.parametrize("text, says", [
    ("echo Traceback >&2; exit 1", "failed with code 1 and found nothing: what it says is above"),
    ("echo app/setup.cfg: bad >&2; exit 2", "failed with code 2"),
    ("kill -SEGV $$", "was ended by signal 11"),
    ("echo $1/a.py:1:1: X1 no; kill -SEGV $$", "was ended by signal 11"),
])
def test_a_modules_own_linter_fails(host: ToolHost, text: str, says: str) -> None:
    """Which is the developer's to mend, whatever it says."""
    own_linter(host, host.put_program("own", text + "\n"))
    result = host.play("app-linter")
    assert result.exit_code == USER, result.log
    [error] = errors(result.log)
    assert error.startswith(".berth/environment.json:") and OWN in error and says in error


@pytest.mark.parametrize("code", [4, 30])
def test_codes_of_a_modules_own_linter(host: ToolHost, code: int) -> None:
    """As pylint says it, whose code has a bit for each kind of finding."""
    own_linter(host, host.put_program(
        "own", f"echo '************* Module app.a'\n"
               f"echo \"$1/a.py:1:0: C0114: Missing module docstring\"; exit {code}\n"))
    result = lint(host)
    assert result.exit_code == USER, result.log
    assert errors(result.log) == ["1 finding in 'app': mend what stands above"]
    assert [entry["location"]["path"] for entry in report_of(result)] == ["app/a.py"]


def test_a_modules_own_linter_hangs(host: ToolHost) -> None:
    pids = host.directory / "pids"
    own_linter(host, host.put_program(
        "own", f"trap '' TERM; sleep 100 & echo $$ $! > {pids}; while :; do sleep 1; done\n"))
    host.config["tools"] = {"seconds": 1}
    result = host.play("app-linter")
    assert result.exit_code == USER, result.log
    [error] = errors(result.log)
    assert OWN in error and error.endswith("took longer than 1 s and was ended"), error
    assert not any(is_alive(int(pid)) for pid in pids.read_text().split())


def test_a_cancelled_job_ends_a_modules_own_linter(host: ToolHost) -> None:
    pids = host.directory / "pids"
    own_linter(host, host.put_program("own", f"sleep 100 & echo $$ $! > {pids}; wait\n"))
    with start_job(**host.options("app-linter", graceful_kill_timeout=60.0)) as running:
        started = wait_for(pids).split()
        running.cancel("abort")
        result = running.wait(60)
    assert result.status == "canceled" and "which was ended" in result.log, result.log
    assert OWN not in result.log
    assert not any(is_alive(int(pid)) for pid in started)


@needs_pycodestyle
def test_the_length_that_a_modules_own_command_says(host: ToolHost) -> None:
    """It wins over a file's, as on any command line; without one it is as with the host's."""
    host.put("app/long.py", MIDDLE)
    own_linter(host, "pycodestyle")
    assert lint(host).exit_code == 0
    host.put("app/setup.cfg", "[pycodestyle]\nmax-line-length = 100\n")
    assert "(101 > 100 characters)" in lint(host).log
    own_linter(host, "pycodestyle", "--max-line-length=90")
    assert "(101 > 90 characters)" in lint(host).log


@pytest.mark.parametrize("lint, says", [
    ({"command": "ruff check"}, "modules.app.lint.command: must be "),
    ({"command": []}, "modules.app.lint.command"),
    ({"comand": ["ruff"]}, "did you mean 'command'"),
])
def test_a_module_names_its_linter_wrongly(host: ToolHost, lint: dict[str, Any],
                                           says: str) -> None:
    host.modules({"app": {"lint": lint}})
    result = host.play("app-linter")
    assert result.exit_code == USER and says in errors(result.log)[0], result.log


def test_what_a_file_says_cannot_forge_the_log(host: ToolHost) -> None:
    host.linter("printf 'app/\\033[31m\\xff.py:1:1: E1 \\033[2J\\n'; exit 1\n")
    result = lint(host)
    assert b"\033[31m" not in result.raw_log and b"\033[2J" not in result.raw_log
    assert report_of(result)[0]["location"]["path"] == "app/\\x1b[31m\\xff.py"


def test_a_link_in_the_reports_way_is_not_followed(host: ToolHost) -> None:
    target = host.directory / "elsewhere"
    target.write_text("untouched")
    (host.project / REPORT).symlink_to(target)
    host.linter("exit 0\n")
    result = lint(host)
    assert result.exit_code == 0 and target.read_text() == "untouched"
    assert report_of(result) == []
