"""Venue calls in flight: begun after their turn's commit, answered back as messages (L1, L2)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from procs.runtime.fate import Fate
from procs.runtime.shell import Shell
from shared.domain.effects import CallVenue
from shared.messages.venue import Outcome, VenueAnswered
from shared.units import NS_PER_MS

STALE_TURN_NS: Final = 250 * NS_PER_MS
"""A call of an older turn is not made: the process may have slept since (L7)."""


class Calls:
    """Runs each call as a task of its own, so that one slow answer holds up no other."""

    def __init__(
        self,
        shell: Shell,
        deliver: Callable[[Any], None],
        is_stale: Callable[[int], bool],
        on_done: Callable[[asyncio.Task[None]], None],
        fate: Fate | None = None,
    ) -> None:
        self.stale = 0
        """Calls not made because their turn was too old (L7)."""
        self.dropped = 0
        """Calls wanted after the last moment for them; a next start decides them anew."""
        self._shell = shell
        self._deliver = deliver
        self._is_stale = is_stale
        self._on_done = on_done
        self._fate = fate or Fate()
        self._running: dict[asyncio.Task[None], tuple[CallVenue, int]] = {}
        """What is in flight, and when its turn began."""
        self._closed = False

    def __len__(self) -> int:
        return len(self._running)

    def begin(self, call: CallVenue, turn_began_ns: int) -> None:
        """Starts a call; its answer will be delivered."""
        if self._closed:
            self.dropped += 1
            return
        task = asyncio.get_running_loop().create_task(self._perform(call, turn_began_ns))
        self._running[task] = call, turn_began_ns
        task.add_done_callback(self._finished)

    def refuse(self, call: CallVenue, code: str, text: str) -> None:
        """Answers a call that is not made at all."""
        self._deliver(
            VenueAnswered(request=call.request, outcome=Outcome.NOT_SENT, code=code, text=text)
        )

    async def wait(self, timeout_s: float) -> None:
        """Waits until all calls are answered, at most so long; at least once round the loop."""
        if self._running:
            await asyncio.wait(tuple(self._running), timeout=timeout_s)
        else:
            await asyncio.sleep(0)

    async def abandon(self) -> None:
        """Cancels what is in flight; it may have reached the venue, so its outcome is UNKNOWN.

        Its fence counts from the last moment at which it can have been written (L2, L7), not from
        the end of the process: whatever it was for waits no longer than after a crash."""
        self._closed = True
        left = dict(self._running)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(tuple(left))
        for task, (call, turn_began_ns) in left.items():
            if task.cancelled():
                self._deliver(
                    VenueAnswered(
                        request=call.request,
                        outcome=Outcome.UNKNOWN,
                        code="stopped",
                        text="the process stopped before the answer came",
                        sent_ns=turn_began_ns + STALE_TURN_NS,
                    )
                )

    async def _perform(self, call: CallVenue, turn_began_ns: int) -> None:
        if self._is_stale(turn_began_ns):
            self.stale += 1
            self.refuse(call, "stale_turn", "too long since the turn began")
            return
        self._fate.calling(call.request)
        answer = await self._shell.perform_call(call, turn_began_ns)
        self._fate.answered(call.request)
        self._deliver(answer)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._on_done(task)
