"""One generated symbol: a fair price that walks, a touch that follows it, a ladder behind both.

Prices are ticks and quantities are steps here; the fair price is a float between two ticks. Each
step of 100 ms says at most a few trades, printed against the book as it stood, and then one delta.
"""

from __future__ import annotations

from math import exp, log, log10, sqrt
from random import Random
from typing import Final

import msgspec

from procs.localvenue.market.dips import Dip
from procs.localvenue.market.events import BookChanged, MarketEvent, Traded
from procs.localvenue.market.ladder import Side
from procs.localvenue.market.ladder_book import LadderBook, Shape
from procs.localvenue.market.listings import Listing
from procs.localvenue.market.minute_bars import Bar, History, MinuteBars, Origin, Past
from procs.localvenue.market.past import past_bars
from procs.localvenue.market.tides import Mood
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

STRESS_SPREAD_BPS: Final = 5.0
STRESS_SPREAD_MOST_BPS: Final = 14.0
"""What the worst stress adds to a spread on average and at most."""
STRESS_TIGHT: Final = 0.85
STRESS_NOISE: Final = 0.0002
STRESS_PULL: Final = 0.03
JUMP_STAYS: Final = 0.6
"""The share of a jump that the level takes part in: the rest comes back in time."""
SWEEP_PRINTS_MAX: Final = 5


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
    tide: float = 0.0
    """The logarithm by which the market's tide has carried the price so far."""


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
        self,
        listing: Listing,
        shape: Shape,
        seed: int,
        start_ms: int,
        random: Random,
        history: History | None = None,
    ) -> None:
        self.instrument = listing.instrument()
        self.symbol = listing.symbol
        self._tick_size = self.instrument.tick_size
        self._step_size = self.instrument.step_size
        self._shape = shape
        price = listing.price / float(self._tick_size) * (1 + 0.04 * (random.random() - 0.5))
        base_rate = shape.pace
        if base_rate is None:
            base_rate = max(0.5 * log10(listing.turnover_millions), BASE_RATE_MIN)
        rate = max(base_rate / (1 - BRANCHING), 1 / (SILENT_STEPS_MAX + 1) / STEP_S)
        self._base_intensity = base_rate
        self._sigma = shape.restlessness * listing.volatility_pct / 100 / sqrt(rate * 86_400)
        turnover_a_second = listing.turnover_millions * shape.turnover_share * 1e6 / 86_400
        steps_a_quote_unit = 1 / (listing.price * float(self._step_size))
        self._print_steps = (
            turnover_a_second / (rate * shape.trade_share * 1.25) * steps_a_quote_unit
        )
        least, most = shape.level_quote
        level_steps = min(max(turnover_a_second * 3, least), most) * steps_a_quote_unit
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
        self.bars = MinuteBars(self._tick_size, self._step_size, origin, history or past)
        self._book = LadderBook(self.symbol, self._tick_size, self._step_size, shape, level_steps)
        self._book.update_id = self.state.update_id
        bid = round(price - 0.5)
        spread = 1 + int(2 * shape.spread_least_bps * price * 0.0001)
        self._book.begin(bid, bid + spread, price, random)

    def save(self) -> SavedWalk:
        """What `load` needs to go on."""
        origin, bars = self.bars.newest(BARS_SAVED)
        assert origin is not None, "a generated symbol has a first price"
        self.state.update_id = self._book.update_id
        return SavedWalk(
            symbol=self.symbol,
            state=self.state,
            bids=self._book.bids.levels(),
            asks=self._book.asks.levels(),
            origin=origin,
            bars=bars,
        )

    def load(self, saved: SavedWalk) -> None:
        """Goes on from there."""
        self.state = saved.state
        self.bars.resume(saved.origin, saved.bars)
        self._book.update_id = saved.state.update_id
        self._book.bids.replace(saved.bids)
        self._book.asks.replace(saved.asks)

    def whole_book(self, at_ms: int) -> BookChanged:
        """The delta that says every level."""
        return self._book.whole(at_ms)

    def step(
        self,
        market_ms: int,
        at_ms: int,
        random: Random,
        said: list[MarketEvent],
        mood: Mood | None = None,
    ) -> None:
        """Goes one step on; adds what happened, stamped at_ms, to said."""
        state, book = self.state, self._book
        dip = state.dip
        if dip is not None and dip.done(market_ms):
            state.level = dip.legs[-1].to_price
            state.dip = dip = None
        forced = dip is not None
        if dip is not None:
            state.fair = dip.price(market_ms) * (1 + 0.00003 * random.gauss(0.0, 1.0))
        else:
            carried = mood is not None and self._carried(mood, random)
            if not self._arrives(random) and not carried:
                return
            forced = carried or (self._shape.jump_share > 0 and self._jumps(random))
        old_bid, old_ask = book.bid, book.ask
        bid, ask = self._new_touch(old_bid, old_ask, random)
        if bid < old_bid:
            self._sweep(book.bids, -bid, forced, at_ms, random, said)
        elif ask > old_ask:
            self._sweep(book.asks, ask, forced, at_ms, random, said)
        elif random.random() < self._shape.trade_share:
            self._print_at_touch(at_ms, random, said)
        book.follow(book.bids, -bid, state.fair, random)
        book.follow(book.asks, ask, state.fair, random)
        book.stir(state.fair, random)
        if self._shape.pace is not None and not book.said_something:
            book.stir(state.fair, random)
        mid = (bid + ask) * 0.5
        if abs(state.last_print - mid) > mid * self._shape.print_distance:
            self._print_at_touch(at_ms, random, said)
        delta = book.delta(at_ms, int(random.random() * 4))
        if delta.bids or delta.asks:
            said.append(delta)

    def _carried(self, mood: Mood, random: Random) -> bool:
        """Moves the price with the tide; whether it left the touch, so that the book must follow.

        Under stress the price also shivers about its level."""
        state, book = self.state, self._book
        shift = exp(mood.level - state.tide)
        state.tide = mood.level
        state.fair *= shift
        state.level *= shift
        book.stress = mood.stress
        if mood.stress > 0:
            state.fair *= exp(
                STRESS_NOISE * mood.stress * random.gauss(0.0, 1.0)
                + STRESS_PULL * log(state.level / state.fair)
            )
        slack = max(0.4, 0.000025 * state.fair)
        return not book.bid - slack <= state.fair <= book.ask + slack

    def _jumps(self, random: Random) -> bool:
        """Whether the price springs over levels now; if so, it has."""
        shape, state = self._shape, self.state
        if random.random() >= shape.jump_share:
            return False
        low, high = shape.jump_pct
        jump = (low + (high - low) * random.random()) / 100
        if random.random() < 0.5:
            jump = -jump
        # What the level took part in before pulls towards the first price, so that jumps do not
        # carry the symbol away.
        home = log(state.first / state.level)
        if jump * home < 0 and abs(home) > 0.06:
            jump = -jump
        state.fair *= exp(jump)
        state.level *= exp(jump * JUMP_STAYS)
        return True

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
        fair, shape, stress = self.state.fair, self._shape, self._book.stress
        basis_point = fair * 0.0001
        slack = max(0.4, 0.25 * basis_point)
        stays = old_bid - slack <= fair <= old_ask + slack
        if stays and shape.keep_share > 0 and random.random() < shape.keep_share:
            return old_bid, old_ask
        tight_share = shape.tight_share if self.state.dip is None else 0.6
        spread = 1
        if random.random() >= tight_share * (1 - STRESS_TIGHT * stress):
            more_bps = shape.spread_more_bps + STRESS_SPREAD_BPS * stress
            most_bps = shape.spread_most_bps + STRESS_SPREAD_MOST_BPS * stress
            spread += 1 + int(shape.spread_least_bps * basis_point)
            spread += int(random.expovariate(1.0) * more_bps * basis_point)
            spread = max(min(spread, int(basis_point * most_bps)), 1)
        if stays:
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
        return 1 - int(log(1.0 - random.random()) * self._print_steps)

    def _print_at_touch(self, at_ms: int, random: Random, said: list[MarketEvent]) -> None:
        """One or two trades take from the best level of the side that flow presses on."""
        state = self.state
        if random.random() < 0.3:
            state.buying = not state.buying
        side = self._book.asks if state.buying else self._book.bids
        rank = side.ranks[0]
        for _ in range(2 if random.random() < 0.25 else 1):
            steps = self._print_quantity(random)
            self._print(side, rank, steps, at_ms, said)
            left = side.quantities[rank] - steps
            side.put(rank, left if left > 0 else self._book.quantity(random, 0.0))

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
