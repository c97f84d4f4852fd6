"""An exact point at which a process kills itself, for `seawall chaos` and nothing else.

A kill from outside never falls between a commit and the call that follows it. `commit:17` dies
right after the 17th turn that was journaled; `call:5` before the fifth request to the venue leaves;
`order:5` before the fifth placement or cancel; `answer:5` after the fifth of those was answered and
before anybody here has heard it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any, Final

from shared.errors import ConfigError
from shared.messages.venue import CancelOrder, PlaceOco, PlaceOrder

POINTS: Final = ("commit", "call", "order", "answer")
_WRITES: Final = (PlaceOrder, PlaceOco, CancelOrder)


def kill_oneself() -> None:
    """SIGKILL: nothing is flushed, closed or said."""
    os.kill(os.getpid(), signal.SIGKILL)


class Fate:
    """Counts one kind of point and dies at its N-th; with an empty text nothing ever happens."""

    def __init__(self, text: str = "", die: Callable[[], None] = kill_oneself) -> None:
        """Raises ConfigError for a text that is neither empty nor POINT:N."""
        self._point, _, number = text.partition(":")
        self._left = int(number) if number.isascii() and number.isdigit() else 0
        if text and (self._point not in POINTS or not self._left):
            allowed = ", ".join(f"{point}:N" for point in POINTS)
            raise ConfigError(f"dies_after {text!r}, allowed: {allowed} with N from 1")
        self._die = die

    def committed(self) -> None:
        """A turn's events are in the journal; nothing of it was said or sent yet."""
        self._passed("commit")

    def calling(self, request: Any) -> None:
        """A request is about to leave."""
        self._passed("call")
        if isinstance(request, _WRITES):
            self._passed("order")

    def answered(self, request: Any) -> None:
        """The venue answered; the answer is not yet in the journal."""
        if isinstance(request, _WRITES):
            self._passed("answer")

    def _passed(self, point: str) -> None:
        if point != self._point:
            return
        self._left -= 1
        if not self._left:
            self._die()
