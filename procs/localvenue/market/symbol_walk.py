"""One generated symbol: a fair price that walks, a touch that follows it, a ladder behind both.

Prices are ticks and quantities are steps here; the fair price is a float between two ticks. Each
step of 100 ms says at most a few trades, printed against the book as it stood, and then one delta.
"""

from __future__ import annotations

from bisect import bisect_right
from math import exp, log, log10, sqrt
from random import Random
from typing import Final

import msgspec

from procs.localvenue.market.dips import Dip
from procs.localvenue.market.events import BookChanged, Levels, MarketEvent, Traded
from procs.localvenue.market.ladder import Side
from procs.localvenue.market.listings import Listing
from procs.localvenue.market.minute_bars import Bar, MinuteBars, Origin, Past
from procs.localvenue.market.past import past_bars
from shared.units import from_ticks

STEP_MS: Final = 100
STEP_S: Final = STEP_MS / 1000
BARS_SAVED: Final = 120

INTENSITY_DECAY: Final = 0.05
INTENSITY_KICK: Final = 0.3
INTENSITY_MAX: Final = 9.0
BRANCHING: Final = INTENSITY_KICK * STEP_S / INTENSITY_DECAY
"""How many arrivals one arrival brings about, on average."""
SILENT_STEPS_MAX: Final = 8
"""Even a sleepy book says something each second, so that nobody takes it for stale (E3)."""

BASE_RATE_MIN: Final = 0.05

NEAR_BPS: Final = 50.0
SPREAD_MAX_BPS: Final = 12.0
PRINT_DISTANCE_MAX: Final = 0.0012
"""A trade prints before the mid is farther than this from the last one."""
SWEEP_PRINTS_MAX: Final = 5


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """How the books of a profile look and how lively they are."""

    levels_min: int = 60
    levels_max: int = 120
    near_min: int = 14
    """About so many levels lie within 50 bps of the touch, wherever a fall has brought it."""
    reach_bps: float = 150.0
    """The ladder goes at least this far from the touch, and at most three times as far."""
    far_gap_bps: float = 2.5
    fill_bps: float = 1.5
    tight_share: float = 0.955
    """How often a new touch is one tick wide."""
    pull: float
    """The share of the way home, per step with an arrival: what keeps the walk near its level."""
    restlessness: float = 1.0
    """Factor on the listing's volatility."""
    trade_share: float = 0.4


class WalkState(msgspec.Struct, kw_only=True):
    """Everything of a symbol that must survive a restart, except bars and ladder."""

    fair: float
    level: float
    first: float
    intensity: float
    buying: bool = True
    silent_steps: int = 0
    update_id: int = 0
    trade_id: int = 0
    last_print: int
    dip: Dip | None = None
    rest_until_ms: int = 0
    low_until_ms: int = 0


class SavedWalk(msgspec.Struct, kw_only=True):
    """A symbol as it is written down."""

    symbol: str
    state: WalkState
    bids: list[tuple[int, int]]
    asks: list[tuple[int, int]]
    origin: Origin
    bars: list[Bar]


class SymbolWalk:
    """The market of one symbol, moved in steps of 100 ms by its owner."""

    def __init__(
        self, listing: Listing, shape: Shape, seed: int, start_ms: int, random: Random
    ) -> None:
        self.instrument = listing.instrument()
        self.symbol = listing.symbol
        self._tick_size = self.instrument.tick_size
        self._step_size = self.instrument.step_size
        self._shape = shape
        price = listing.price / float(self._tick_size) * (1 + 0.04 * (random.random() - 0.5))
        base_rate = max(0.5 * log10(listing.turnover_millions), BASE_RATE_MIN)
        rate = max(base_rate / (1 - BRANCHING), 1 / (SILENT_STEPS_MAX + 1) / STEP_S)
        self._base_intensity = base_rate
        self._sigma = shape.restlessness * listing.volatility_pct / 100 / sqrt(rate * 86_400)
        turnover_a_second = listing.turnover_millions * 1e6 / 86_400
        steps_a_quote_unit = 1 / (listing.price * float(self._step_size))
        self._print_steps = (
            turnover_a_second / (rate * shape.trade_share * 1.25) * steps_a_quote_unit
        )
        self._level_steps = min(max(turnover_a_second * 3, 5_000), 60_000) * steps_a_quote_unit
        self.state = WalkState(
            fair=price,
            level=price,
            first=price,
            intensity=base_rate,
            last_print=round(price),
            update_id=1_000_000 + int(random.random() * 1e9),
            trade_id=1_000_000 + int(random.random() * 1e8),
        )
        volume_a_minute = turnover_a_second * 60 * steps_a_quote_unit
        volatility_pct = listing.volatility_pct

        def past(origin: Origin) -> Past:
            seed_text = f"{seed}/{listing.symbol}/{origin.at_ms}"
            return past_bars(seed_text, origin, volatility_pct, volume_a_minute)

        origin = Origin(start_ms, round(price))
        self.bars = MinuteBars(self._tick_size, self._step_size, origin, past)
        self._bids, self._asks = Side(-1), Side(1)
        self._bids.put(-round(price - 0.5), self._level_quantity(random, 0.0))
        self._asks.put(1 - self._bids.ranks[0], self._level_quantity(random, 0.0))
        for side in (self._bids, self._asks):
            self._build(side, random)

    def save(self) -> SavedWalk:
        """What `load` needs to go on."""
        origin, bars = self.bars.newest(BARS_SAVED)
        assert origin is not None, "a generated symbol has a first price"
        return SavedWalk(
            symbol=self.symbol,
            state=self.state,
            bids=[(rank, self._bids.quantities[rank]) for rank in self._bids.ranks],
            asks=[(rank, self._asks.quantities[rank]) for rank in self._asks.ranks],
            origin=origin,
            bars=bars,
        )

    def load(self, saved: SavedWalk) -> None:
        """Goes on from there."""
        self.state = saved.state
        self.bars.resume(saved.origin, saved.bars)
        self._bids.replace(saved.bids)
        self._asks.replace(saved.asks)

    def whole_book(self, at_ms: int) -> BookChanged:
        """The delta that says every level."""
        self._bids.touch_all()
        self._asks.touch_all()
        return self._delta(at_ms, 0)

    def step(self, market_ms: int, at_ms: int, random: Random, said: list[MarketEvent]) -> None:
        """Goes one step on; adds what happened, stamped at_ms, to said."""
        state = self.state
        dip = state.dip
        if dip is not None and dip.done(market_ms):
            state.level = dip.legs[-1].to_price
            state.dip = dip = None
        if dip is not None:
            state.fair = dip.price(market_ms) * (1 + 0.00003 * random.gauss(0.0, 1.0))
        elif not self._arrives(random):
            return
        old_bid, old_ask = -self._bids.ranks[0], self._asks.ranks[0]
        bid, ask = self._new_touch(old_bid, old_ask, random)
        if bid < old_bid:
            self._sweep(self._bids, -bid, dip is not None, at_ms, random, said)
        elif ask > old_ask:
            self._sweep(self._asks, ask, dip is not None, at_ms, random, said)
        elif random.random() < self._shape.trade_share:
            self._print_at_touch(at_ms, random, said)
        self._follow(self._bids, -bid, random)
        self._follow(self._asks, ask, random)
        self._stir(random)
        mid = (bid + ask) * 0.5
        if abs(state.last_print - mid) > mid * PRINT_DISTANCE_MAX:
            self._print_at_touch(at_ms, random, said)
        delta = self._delta(at_ms, int(random.random() * 4))
        if delta.bids or delta.asks:
            said.append(delta)

    def _arrives(self, random: Random) -> bool:
        """Whether something happens in this step; moves the fair price if so.

        Arrivals excite further arrivals (a Hawkes process on the grid). The move of an arrival is
        normal with a scale that is mostly small and sometimes large: fat tails."""
        state = self.state
        state.intensity += INTENSITY_DECAY * (self._base_intensity - state.intensity)
        if random.random() >= state.intensity * STEP_S:
            state.silent_steps += 1
            if state.silent_steps <= SILENT_STEPS_MAX:
                return False
        state.silent_steps = 0
        state.intensity = min(state.intensity + INTENSITY_KICK, INTENSITY_MAX)
        chance = random.random()
        scale = 0.75 if chance < 0.9 else 1.7 if chance < 0.99 else 5.0
        state.fair *= exp(
            self._sigma * scale * random.gauss(0.0, 1.0)
            + self._shape.pull * log(state.level / state.fair)
        )
        return True

    def _new_touch(self, old_bid: int, old_ask: int, random: Random) -> tuple[int, int]:
        """The best bid and ask around the fair price; they stay while it stays near them."""
        fair = self.state.fair
        basis_point = fair * 0.0001
        tight_share = self._shape.tight_share if self.state.dip is None else 0.6
        spread = 1
        if random.random() >= tight_share:
            spread += 1 + int(random.expovariate(1.0) * 0.4 * basis_point)
            spread = max(min(spread, int(basis_point * SPREAD_MAX_BPS)), 1)
        slack = max(0.4, 0.25 * basis_point)
        if old_bid - slack <= fair <= old_ask + slack:
            if random.random() < 0.5:
                return old_bid, old_bid + spread
            return max(old_ask - spread, 1), old_ask
        bid = max(round(fair - spread * 0.5), 1)
        return bid, bid + spread

    def _print(
        self, side: Side, rank: int, steps: int, at_ms: int, said: list[MarketEvent]
    ) -> None:
        """A trade at a level of this side prints."""
        state = self.state
        ticks = side.sign * rank
        state.trade_id += 1
        state.last_print = ticks
        self.bars.add(at_ms, ticks, steps)
        said.append(
            Traded(
                symbol=self.symbol,
                at_ms=at_ms,
                trade_id=state.trade_id,
                price=from_ticks(ticks, self._tick_size),
                quantity=self._step_size * steps,
                buyer_is_maker=side.sign < 0,
            )
        )

    def _print_quantity(self, random: Random) -> int:
        return 1 + int(random.expovariate(1.0) * self._print_steps)

    def _print_at_touch(self, at_ms: int, random: Random, said: list[MarketEvent]) -> None:
        """One or two trades take from the best level of the side that flow presses on."""
        state = self.state
        if random.random() < 0.3:
            state.buying = not state.buying
        side = self._asks if state.buying else self._bids
        rank = side.ranks[0]
        for _ in range(2 if random.random() < 0.25 else 1):
            steps = self._print_quantity(random)
            self._print(side, rank, steps, at_ms, said)
            left = side.quantities[rank] - steps
            side.put(rank, left if left > 0 else self._level_quantity(random, 0.0))

    def _sweep(
        self,
        side: Side,
        rank: int,
        forced: bool,
        at_ms: int,
        random: Random,
        said: list[MarketEvent],
    ) -> None:
        """Levels better than rank go; they print from the best to the last, and the new best too.

        In a dip always, so that every stop on the way is passed by a trade; in quiet times often
        the quotes are only taken back."""
        taken = side.take_better_than(rank)
        if not forced and random.random() < 0.5:
            return
        stride = max((len(taken) + SWEEP_PRINTS_MAX - 2) // (SWEEP_PRINTS_MAX - 1), 1)
        for gone, steps in taken[::stride]:
            self._print(side, gone, min(steps, self._print_quantity(random)), at_ms, said)
        if forced:
            self._print(side, rank, self._print_quantity(random), at_ms, said)

    def _level_quantity(self, random: Random, distance_bps: float) -> int:
        weight = (0.15 + random.expovariate(1.0)) * (1 + distance_bps / 60)
        return 1 + int(self._level_steps * weight)

    def _follow(self, side: Side, rank: int, random: Random) -> None:
        """Makes rank the best level, fills the way to the old best, keeps count and reach."""
        shape, ranks, basis_point = self._shape, side.ranks, self.state.fair * 0.0001
        if not ranks or ranks[0] != rank:
            if ranks and ranks[0] < rank:
                side.take_better_than(rank)
            way = ranks[0] - rank if ranks else 0
            if rank not in side.quantities:
                side.put(rank, self._level_quantity(random, 0.0))
            stride = shape.fill_bps * basis_point
            distance = stride * (0.5 + random.random())
            while distance < way:
                place = rank + int(distance)
                if place not in side.quantities:
                    side.put(place, self._level_quantity(random, distance / basis_point))
                distance += stride * (0.5 + random.random()) + 1
        near = NEAR_BPS * basis_point
        for _ in range(shape.near_min - bisect_right(ranks, rank + near)):
            place = rank + 1 + int(random.random() * near)
            if place not in side.quantities:
                side.put(place, self._level_quantity(random, (place - rank) / basis_point))
        reach = shape.reach_bps * basis_point
        while len(ranks) < shape.levels_min or ranks[-1] - rank < reach:
            self._append_far(side, random)
        if ranks[-1] - rank > 3 * reach and len(ranks) > shape.levels_min:
            side.trim(max(len(ranks) - 4, shape.levels_min))
        while len(ranks) > shape.levels_max:
            side.remove(ranks[len(ranks) // 3 + int(random.random() * (len(ranks) * 0.6))])

    def _append_far(self, side: Side, random: Random) -> None:
        """One level more beyond the farthest."""
        basis_point = self.state.fair * 0.0001
        farthest = side.ranks[-1]
        place = farthest + 1 + int(random.expovariate(1.0) * self._shape.far_gap_bps * basis_point)
        if side.sign < 0:
            # A bid at or below zero is no price; a ladder never comes near it with real prices.
            place = min(place, -1)
        side.put(place, self._level_quantity(random, (place - side.ranks[0]) / basis_point))

    def _build(self, side: Side, random: Random) -> None:
        """The first ladder: dense at the touch, thinning out with the distance."""
        shape, basis_point = self._shape, self.state.fair * 0.0001
        place = best = side.ranks[0]
        count = (shape.levels_min + shape.levels_max) // 2
        for number in range(1, count):
            gap_bps = 2 * shape.reach_bps / count * number / count
            place += 1 + int(random.expovariate(1.0) * gap_bps * basis_point)
            side.put(place, self._level_quantity(random, (place - best) / basis_point))
        while place - best < shape.reach_bps * basis_point:
            self._append_far(side, random)
            place = side.ranks[-1]

    def _stir(self, random: Random) -> None:
        """A few orders come, change or go, mostly near the touch."""
        basis_point = self.state.fair * 0.0001
        for _ in range(1 + int(random.expovariate(1.0) * 1.4)):
            side = self._bids if random.random() < 0.5 else self._asks
            ranks = side.ranks
            chance = random.random()
            if chance < 0.25 and len(ranks) < self._shape.levels_max:
                distance_bps = random.expovariate(1.0) * 6
                place = ranks[0] + 1 + int(distance_bps * basis_point)
                if side.sign > 0 or place < 0:
                    side.put(place, self._level_quantity(random, distance_bps))
                continue
            index = min(int(random.expovariate(1.0) * len(ranks) * 0.15), len(ranks) - 1)
            place = ranks[index]
            if chance > 0.78 and index > 0 and len(ranks) > self._shape.levels_min:
                side.remove(place)
            else:
                distance_bps = (place - ranks[0]) / basis_point
                side.put(place, self._level_quantity(random, distance_bps))

    def _delta(self, at_ms: int, more_ids: int) -> BookChanged:
        """What changed in the ladder, with ids that continue the last ones; empty takes no id."""
        state = self.state
        bids: Levels = self._bids.said(self._tick_size, self._step_size)
        asks: Levels = self._asks.said(self._tick_size, self._step_size)
        first_id = state.update_id + 1
        if bids or asks:
            state.update_id += len(bids) + len(asks) + more_ids
        return BookChanged(
            symbol=self.symbol,
            at_ms=at_ms,
            first_id=first_id,
            last_id=state.update_id,
            bids=bids,
            asks=asks,
        )
