"""One book of a venue behind ccxt: its sequence and checksum are checked, and it is written as
Bybit's v5 frames, the language that ingest reads for every foreign venue.

Pure, and the one place that numbers frames: a delta follows the last number by one, and a number is
left out where the venue's own sequence has a hole, so that the reader's rule finds it. Prices are
the venue's own text; quantities are cut to whole lots.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import orjson

from core_ext.codes import MAX_FRAME_LEVELS
from shared.venues.feed.ccxt_dialects import Level, Update, VenueRow, text_of_float

HELD_MAX: Final = 2048
"""Updates kept while a snapshot is fetched."""
WHOLE_DEPTH: Final = 200
"""Levels of a side taken from ccxt's unified book."""
FRAME_LEVELS: Final = MAX_FRAME_LEVELS // 2
"""Levels of one frame; a longer snapshot goes on in deltas."""


class _Side:
    """A copy of one side, best first, in the venue's own text. For some hundred levels a plain
    list that is bisected is cheaper than a SortedDict."""

    def __init__(self) -> None:
        self._keys: list[float] = []
        self._levels: dict[float, Level] = {}

    def clear(self) -> None:
        self._keys.clear()
        self._levels.clear()

    def put(self, key: float, level: Level) -> None:
        """Sets or removes a level. Raises ValueError for a quantity that is none."""
        if float(level[1]):
            if key not in self._levels:
                insort(self._keys, key)
            self._levels[key] = level
        elif self._levels.pop(key, None) is not None:
            del self._keys[bisect_left(self._keys, key)]

    def best(self, count: int) -> list[Level]:
        """The best levels."""
        return [self._levels[key] for key in self._keys[:count]]

    def cut(self, count: int) -> list[Level]:
        """Removes and returns what lies behind so many levels."""
        behind = [self._levels.pop(key) for key in self._keys[count:]]
        del self._keys[count:]
        return behind


class VenueBook:
    """A book's check and its frames. `ready` is whether the reader's book follows the venue."""

    def __init__(
        self,
        symbol: str,
        row: VenueRow | None = None,
        price_places: int = 0,
        quantity_places: int = 0,
    ) -> None:
        self.symbol = symbol
        self.ready = False
        self.gaps = 0
        self.why = ""
        """What the last gap was."""
        self._row = row
        self._places = (price_places, quantity_places)
        self._topic = f"orderbook.{WHOLE_DEPTH}.{symbol}"
        self._number = 0
        self._last: int | None = None
        self._joining = False
        self._held: deque[Update] = deque(maxlen=HELD_MAX)
        self._sides = (_Side(), _Side())
        self._whole: tuple[dict[float, Any], dict[float, Any]] = ({}, {})
        self._copies = row is not None and (row.checksum is not None or row.keeps_depth > 0)

    @property
    def wants_snapshot(self) -> bool:
        """Whether updates are held for a snapshot that has to be fetched."""
        return not self.ready and bool(self._held)

    def restart(self) -> None:
        """Starts over: what comes next is nothing until there is a snapshot."""
        self.ready = False
        self._last = None
        self._held.clear()

    def lose(self, why: str) -> list[bytes]:
        """The book lost its place: the frame that says so to the reader, once."""
        if not self.ready:
            return []
        self.restart()
        self.gaps += 1
        self.why = why
        self._number += 1
        return [self._frame(False, (), (), 0)]

    def take(self, update: Update) -> list[bytes]:
        """The frames that follow from an update. Raises ValueError for numbers that are none, and
        the book is lost then."""
        if update.snapshot:
            return self._start(update)
        if not self.ready:
            if self._row is not None and self._row.snapshots == "fetched":
                self._held.append(update)
            return []
        return self._follow(update)

    def join(self, fetched: Update) -> list[bytes]:
        """A fetched snapshot and the updates held for it. Not ready afterwards: it was too old."""
        held = list(self._held)
        first = next((one for one in held if (one.last or 0) > (fetched.last or 0)), None)
        if first is not None and (first.first or 0) > (fetched.last or 0) + 1:
            return []
        frames = self._start(fetched)
        self._joining = True
        for update in held:
            frames += self._follow(update)
            if not self.ready:
                break
        return frames

    def take_whole(self, bids: Sequence[Any], asks: Sequence[Any], event_ms: int) -> list[bytes]:
        """ccxt's unified book, floats and all: a snapshot at first, what differs afterwards."""
        now = (_best(bids), _best(asks))
        before = self._whole
        try:
            if not self.ready:
                sides = [[_texts(level) for level in side.items()] for side in now]
            else:
                sides = [_changes(old, new) for old, new in zip(before, now, strict=True)]
                if not sides[0] and not sides[1]:
                    return []
        except ValueError:
            self.restart()
            raise
        snapshot, self.ready = not self.ready, True
        self._whole = now
        return self._frames(snapshot, sides[0], sides[1], event_ms)

    # ---- inside

    def _start(self, update: Update) -> list[bytes]:
        self._held.clear()
        self._last = update.last
        self._joining = False
        for side in self._sides:
            side.clear()
        bids, asks = self._kept(update)
        self.ready = True
        why = self._checksum_fault(update)
        if why:
            return self.lose(why)
        return self._frames(True, bids, asks, update.event_ms)

    def _follow(self, update: Update) -> list[bytes]:
        last = self._last
        if last is not None:
            if update.previous is not None:
                if update.previous != last:
                    return self.lose(f"an update after {update.previous}, the last was {last}")
            elif update.first is not None and update.last is not None:
                if update.last <= last:
                    return []
                if update.first != last + 1 and not (self._joining and update.first <= last):
                    return self.lose(f"an update from {update.first}, the last was {last}")
        if update.last is not None:
            self._last = update.last
        self._joining = False
        bids, asks = self._kept(update)
        why = self._checksum_fault(update)
        if why:
            return self.lose(why)
        if not bids and not asks:
            return []
        return self._frames(False, bids, asks, update.event_ms)

    def _kept(self, update: Update) -> tuple[Sequence[Level], Sequence[Level]]:
        """The update's levels, put into the copy too, with those that fall out at its end."""
        if not self._copies:
            return update.bids, update.asks
        try:
            return self._put(update.bids, 0), self._put(update.asks, 1)
        except ValueError:
            self.restart()
            raise

    def _put(self, levels: Sequence[Level], place: int) -> Sequence[Level]:
        row = self._row
        assert row is not None
        side = self._sides[place]
        for level in levels:
            # Bids are kept by their negative price: the best is first on both sides.
            side.put(float(level[0]) if place else -float(level[0]), level)
        if not row.keeps_depth:
            return levels
        return [*levels, *((price, "0") for price, _ in side.cut(row.keeps_depth))]

    def _checksum_fault(self, update: Update) -> str:
        row = self._row
        if row is None or row.checksum is None or update.checksum is None:
            return ""
        bids, asks = (side.best(row.checksum_levels) for side in self._sides)
        ours = row.checksum(bids, asks, *self._places)
        if ours == update.checksum:
            return ""
        return f"checksum {update.checksum}, ours is {ours}"

    def _frames(
        self, snapshot: bool, bids: Sequence[Level], asks: Sequence[Level], event_ms: int
    ) -> list[bytes]:
        frames = []
        place = 0
        half = FRAME_LEVELS // 2
        while not place or place < len(bids) or place < len(asks):
            first = snapshot and not place
            some = slice(place, place + half)
            frames.append(self._frame(first, _cut(bids[some]), _cut(asks[some]), event_ms))
            place += half
        return frames

    def _frame(
        self, snapshot: bool, bids: Sequence[Level], asks: Sequence[Level], event_ms: int
    ) -> bytes:
        self._number += 1
        number = self._number
        data = {"s": self.symbol, "b": bids, "a": asks, "u": number, "seq": number}
        kind = "snapshot" if snapshot else "delta"
        return orjson.dumps({"topic": self._topic, "type": kind, "ts": event_ms, "data": data})


def _cut(levels: Sequence[Level]) -> Sequence[Level]:
    """Quantities in whole lots of 10^-8, rounded down. Old orders may rest in finer ones than the
    venue takes today, and one of them deep in a book is no reason to have no book; a price that
    lies between ticks stays as it is, and is refused by the reader."""
    for _, quantity in levels:
        if _is_fine(quantity):
            return [(p, q[: q.index(".") + 9] if _is_fine(q) else q) for p, q in levels]
    return levels


def _is_fine(quantity: str) -> bool:
    return len(quantity) > 10 and 0 <= quantity.find(".") < len(quantity) - 9


def _best(levels: Sequence[Any]) -> dict[float, Any]:
    return {level[0]: level[1] for level in levels[:WHOLE_DEPTH]}


def _texts(level: Iterable[Any]) -> Level:
    price, quantity = level
    return text_of_float(price), text_of_float(quantity)


def _changes(before: Mapping[float, Any], now: Mapping[float, Any]) -> list[Level]:
    gone = [(text_of_float(price), "0") for price in before.keys() - now.keys()]
    return gone + [_texts(level) for level in now.items() if before.get(level[0]) != level[1]]


class VenueTrades:
    """The trades of one market as Bybit's frames, numbered by us in the order they came."""

    def __init__(self, symbol: str) -> None:
        self._symbol = symbol
        self._topic = f"publicTrade.{symbol}"
        self._number = 0

    def frame(self, trades: Iterable[Mapping[str, Any]]) -> bytes:
        """ccxt's trades, oldest first. Raises KeyError, TypeError, ValueError for what is none."""
        data = []
        for trade in trades:
            self._number += 1
            data.append(
                {
                    "T": int(trade["timestamp"] or 0),
                    "s": self._symbol,
                    "S": "Sell" if trade["side"] == "sell" else "Buy",
                    "v": text_of_float(trade["amount"]),
                    "p": text_of_float(trade["price"]),
                    "seq": self._number,
                }
            )
        event_ms = data[-1]["T"] if data else 0
        return orjson.dumps(
            {"topic": self._topic, "type": "snapshot", "ts": event_ms, "data": data}
        )
