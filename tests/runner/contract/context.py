# SPDX-License-Identifier: MIT
"""Go's context.Context as far as the runner uses it: cancelled once, with a cause, for all
below."""

from __future__ import annotations

import os
import threading


class Context:
    """Can be waited for by select(2) through `fileno`, which is readable once it is cancelled.

    The one who makes a context closes it when nothing waits on it any more.
    """

    def __init__(self, parent: Context | None = None) -> None:
        self.cause: str | None = None
        self._event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._lock = threading.Lock()
        self._children: list[Context] = []
        self._timers: list[threading.Timer] = []
        if parent is not None:
            parent._adopt(self)

    def _adopt(self, child: Context) -> None:
        with self._lock:
            cause = self.cause
            self._children.append(child)
        if cause is not None:
            child.cancel(cause)

    def fileno(self) -> int:
        return self._event

    @property
    def done(self) -> bool:
        return self.cause is not None

    def cancel(self, cause: str) -> None:
        """The first cause stays; a context that is closed or cancelled already ignores the rest."""
        with self._lock:
            if self.cause is not None:
                return
            self.cause = cause
            if self._event >= 0:
                os.eventfd_write(self._event, 1)
            children = list(self._children)
        for child in children:
            child.cancel(cause)

    def cancel_after(self, seconds: float, cause: str) -> None:
        timer = threading.Timer(seconds, self.cancel, (cause,))
        timer.daemon = True
        self._timers.append(timer)
        timer.start()

    def close(self) -> None:
        for timer in self._timers:
            timer.cancel()
        with self._lock:
            if self._event >= 0:
                os.close(self._event)
            self._event = -1
            self.cause = self.cause or "closed"
