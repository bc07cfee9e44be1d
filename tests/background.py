# SPDX-License-Identifier: MIT
"""A suite that a shell runs in its background."""

from __future__ import annotations

import signal


def signals_put_back() -> None:
    """Ends by SIGINT and SIGQUIT again, which a shell without job control has its background ignore.

    The runner that is played starts its programs with nothing ignored. As long as there is nothing
    to put back it can do so by vfork(2); forks, which copy the page tables of a large process, had
    a seventh of the processors' time in the chaos suite.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGQUIT) == signal.SIG_IGN:
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)
