"""A market of generated symbols on a grid of 100 ms, with dips where the profile plans them.

Time inside runs in market time, which stands still while the venue is down; events carry the
owner's time. Everything random comes from one generator in one fixed order (instant, symbol), so
the events depend on the seed and not on how the calls of `advance` cut the time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from random import Random
from typing import Any, Final

import msgspec

from procs.localvenue.market.dips import HOUR_MS, DipPlan, draw, new_dip
from procs.localvenue.market.events import Candle, MarketEvent
from procs.localvenue.market.ladder_book import Shape
from procs.localvenue.market.listings import Listing
from procs.localvenue.market.minute_bars import History
from procs.localvenue.market.symbol_walk import STEP_MS, SavedWalk, SymbolWalk
from procs.localvenue.market.tides import Tide
from shared.errors import MessageError, NotFoundError
from shared.messages.base import Reader, encode

PAUSE_MS: Final = 300_000
"""A call that lies farther ahead than this means that the owner slept: the market slept too."""

STATE_VERSION: Final = 1


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A named kind of generated market."""

    name: str
    shape: Shape
    plan: DipPlan | None
    listings: tuple[Listing, ...]
    tide: Callable[[int, Sequence[str]], Tide] | None = None
    """Makes what carries all symbols, from the seed and their names."""


class SavedMarket(msgspec.Struct, kw_only=True):
    """A generated market as it is written down."""

    version: int
    profile: str
    seed: int
    cursor: int
    next_dip_ms: float
    dips: int
    random: tuple[int, list[int], float | None]
    walks: list[SavedWalk]


_READER: Final = Reader(SavedMarket)


class GeneratedMarket:
    """See the module; implements the Market protocol."""

    def __init__(
        self, profile: Profile, seed: int, start_ms: int, history: History | None = None
    ) -> None:
        """`history` in place of the generated days before the start."""
        self._profile = profile
        self._seed = seed
        self._random = Random(f"{profile.name}/{seed}")
        self._walks = tuple(
            SymbolWalk(listing, profile.shape, seed, start_ms, self._random, history)
            for listing in profile.listings
        )
        self._by_symbol = {walk.symbol: walk for walk in self._walks}
        self.instruments = tuple(walk.instrument for walk in self._walks)
        self._shift_ms = start_ms
        """Owner's time minus market time."""
        self._cursor = 0
        """Steps of single symbols so far: instant × number of symbols + symbol."""
        self._whole_books_due = True
        self._resumed = False
        self._tide = None if profile.tide is None else profile.tide(seed, tuple(self._by_symbol))
        plan = profile.plan
        self._next_dip_ms = draw(self._random, plan.first_ms) if plan is not None else 0.0
        self.dips = int(self._random.random() * (plan.deep_every - 1)) if plan is not None else 0
        """Counts the dips, from a random number on, so that the deep ones do not come first."""

    def _market_ms(self, cursor: int) -> int:
        """When a symbol's step is due; each symbol has its own place in the 100 ms."""
        count = len(self._walks)
        step, place = divmod(cursor, count)
        return (step + 1) * STEP_MS + place * STEP_MS // count

    def advance(self, now_ms: int) -> list[MarketEvent]:
        """See Market. A call more than 5 minutes ahead counts as a pause of the market."""
        said: list[MarketEvent] = []
        if now_ms < self._shift_ms and not self._resumed:
            return said
        next_ms = self._market_ms(self._cursor) + self._shift_ms
        if self._resumed or now_ms - next_ms > PAUSE_MS:
            self._shift_ms += now_ms - next_ms
            self._resumed = False
        if self._whole_books_due:
            self._whole_books_due = False
            at_ms = self._market_ms(self._cursor) + self._shift_ms - STEP_MS
            said.extend(walk.whole_book(max(at_ms, 0)) for walk in self._walks)
        until_ms = now_ms - self._shift_ms
        count, random = len(self._walks), self._random
        while True:
            step, place = divmod(self._cursor, count)
            market_ms = (step + 1) * STEP_MS + place * STEP_MS // count
            if market_ms > until_ms:
                return said
            if place == 0 and self._profile.plan is not None:
                self._plan_dips(self._profile.plan, market_ms)
            mood = None
            if self._tide is not None:
                mood = self._tide.mood(place, (step + 1) * STEP_MS)
            self._walks[place].step(market_ms, market_ms + self._shift_ms, random, said, mood)
            self._cursor += 1

    def _plan_dips(self, plan: DipPlan, market_ms: int) -> None:
        """Sends a rested symbol down when one is due; without a rested one the turn waits."""
        if market_ms < self._next_dip_ms:
            return
        rested = [
            walk
            for walk in self._walks
            if walk.state.dip is None and walk.state.rest_until_ms <= market_ms
        ]
        if not rested:
            return
        random = self._random
        walk = rested[int(random.random() * len(rested))]
        state = walk.state
        now_ms = market_ms + self._shift_ms
        highest = walk.bars.highest(HOUR_MS, now_ms)
        high = max(state.fair, float(highest)) if highest is not None else state.fair
        lying = sum(other.state.low_until_ms > market_ms for other in self._walks)
        may_lie = lying < int(plan.ebb_share * len(self._walks))
        if high > state.first * plan.ebb_ratio and may_lie:
            state.level = high * (1 - plan.ebb_pct / 100)
            state.low_until_ms = state.rest_until_ms = market_ms + plan.ebb_ms
            return
        self.dips += 1
        deep = self.dips % plan.deep_every == 0
        state.dip = new_dip(plan, random, market_ms, state.fair, high, state.first, deep)
        state.rest_until_ms = state.dip.legs[-1].to_ms + plan.rest_ms
        self._next_dip_ms = max(self._next_dip_ms, market_ms - plan.every_ms[1])
        self._next_dip_ms += draw(random, plan.every_ms)

    def _walk(self, symbol: str) -> SymbolWalk:
        walk = self._by_symbol.get(symbol)
        if walk is None:
            raise NotFoundError(f"no symbol {symbol!r}, there are {', '.join(self._by_symbol)}")
        return walk

    def candles(self, symbol: str, interval_ms: int, limit: int, now_ms: int) -> list[Candle]:
        """See Market; intervals in whole minutes (ConfigError), 30 hours of history at the start.

        Raises NotFoundError for an unknown symbol."""
        return self._walk(symbol).bars.candles(interval_ms, limit, now_ms)

    def day_volume(self, symbol: str, now_ms: int) -> Decimal:
        """See Market. Raises NotFoundError for an unknown symbol."""
        return self._walk(symbol).bars.day_volume(now_ms)

    def save(self) -> bytes:
        """See Market; JSON, a few kB for each symbol."""
        version, internal, gauss = self._random.getstate()
        return encode(
            SavedMarket(
                version=STATE_VERSION,
                profile=self._profile.name,
                seed=self._seed,
                cursor=self._cursor,
                next_dip_ms=self._next_dip_ms,
                dips=self.dips,
                random=(version, list(internal), gauss),
                walks=[walk.save() for walk in self._walks],
            )
        )

    def load(self, state: bytes) -> None:
        """See Market. Raises MessageError, and changes nothing, when it is of another market."""
        saved: Any = _READER.read(state)
        symbols = [walk.symbol for walk in saved.walks]
        mine = (STATE_VERSION, self._profile.name, self._seed, list(self._by_symbol))
        if (saved.version, saved.profile, saved.seed, symbols) != mine:
            raise MessageError(
                f"the saved market is {saved.profile!r} with seed {saved.seed} and {len(symbols)} "
                f"symbols, this one is {self._profile.name!r} with seed {self._seed} and "
                f"{len(self._walks)}"
            )
        version, internal, gauss = saved.random
        try:
            self._random.setstate((version, tuple(internal), gauss))
        except (ValueError, TypeError) as error:
            raise MessageError(f"the saved market's random state is broken: {error}") from error
        for walk, saved_walk in zip(self._walks, saved.walks, strict=True):
            walk.load(saved_walk)
        self._cursor, self._next_dip_ms, self.dips = saved.cursor, saved.next_dip_ms, saved.dips
        self._whole_books_due = self._resumed = True

    def ended(self) -> bool:
        """See Market: never."""
        return False
