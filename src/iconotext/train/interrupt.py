"""Ctrl-C without loss: the step in hand is finished and saved first."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

PATIENCE = 2.0
"""Seconds within which further signals count as the same one: a terminal and torchrun both send it to every process."""


class Wish:
    """Whether this process was asked to stop."""

    def __init__(self) -> None:
        self.stop = False
        self._since = 0.0
        self._process = os.getpid()

    def hear(self, signum: int, frame: FrameType | None) -> None:
        """The first signal asks; one that comes later than PATIENCE after it stops at once.

        A worker process that was forked from here leaves Ctrl-C to its parent and dies of SIGTERM as it would have.
        """
        if os.getpid() != self._process:
            if signum == signal.SIGTERM:
                signal.signal(signum, signal.SIG_DFL)
                os.kill(os.getpid(), signum)
        elif not self.stop:
            self.stop, self._since = True, time.monotonic()
        elif time.monotonic() - self._since > PATIENCE:
            raise KeyboardInterrupt


@contextmanager
def listening() -> Iterator[Wish]:
    """Hear SIGINT and SIGTERM as a wish to stop, for the length of a ``with``; outside the main thread hear nothing."""
    wish = Wish()
    if threading.current_thread() is not threading.main_thread():
        yield wish
        return
    before = {number: signal.signal(number, wish.hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield wish
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
