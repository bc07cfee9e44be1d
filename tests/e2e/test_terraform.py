# SPDX-License-Identifier: MIT
"""terraform-validate-<name>: with the machine's terraform, and with one that plays an answer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from executorhost import is_alive, wait_for
from runner import Result, start_job
from toolhost import ToolHost, errors

USER, SYSTEM = 1, 2
VALID = 'variable "x" {\n  type = string\n}\n\nresource "terraform_data" "y" {\n  input = var.x\n}\n'
AWS = 'provider "aws" {\n  region = "us-east-1"\n}\n'
LOCK = ".terraform.lock.hcl"
ALL = "is valid: its syntax, and what its providers and modules ask for"
SYNTAX_ALONE = "only the syntax was checked, and it is valid"

PROGRAM = next((p for p in ("terraform", "tofu") if shutil.which(p)), None)
needs_terraform = pytest.mark.skipif(PROGRAM is None, reason="terraform and tofu are missing")


@pytest.fixture
def host(tmp_path: Path) -> ToolHost:
    host = ToolHost(tmp_path)
    host.config["tools"] = {"seconds": 300}
    # No registry is asked: the tests need no network.
    host.environ |= {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9",
                     "HTTPS_PROXY": "http://127.0.0.1:9"}
    return host


def validate(host: ToolHost) -> Result:
    """Nothing of terraform's may be left in the checkout."""
    result = host.play("terraform-validate-infra",
                       after_script="git status --short --ignored | sed 's/^/left: /'")
    assert "\nleft: " not in result.log, result.log
    return result


@needs_terraform
def test_valid(host: ToolHost) -> None:
    host.put("infra/main.tf", VALID)
    result = validate(host)
    assert result.exit_code == 0 and f"'infra' {ALL}" in result.log, result.log


@needs_terraform
def test_another_style_is_no_mistake(host: ToolHost) -> None:
    host.put("infra/main.tf", VALID.replace("type = string", "type=string"))
    result = validate(host)
    assert result.exit_code == 0, result.log
    assert "would write this file in another style: main.tf" in result.log and ALL in result.log


@needs_terraform
def test_wrong_syntax_in_every_file(host: ToolHost) -> None:
    host.put("infra/main.tf", 'resource "aws_instance" "x" {\n')
    host.put("infra/modules/sub/two.tf", "locals {\n  a = }\n")
    result = validate(host)
    assert result.exit_code == USER, result.log
    assert "on main.tf line 1" in result.log and "on modules/sub/two.tf line 2" in result.log
    assert errors(result.log) == [
        "the syntax of what is in 'infra' is wrong: the files and lines stand above"]


@needs_terraform
def test_a_link_that_leads_nowhere(host: ToolHost) -> None:
    """That is the repository's mistake, and not the host's."""
    host.put("infra/main.tf", VALID)
    (host.project / "infra" / "more.tf").symlink_to("none.tf")
    result = validate(host)
    assert result.exit_code == USER, result.log
    assert "more.tf" in result.log
    assert errors(result.log)[0].startswith("a file in 'infra' cannot be read")


@needs_terraform
def test_wrong_json_in_every_file(host: ToolHost) -> None:
    """Also in what no module uses, where nothing else but the syntax counts."""
    host.put("infra/main.tf", VALID)
    host.put("infra/sub/one.tf.json", '{"resource": {')
    host.put("infra/sub/deep/two.tf.json", '{\n  "variable": {"x": {}}\n')
    host.put("infra/.hidden/four.tf.json", "no")
    host.put("infra/other/three.tf.json", '{"//": 1, "//": 2, "provider": {"aws": {}}}')
    host.put("infra/other/main.tf", 'resource "aws_instance" "x" {\n  ami = var.none\n}\n')
    result = validate(host)
    assert result.exit_code == USER, result.log
    assert "\ninfra/sub/one.tf.json:1:15: Missing value: " in result.log
    assert "\ninfra/sub/deep/two.tf.json:1:1: Unclosed object: " in result.log
    assert "infra/other" not in result.log
    [error] = errors(result.log)
    assert error.endswith(" in 'infra': mend what stands above")
    host.put("infra/sub/one.tf.json", '{"locals": {}}')
    host.put("infra/sub/deep/two.tf.json", '{"variable": {"x": {}}}')
    result = validate(host)
    assert result.exit_code == 0 and f"'infra' {ALL}" in result.log, result.log


@needs_terraform
def test_what_is_wrong_beyond_the_syntax(host: ToolHost) -> None:
    host.put("infra/main.tf", VALID.replace("var.x", "var.z"))
    result = validate(host)
    assert result.exit_code == USER, result.log
    assert "\ninfra/main.tf:6:11: Reference to undeclared input variable: " in result.log
    assert errors(result.log) == ["1 error in 'infra': mend what stands above"]


@needs_terraform
def test_providers_that_cannot_be_had_are_nobodys_mistake(host: ToolHost) -> None:
    host.put("infra/main.tf", AWS)
    result = validate(host)
    assert result.exit_code == 0, result.log
    assert SYNTAX_ALONE in result.log and ALL not in result.log
    assert "Failed to query available provider packages" in result.log
    assert "ERROR" not in result.log


@needs_terraform
def test_a_mirror_that_lacks_the_version_is_nobodys_mistake(host: ToolHost) -> None:
    """Which terraform tells as a registry without it is told."""
    mirror = host.directory / "mirror"
    provider = mirror / "registry.terraform.io/hashicorp/aws/4.0.0/linux_amd64"
    provider.mkdir(parents=True)
    (provider / "terraform-provider-aws_v4.0.0").touch(mode=0o755)
    settings = host.directory / "terraformrc"
    settings.write_text(f'provider_installation {{\n  filesystem_mirror {{ path = "{mirror}" }}\n}}\n')
    host.config["tools"]["terraform"] = ["env", f"TF_CLI_CONFIG_FILE={settings}", str(PROGRAM)]
    host.put("infra/main.tf", 'terraform {\n  required_providers {\n    aws = {\n'
             '      source  = "registry.terraform.io/hashicorp/aws"\n      version = "~> 5.0"\n'
             '    }\n  }\n}\n')
    result = validate(host)
    assert result.exit_code == 0, result.log
    assert SYNTAX_ALONE in result.log and "no available releases match" in result.log


@needs_terraform
def test_mistakes_are_found_without_providers(host: ToolHost) -> None:
    host.put("infra/main.tf", AWS + 'variable "x" {}\nvariable "x" {}\n')
    result = validate(host)
    assert result.exit_code == USER, result.log
    assert "\ninfra/main.tf:5:1: Duplicate variable declaration: " in result.log


@needs_terraform
def test_modules(host: ToolHost) -> None:
    host.put("infra/main.tf", 'module "m" {\n  source = "../shared"\n  y      = 1\n}\n')
    host.put("shared/main.tf", VALID)
    result = validate(host)
    assert result.exit_code == USER, result.log
    assert "\ninfra/main.tf:3:3: Unsupported argument: " in result.log
    host.put("infra/main.tf", 'module "m" {\n  source = "./none"\n}\n')
    result = validate(host)
    assert result.exit_code == USER and "lstat none: no such file" in result.log, result.log


@needs_terraform
@pytest.mark.parametrize("before", [None, "# locked\n"])
def test_the_lock_file_stays_as_it_was(host: ToolHost, before: str | None) -> None:
    program = host.put_program("terraform", 'test "$1" = init && echo "# more" >> .terraform.lock.hcl\n'
                               f'exec {shutil.which(PROGRAM or "")} "$@"\n')
    host.config["tools"]["terraform"] = [str(program)]
    host.put("infra/main.tf", VALID)
    if before:
        host.put("infra/.terraform.lock.hcl", before)
    assert ALL in validate(host).log


@needs_terraform
def test_a_broken_lock_file(host: ToolHost) -> None:
    host.put("infra/main.tf", VALID)
    host.put("infra/.terraform.lock.hcl", "bro ken")
    result = host.play("terraform-validate-infra")
    assert result.exit_code == USER, result.log
    assert "'infra/.terraform.lock.hcl' is wrong" in errors(result.log)[0]


# -- which directory -------------------------------------------------------------------------------

ANSWERS = {"valid": True, "diagnostics": []}


def play_answers(host: ToolHost, answer: object = ANSWERS, fmt: str = "exit 0", init: str = "exit 0"
                 ) -> None:
    program = host.put_program("terraform", f"""
pwd > {host.directory}/where
case $1 in
fmt) {fmt} ;;
init) {init} ;;
validate) cat <<'END'
{answer if isinstance(answer, str) else json.dumps(answer)}
END
;;
esac
""")
    host.config["tools"]["terraform"] = [str(program)]


def directory_of(host: ToolHost, result: Result) -> str:
    where = Path((host.directory / "where").read_text().strip())
    return str(where.relative_to(result.build_dir))


def test_the_directory_at_the_root_comes_first(host: ToolHost) -> None:
    play_answers(host)
    host.put("infra/main.tf", VALID)
    host.put("deep/down/infra/main.tf", VALID)
    result = validate(host)
    assert result.exit_code == 0 and directory_of(host, result) == "infra", result.log


def test_the_only_one_of_its_name(host: ToolHost) -> None:
    play_answers(host)
    host.put("deep/down/infra/main.tf", VALID)
    result = validate(host)
    assert result.exit_code == 0 and directory_of(host, result) == "deep/down/infra", result.log
    host.put("up/infra/main.tf", VALID)
    result = validate(host)
    assert result.exit_code == USER
    assert "there are 2 directories 'infra' in the repository ('deep/down/infra', 'up/infra'): " \
        in errors(result.log)[0]


def test_the_spec_says_which(host: ToolHost) -> None:
    play_answers(host)
    host.put("deep/down/files/main.tf", VALID)
    host.put("infra/main.tf", VALID)
    spec_path = host.project / ".berth" / "environment.json"
    spec = json.loads(spec_path.read_text())
    spec["terraform"] = {"infra": {"path": "deep/down/files"}}
    spec_path.write_text(json.dumps(spec, indent=2))
    result = validate(host)
    assert result.exit_code == 0 and directory_of(host, result) == "deep/down/files", result.log
    spec["terraform"]["infra"]["path"] = "../.."
    spec_path.write_text(json.dumps(spec, indent=2))
    [error] = errors(validate(host).log)
    assert error.startswith(".berth/environment.json:") and "terraform.infra.path: '../..'" in error


def test_no_spec_is_needed_and_no_directory_is_told(host: ToolHost) -> None:
    play_answers(host)
    shutil.rmtree(host.project / ".berth")
    host.put("infra/main.tf", VALID)
    assert validate(host).exit_code == 0
    for name, says in (("none", "there is no directory 'none' in the repository"),
                       ("..", "'..' leads out of its directory"),
                       ("app", "there is no Terraform file in 'app'")):
        result = host.play(f"terraform-validate-{name}")
        assert result.exit_code == USER and says in errors(result.log)[0], result.log


# -- what terraform says ---------------------------------------------------------------------------

def diagnostic(summary: str, line: int = 0) -> dict[str, object]:
    where = {"range": {"filename": "main.tf", "start": {"line": line, "column": 2}}} if line else {}
    return {"severity": "error", "summary": summary, "detail": "because\n  of that", **where}


@pytest.mark.parametrize("summary, line, init, code", [
    ("Missing required provider", 0, 1, 0),
    ("Module not installed", 3, 1, 0),
    ("Anything without a place", 0, 1, 0),
    ("Anything without a place", 0, 0, USER),
    ("Unsupported argument", 3, 1, USER),
    ("Unsupported argument", 3, 0, USER),
])
def test_whose_mistake_it_is(host: ToolHost, summary: str, line: int, init: int, code: int) -> None:
    host.put("infra/main.tf", VALID)
    play_answers(host, {"valid": False, "diagnostics": [diagnostic(summary, line)]},
                 init=f"printf 'Error: No way\\n\\nto the\\nregistry\\n' >&2; exit {init}")
    result = validate(host)
    assert result.exit_code == code, result.log
    if code == 0:
        assert SYNTAX_ALONE in result.log and "fetched: No way: to the registry" in result.log
    elif line:
        assert f"\ninfra/main.tf:3:2: {summary}: because   of that\n" in result.log


@pytest.mark.parametrize("answers, says", [
    ({"fmt": "echo flag provided but not defined >&2; exit 1"}, "fmt' failed with code 1"),
    ({"answer": "no JSON"}, "validate' failed with code 0"),
    ({"fmt": "kill -KILL $$"}, "fmt' failed with code 137"),
])
def test_a_terraform_that_is_none(host: ToolHost, answers: dict[str, str], says: str) -> None:
    host.put("infra/main.tf", VALID)
    play_answers(host, **answers)
    result = validate(host)
    assert result.exit_code == SYSTEM and says in errors(result.log)[0], result.log


def test_no_terraform_at_all(host: ToolHost) -> None:
    host.put("infra/main.tf", VALID)
    host.config["tools"]["terraform"] = ["no-terraform"]
    result = validate(host)
    assert result.exit_code == SYSTEM
    assert "install Terraform or OpenTofu on the runner host" in errors(result.log)[0]


@pytest.fixture
def pids(host: ToolHost) -> Path:
    """Where a command of terraform that hangs() writes the ids of its processes."""
    host.put("infra/main.tf", VALID)
    return host.directory / "pids"


def hangs(pids: Path) -> str:
    return f"sleep 1000 & echo $$ $! > {pids}; wait"


def test_a_terraform_that_hangs(host: ToolHost, pids: Path) -> None:
    play_answers(host, fmt=hangs(pids))
    host.config["tools"]["seconds"] = 1
    result = validate(host)
    assert result.exit_code == SYSTEM, result.log
    assert "took longer than 1 s and was ended" in errors(result.log)[0]
    begun = pids.read_text() if pids.exists() else ""  # a second may be too short for it
    assert not any(is_alive(int(pid)) for pid in begun.split())


@pytest.mark.parametrize("command", ["fmt", "init"])
def test_a_cancelled_job_is_not_valid(host: ToolHost, pids: Path, command: str) -> None:
    """Nor is what a registry did not answer until then; and nothing is left."""
    play_answers(host, **{command: f"echo more >> {LOCK}; {hangs(pids)}"})
    host.put(f"infra/{LOCK}", "# locked\n")
    with start_job(**host.options("terraform-validate-infra", after_script="sed 's/^/lock: /' "
                                  f"infra/{LOCK}; ls -a infra; echo th''en")) as running:
        started = wait_for(pids).split()
        running.cancel("canceling")
        result = running.wait(60)
    assert result.status == "canceled" and "cancelled while" in result.log, result.log
    assert "is valid" not in result.log
    assert not any(is_alive(int(pid)) for pid in started)
    assert "\nthen\n" in result.log and "\n.terraform\n" not in result.log
    if command == "init":
        assert "\nlock: # locked\n" in result.log and "lock: more" not in result.log


def test_a_registry_that_hangs_fails_nobody(host: ToolHost) -> None:
    host.put("infra/main.tf", VALID)
    play_answers(host, {"valid": False, "diagnostics": [diagnostic("Missing required provider")]},
                 init="sleep 100")
    host.config["tools"]["seconds"] = 1
    result = validate(host)
    assert result.exit_code == 0, result.log
    assert SYNTAX_ALONE in result.log and "took longer than 1 s" in result.log
