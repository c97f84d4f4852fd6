"""One symbol of the flow market: a book that orders come to, leave and take from, one by one.

While the spread is at rest, each event is one of four kinds: a taker's order takes a part of the
best level; an order comes to or leaves the best level; orders change behind it; or an opening: the
best level of one side vanishes, taken or withdrawn, and the spread is wide until, within
milliseconds, either the other side follows (the price has moved) or the same side comes back. The
side with the shorter queue opens more often, so the queues tell where the price goes; a weak pull
keeps the price near a level that itself wanders over days.
"""

from __future__ import annotations

from math import exp, log, sqrt
from random import Random
from typing import Final

import msgspec

from procs.localvenue.market.events import BookChanged, Levels, MarketEvent, Traded
from procs.localvenue.market.flow_book import (
    BookShape,
    extend,
    grow,
    stir,
    touch_quantity,
)
from procs.localvenue.market.flow_hands import Hands, new_hands
from procs.localvenue.market.flow_pace import Pace, Rates, new_pace
from procs.localvenue.market.ladder import Side
from procs.localvenue.market.listings import Listing
from procs.localvenue.market.minute_bars import Bar, MinuteBars, Origin, Past
from procs.localvenue.market.past import past_bars
from shared.units import from_ticks

IDLE_MS: Final = 250.0
"""A symbol looks up after this time at the latest, so that its activity can swing."""
SILENT_MS: Final = 700.0
"""Even a sleepy book says something each second, so that nobody takes it for stale (E3)."""
BARS_SAVED: Final = 120

LEAN: Final = 1.4
"""How strongly the pressure shapes the queues at the touch."""
FORESIGHT: Final = 1.2
"""How strongly the queues tell which side opens: at 1 an empty one always would."""
PRESSURE_KEPT: Final = 0.88
"""What a move leaves of the pressure that made it."""
REVERTED_SHARE: Final = 0.3
"""Openings after which the same side comes back, where ticks are small."""
CLOSES_AT_ONCE: Final = 0.35
STEP_VARIANCE_MIN: Final = 1.3
"""In squared ticks; a symbol whose tick is large moves by one, and seldom."""
LONG_SHARE: Final = 0.08
"""So many moves are longer than the others, on average so many times:"""
LONG_FACTOR: Final = 2.8
MOVE_MAX: Final = 8.0
"""In mean moves."""

PULL_MS: Final = 4 * 3_600_000.0
LEVEL_MS: Final = 3 * 86_400_000.0
LEVEL_SPREAD: Final = 0.02
TAKES_DAMPED: Final = -0.045
"""The power of the activity that takes' share of all events goes with: bursts are more quotes."""
TAKE_SPREAD: Final = 1.7
"""Of the logarithm of a taker's quantity."""
LEVELS_SWEPT_MAX: Final = 3


class FlowState(msgspec.Struct, kw_only=True):
    """Everything of a symbol that must survive a restart, except bars and ladder."""

    pace: Pace
    hands: Hands
    next_ms: float
    said_ms: float = 0.0
    moved_ms: float = 0.0
    level: float = 0.0
    """Logarithm of the level over the first price."""
    first: float
    open_sign: int = 0
    """While the spread is wide, the side that will close it: -1 bids, 1 asks."""
    update_id: int
    trade_id: int


class SavedFlow(msgspec.Struct, kw_only=True):
    """A symbol as it is written down."""

    symbol: str
    state: FlowState
    bid_ranks: list[int]
    bid_steps: list[int]
    ask_ranks: list[int]
    ask_steps: list[int]
    origin: Origin
    bars: list[Bar]

    def is_whole(self) -> bool:
        """Whether there is a quantity for each level, and a level on each side."""
        bids, asks = len(self.bid_ranks), len(self.ask_ranks)
        return (len(self.bid_steps), len(self.ask_steps)) == (bids, asks) and bids * asks > 0


class FlowSymbol:
    """The market of one symbol, moved from event to event by its owner; times in market ms."""

    def __init__(
        self,
        listing: Listing,
        rates: Rates,
        swing: float,
        seed: int,
        start_ms: int,
        random: Random,
    ) -> None:
        self.instrument = listing.instrument()
        self.symbol = listing.symbol
        self._tick_size = self.instrument.tick_size
        self._step_size = self.instrument.step_size
        self._rates = rates
        price = listing.price / float(self._tick_size) * (1 + 0.04 * (random.random() - 0.5))
        self._set_rates(rates)
        self._set_moves(listing, price)
        self._set_sizes(listing, price)
        self.state = FlowState(
            pace=new_pace(rates, swing, random),
            hands=new_hands(),
            next_ms=random.random() * IDLE_MS,
            first=price,
            update_id=1_000_000 + int(random.random() * 1e9),
            trade_id=1_000_000 + int(random.random() * 1e8),
        )
        self._bids, self._asks = Side(-1), Side(1)
        bid = max(int(price), 1)
        self._bids.put(-bid, touch_quantity(self._shape, 1.0, random))
        self._asks.put(bid + self._rest, touch_quantity(self._shape, 1.0, random))
        grow(self._bids, self._shape, random)
        grow(self._asks, self._shape, random)
        units_a_minute = self._steps_a_second * 60
        volatility_pct = listing.volatility_pct

        def past(origin: Origin) -> Past:
            seed_text = f"{seed}/{listing.symbol}/{origin.at_ms}"
            return past_bars(seed_text, origin, volatility_pct, units_a_minute)

        self.bars = MinuteBars(self._tick_size, self._step_size, Origin(start_ms, bid), past)

    def _set_rates(self, rates: Rates) -> None:
        """Rates in ms, and the bounds between the kinds of events on 0 to 1."""
        self._total_per_ms = rates.total / 1_000
        self._take_below = rates.takes / rates.total
        self._touch_below = self._take_below + rates.touches / rates.total
        self._deep_below = self._touch_below + rates.deeps / rates.total
        self._closing_per_ms = rates.closings / 1_000

    def _set_moves(self, listing: Listing, price: float) -> None:
        """How far an opening goes, so that a second's moves have the listing's volatility.

        Moves are 1 tick or more with geometric lengths of the parameter p: the mean square is
        (2 - p) / p². Where even single ticks are too much, more openings close again."""
        variance = (listing.volatility_pct / 100 * price) ** 2 / 86_400
        variance /= 1 + LONG_SHARE * (LONG_FACTOR**2 - 1)
        # Moves that come fast have one pressure behind them and add up.
        variance /= 1 + 0.7 * min(self._rates.openings / 2.3, 1.0)
        openings = self._rates.openings
        followed = openings * (1 - REVERTED_SHARE)
        if variance / followed < STEP_VARIANCE_MIN:
            followed = variance / STEP_VARIANCE_MIN
        square = variance / followed
        p = (sqrt(1 + 8 * square) - 1) / (2 * square)
        self._follows_below = followed / openings
        self._log_stop = 1 / log(1 - p)
        self._move_max = int(MOVE_MAX / p) + 1
        self._pull_odds = price * p / (followed / 1_000 * PULL_MS)
        tick_bps = 1e4 / price
        quiet_bps = 0.35 * sqrt(50 / listing.turnover_millions)
        busy = listing.turnover_millions >= 100
        self._rest = 1 if busy else max(round(quiet_bps / tick_bps), 1)

    def _set_sizes(self, listing: Listing, price: float) -> None:
        """Quantities, so that a day's trades are worth the listing's turnover."""
        quote_a_second = listing.turnover_millions * 1e6 / 86_400
        steps_a_quote_unit = 1 / (listing.price * float(self._step_size))
        self._steps_a_second = quote_a_second * steps_a_quote_unit
        # What the queues at the touch cut off is a sixth.
        mean_steps = 1.2 * self._steps_a_second / (self._rates.takes + 0.8 * self._rates.openings)
        self._log_take_steps = log(mean_steps) - TAKE_SPREAD**2 / 2
        touch_value = min(max(quote_a_second * 4, 6_000.0), 70_000.0)
        levels = 60 + int(90 * min(self._rates.touches / 60, 1.0))
        self._shape = BookShape(
            levels=max(min(levels, int(price) // 4), 2),
            touch_steps=max(touch_value * steps_a_quote_unit, 4.0),
            basis_point=price * 1e-4,
        )

    def save(self) -> SavedFlow:
        """What `load` needs to go on."""
        origin, bars = self.bars.newest(BARS_SAVED)
        assert origin is not None, "a generated symbol has a first price"
        bids, asks = self._bids, self._asks
        return SavedFlow(
            symbol=self.symbol,
            state=self.state,
            bid_ranks=bids.ranks,
            bid_steps=[bids.quantities[rank] for rank in bids.ranks],
            ask_ranks=asks.ranks,
            ask_steps=[asks.quantities[rank] for rank in asks.ranks],
            origin=origin,
            bars=bars,
        )

    def load(self, saved: SavedFlow) -> None:
        """Goes on from there."""
        self.state = saved.state
        self.bars.resume(saved.origin, saved.bars)
        self._bids.replace(list(zip(saved.bid_ranks, saved.bid_steps, strict=True)))
        self._asks.replace(list(zip(saved.ask_ranks, saved.ask_steps, strict=True)))

    def whole_book(self, at_ms: int, said: list[MarketEvent], line: int) -> None:
        """Adds the delta that says every level."""
        self._bids.touch_all()
        self._asks.touch_all()
        self._say(at_ms, said, line)

    def step(
        self, market_ms: float, at_ms: int, random: Random, said: list[MarketEvent], line: int
    ) -> float:
        """Does what is due at market_ms and adds it to said, stamped at_ms; returns the next time.

        The events are numbered as if the first of `said` had the number line + 1."""
        state = self.state
        activity = state.pace.activity(market_ms, random)
        if state.open_sign:
            if random.random() < 0.6:
                self._close(random)
            else:
                self._touch(random)
        elif market_ms < state.next_ms:
            if market_ms - state.said_ms >= SILENT_MS:
                self._touch(random)
        else:
            chance = random.random()
            if chance < self._take_below * activity**TAKES_DAMPED:
                self._take(at_ms, random, said, line)
            elif chance < self._touch_below:
                self._touch(random)
            elif chance < self._deep_below:
                side = self._bids if random.random() < 0.5 else self._asks
                more = -log(1.0 - random.random()) * (self._rates.deep_levels - 0.5)
                stir(side, self._shape, 1 + int(more), random)
            else:
                self._open(market_ms, at_ms, random, said, line)
        if self._bids.changed or self._asks.changed:
            state.said_ms = market_ms
            self._say(at_ms, said, line)
        rate = self._closing_per_ms if state.open_sign else self._total_per_ms * activity
        state.next_ms = market_ms - log(1.0 - random.random()) / rate
        return min(state.next_ms, market_ms + IDLE_MS)

    def _say(self, at_ms: int, said: list[MarketEvent], line: int) -> None:
        """Adds what changed in the ladder, with ids that continue the last ones."""
        state = self.state
        bids: Levels = self._bids.said(self._tick_size, self._step_size)
        asks: Levels = self._asks.said(self._tick_size, self._step_size)
        count = len(bids) + len(asks)
        first_id = state.update_id + 1
        state.update_id += count + count // 2
        said.append(
            BookChanged(
                symbol=self.symbol,
                at_ms=at_ms,
                first_id=first_id,
                last_id=state.update_id,
                bids=bids,
                asks=asks,
                line=line + len(said) + 1,
            )
        )

    def _print(
        self, side: Side, rank: int, steps: int, at_ms: int, said: list[MarketEvent], line: int
    ) -> None:
        """A trade at a level of this side."""
        state = self.state
        ticks = side.sign * rank
        state.trade_id += 1
        self.bars.add(at_ms, ticks, steps)
        said.append(
            Traded(
                symbol=self.symbol,
                at_ms=at_ms,
                trade_id=state.trade_id,
                price=from_ticks(ticks, self._tick_size),
                quantity=self._step_size * steps,
                buyer_is_maker=side.sign < 0,
                line=line + len(said) + 1,
            )
        )

    def _lean(self, side: Side) -> float:
        """The factor that the pressure makes on the queue at the touch of this side."""
        return exp(-side.sign * LEAN * self.state.pace.pressure)

    def _touch(self, random: Random) -> None:
        """An order comes to the best level, or leaves it; it never empties it."""
        side = self._bids if random.random() < 0.5 else self._asks
        rank = side.ranks[0]
        steps = side.quantities[rank]
        usual = self._shape.touch_steps * self._lean(side)
        size = 1 + int(-log(1.0 - random.random()) * 0.25 * usual)
        if random.random() * 2 * usual > steps or steps < 4:
            side.put(rank, steps + size)
        else:
            side.put(rank, steps - min(size, (steps * 9) // 10))

    def _take(self, at_ms: int, random: Random, said: list[MarketEvent], line: int) -> None:
        """A taker's order takes a part of the best level, from one resting order or from some."""
        side = self._asks if self.state.hands.next(random) else self._bids
        rank = side.ranks[0]
        steps = side.quantities[rank]
        if steps < 4:
            side.put(rank, steps + touch_quantity(self._shape, self._lean(side), random))
            return
        wanted = self._take_steps(random)
        taken = min(wanted, (steps * 9) // 10)
        side.put(rank, steps - taken)
        while taken > 1 and random.random() < 0.1:
            part = 1 + int(random.random() * (taken - 1))
            self._print(side, rank, part, at_ms, said, line)
            taken -= part
        self._print(side, rank, taken, at_ms, said, line)
        self.state.pace.excite()

    def _take_steps(self, random: Random) -> int:
        return 1 + int(exp(self._log_take_steps + TAKE_SPREAD * random.gauss(0.0, 1.0)))

    def _open(
        self, market_ms: float, at_ms: int, random: Random, said: list[MarketEvent], line: int
    ) -> None:
        """The best level of a side vanishes, and all within the move behind it."""
        state, shape = self.state, self._shape
        side = self._asks if self._goes_up(market_ms, random) else self._bids
        other = self._bids if side.sign > 0 else self._asks
        far = LONG_FACTOR if random.random() < LONG_SHARE else 1.0
        move = 1 + int(log(1.0 - random.random()) * self._log_stop * far)
        rank = side.ranks[0] + min(move, self._move_max)
        if side.sign < 0 and rank >= 0:
            return
        taken = side.take_better_than(rank)
        if state.hands.next(random) == (side.sign > 0):
            # The first, one between and the last: stops on the way are passed by a trade.
            stride = max((len(taken) - 1) // (LEVELS_SWEPT_MAX - 1), 1)
            for gone, steps in taken[::stride][:LEVELS_SWEPT_MAX]:
                part = min(steps, self._take_steps(random))
                self._print(side, gone, part, at_ms, said, line)
            state.pace.excite()
        if rank not in side.quantities:
            lean = self._lean(side)
            side.put(rank, touch_quantity(shape, lean, random))
        while len(side.ranks) < shape.levels // 2:
            extend(side, shape, random)
        if random.random() < self._follows_below:
            state.open_sign = other.sign
            state.pace.pressure *= PRESSURE_KEPT
        else:
            state.open_sign = side.sign

    def _goes_up(self, market_ms: float, random: Random) -> bool:
        """Whether the asks open: by the queues at the touch, and by the pull of the level."""
        state, bids, asks = self.state, self._bids, self._asks
        bid_steps = bids.quantities[bids.ranks[0]]
        ask_steps = asks.quantities[asks.ranks[0]]
        imbalance = (bid_steps - ask_steps) / (bid_steps + ask_steps)
        passed = (market_ms - state.moved_ms) / LEVEL_MS
        state.moved_ms = market_ms
        state.level -= passed * state.level
        state.level += LEVEL_SPREAD * sqrt(2 * passed) * random.gauss(0.0, 1.0)
        away = log(asks.ranks[0] / state.first) - state.level
        odds = FORESIGHT * imbalance - min(max(self._pull_odds * away, -0.5), 0.5)
        return random.random() * 2 < 1 + odds

    def _close(self, random: Random) -> None:
        """The side whose turn it is comes nearer, or all the way."""
        state = self.state
        side = self._bids if state.open_sign < 0 else self._asks
        best = side.ranks[0]
        gap = self._asks.ranks[0] + self._bids.ranks[0] - self._rest
        rank = best - gap
        if gap > 1 and random.random() >= CLOSES_AT_ONCE:
            rank += 1 + int(random.random() * (gap - 1))
        else:
            state.open_sign = 0
        if rank < best:
            side.put(rank, touch_quantity(self._shape, self._lean(side), random))
