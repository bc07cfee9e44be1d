# SPDX-License-Identifier: MIT
"""The job log: masking (per stream, across writes), size, sections."""

from __future__ import annotations

import pytest

from contract.trace import LIMIT, Masker, Trace, Viewer, readable


def mask(phrases: list[bytes], *chunks: bytes) -> bytes:
    output: list[bytes] = []
    masker = Masker(phrases, output.append)
    for chunk in chunks:
        masker.write(chunk)
    masker.close()
    return b"".join(output)


@pytest.mark.parametrize(("phrases", "text", "masked"), [
    ([b"secret"], b"a secret, secretsecret", b"a [MASKED], [MASKED][MASKED]"),
    ([b"secret"], b"secre t sec", b"secre t sec"),
    ([b"abc", b"abcdef"], b"abcdef abcde", b"[MASKED] [MASKED]de"),
    ([b"aab"], b"aaab aaaa", b"a[MASKED] aaaa"),
    ([b"two\nlines"], b"x two\nlines y", b"x [MASKED] y"),
    ([b"", b"s"], b"is", b"i[MASKED]"),
    ([], b"glpat-abc_D.1 x", b"glpat-[MASKED] x"),
    ([], b"http://h/?a=1&Private_Token=x/y&b=2 z", b"http://h/?a=1&Private_Token=[MASKED]&b=2 z"),
    ([b"\xff\x00"], b"\xff\x00\xff", b"[MASKED]\xff"),
])
def test_masking_is_the_same_however_the_output_is_cut(phrases, text, masked):
    assert mask(phrases, text) == masked
    assert mask(phrases, *(bytes([byte]) for byte in text)) == masked
    for cut in range(len(text)):
        assert mask(phrases, text[:cut], text[cut:]) == masked


def test_no_more_is_kept_back_than_needed():
    output: list[bytes] = []
    masker = Masker([b"secret"], output.append)
    masker.write(b"progress .")
    assert b"".join(output) == b"progress ."
    masker.write(b"sec")
    masker.write(b"ond")
    assert b"".join(output) == b"progress .second"


def test_streams_are_masked_each_by_itself(run_stage):
    result = run_stage("""
        exec python3 -c '
        import os
        os.write(1, b"sword"); os.write(2, b"x"); os.write(1, b"fish\\n")'
    """.replace("\n        ", "\n"), masked={"S": "swordfish"})
    assert "swordfish" not in result.log and "[MASKED]" in result.log


def test_secret_split_over_both_streams_is_not_masked(run_stage):
    result = run_stage("printf sword; printf 'fish\\n' >&2", masked={"S": "swordfish"})
    assert "[MASKED]" not in result.log
    assert "sword" in result.log and "fish" in result.log


def test_job_token_is_masked(host):
    log = host.run(script='echo "token=$CI_JOB_TOKEN"').log
    assert "token=[MASKED]\n" in log


def test_log_has_a_limit_and_the_job_goes_on():
    trace = Trace([], lambda data: None)
    stream = trace.stream()
    stream.write(b"x" * (LIMIT - 10))
    stream.write(b"y" * 100)
    stream.write(b"z")
    text = trace.content
    assert text.count(b"y") < 20 and b"z" not in text
    assert b"Job's log exceeded limit of 4194304 bytes." in text


def test_finished_log_takes_nothing_more():
    trace = Trace([], lambda data: None)
    trace.finish()
    trace.error("late")
    assert trace.content == b""


def test_readable_log_has_no_sections():
    trace = Trace([], lambda data: None)
    trace.section("get_sources", "Getting source")()
    assert readable(trace.content) == b"Getting source\n"
    assert b"\x1b[" in readable(trace.content, colours=True)


def test_viewer_shows_whole_lines_and_the_rest_at_the_end():
    shown: list[bytes] = []
    viewer = Viewer(shown.append, colours=False)
    viewer(b"a\x1b[3")
    viewer(b"1mb\nc")
    assert shown == [b"ab\n"]
    viewer.close()
    assert shown == [b"ab\n", b"c\n"]
