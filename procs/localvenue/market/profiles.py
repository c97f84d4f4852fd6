"""The named generated markets: calm and flood, demo and fast.

Calm and flood are made order by order in the manner of recorded ones (see flow.py); flood has one
symbol with thousands of messages a second. The others are walks, made for what the engine does.
Their mathematics, in short. Per symbol a fair price S walks on a grid of 100 ms:

* Arrivals: with intensity λ something happens in a step (probability λ · 0.1 s). λ relaxes to its
  base by 5 % a step and each arrival adds 0.3/s, so one arrival brings 0.6 others: clusters.
* Moves: at an arrival, log S moves by σ·c·N(0,1), with c = 0.75 / 1.7 / 5 in 90 / 9 / 1 % of cases
  (variance 1, excess kurtosis about 17), and by the share `pull` of the way to its level (an
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
from procs.localvenue.market.listings import LISTINGS, SYMBOLS_MAX, listings
from procs.localvenue.market.symbol_walk import Shape
from shared.errors import ConfigError

FAST_SYMBOLS: Final = 3
FLOOD_SYMBOLS: Final = 6
FLOOD_QUOTES: Final = 2_330.0
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


_MAKERS: Final[dict[str, tuple[Callable[[int], Profile | FlowProfile], int]]] = {
    "calm": (_calm, len(LISTINGS)),
    "flood": (_flood, FLOOD_SYMBOLS),
    "demo": (_demo, len(LISTINGS)),
    "fast": (_fast, FAST_SYMBOLS),
}

PROFILES: Final = tuple(_MAKERS)


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
