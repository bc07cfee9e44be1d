# SPDX-License-Identifier: MIT
"""Chapter 6: output."""

from __future__ import annotations

import resource

from contract.options import Variable
from contract.variables import job_token

from .bench import SECRET, Attempt, Bench, processes
from .cases import NotApplicable, case, require

ALL_BYTES = bytes(range(256))
ROOM_KIB = 64 << 10


@case("6.1")
def last_byte(bench: Bench) -> str:
    """The last byte before the end arrives, in both streams, every time."""
    with bench.attempt() as attempt:
        for _ in range(5):
            ended = attempt.run(
                "head -c 300000 /dev/zero | tr '\\0' o; printf OUT-END; "
                "head -c 300000 /dev/zero | tr '\\0' e >&2; printf ERR-END >&2"
            ).end()
            require(b"OUT-END" in ended.out and ended.out.count(b"o") >= 300_000,
                    f"standard output ended after {len(ended.out)} bytes: {ended.out[-20:]!r}")
            require(b"ERR-END" in ended.out + ended.err,
                    f"standard error ended after {len(ended.err)} bytes: {ended.err[-20:]!r}")
    return "600 kB, five times"


@case("6.1")
def every_byte(bench: Bench) -> str:
    """NULs, escapes, carriage returns and what is no UTF-8 arrive as they are."""
    octal = "".join(f"\\{byte:03o}" for byte in ALL_BYTES)
    with bench.attempt() as attempt:
        ended = attempt.run(f"printf '{octal}'; exit 0").end()
    require(ended.code == 0, f"run ended with {ended.code}")
    require(ALL_BYTES in ended.out, f"it came as {ended.out[:80]!r}...")
    return "all 256, in order"


@case("6.1", "8.4")
def piped_output(bench: Bench) -> str:
    """What a script has sent through a process of its own still arrives."""
    with bench.attempt() as attempt:
        ended = attempt.run(
            "exec > >(sleep 0.1; sed 's/^/piped: /'); echo last words; exit 0"
        ).end()
    require(ended.code == 0, f"run ended with {ended.code}: {ended.said}")
    require(b"piped: last words" in ended.out, f"it did not: {ended.said}")
    return "last words arrived"


@case("6.2")
def output_as_it_comes(bench: Bench) -> str:
    """A line arrives while its script is still at work."""
    with bench.attempt() as attempt:
        program = attempt.run("echo first thing; sleep 1.5; echo second thing")
        between = -program.await_output(b"first thing") + program.await_output(b"second thing")
        program.end()
    require(between > 0.7, f"the first came {between:.2f} s before the second, 1.5 s were between")
    return f"{between:.1f} s apart"


def write_much(attempt: Attempt, script: str, wanted: int) -> str:
    ended = attempt.run(script).end(120)
    limit = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + ROOM_KIB
    require(ended.code == 0, f"run ended with {ended.code}: {ended.said}")
    got = ended.streams[0].count
    require(got >= wanted, f"{got} of {wanted} bytes arrived")
    require(b"THE-END" in ended.streams[0].tail, "its end is missing")
    require(ended.peak_kib < limit, f"run took {ended.peak_kib >> 10} MiB of memory for it")
    rate = got / max(ended.seconds, 0.001) / (1 << 20)
    return f"{got >> 20} MiB at {rate:.0f} MiB/s, {ended.peak_kib >> 10} MiB of memory at most"


@case("6.3")
def much_output(bench: Bench) -> str:
    """Hundreds of megabytes arrive whole, and no executable holds them."""
    size = bench.subject.output_bytes
    with bench.attempt() as attempt:
        return write_much(attempt, f"yes some words of a long log | head -c {size}; echo THE-END",
                          size)


@case("6.3")
def endless_line(bench: Bench) -> str:
    """A line without an end, of NULs."""
    size = bench.subject.output_bytes // 2
    with bench.attempt() as attempt:
        return write_much(attempt, f"head -c {size} /dev/zero; printf THE-END", size)


@case("6.4")
def nobody_listens(bench: Bench) -> str:
    """prepare and cleanup do not die of a log that nobody reads."""
    ends = []
    with bench.attempt(prepare=False) as attempt:
        for name in ("prepare", "cleanup"):
            if name in bench.subject.commands:
                code = attempt.call(name, read=False).end().code
                require(code in (0, 2), f"{name} ended with {code}")
                ends.append(f"{name}: {code}")
    if not ends:
        raise NotApplicable("there is neither prepare nor cleanup")
    return ", ".join(ends)


@case("6.5")
def executables_keep_secrets(bench: Bench) -> str:
    """config, prepare and cleanup say no masked value, token or password."""
    secrets = [SECRET, "s3cret\"with\\quotes$and&more"]
    variables = [Variable(f"SECRET_{n}", s, masked=True, raw=True) for n, s in enumerate(secrets)]
    variables += [Variable("CI_DEBUG_TRACE", "true"), Variable("CI_JOB_NAME", secrets[0])]
    said = b""
    attempt = bench.raw_attempt(variables=variables)
    try:
        attempt.configure()
        secrets.append(job_token(attempt.job.options))
        attempt.call("prepare").end() if "prepare" in bench.subject.commands else None
        attempt.run("exit 3").end()
        attempt.call("cleanup").end() if "cleanup" in bench.subject.commands else None
    finally:
        attempt.close()
    for program in attempt.programs:
        said = program.out + program.err
        leaked = [s for s in secrets if s.encode() in said]
        require(not leaked, f"{program.name} says {leaked[0]!r}" if leaked else "")
    return f"none of {len(secrets)} secrets in what {len(attempt.programs)} calls said"


@case("6.6")
def command_lines(bench: Bench) -> str:
    """While a script runs, no process has a secret of its job on its command line."""
    variables = [Variable("DEPLOY_SECRET", SECRET, masked=True)]
    script = f"export DEPLOY_SECRET='{SECRET}'\necho ready; {bench.sleep}"
    with bench.attempt(variables=variables) as attempt:
        program = attempt.run(script)
        program.await_output(b"ready")
        token = job_token(attempt.job.options).encode()
        seen = [f"{name} ({pid})" for pid, name, words in processes()
                if SECRET.encode() in words or token in words]
    require(not seen, f"{', '.join(seen)} shows it")
    return "none"
