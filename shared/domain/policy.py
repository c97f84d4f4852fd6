"""The knobs of trading behaviour: one frozen struct per configuration section, defaults here only.

Percentages are per cent, `_bps` are 1/100 of a per cent, `_s`/`_ms` seconds and milliseconds,
`_quote` units of the quote asset. `shared/config` reads the TOML sections straight into these.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from shared.messages.base import Amount

Doc = Meta

NO_FENCE_S: Final = 0.0
"""Of every role but route: it alone asks the venue, so it alone knows and needs the fence (L2)."""


class DropPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[signal.drop]: when a fall is a signal (E2)."""

    enabled: Annotated[bool, Doc(description="buy sharp drops")] = True
    trigger_pct: Annotated[
        float, Doc(gt=0, lt=100, description="signal at this fall below the anchor, in %")
    ] = 3.0
    anchor_window_s: Annotated[
        int, Doc(ge=1, le=86_400, description="the anchor is the highest mid of this long")
    ] = 3600
    anchor_min_age_s: Annotated[
        int, Doc(ge=0, le=86_400, description="no signal before this much data, unless seeded")
    ] = 600
    seed_anchor: Annotated[
        bool, Doc(description="seed the anchor from the venue's recent candles at start")
    ] = True
    confirm_ticks: Annotated[
        int, Doc(ge=0, le=1000, description="quotes beyond the trigger before it counts")
    ] = 0
    rebound_bps: Annotated[
        float, Doc(ge=0, le=1000, description="rise from the low before it counts; 0 is none")
    ] = 0.0


class GuardPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[guards]: what a symbol must look like to be bought (E3)."""

    enabled: Annotated[bool, Doc(description="check spread, depth and volume")] = True
    max_age_ms: Annotated[int, Doc(ge=1, description="oldest streamed quote to act on")] = 2000
    min_quote_volume: Annotated[float, Doc(ge=0, description="least 24 h quote volume")] = 1e6
    max_spread_bps: Annotated[float, Doc(gt=0, description="widest spread")] = 20.0
    min_depth_positions: Annotated[
        float, Doc(ge=0, description="bid depth within 50 bps, in position sizes")
    ] = 10.0
    max_last_gap_bps: Annotated[
        float, Doc(gt=0, description="farthest mid from the last trade")
    ] = 100.0


class RiskPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[risk]: how much may be at stake (E4)."""

    max_positions: Annotated[int, Doc(ge=1, le=1000, description="open positions at most")] = 10
    position_quote: Annotated[Amount, Doc(description="quote units per position")] = Decimal(50)
    position_pct: Annotated[
        float, Doc(ge=0, le=100, description="size in % of equity instead; 0 uses position_quote")
    ] = 0.0
    max_exposure_pct: Annotated[
        float, Doc(gt=0, le=100, description="positions and reservations, in % of equity")
    ] = 80.0
    cooldown_s: Annotated[int, Doc(ge=0, description="pause of a symbol after a close")] = 900
    max_entries_per_minute: Annotated[int, Doc(ge=1, description="entries in any minute")] = 6
    daily_loss_pct: Annotated[
        float, Doc(gt=0, le=100, description="no entries after losing this much in a UTC day")
    ] = 3.0
    drawdown_pct: Annotated[
        float, Doc(gt=0, le=100, description="no entries this far below the equity peak")
    ] = 8.0
    stop_guard_enabled: Annotated[bool, Doc(description="pause after a row of losses")] = True
    stop_guard_losses: Annotated[int, Doc(ge=1, description="losing exits that pause")] = 4
    stop_guard_window_s: Annotated[int, Doc(ge=1, description="counted within this long")] = 3600
    stop_guard_pause_s: Annotated[int, Doc(ge=1, description="length of the pause")] = 3600


class EntryPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[entry]: how an entry is executed (E6)."""

    slippage_bps: Annotated[
        float, Doc(ge=0, le=1000, description="allowance of the second step above the ask")
    ] = 30.0
    ioc_deadline_ms: Annotated[int, Doc(ge=100, description="deadline of an IOC step")] = 2000
    gtc_deadline_ms: Annotated[int, Doc(ge=100, description="a GTC step rests this long")] = 30_000
    intent_deadline_ms: Annotated[
        int, Doc(ge=50, description="an intent not accepted within this is dead")
    ] = 1000


class ProtectionPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[protection]: what stands behind a position (P2, P5, P9)."""

    take_profit_pct: Annotated[
        Amount, Doc(description="take profit this far above entry; 0 is off")
    ] = Decimal(3)
    stop_loss_pct: Annotated[Amount, Doc(description="stop this far below entry; not 0")] = Decimal(
        3
    )
    stop_limit_offset_pct: Annotated[
        Amount, Doc(description="limit price of the stop below its trigger")
    ] = Decimal("0.5")
    time_to_live_s: Annotated[int, Doc(ge=0, description="close after this long; 0 is off")] = (
        86_400
    )
    emergency_stop_pct: Annotated[
        Amount, Doc(description="a bare position is flattened below this")
    ] = Decimal(3)
    audit_s: Annotated[int, Doc(ge=1, description="protect compares plan and replica")] = 5
    resize_ms: Annotated[
        int, Doc(ge=0, le=5000, description="later fills gather this long before a resize")
    ] = 250
    trigger_grace_ms: Annotated[
        int, Doc(ge=100, description="a triggered stop may stay unfilled this long")
    ] = 2000
    protect_within_ms: Annotated[
        int, Doc(ge=100, description="alarm when a position is bare for longer")
    ] = 2000


class ExitPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[exit]: the ladder out of a position (P7)."""

    gtc_deadline_ms: Annotated[int, Doc(ge=100, description="limit GTC at the bid")] = 10_000
    ioc_deadline_ms: Annotated[int, Doc(ge=100, description="limit IOC through the bid")] = 2000
    slippage_bps: Annotated[
        float, Doc(ge=0, le=2000, description="how far through the bid the IOC goes")
    ] = 50.0
    max_attempts: Annotated[int, Doc(ge=1, le=20, description="attempts before the alarm")] = 4
    rearm_s: Annotated[int, Doc(ge=1, description="armed again after this, doubling")] = 30
    rearm_max_s: Annotated[int, Doc(ge=1, description="longest pause before re-arming")] = 600


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the actors need to know of the configuration."""

    quote_asset: str = "USDT"
    drop: DropPolicy = DropPolicy()
    guards: GuardPolicy = GuardPolicy()
    risk: RiskPolicy = RiskPolicy()
    entry: EntryPolicy = EntryPolicy()
    protection: ProtectionPolicy = ProtectionPolicy()
    exit: ExitPolicy = ExitPolicy()
    fee_pct: Amount = Decimal("0.1")
    """What the venue takes of a trade, in %, for reservations (E4)."""
    reconcile_s: int = 60
    resolve_s: int = 30
    fence_s: float = 18.0
    """From sending to the moment at which absence is proof (L2): recvWindow 5 s, matching 10 s,
    clock error 1 s, read lag 2 s. 0: this venue has no fence, nothing is ever proved absent."""
    config_hash: str = ""
    on_stop: str = "keep"
