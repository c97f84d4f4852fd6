"""The configuration file's sections as typed structs: the one place of defaults and bounds.

`shared/config/load.py` merges files, environment and `--set` into a Settings; `seawall init` prints
these fields with their descriptions as a commented TOML.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta as Doc

from shared.domain.policy import (
    DropPolicy,
    EntryPolicy,
    ExitPolicy,
    GuardPolicy,
    Policy,
    ProtectionPolicy,
    RiskPolicy,
)
from shared.units import decimal_from_text


class Engine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[engine]: what kind of run this is."""

    mode: Annotated[
        str, Doc(pattern="^(paper|testnet|live)$", description="paper | testnet | live")
    ] = "paper"
    on_stop: Annotated[
        str, Doc(pattern="^(keep|flatten)$", description="positions at a stop: keep | flatten")
    ] = "keep"
    seed: Annotated[int, Doc(description="seed of the generated market")] = 1
    fast_lane: Annotated[
        bool, Doc(description="quotes also through shared memory, beside ZeroMQ")
    ] = False
    warm: Annotated[
        bool, Doc(description="dry runs of decision and signature in idle time, sent nowhere")
    ] = False
    spin: Annotated[
        bool, Doc(description="decide polls for quotes without sleeping; needs four cores")
    ] = False


class Venue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[venue]: where orders go."""

    name: Annotated[str, Doc(description="local, or a ccxt exchange id such as binance")] = "local"
    profile: Annotated[str, Doc(description="market of the local venue: demo | calm | …")] = "demo"
    port: Annotated[int, Doc(ge=0, le=65535, description="of the local venue; 0 picks one")] = 0
    faults: Annotated[
        str, Doc(description="fault plan of the local venue (docs/faults.md); empty is none")
    ] = ""
    start_quote: Annotated[
        int, Doc(ge=0, description="quote balance of the local venue's demo account")
    ] = 10_000
    recv_window_ms: Annotated[int, Doc(ge=500, le=60_000, description="of signed requests")] = 5000
    timeout_ms: Annotated[int, Doc(ge=100, le=60_000, description="of one request")] = 5000
    orders: Annotated[
        str,
        Doc(pattern="^(http|ws|ccxt)$", description="how orders travel: http | ws | ccxt"),
    ] = "http"
    fee_pct: Annotated[str, Doc(description="taker fee in %, for reservations")] = "0.1"
    reconcile_s: Annotated[int, Doc(ge=5, description="full comparison with the venue")] = 60


class Universe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[universe]: what is watched."""

    quote: Annotated[str, Doc(description="quote asset")] = "USDT"
    symbols: Annotated[
        tuple[str, ...], Doc(description="such as BTCUSDT; empty is every tradable one, up to max")
    ] = ()
    max_symbols: Annotated[int, Doc(ge=1, le=1000, description="with symbols empty")] = 50
    priority: Annotated[
        tuple[str, ...],
        Doc(max_length=32, description="kept in the fastest books; empty is the first eight"),
    ] = ()


class Signal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[signal]: the sources of signals."""

    drop: DropPolicy = DropPolicy()


class Process(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[process.<name>]: where and how a process runs (R5)."""

    cpus: Annotated[tuple[int, ...], Doc(description="cores it may use; empty is all")] = ()
    nice: Annotated[int, Doc(ge=-20, le=19, description="scheduling priority")] = 0


class Storage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[storage]: journals."""

    checkpoint_s: Annotated[int, Doc(ge=5, description="snapshot of each journal")] = 60
    keep_rows: Annotated[
        int, Doc(ge=1000, description="journal rows kept behind the newest snapshot")
    ] = 1_000_000


class Log(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[log]: JSON lines (M1)."""

    level: Annotated[
        str,
        Doc(
            pattern="^(debug|info|warning|error)$",
            description="least that is written: debug | info | warning | error",
        ),
    ] = "info"
    rotate_mb: Annotated[
        int, Doc(ge=1, le=10_000, description="size at which a file is rotated")
    ] = 100
    keep_files: Annotated[
        int, Doc(ge=1, le=1000, description="files kept per stream of a process")
    ] = 10


ROLES = ("route", "protect", "ingest", "decide", "observe")
"""The engine's processes in start order (L14); the supervisor and the local venue stand outside."""

PROCESS_NAMES = ("supervise", *ROLES, "localvenue")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole configuration."""

    engine: Engine = Engine()
    venue: Venue = Venue()
    universe: Universe = Universe()
    signal: Signal = Signal()
    guards: GuardPolicy = GuardPolicy()
    risk: RiskPolicy = RiskPolicy()
    entry: EntryPolicy = EntryPolicy()
    protection: ProtectionPolicy = ProtectionPolicy()
    exit: ExitPolicy = ExitPolicy()
    process: dict[str, Process] = {}
    storage: Storage = Storage()
    log: Log = Log()


def policy_of(settings: Settings, fence_s: float, config_hash: str) -> Policy:
    """What the actors need of the settings."""
    return Policy(
        quote_asset=settings.universe.quote,
        drop=settings.signal.drop,
        guards=settings.guards,
        risk=settings.risk,
        entry=settings.entry,
        protection=settings.protection,
        exit=settings.exit,
        fee_pct=decimal_from_text(settings.venue.fee_pct),
        reconcile_s=settings.venue.reconcile_s,
        fence_s=fence_s,
        config_hash=config_hash,
        on_stop=settings.engine.on_stop,
    )
