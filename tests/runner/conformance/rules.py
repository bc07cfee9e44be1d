# SPDX-License-Identifier: MIT
"""The rules, numbered, in our own words, each with where it comes from.

"custom.go:179" is a file and line of GitLab Runner 19.4
(https://gitlab.com/gitlab-org/gitlab-runner): custom.go and command.go beneath executors/custom,
build.go and const.go beneath common. "docs" is its page on the custom executor
(https://docs.gitlab.com/runner/executors/custom/), "runner#2880" an issue of
gitlab-org/gitlab-runner, "runner!5028" a merge request there, "gitlab#392406" an issue of GitLab.
Where documentation and code differ, the code is what a job meets.
"""

from __future__ import annotations

from dataclasses import dataclass

CHAPTERS = {
    "1": "What the executables are given",
    "2": "config",
    "3": "How an executable ends",
    "4": "prepare",
    "5": "run",
    "6": "Output",
    "7": "Being stopped",
    "8": "cleanup, and what is left behind",
    "9": "Whom to believe",
}


@dataclass(frozen=True)
class Rule:
    number: str
    text: str
    source: str


RULES = (
    Rule("1.1", "The working directory is a directory of this try alone, also named by TMPDIR; "
         "its name may hold any character. Temporary files belong there: the runner removes it, "
         "and nothing else.", "custom.go:101, runner#25219"),
    Rule("1.2", "Standard input is /dev/null and there is no terminal: a script that reads gets "
         "an end of file.", "command.go:57, docs"),
    Rule("1.3", "Variables arrive under their key behind CUSTOM_ENV_: up to 131071 bytes "
         "together, with newlines, with bytes that are no UTF-8, under names that no shell knows. "
         "None of it reaches the script changed.", "custom.go:244, gitlab#392406, gitlab#630285"),
    Rule("1.4", "BUILD_FAILURE_EXIT_CODE and SYSTEM_FAILURE_EXIT_CODE name the codes to end "
         "with; 1 and 2 are what they are now.", "command.go:57, docs"),
    Rule("1.5", "A script starts with every signal at its default and none blocked, and with the "
         "descriptors 0, 1 and 2 alone.", "helpers/process/group_unix.go, command.go:57"),
    Rule("1.6", "The runner's whole environment is handed to the executables, the host's "
         "credentials among it. They stay with the executables; a script does not get them.",
         "command.go:57 (os.Environ)"),

    Rule("2.1", "Standard output is empty or exactly one JSON object with the members and types "
         "of api.ConfigExecOutput.", "custom.go:179, docs"),
    Rule("2.2", "Words for people go to standard error, however much of them is asked for.",
         "custom.go:179"),
    Rule("2.3", "builds_dir and cache_dir, where they are given, are absolute and not empty.",
         "custom.go:179, executors/executor_abstract.go"),
    Rule("2.4", "hostname, builds_dir and cache_dir are made of A-Z a-z 0-9 . _ / and - and have "
         "no '..': the runner writes them into shell scripts, quoted for Go only.",
         "shells/bash.go, helpers/shell_escape.go"),
    Rule("2.5", "job_env has a fixed list of names, none of them one that the contract or the "
         "system's loader owns, and no value holds a NUL or is longer than execve(2) takes.",
         "custom.go:244, command.go:57"),
    Rule("2.6", "config may be called again: a job has up to three tries.", "build.go:1335"),

    Rule("3.1", "There are three ends: 0, the build failure's code and the system failure's. "
         "Anything else is an \"unknown failure\" of the system.", "command.go:95, runner#28658"),
    Rule("3.2", "A script's own exit code stands in BUILD_EXIT_CODE_FILE when run ends with the "
         "build failure's code; whatever it is, 2 too, it is the job's failure.",
         "command.go:95, runner!5028, runner#28004"),
    Rule("3.3", "A script that signal n has ended has failed with 128 + n.",
         "command.go:95, bash(1) EXIT STATUS"),
    Rule("3.4", "The code file is one path for all stages of a try and the runner never removes "
         "it: a stage takes away what it finds.", "command.go:95, runner#37910"),
    Rule("3.5", "The code file is digits and a newline at most, and a new file: where a link "
         "stands in its place, what that names stays as it is.", "command.go:95 (strconv.Atoi)"),
    Rule("3.6", "A code file that cannot be written makes no success of a failure.",
         "command.go:95"),
    Rule("3.7", "What is the host's fault ends with the system failure's code: only that is "
         "tried again, and only that is matched by `retry: when: runner_system_failure`.",
         "build.go:1335, build.go:1445, gitlab#268535"),

    Rule("4.1", "prepare may be called three times for a job, each time after a cleanup and in a "
         "new directory; what a killed try has left does not spoil the next.",
         "build.go:1335, docs"),
    Rule("4.2", "bash, git and gitlab-runner are needed where scripts run. What is missing is a "
         "system failure in prepare; without gitlab-runner artifacts and caches would be skipped "
         "in a green job.", "docs (prerequisite software), shells/abstract.go, runner#1630"),
    Rule("4.3", "A job of the `run:` keyword needs step-runner where its script runs; where it "
         "is missing, prepare says so.", "docs.gitlab.com/ci/steps"),
    Rule("4.4", "`image:` and `services:` are honoured, or the log says that they are not.",
         "runner#4357, runner#4358, runner#39331"),
    Rule("4.5", "The job response may hold null for every list, members that nobody knows yet, "
         "escapes for < > &, and any amount of text.", "common/spec, custom.go:101"),
    Rule("4.6", "A job response that is missing, empty or broken is not the job's fault.",
         "custom.go:101, build.go:1335"),

    Rule("5.1", "Every stage is its script, also a stage that no documentation names "
         "(clear_worktree, step_release, tomorrow's).",
         "build.go, executeScript; runner#26418, docs (which names prepare_executor, never sent)"),
    Rule("5.2", "A stage may be called again, after a success and after a crash: "
         "GET_SOURCES_ATTEMPTS and its like.", "build.go, attemptExecuteStage"),
    Rule("5.3", "The stages of one job see each other's files; two jobs of one project at one "
         "time do not.", "runner#29660, runner#38307, docs"),
    Rule("5.4", "A script may be of any size, a line of it too.", "custom.go:318"),
    Rule("5.5", "A script that signals its whole process group ends itself, as the job's failure.",
         "helpers/process/group_unix.go, kill(2)"),

    Rule("6.1", "Both streams of a script arrive byte for byte, to the last byte before its end, "
         "also what a process that it has piped its output to says last.",
         "command.go:57, runner#3228"),
    Rule("6.2", "Output arrives when it is written, not when the script ends.", "docs"),
    Rule("6.3", "A script may write any amount, on one line if it likes; no executable keeps it "
         "in memory.", "runner#3228 (the log's limit cuts the log, not the job)"),
    Rule("6.4", "A log that nobody reads any more ends no executable: the runner may be gone "
         "while prepare or cleanup works.",
         "command.go:57 (SIGPIPE at its default), docs (shutdown)"),
    Rule("6.5", "What executables say themselves holds no masked value, token or password: "
         "cleanup's output goes to the runner's log without masking.",
         "custom.go:376, runner#38464, runner#39081"),
    Rule("6.6", "No secret stands on a command line.", "proc(5), runner#38464"),

    Rule("7.1", "SIGTERM ends config and prepare at any moment, also before they have begun, "
         "with the system failure's code or by the signal itself: 0 would let the script run on "
         "nothing, 1 would be the script's failure.", "command.go:64, build.go:1335"),
    Rule("7.2", "run never ends with 0 after SIGTERM, whatever its script did with it: 0 is a "
         "success.", "command.go:64"),
    Rule("7.3", "SIGTERM reaches the script, and what the script then says is still delivered.",
         "helpers/process/killer.go, docs (terminating)"),
    Rule("7.4", "Who is told to stop has ended long before the five minutes after which the "
         "runner cleans up beneath it.", "const.go, WaitForBuildFinishTimeout; runner#35356"),
    Rule("7.5", "After a cancelled or timed-out script, after_script and the stages after it "
         "work as ever.", "build.go, executeAfterScript; runner#38725"),
    Rule("7.6", "A cancelled job leaves nothing running, even if its script ignores SIGTERM or "
         "has left the process group.", "runner#3376, runner#27443, runner#3031"),

    Rule("8.1", "cleanup ends with 0 where there is nothing: after a full disk its names are "
         "empty, its files missing, its working directory the runner's.",
         "custom.go:358, custom.go:101"),
    Rule("8.2", "cleanup may be called again, and after each failed try, then without job_env.",
         "build.go:1335, custom.go:358"),
    Rule("8.3", "cleanup, and the end of the temporary directory, may come beside a run that "
         "still lives: both end, and what was cut short is no success.",
         "build.go, WaitForBuildFinishTimeout"),
    Rule("8.4", "A stage ends when its script has ended, whatever that left running with the "
         "output in its hands.", "runner#2880, runner#38542, runner!6707"),
    Rule("8.5", "When a job is over, none of its processes is left, and no temporary file.",
         "runner#25219, runner#37201"),

    Rule("9.1", "Who a job is stands in JOB_RESPONSE_FILE alone. Every CUSTOM_ENV_CI_* can be "
         "set by the job's author: no other job's directories, processes or names come of it.",
         "build.go:1960, build.go:2107, runner#4677, runner#36288"),
)


def find_rule(number: str) -> Rule:
    return next(rule for rule in RULES if rule.number == number)


def as_markdown() -> str:
    """The list as docs/conformance.md has it."""
    lines: list[str] = []
    for chapter, title in CHAPTERS.items():
        lines += [f"### {chapter}. {title}", "", "| rule | | source |", "|---|---|---|"]
        lines += [
            f"| {rule.number} | {rule.text.replace('|', chr(92) + '|')} | {rule.source} |"
            for rule in RULES if rule.number.startswith(f"{chapter}.")
        ]
        lines.append("")
    return "\n".join(lines)
