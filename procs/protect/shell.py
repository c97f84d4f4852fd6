"""Protect's outside: its actor, and eyes of its own for when ingest is gone (P13).

While quotes of a held symbol have dried up, best bid and ask are asked for over the venue's public
REST API: no key, no shared process, another connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, ClassVar, Final

from procs.protect.actor import Actor
from procs.runtime.launch import Launch
from procs.runtime.loop import Runtime
from procs.runtime.shell import Shell
from shared.config.schema import policy_of
from shared.domain.policy import NO_FENCE_S
from shared.messages.decision import ProtectEvent
from shared.messages.protection import PricePolled
from shared.units import NS_PER_S
from shared.venues.feed.budget import WeightBudget
from shared.venues.feed.rest import (
    PUBLIC_REST,
    SYMBOLS_IN_QUERY_MAX,
    TESTNET_REST,
    BinancePublic,
    RestError,
)

LOOK_S: Final = 0.25
POLL_S: Final = 1.0
"""Well under the 1.5 s that a held symbol may wait for a price (P13)."""
PRICES_SHARE: Final = 0.9
"""Of the venue's rate budget: without prices positions are watched by nobody (P13)."""
TIMEOUT_S: Final = 2.0


class ProtectShell(Shell):
    """Targets of positions: stops, take profits, exits; as a child of the supervisor."""

    role: ClassVar[str] = "protect"
    journal_events: ClassVar[Any] = ProtectEvent

    def __init__(self, launch: Launch) -> None:
        super().__init__(launch)
        self._clock = launch.clock()
        testnet = launch.settings.engine.mode == "testnet"
        self._rest = BinancePublic(
            launch.venue_rest or (TESTNET_REST if testnet else PUBLIC_REST),
            WeightBudget(self._clock, share=PRICES_SHARE),
            timeout_s=TIMEOUT_S,
        )
        self._is_blind = False
        self.polls_failed = 0

    def build(self) -> Actor:
        """The actor of this run and incarnation."""
        launch = self.launch
        policy = policy_of(launch.settings, NO_FENCE_S, launch.config_hash)
        return Actor(policy, launch.run_id, launch.incarnation)

    def tasks(self, runtime: Runtime) -> Iterable[Coroutine[Any, Any, None]]:
        """The fallback eyes."""
        return (self._watch(runtime),)

    def figures(self) -> dict[str, float]:
        """How often the venue did not tell a price when it was needed."""
        return {"polls_failed": float(self.polls_failed)}

    async def _watch(self, runtime: Runtime) -> None:
        actor = runtime.actor
        assert isinstance(actor, Actor), "the shell builds no other"
        while True:
            blind = actor.blind_symbols(self._clock.now_ns())
            if bool(blind) != self._is_blind:
                self._is_blind = bool(blind)
                runtime.note("events", "blind" if blind else "sees_again", symbols=list(blind))
            if not blind:
                await asyncio.sleep(LOOK_S)
                continue
            asked_ns = self._clock.now_ns()
            try:
                # More positions than one question can name are beyond every position limit.
                best = await self._rest.best_prices(blind[:SYMBOLS_IN_QUERY_MAX])
            except RestError as error:
                self.polls_failed += 1
                runtime.note("errors", "price_not_polled", reason=str(error))
                best = {}
            for symbol, (bid, ask) in best.items():
                runtime.deliver(PricePolled(symbol=symbol, bid=bid, ask=ask, recv_ns=asked_ns))
            spent_s = (self._clock.now_ns() - asked_ns) / NS_PER_S
            await asyncio.sleep(max(POLL_S - spent_s, 0.0))
