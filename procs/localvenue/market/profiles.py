"""The named generated markets: calm and flood, demo and fast, crash, chop and illiquid.

Calm and flood are made order by order in the manner of recorded ones (see flow.py); flood has one
symbol with thousands of messages a second. The others are walks, made for what the engine does.
Their mathematics, in short. Per symbol a fair price S walks on a grid of 100 ms:

* Arrivals: with intensity λ something happens in a step (probability λ · 0.1 s). λ relaxes to its
  base by 5 % a step and each arrival adds 0.3/s, so one arrival brings 0.6 others: clusters.
* Moves: at an arrival, log S moves by σ·c·N(0,1), with c = 0.75 / 1.7 / 5 in 90 / 9 / 1 % of cases
  (variance 1, excess kurtosis about 18), and by the share `pull` of the way to its level (an
  Ornstein-Uhlenbeck walk). σ is the daily volatility over the root of the arrivals in a day.
* Touch: bid and ask stay while S is within a quarter of a basis point of them, otherwise they are
  set around S, one tick apart in most cases, else wider by an exponential, never above 12 bps.
* Trades print at the touch, the side is the last one's in 70 % of cases; a touch that moves takes
  the levels between, which print on the way. Sizes are exponential, their mean follows the
  turnover.
* Dips (see dips.py) replace the walk with a path: down 4-5.5 % from the highest price of the last
  60 minutes in 1.5-3 s, a short stay, back to a little above the old high; each sixth falls 8 % or
  more, stays for seconds, and comes back slowly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from procs.localvenue.market.dips import DipPlan
from procs.localvenue.market.events import Market
from procs.localvenue.market.flow import FlowMarket, FlowProfile
from procs.localvenue.market.generated import GeneratedMarket, Profile
from procs.localvenue.market.ladder_book import Shape
from procs.localvenue.market.listings import LISTINGS, listings
from procs.localvenue.market.profile_lines import LINES, SYMBOLS_MAX, describe
from procs.localvenue.market.tides import ChopTide, CrashTide
from shared.errors import ConfigError

__all__ = ["PROFILES", "build_market", "describe"]

FAST_SYMBOLS: Final = 3
FLOOD_SYMBOLS: Final = 6
FLOOD_QUOTES: Final = 2_300.0
"""Changes of BTCUSDT's touch in a second; with trades and depth some 2,500 messages."""
QUIET_QUOTES: Final = 3.0


def _calm(count: int) -> FlowProfile:
    """Every symbol as busy as its turnover says; prices stay near a level for days."""
    return FlowProfile(name="calm", listings=listings(count), quotes={})


def _flood(count: int) -> FlowProfile:
    """One symbol that floods its readers, the others quiet."""
    chosen = listings(count)
    quotes = {one.symbol: QUIET_QUOTES for one in chosen}
    quotes[chosen[0].symbol] = FLOOD_QUOTES
    return FlowProfile(name="flood", listings=chosen, quotes=quotes, swing=0.3)


def _demo(count: int) -> Profile:
    """A fall about every ten seconds somewhere, quiet in between."""
    return Profile(
        name="demo",
        shape=Shape(pull=0.008, restlessness=0.7),
        plan=DipPlan(every_ms=(7_000.0, 13_000.0), first_ms=(6_000.0, 9_000.0), rest_ms=90_000),
        listings=listings(count),
    )


def _fast(count: int) -> Profile:
    """Small books and a fall every few seconds, for simulations that take no real time."""
    return Profile(
        name="fast",
        shape=Shape(
            levels_min=10,
            levels_max=14,
            near_min=6,
            reach_bps=60.0,
            far_gap_bps=8.0,
            fill_bps=6.0,
            pull=0.008,
            restlessness=0.7,
        ),
        plan=DipPlan(
            every_ms=(5_000.0, 8_000.0),
            first_ms=(2_000.0, 4_000.0),
            rest_ms=4_000,
            fall_ms=(1_000.0, 2_000.0),
            hold_ms=(300.0, 900.0),
            return_ms=(2_000.0, 5_000.0),
            deep_hold_ms=(1_500.0, 3_000.0),
            deep_return_ms=(4_000.0, 8_000.0),
            deep_above_pct=(-0.4, 0.1),
        ),
        listings=listings(count),
    )


def _crash(count: int) -> Profile:
    """Everything falls together, and again half an hour later.

    The first slide begins 1 to 3 minutes after the start, the next ones about every 32 minutes.
    From there to the low it takes 2 to 6 minutes; each symbol loses 8 to 25 % of its highest price
    of the ten minutes before, the first symbol least. On the way down there is one bounce; after
    the low a rebound of a third, two aftershocks, a recovery of about two thirds of the fall in all
    and a slow climb back. Minute returns of two symbols correlate by 0.7 and more while it falls.
    In the worst minute spreads are on average 2.5 to 6 bps wider than before, at most 32, and half
    a per cent of the book holds less than half of what it held; in quiet times a spread is 1 tick
    in most cases."""
    return Profile(
        name="crash",
        shape=Shape(pull=0.002, restlessness=0.8),
        plan=None,
        listings=listings(count),
        tide=CrashTide,
    )


def _chop(count: int) -> Profile:
    """Sideways, with breaks that lead nowhere.

    Every 80 s each symbol drifts to the edge of its range, breaks out to 1.1-1.6 % from the middle
    in 5 to 14 s, stays for seconds, and snaps back through the middle in 8 to 20 s: a whipsaw of
    1 to 3 %, 20 to 80 of them an hour. It never goes farther than 4 % from where it began."""
    return Profile(
        name="chop",
        shape=Shape(pull=0.008, restlessness=0.5),
        plan=None,
        listings=listings(count),
        tide=ChopTide,
    )


def _illiquid(count: int) -> Profile:
    """Thin books with wide gaps, few trades, sudden jumps.

    Spreads are 4 to 80 bps, 12 to 35 on average; each symbol trades 2 to 12 times a minute; its
    book has 8 to 20 levels a side with holes of tens of bps, 100 to 3,000 USDT within half a per
    cent, and says something each second or so. About every four minutes the price jumps by 0.6 to
    2.2 % over the levels between."""
    return Profile(
        name="illiquid",
        shape=Shape(
            levels_min=8,
            levels_max=18,
            near_min=3,
            reach_bps=300.0,
            far_gap_bps=45.0,
            fill_bps=25.0,
            tight_share=0.0,
            spread_least_bps=4.0,
            spread_more_bps=14.0,
            spread_most_bps=80.0,
            keep_share=0.97,
            pull=0.001,
            trade_share=0.012,
            turnover_share=0.0005,
            level_quote=(60.0, 1_500.0),
            print_distance=0.012,
            pace=0.05,
            jump_share=0.0025,
        ),
        plan=None,
        listings=listings(count),
    )


_MAKERS: Final[dict[str, tuple[Callable[[int], Profile | FlowProfile], int]]] = {
    "calm": (_calm, len(LISTINGS)),
    "demo": (_demo, len(LISTINGS)),
    "fast": (_fast, FAST_SYMBOLS),
    "crash": (_crash, len(LISTINGS)),
    "chop": (_chop, len(LISTINGS)),
    "illiquid": (_illiquid, len(LISTINGS)),
    "flood": (_flood, FLOOD_SYMBOLS),
}
"""How each profile is made, and how many symbols it has when nobody says otherwise."""

PROFILES: Final = tuple(LINES)


def build_market(profile: str, seed: int, start_ms: int, symbols: int | None = None) -> Market:
    """A generated market that begins at start_ms; equal arguments give equal events.

    `symbols` is how many listings there are, the named ones first. Raises ConfigError for an
    unknown profile or an impossible count."""
    if profile not in _MAKERS:
        raise ConfigError(f"market profile {profile!r}, allowed: {', '.join(PROFILES)}")
    make, usual = _MAKERS[profile]
    count = usual if symbols is None else symbols
    if not 1 <= count <= SYMBOLS_MAX:
        raise ConfigError(f"{count} symbols for the market, allowed: 1 to {SYMBOLS_MAX}")
    made = make(count)
    if isinstance(made, FlowProfile):
        return FlowMarket(made, seed, start_ms)
    return GeneratedMarket(made, seed, start_ms)
