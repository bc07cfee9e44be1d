# SPDX-License-Identifier: MIT
"""Chapter 1: what the executables are given, and what of it a script gets."""

from __future__ import annotations

import hashlib
import os
import re

from contract.options import Variable

from .bench import Bench
from .cases import case, require

# execve(2): MAX_ARG_STRLEN is 131072 with the final NUL.
LONGEST = 131071
HOST_SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "host-secret-c1f04e77",
    "AWS_SESSION_TOKEN": "host-secret-c1f04e77",
    "VAULT_TOKEN": "host-secret-c1f04e77",
}


@case("1.1")
def odd_temporary_directory(bench: Bench) -> str:
    """A temporary directory with blanks, quotes and a dollar in its name."""
    temp = bench.directory / "it's a \"tmp\" $HOME *"
    temp.mkdir()
    result = bench.play(script="cat README", environ={"TMPDIR": str(temp)})
    require(result.exit_code == 0, f"{result.error}: {result.log[-200:]}")
    require("a project" in result.log, f"the script's output is missing: {result.log[-200:]}")
    return "the job succeeded"


@case("1.1", "8.5")
def no_temporary_files(bench: Bench) -> str:
    """Nothing is left in the host's temporary directory after a job."""
    result = bench.play(script="cat README", after_script=":")
    require(result.exit_code == 0, f"{result.error}: {result.log[-200:]}")
    left = sorted(os.listdir(bench.temp))
    require(not left, f"left: {', '.join(left)}")
    return "empty"


@case("1.2")
def standard_input(bench: Bench) -> str:
    """A script that reads gets an end of file at once, and has no terminal."""
    with bench.attempt() as attempt:
        ended = attempt.run("read -r line; echo read=$?; cat; echo cat=$?; "
                            "for n in 0 1 2; do [ -t $n ] && echo terminal=$n; done; exit 0").end()
    require(ended.code == 0, f"run ended with {ended.code}: {ended.said}")
    require(b"read=1" in ended.out and b"cat=0" in ended.out, f"the script said: {ended.said}")
    require(b"terminal=" not in ended.out, f"there is a terminal: {ended.said}")
    return "read and cat were at their end"


@case("1.3")
def variables_of_every_kind(bench: Bench) -> str:
    """Variables of 131071 bytes, with newlines, quotes and bytes that are no UTF-8."""
    values = {
        "LONGEST": "x" * (LONGEST - len("CUSTOM_ENV_LONGEST=")),
        "LINES_": "one\n\n two '\" $HOME `id` \\ \n",
        "BYTES": "\udcff\udcfe\udc80 \u00e4 \t\x01\x7f=",
        "EMPTY": "",
    }
    variables = [Variable(key, value, raw=True) for key, value in values.items()]
    script = "for n in LONGEST LINES_ BYTES EMPTY; do " \
             "printf 'sum:%s:%s\\n' $n \"$(printf %s \"${!n}x\" | sha256sum | cut -c 1-16)\"; done"
    result = bench.play(variables=variables, script=script)
    require(result.exit_code == 0, f"{result.error}: {result.log[-200:]}")
    for key, value in values.items():
        wanted = hashlib.sha256(os.fsencode(value + "x")).hexdigest()[:16]
        require(f"sum:{key}:{wanted}" in result.log, f"{key} is not what it was: "
                f"{result.log[-200:]}")
    return "all four reached the script as they were"


@case("1.3")
def odd_variable_names(bench: Bench) -> str:
    """Variables under names that no shell knows."""
    names = ("a-b", "a.b", "1st", "a b", "%s", "é")
    odd = {f"CUSTOM_ENV_{name}": "value\nEVIL=1" for name in names}
    with bench.attempt(prepare=False) as attempt:
        codes = {}
        for name in ("config", "prepare"):
            if name in bench.subject.commands:
                codes[name] = attempt.call(name, **odd).end().code
        ended = attempt.run("echo EVIL=$EVIL; exit 0", **odd).end()
        codes["run"] = ended.code
        if "cleanup" in bench.subject.commands:
            codes["cleanup"] = attempt.call("cleanup", **odd).end().code
    require(set(codes.values()) == {0}, f"ended with {codes}")
    require(b"EVIL=1" not in ended.out, "a value's second line became a variable")
    return "all ended with 0"


@case("1.4")
def codes_named_otherwise(bench: Bench) -> str:
    """The codes to end with are those of the environment."""
    names = {"BUILD_FAILURE_EXIT_CODE": "41", "SYSTEM_FAILURE_EXIT_CODE": "42"}
    with bench.attempt() as attempt:
        failed = attempt.run("exit 3", **names).end()
        require(failed.code == 41, f"BUILD_FAILURE_EXIT_CODE=41, run ended with {failed.code}")
        lost = attempt.call("run", str(attempt.temp / "no-such-script"), "get_sources",
                            **names).end()
        require(lost.code == 42, "SYSTEM_FAILURE_EXIT_CODE=42, run without its script ended with "
                f"{lost.code}")
    return "41 and 42, as named"


@case("1.5")
def signals_at_their_default(bench: Bench) -> str:
    """A script ignores and blocks no signal."""
    with bench.attempt() as attempt:
        ended = attempt.run("grep -E '^Sig(Ign|Blk)' /proc/self/status; "
                            "(yes; echo yes=$? >&2) | head -n 1; exit 0").end()
    masks = dict(re.findall(r"(SigIgn|SigBlk):\s*([0-9a-f]+)", ended.out.decode()))
    require(len(masks) == 2, f"no masks in: {ended.said}")
    for name, mask in masks.items():
        # 32 and 33 are the C library's own: what posix_spawn(3) starts ignores them, as whatever
        # make starts does, and nobody can set them back (glibc, sysdeps/unix/sysv/linux/spawni.c).
        require(int(mask, 16) & ~(3 << 31) == 0, f"{name} is {mask}")
    require(b"yes=141" in ended.err, f"SIGPIPE did not end the writer: {ended.said}")
    return "no signal ignored or blocked"


@case("1.5")
def no_foreign_descriptors(bench: Bench) -> str:
    """A script has the descriptors 0, 1 and 2 and no other."""
    with bench.attempt() as attempt:
        ended = attempt.run("sh -c 'echo fds:; ls /proc/$$/fd; :' | tr '\\n' ' '; exit 0").end()
    found = re.search(rb"fds: ([0-9 ]*)", ended.out)
    require(found is not None, f"no list in: {ended.said}")
    assert found is not None
    require(found[1].split() == [b"0", b"1", b"2"], f"descriptors {found[1].decode()}")
    return "0 1 2"


@case("1.6")
def host_environment_kept(bench: Bench) -> str:
    """Credentials in the runner's environment do not reach a script."""
    with bench.attempt(environ=HOST_SECRETS) as attempt:
        ended = attempt.run("cat /proc/$$/environ | tr '\\0' '\\n'; exit 0").end()
    require(ended.code == 0 and b"PATH=" in ended.out, f"no environment in: {ended.said}")
    leaked = [key for key, value in HOST_SECRETS.items() if f"{key}={value}".encode() in ended.out]
    require(not leaked, f"the script has {', '.join(leaked)} of the host")
    return "none of the host's four secrets"
