"""Stylised facts of a market as one client of its streams sees it, recorded or generated.

What the client is subscribed to: depth@100ms, bookTicker and trade of one symbol. Times are those
of its own clock (receive time), in ns. How each fact is counted:

* one_tick_share: the share of bookTicker messages whose ask is one tick above the bid;
  one_tick_time_share: the share of time between them (higher: a wide spread closes within ms).
* excess_kurtosis: of the relative moves of the mid (bid + ask) / 2 from one whole second after the
  first message to the next; each whole second has the newest bookTicker up to it.
* A taker's order: adjacent trades of one venue time (T, in ms) and one taker's side; one order that
  takes several resting ones prints several trades.
  sign_autocorrelation_1 and _10: of the orders' signs (+1 buys, -1 sells), at 1 and 10 orders.
  arrival_cv: standard deviation over mean of the ms from each order to the next.
* trade_sign_autocorrelation_1 and trade_arrival_cv: the same of the single trades.
* fano: variance over mean of the number of messages (depth, bookTicker and trade together) in each
  whole second since the first message.
* levels_per_trade: levels in depth messages over trade messages.
* imbalance_correlation: Pearson's, over the whole seconds, of (bid quantity - ask quantity) /
  (bid quantity + ask quantity) with the relative move of the mid in the second that follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import isfinite, nan, sqrt
from statistics import fmean
from typing import Final

import msgspec
import orjson

from shared.errors import RecordingError
from shared.units import NS_PER_S

FAR_LAG: Final = 10
SECONDS_MIN: Final = 3
"""Fewer whole seconds have no moves to speak of."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured; see the module for each definition. NaN where there was too little."""

    seconds: int
    depth_messages: int
    quote_messages: int
    trades: int
    taker_orders: int
    one_tick_share: float
    one_tick_time_share: float
    move_bps: float
    """Standard deviation of the moves of one second, in basis points."""
    excess_kurtosis: float
    sign_autocorrelation_1: float
    sign_autocorrelation_10: float
    trade_sign_autocorrelation_1: float
    arrival_cv: float
    trade_arrival_cv: float
    fano: float
    levels_per_trade: float
    imbalance_correlation: float


class FactsMeter:
    """Takes in the messages of one symbol in order of time; `facts` says what they amount to."""

    def __init__(self, tick_size: float) -> None:
        """tick_size in quote units."""
        self._tick_size = tick_size
        self._first_ns: int | None = None
        self._messages: list[int] = []
        self._depths = self._levels = 0
        self._quotes = self._tight_quotes = 0
        self._tight_ns = self._quoted_ns = 0
        self._quote: tuple[float, float] | None = None
        """Mid and imbalance of the newest bookTicker."""
        self._is_tight = False
        self._quote_ns = 0
        self._sample_ns = 0
        self._mids: list[float] = []
        self._imbalances: list[float] = []
        self._trades: list[tuple[int, bool]] = []

    def _count(self, at_ns: int) -> None:
        if self._first_ns is None:
            self._first_ns = at_ns
            self._sample_ns = at_ns + NS_PER_S
        second = (at_ns - self._first_ns) // NS_PER_S
        messages = self._messages
        while len(messages) <= second:
            messages.append(0)
        messages[second] += 1

    def depth(self, at_ns: int, levels: int) -> None:
        """A depth message that names so many levels."""
        self._count(at_ns)
        self._depths += 1
        self._levels += levels

    def trade(self, at_ns: int, traded_ms: int, *, buys: bool) -> None:
        """A trade message; traded_ms is the venue's time T, buys whether the taker bought."""
        self._count(at_ns)
        self._trades.append((traded_ms, buys))

    def quote(
        self, at_ns: int, bid: float, bid_quantity: float, ask: float, ask_quantity: float
    ) -> None:
        """A bookTicker message."""
        self._count(at_ns)
        if self._quote is not None:
            passed_ns = at_ns - self._quote_ns
            self._quoted_ns += passed_ns
            if self._is_tight:
                self._tight_ns += passed_ns
            self._sample(at_ns, self._quote)
        else:
            while self._sample_ns < at_ns:
                self._sample_ns += NS_PER_S
        both = bid_quantity + ask_quantity
        self._quote = (bid + ask) / 2, (bid_quantity - ask_quantity) / both if both else 0.0
        self._quote_ns = at_ns
        self._is_tight = round((ask - bid) / self._tick_size) == 1
        self._quotes += 1
        self._tight_quotes += self._is_tight

    def _sample(self, at_ns: int, quote: tuple[float, float]) -> None:
        while self._sample_ns < at_ns:
            self._mids.append(quote[0])
            self._imbalances.append(quote[1])
            self._sample_ns += NS_PER_S

    def facts(self) -> Facts:
        """The facts of everything so far. The last second, which is not whole, does not count."""
        counts = self._messages[:-1]
        moves = [later / mid - 1 for mid, later in pairwise(self._mids)]
        orders: list[tuple[int, bool]] = []
        for trade in self._trades:
            if not orders or orders[-1] != trade:
                orders.append(trade)
        signs = [1.0 if buys else -1.0 for _, buys in orders]
        single = [1.0 if buys else -1.0 for _, buys in self._trades]
        return Facts(
            seconds=len(counts),
            depth_messages=self._depths,
            quote_messages=self._quotes,
            trades=len(self._trades),
            taker_orders=len(orders),
            one_tick_share=_ratio(self._tight_quotes, self._quotes),
            one_tick_time_share=_ratio(self._tight_ns, self._quoted_ns),
            move_bps=sqrt(_variance(moves)) * 1e4,
            excess_kurtosis=excess_kurtosis(moves),
            sign_autocorrelation_1=autocorrelation(signs, 1),
            sign_autocorrelation_10=autocorrelation(signs, FAR_LAG),
            trade_sign_autocorrelation_1=autocorrelation(single, 1),
            arrival_cv=_gap_variation([at_ms for at_ms, _ in orders]),
            trade_arrival_cv=_gap_variation([at_ms for at_ms, _ in self._trades]),
            fano=_ratio(_variance(counts), fmean(counts)) if counts else nan,
            levels_per_trade=_ratio(self._levels, len(self._trades)),
            imbalance_correlation=correlation(self._imbalances[: len(moves)], moves),
        )


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else nan


def _variance(values: Sequence[float]) -> float:
    if len(values) < SECONDS_MIN:
        return nan
    mean = fmean(values)
    return fmean([(value - mean) ** 2 for value in values])


def _gap_variation(times_ms: Sequence[int]) -> float:
    gaps = [later - time for time, later in pairwise(times_ms)]
    return _ratio(sqrt(_variance(gaps)), fmean(gaps)) if gaps else nan


def excess_kurtosis(values: Sequence[float]) -> float:
    """Fourth central moment over the squared variance, less 3; NaN for constant values."""
    variance = _variance(values)
    if not variance > 0:
        return nan
    mean = fmean(values)
    return fmean([(value - mean) ** 4 for value in values]) / variance**2 - 3


def autocorrelation(values: Sequence[float], lag: int) -> float:
    """Of a series with itself `lag` places later, over the whole variance; NaN when constant."""
    if len(values) <= lag:
        return nan
    mean = fmean(values)
    around = [value - mean for value in values]
    total = sum(one * one for one in around)
    together = sum(one * later for one, later in zip(around, around[lag:], strict=False))
    return _ratio(together, total)


def correlation(left: Sequence[float], right: Sequence[float]) -> float:
    """Pearson's correlation of two series of one length; NaN when one is constant or too short."""
    spread = sqrt(_variance(left) * _variance(right))
    if not spread > 0:
        return nan
    left_mean, right_mean = fmean(left), fmean(right)
    both = [(a - left_mean) * (b - right_mean) for a, b in zip(left, right, strict=True)]
    return fmean(both) / spread


def measure(lines: Iterable[tuple[int, bytes]], tick_size: float) -> Facts:
    """The facts of recorded lines (receive time in ns, frame) of one symbol of Binance.

    Spot or futures; snapshots and other streams are passed over. Raises RecordingError for a frame
    that is not such a message."""
    meter = FactsMeter(tick_size)
    for at_ns, frame in lines:
        try:
            _take(meter, at_ns, frame)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RecordingError(
                f"not a Binance message, received at {at_ns}: {error!r} in {frame[:160]!r}"
            ) from error
    return meter.facts()


def _take(meter: FactsMeter, at_ns: int, frame: bytes) -> None:
    message = orjson.loads(frame)
    data = message.get("data", message)
    kind = data.get("e")
    if kind == "depthUpdate":
        meter.depth(at_ns, len(data["b"]) + len(data["a"]))
    elif kind == "trade":
        meter.trade(at_ns, int(data["T"]), buys=not data["m"])
    elif kind == "bookTicker" or (kind is None and "B" in data and "A" in data):
        bid, held, ask, offered = (_finite(data[name]) for name in "bBaA")
        meter.quote(at_ns, bid, held, ask, offered)


def _finite(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise ValueError(f"not a finite number: {text!r}")
    return value
