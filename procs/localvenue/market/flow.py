"""The flow market: books that change order by order, in the manner of the recorded ones.

Every symbol tells when it wants its next turn, and the earliest of all gets it (a heap). Time runs
in market time inside, which stands still while the venue is down; events carry the owner's time, in
whole ms. Everything random comes from one generator in the order of the turns, so the events depend
on the seed and not on how the calls of `advance` cut the time.
"""

from __future__ import annotations

import heapq
from decimal import Decimal
from math import ceil
from random import Random
from typing import Any, Final

import msgspec

from procs.localvenue.market.events import Candle, MarketEvent
from procs.localvenue.market.flow_pace import rates_for
from procs.localvenue.market.flow_symbol import FlowSymbol, SavedFlow
from procs.localvenue.market.listings import Listing
from shared.errors import MessageError, NotFoundError
from shared.messages.base import Reader, encode

PAUSE_MS: Final = 300_000
"""A call that lies farther ahead than this means that the owner slept: the market slept too."""

STATE_VERSION: Final = 1


class FlowProfile(msgspec.Struct, frozen=True, kw_only=True):
    """A named kind of flow market."""

    name: str
    listings: tuple[Listing, ...]
    quotes: dict[str, float]
    """Changes of the touch in a second, for symbols that are not as busy as their turnover says."""
    swing: float = 1.0
    """Factor on how far activity swings by itself, as a logarithm; 0 leaves the excited part."""


class SavedFlows(msgspec.Struct, kw_only=True):
    """A flow market as it is written down."""

    version: int
    profile: str
    seed: int
    said: int
    turns: list[tuple[float, int]]
    random: tuple[int, list[int], float | None]
    symbols: list[SavedFlow]


_READER: Final = Reader(SavedFlows)


class FlowMarket:
    """See the module; implements the Market protocol."""

    def __init__(self, profile: FlowProfile, seed: int, start_ms: int) -> None:
        self._profile = profile
        self._seed = seed
        self._random = Random(f"{profile.name}/{seed}")
        self._symbols = tuple(
            FlowSymbol(
                listing,
                rates_for(listing, profile.quotes.get(listing.symbol)),
                profile.swing,
                seed,
                start_ms,
                self._random,
            )
            for listing in profile.listings
        )
        self._by_symbol = {one.symbol: one for one in self._symbols}
        self.instruments = tuple(one.instrument for one in self._symbols)
        self._turns = [(one.state.next_ms, place) for place, one in enumerate(self._symbols)]
        """(market ms, place of the symbol), a heap."""
        heapq.heapify(self._turns)
        self._shift_ms = start_ms
        """Owner's time minus market time."""
        self._said = 0
        """Events so far."""
        self._books_ms = 0
        """When in market time the whole books are due, if they are."""
        self._whole_books_due = True
        self._resumed = False

    def advance(self, now_ms: int) -> list[MarketEvent]:
        """See Market. A call more than 5 minutes ahead counts as a pause of the market."""
        said: list[MarketEvent] = []
        if now_ms < self._shift_ms and not self._resumed:
            return said
        turns, symbols, random = self._turns, self._symbols, self._random
        next_ms = ceil(turns[0][0]) + self._shift_ms
        if self._resumed or now_ms - next_ms > PAUSE_MS:
            self._shift_ms += now_ms - next_ms
            self._resumed = False
        shift_ms, line = self._shift_ms, self._said
        if self._whole_books_due:
            self._whole_books_due = False
            at_ms = self._books_ms + shift_ms
            for one in symbols:
                one.whole_book(at_ms, said, line)
        until_ms = now_ms - shift_ms
        while turns[0][0] <= until_ms:
            market_ms, place = turns[0]
            at_ms = ceil(market_ms) + shift_ms
            again_ms = symbols[place].step(market_ms, at_ms, random, said, line)
            heapq.heapreplace(turns, (again_ms, place))
        self._said += len(said)
        return said

    def _one(self, symbol: str) -> FlowSymbol:
        one = self._by_symbol.get(symbol)
        if one is None:
            raise NotFoundError(f"no symbol {symbol!r}, there are {', '.join(self._by_symbol)}")
        return one

    def candles(self, symbol: str, interval_ms: int, limit: int, now_ms: int) -> list[Candle]:
        """See Market; intervals in whole minutes (ConfigError), 30 hours of history at the start.

        Raises NotFoundError for an unknown symbol."""
        return self._one(symbol).bars.candles(interval_ms, limit, now_ms)

    def day_volume(self, symbol: str, now_ms: int) -> Decimal:
        """See Market. Raises NotFoundError for an unknown symbol."""
        return self._one(symbol).bars.day_volume(now_ms)

    def save(self) -> bytes:
        """See Market; JSON, a few kB for each symbol."""
        version, internal, gauss = self._random.getstate()
        return encode(
            SavedFlows(
                version=STATE_VERSION,
                profile=self._profile.name,
                seed=self._seed,
                said=self._said,
                turns=self._turns,
                random=(version, list(internal), gauss),
                symbols=[one.save() for one in self._symbols],
            )
        )

    def load(self, state: bytes) -> None:
        """See Market. Raises MessageError, and changes nothing, when it is of another market."""
        saved: Any = _READER.read(state)
        names = [one.symbol for one in saved.symbols]
        mine = (STATE_VERSION, self._profile.name, self._seed, list(self._by_symbol))
        if (saved.version, saved.profile, saved.seed, names) != mine:
            raise MessageError(
                f"the saved market is {saved.profile!r} with seed {saved.seed} and {len(names)} "
                f"symbols, this one is {self._profile.name!r} with seed {self._seed} and "
                f"{len(self._symbols)}"
            )
        places = sorted(place for _, place in saved.turns)
        if places != list(range(len(names))) or not all(one.is_whole() for one in saved.symbols):
            raise MessageError("the saved market is broken: turns or books are incomplete")
        version, internal, gauss = saved.random
        try:
            self._random.setstate((version, tuple(internal), gauss))
        except (ValueError, TypeError) as error:
            raise MessageError(f"the saved market's random state is broken: {error}") from error
        for one, saved_one in zip(self._symbols, saved.symbols, strict=True):
            one.load(saved_one)
        self._turns, self._said = saved.turns, saved.said
        heapq.heapify(self._turns)
        self._books_ms = ceil(self._turns[0][0])
        self._whole_books_due = self._resumed = True

    def ended(self) -> bool:
        """See Market: never."""
        return False
