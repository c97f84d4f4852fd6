"""The market of a simulated world: small books that fall every few seconds, and nothing before."""

from __future__ import annotations

from procs.localvenue.market.dips import DipPlan
from procs.localvenue.market.generated import GeneratedMarket, Profile
from procs.localvenue.market.ladder_book import Shape
from procs.localvenue.market.listings import listings
from procs.localvenue.market.minute_bars import no_history

SHAPE = Shape(
    levels_min=7,
    levels_max=9,
    near_min=4,
    reach_bps=50.0,
    far_gap_bps=12.0,
    fill_bps=10.0,
    pull=0.008,
    restlessness=0.4,
    pace=0.5,
)
FALLS = DipPlan(
    every_ms=(5_000.0, 8_000.0),
    first_ms=(2_000.0, 4_000.0),
    rest_ms=4_000,
    fall_ms=(1_000.0, 2_000.0),
    hold_ms=(300.0, 900.0),
    return_ms=(2_000.0, 5_000.0),
    deep_hold_ms=(1_500.0, 3_000.0),
    deep_return_ms=(4_000.0, 8_000.0),
    deep_above_pct=(-0.4, 0.1),
)


def small_market(seed: int, start_ms: int, symbols: int) -> GeneratedMarket:
    """So many symbols, the same for equal seeds; quiet but for their falls."""
    profile = Profile(name="simulated", shape=SHAPE, plan=FALLS, listings=listings(symbols))
    return GeneratedMarket(profile, seed, start_ms, no_history)
