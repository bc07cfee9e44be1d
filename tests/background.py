# SPDX-License-Identifier: MIT
"""A suite that a shell runs in its background, or nohup(1)."""

from __future__ import annotations

import signal

BY_PYTHON = {signal.SIGPIPE, signal.SIGXFSZ}  # which subprocess puts back by itself


def signals_put_back() -> None:
    """Ends by SIGINT and SIGQUIT again, which a shell without job control has its background ignore;
    what else it was started with ignored stays without effect.

    The runner that is played starts its programs with nothing ignored. As long as there is nothing
    to put back it can do so by vfork(2), since a signal that is caught is not ignored after exec(3);
    forks, which copy the page tables of a large process, had a seventh of the processors' time in
    the chaos suite.
    """
    ends = {signal.SIGINT: signal.default_int_handler, signal.SIGQUIT: signal.SIG_DFL}
    for number in signal.valid_signals() - BY_PYTHON:
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, ends.get(number, lambda *_: None))
