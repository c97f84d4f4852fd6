"""The order book over two SortedDicts of ticks to lots."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING

from sortedcontainers import SortedDict

from core_ext.codes import (
    BOOK_KINDS,
    MAX_BATCH,
    MAX_LEVELS,
    MAX_LOTS,
    MAX_NUMBER_TEXT,
    MAX_TICKS,
    STATS_FORMAT,
    BookStats,
    Outcome,
)
from core_ext.errors import NumberRefused

if TYPE_CHECKING:
    from typing_extensions import Buffer

_PLAIN = re.compile(r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?", re.ASCII)
_WORD = (1 << 64) - 1
_PRIME = 1_099_511_628_211
_SEED = 14_695_981_039_346_656_037
_PARSED_MAX = 9_223_372_036_854_775_799
_ROW = struct.Struct("=3q")


def steps_in(text: str, step: Decimal, limit: int) -> int | str:
    """Plain decimal text in whole steps, or why not."""
    if len(text) > MAX_NUMBER_TEXT or _PLAIN.fullmatch(text) is None:
        return "plain decimal text, not negative"
    value = Decimal(text)
    scale = max(0, -int(step.as_tuple().exponent))
    digits, exponent = value.as_tuple()[1:]
    whole = int("".join(map(str, digits)))
    shift = int(exponent) + scale
    counted, finer = (whole * 10**shift, 0) if shift >= 0 else divmod(whole, 10**-shift)
    if counted > _PARSED_MAX:
        return f"at most {limit} steps of {step}"
    steps, rest = divmod(counted, int(step.scaleb(scale)))
    if finer or rest:
        return f"a multiple of {step}"
    return steps if steps <= limit else f"at most {limit} steps of {step}"


def _step(place: str, size: str | Decimal) -> Decimal:
    if not isinstance(size, str | Decimal):
        raise NumberRefused(place, size, "a str or Decimal")
    try:
        value = Decimal(size)
    except ArithmeticError:
        raise NumberRefused(place, size, "a positive decimal number") from None
    if not value.is_finite() or value <= 0:
        raise NumberRefused(place, size, "a positive decimal number")
    value = value.normalize()
    scale = max(0, -int(value.as_tuple().exponent))
    if scale > 18 or value.scaleb(scale) > 10**9:
        raise NumberRefused(place, size, "at most 18 decimal places and 9 significant digits")
    return value


class Book:
    """See core_ext.book.Book."""

    def __init__(
        self,
        tick_size: str | Decimal,
        lot_size: str | Decimal = "0.00000001",
        kind: str = "compact",
    ) -> None:
        self.tick_size = _step("tick_size", tick_size)
        self.lot_size = _step("lot_size", lot_size)
        self.last_update_id = -1
        self.gapped = False
        self._joining = False
        self._tick = float(self.tick_size)
        self._notional_unit = float(self.tick_size * self.lot_size)
        self._bids: SortedDict[int, int] = SortedDict()
        self._asks: SortedDict[int, int] = SortedDict()
        self.become(kind)

    def become(self, kind: str) -> None:
        """Only remembers the kind: this book has but one way to hold its levels."""
        if kind not in BOOK_KINDS:
            raise NumberRefused("kind", kind, "'compact' or 'window'")
        self.kind = kind

    def memory_bytes(self) -> int:
        """What the levels would take natively, at least."""
        return 16 * (len(self._bids) + len(self._asks))

    def clear(self) -> None:
        """Forgets all levels, the update id and the gap flag."""
        self._start(-1)

    def _start(self, last_update_id: int) -> None:
        self._bids.clear()
        self._asks.clear()
        self.last_update_id = last_update_id
        self.gapped = False
        self._joining = last_update_id != -1

    def admit(self, first_id: int, last_id: int) -> int:
        """The Outcome of a delta first_id ... last_id whose levels the caller then applies."""
        if first_id < 0 or last_id < first_id:
            raise NumberRefused("update ids", (first_id, last_id), "0 <= first <= last")
        if self.gapped:
            return Outcome.GAP
        if self.last_update_id != -1:
            if last_id <= self.last_update_id:
                return Outcome.STALE
            covers = first_id == self.last_update_id + 1
            if not covers and not (self._joining and first_id <= self.last_update_id):
                self.gapped = True
                return Outcome.GAP
        self.last_update_id = last_id
        self._joining = False
        return Outcome.APPLIED

    def load_snapshot(
        self,
        last_update_id: int,
        bids: Iterable[tuple[str | Decimal, str | Decimal]],
        asks: Iterable[tuple[str | Decimal, str | Decimal]],
    ) -> None:
        """Replaces the book by (price, quantity) pairs; all or nothing."""
        if last_update_id < 0:
            raise NumberRefused("last_update_id", last_update_id, "0 to 2^63 - 2")
        self.load_snapshot_ticks(
            last_update_id,
            [self._units("bid", price, quantity) for price, quantity in bids],
            [self._units("ask", price, quantity) for price, quantity in asks],
        )

    def load_snapshot_ticks(
        self, last_update_id: int, bids: list[tuple[int, int]], asks: list[tuple[int, int]]
    ) -> None:
        """Replaces the book by lists of (ticks, lots)."""
        for ticks, lots in bids + asks:
            self._check(ticks, lots)
        self.require_room(len(bids), len(asks))
        self._start(last_update_id)
        for ticks, lots in bids:
            self.put(True, ticks, lots)
        for ticks, lots in asks:
            self.put(False, ticks, lots)

    def require_room(self, more_bids: int, more_asks: int) -> None:
        """NumberRefused when a side could grow beyond its limit."""
        for needed in (len(self._bids) + more_bids, len(self._asks) + more_asks):
            if needed > MAX_LEVELS:
                raise NumberRefused("levels of a book side", needed, f"at most {MAX_LEVELS}")

    def put(self, side_is_bid: bool, ticks: int, lots: int) -> None:
        """Sets one level that was checked before."""
        levels = self._bids if side_is_bid else self._asks
        if lots:
            levels[ticks] = lots
        else:
            levels.pop(ticks, None)

    def _number(self, place: str, value: object, size: Decimal, limit: int) -> int:
        if isinstance(value, Decimal):
            text = format(value, "f")
        elif isinstance(value, str):
            text = value
        else:
            raise NumberRefused(place, value, "a str or Decimal")
        steps = steps_in(text, size, limit)
        if isinstance(steps, str):
            raise NumberRefused(place, value, steps)
        return steps

    def _units(self, side: str, price: object, quantity: object) -> tuple[int, int]:
        ticks = self._number(f"{side} price", price, self.tick_size, MAX_TICKS)
        if ticks == 0:
            raise NumberRefused(f"{side} price", price, "above 0")
        return ticks, self._number(f"{side} quantity", quantity, self.lot_size, MAX_LOTS)

    def _check(self, ticks: int, lots: int) -> None:
        if not 1 <= ticks <= MAX_TICKS:
            raise NumberRefused("ticks", ticks, f"1 to {MAX_TICKS}")
        if not 0 <= lots <= MAX_LOTS:
            raise NumberRefused("lots", lots, f"0 to {MAX_LOTS}")

    def _side(self, side: str) -> SortedDict[int, int]:
        if side == "bid":
            return self._bids
        if side == "ask":
            return self._asks
        raise NumberRefused("side", side, "'bid' or 'ask'")

    def apply(self, side: str, price: str | Decimal, qty: str | Decimal) -> None:
        """Sets the level of side "bid" or "ask" at price to qty; 0 deletes it."""
        levels = self._side(side)
        ticks, lots = self._units(side, price, qty)
        self.require_room(levels is self._bids, levels is self._asks)
        self.put(levels is self._bids, ticks, lots)

    def apply_ticks(self, side_is_bid: bool, ticks: int, lots: int) -> None:
        """Sets one level in whole ticks and lots; 0 lots deletes it."""
        self._check(ticks, lots)
        self.require_room(side_is_bid, not side_is_bid)
        self.put(side_is_bid, ticks, lots)

    def apply_ticks_stats(self, side_is_bid: bool, ticks: int, lots: int) -> BookStats:
        """Sets one level and looks."""
        self.apply_ticks(side_is_bid, ticks, lots)
        return self.stats()

    def apply_many(self, changes: Buffer) -> None:
        """Applies rows of three 64-bit integers: side_is_bid, ticks, lots; all or nothing."""
        for _ in self._each(changes):
            pass

    def apply_many_stats(self, changes: Buffer, stats: Buffer) -> None:
        """`apply_many` with the BookStats after each row as STATS_FORMAT into `stats`."""
        written = self._written(changes, stats, struct.calcsize(STATS_FORMAT))
        for at, _ in enumerate(self._each(changes)):
            struct.pack_into(
                STATS_FORMAT, written, at * struct.calcsize(STATS_FORMAT), *self.stats()
            )

    def apply_many_depths(self, changes: Buffer, n: float, depths: Buffer) -> None:
        """`apply_many` with the two floats of depth_bps(n) after each row into `depths`."""
        self._milli(n)
        written = self._written(changes, depths, 16)
        for at, _ in enumerate(self._each(changes)):
            struct.pack_into("=2d", written, at * 16, *self.depth_bps(n))

    def _written(self, changes: Buffer, target: Buffer, room: int) -> memoryview:
        rows = len(self._rows(changes))
        view = memoryview(target).cast("B")
        if view.readonly:
            raise BufferError("what is to be written is not writable")
        if len(view) != rows * room:
            raise NumberRefused("bytes to write", len(view), f"{rows * room}")
        return view

    def _rows(self, changes: Buffer) -> list[tuple[int, int, int]]:
        view = memoryview(changes)
        if view.format[-1] not in "qlBbc":
            raise NumberRefused("format of changes", view.format, "64-bit integers")
        if view.nbytes % _ROW.size or view.nbytes > MAX_BATCH * _ROW.size:
            raise NumberRefused("bytes of changes", view.nbytes, f"24 a row, {MAX_BATCH} rows")
        rows = list(_ROW.iter_unpack(view.cast("B")))
        for at, (side_is_bid, ticks, lots) in enumerate(rows):
            right = side_is_bid in (0, 1) and 1 <= ticks <= MAX_TICKS and 0 <= lots <= MAX_LOTS
            if not right:
                allowed = "(0 or 1, 1 to MAX_TICKS, 0 to MAX_LOTS)"
                raise NumberRefused(f"change {at}", (side_is_bid, ticks, lots), allowed)
        bids = sum(side_is_bid for side_is_bid, _, _ in rows)
        self.require_room(bids, len(rows) - bids)
        return rows

    def _each(self, changes: Buffer) -> Iterator[None]:
        for side_is_bid, ticks, lots in self._rows(changes):
            self.put(bool(side_is_bid), ticks, lots)
            yield

    def _milli(self, n: float) -> int:
        if not (math.isfinite(n) and 0 <= n <= 10_000):
            raise NumberRefused("bps", n, "0 to 10000")
        return math.floor(n * 1000 + 0.5)

    def _best_first(self, side_is_bid: bool, n: int | None) -> list[tuple[int, int]]:
        levels = self._bids if side_is_bid else self._asks
        return [(t, levels[t]) for t in islice(levels.irange(reverse=side_is_bid), n)]

    def _notional(self, levels: Iterable[tuple[int, int]]) -> float:
        return float(sum(ticks * lots for ticks, lots in levels)) * self._notional_unit

    def stats(self) -> BookStats:
        """BookStats of the book (E1)."""
        bid, bid_lots, ask, ask_lots = self.best_ticks()
        bid_depth, ask_depth = self.depth_bps(50)
        bid_top, ask_top = self.depth_levels(10)
        return BookStats(
            bid,
            bid_lots,
            ask,
            ask_lots,
            self.spread_bps() or 0.0,
            float(bid + ask) * self._tick / 2.0 if bid and ask else 0.0,
            bid_depth,
            ask_depth,
            bid_top,
            ask_top,
            self.imbalance(10),
            len(self._bids),
            len(self._asks),
        )

    def best_ticks(self) -> tuple[int, int, int, int]:
        """(bid_ticks, bid_lots, ask_ticks, ask_lots); zeros where a side is empty."""
        bid, bid_lots = self._bids.peekitem(-1) if self._bids else (0, 0)
        ask, ask_lots = self._asks.peekitem(0) if self._asks else (0, 0)
        return bid, bid_lots, ask, ask_lots

    def best(self) -> tuple[Decimal | None, Decimal | None, Decimal | None, Decimal | None]:
        """(bid, bid_qty, ask, ask_qty) as Decimals, None where a side is empty."""
        bid, bid_lots, ask, ask_lots = self.best_ticks()
        return (
            self.tick_size * bid if bid else None,
            self.lot_size * bid_lots if bid else None,
            self.tick_size * ask if ask else None,
            self.lot_size * ask_lots if ask else None,
        )

    def mid(self) -> Decimal | None:
        """Exact middle of the best prices; None while a side is empty."""
        bid, _, ask, _ = self.best_ticks()
        return self.tick_size * (bid + ask) / 2 if bid and ask else None

    def spread_bps(self) -> float | None:
        """(ask - bid) / mid in basis points; None while a side is empty."""
        bid, _, ask, _ = self.best_ticks()
        return (ask - bid) * 20_000.0 / (bid + ask) if bid and ask else None

    def crossed(self) -> bool:
        """Whether the best bid is at or above the best ask."""
        bid, _, ask, _ = self.best_ticks()
        return bool(bid and ask and bid >= ask)

    def depth_bps(self, n: float) -> tuple[float, float]:
        """(bid, ask) notional within n bps of mid, bounds included."""
        milli = self._milli(n)
        bid, _, ask, _ = self.best_ticks()
        if not bid or not ask:
            return 0.0, 0.0
        lowest = -((bid + ask) * (10_000_000 - milli) // -20_000_000)
        highest = (bid + ask) * (10_000_000 + milli) // 20_000_000
        return (
            self._notional((t, self._bids[t]) for t in self._bids.irange(minimum=lowest)),
            self._notional((t, self._asks[t]) for t in self._asks.irange(maximum=highest)),
        )

    def depth_levels(self, n: int) -> tuple[float, float]:
        """(bid, ask) notional of the best n levels of each side."""
        if n < 0:
            raise NumberRefused("levels", n, "0 or more")
        return (
            self._notional(self._best_first(True, n)),
            self._notional(self._best_first(False, n)),
        )

    def imbalance(self, n: int = 10) -> float:
        """(bid - ask) / (bid + ask) quantity of the best n levels."""
        if n < 0:
            raise NumberRefused("levels", n, "0 or more")
        bid = sum(lots for _, lots in self._best_first(True, n))
        ask = sum(lots for _, lots in self._best_first(False, n))
        return float(bid - ask) / float(bid + ask) if bid + ask else 0.0

    def sweep(self, side: str, quote: float | Decimal | str) -> float | None:
        """Average price of taking `quote` units from a side; None when it is too thin."""
        amount = float(quote)
        if not math.isfinite(amount) or amount <= 0:
            raise NumberRefused("quote", quote, "a positive finite amount")
        levels = self._side({"buy": "ask", "sell": "bid"}.get(side, side))
        wanted = amount / self._notional_unit
        spent = base = 0
        for ticks, lots in self._best_first(levels is self._bids, None):
            after = spent + ticks * lots
            if float(after) >= wanted:
                taken = float(base) + (wanted - float(spent)) / float(ticks)
                return wanted / taken * self._tick
            spent = after
            base += lots
        return None

    def levels(self, side: str, n: int | None = None) -> list[tuple[Decimal, Decimal]]:
        """The best n levels of a side as (price, quantity), best first."""
        return [(self.tick_size * t, self.lot_size * q) for t, q in self.levels_ticks(side, n)]

    def levels_ticks(self, side: str, n: int | None = None) -> list[tuple[int, int]]:
        """The best n levels of a side as (ticks, lots), best first."""
        levels = self._side(side)
        if n is not None and n < 0:
            raise NumberRefused("levels", n, "0 or more")
        return self._best_first(levels is self._bids, n)

    def counts(self) -> tuple[int, int]:
        """(bid levels, ask levels)."""
        return len(self._bids), len(self._asks)

    def state_hash(self) -> int:
        """64 bits over all levels, the same as core_ext.book's."""
        value = _SEED
        for levels, reverse in ((self._bids, False), (self._asks, True)):
            for ticks in levels.irange(reverse=reverse):
                value = (value ^ ticks) * _PRIME & _WORD
                value = (value ^ (value >> 29) ^ levels[ticks]) * _PRIME & _WORD
            value = (value ^ len(levels)) * _PRIME & _WORD
        return value

    def validate(self) -> None:
        """Asserts the invariants."""
        assert all(lots > 0 for lots in self._bids.values())
        assert all(lots > 0 for lots in self._asks.values())
