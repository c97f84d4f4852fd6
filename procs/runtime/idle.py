"""What a process does while nothing happens: it sleeps, unless the configuration asks for more.

`engine.warm` repeats a dry run of the way to an order, which a pause of milliseconds drives out of
the caches. `engine.spin` polls for quotes without sleeping and takes a core for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from shared.errors import SeawallError

WARM_EVERY_S: Final = 0.002
"""Measured by `seawall bench warm`: after ten milliseconds half of the gain is gone."""

FAULTS: Final = (SeawallError, ValueError, ArithmeticError, LookupError)
"""What a dry run may run into; it then stays off, and nothing else is touched."""


class Idle:
    """Dry runs between turns, and polls between the loop's own; both only when wanted."""

    def __init__(self, loop: asyncio.AbstractEventLoop, failed: Callable[..., None]) -> None:
        """`failed(text=…)` is told why dry runs have ended."""
        self.rehearsals = 0
        self._loop = loop
        self._failed = failed
        self._rehearse: Callable[[], None] | None = None
        self._poll: Callable[[], None] | None = None
        self._turned = True
        self._timer: asyncio.TimerHandle | None = None
        self._next_poll: asyncio.Handle | None = None

    def begin(self, rehearse: Callable[[], None] | None, poll: Callable[[], None] | None) -> None:
        """From now on, until `end`; None is what is not wanted."""
        self._rehearse, self._poll = rehearse, poll
        if rehearse is not None:
            self._timer = self._loop.call_later(WARM_EVERY_S, self._warm)
        if poll is not None:
            self._next_poll = self._loop.call_soon(self._spin)

    def turned(self) -> None:
        """A turn was taken: there is nothing to warm for now."""
        self._turned = True

    def end(self) -> None:
        """Sleeps from now on."""
        self._rehearse = self._poll = None
        for handle in (self._timer, self._next_poll):
            if handle is not None:
                handle.cancel()

    def _warm(self) -> None:
        if self._rehearse is None:
            return
        self._timer = self._loop.call_later(WARM_EVERY_S, self._warm)
        if self._turned:
            self._turned = False
            return
        try:
            self._rehearse()
        except FAULTS as error:
            self._timer.cancel()
            self._rehearse = None
            self._failed(text=f"{type(error).__name__}: {error}")
            return
        self.rehearsals += 1

    def _spin(self) -> None:
        if self._poll is not None:
            self._poll()
            self._next_poll = self._loop.call_soon(self._spin)
