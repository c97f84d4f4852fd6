"""The options of the local venue, the same for `seawall venue` and for the supervisor's child."""

from __future__ import annotations

import argparse
import re
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from procs.localvenue.market.profile_lines import LINES, SYMBOLS_MAX
from shared.errors import ConfigError, NumberError
from shared.units import decimal_from_text

PROTOCOLS: Final = ("binance-spot",)
HOLD_MS: Final = 30_000
"""A recording that nobody listens to begins after this, so that it ends in any case."""

DEFAULT_BALANCE: Final = {"USDT": Decimal(10_000)}
_ASSET: Final = re.compile(r"[A-Z0-9]{1,12}", re.ASCII)


class VenueOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a local venue is to run."""

    protocol: str = "binance-spot"
    host: str = "127.0.0.1"
    port: int = 0
    profile: str = "calm"
    seed: int = 1
    symbols: int | None = None
    replay: tuple[Path, ...] = ()
    candles: tuple[Path, ...] = ()
    candles_from: str | None = None
    instruments: Path | None = None
    hold: bool = False
    speed: float = 1.0
    audit: Path | None = None
    faults: Path | None = None
    fault_log: Path | None = None
    data: Path | None = None
    balances: dict[str, Decimal] = msgspec.field(default_factory=lambda: dict(DEFAULT_BALANCE))
    accounts: int = 1
    unlimited: bool = False
    json: bool = False
    ready_file: Path | None = None
    ready_fd: int | None = None


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that a person uses."""
    parser.add_argument("--protocol", choices=PROTOCOLS, default=PROTOCOLS[0])
    parser.add_argument(
        "--port", type=int, default=0, help="loopback port (default: one that is free)"
    )
    _add_market_options(parser)
    _add_file_options(parser)
    _add_account_options(parser)
    parser.add_argument(
        "--json", action="store_true", help="one JSON line on stdout when connections are accepted"
    )


def _add_market_options(parser: argparse.ArgumentParser) -> None:
    """Which generated market."""
    parser.add_argument(
        "--profile",
        default="calm",
        metavar="NAME",
        help="the generated market: "
        + "; ".join(f"{name} ({line})" for name, line in LINES.items()).replace("%", "%%"),
    )
    parser.add_argument(
        "--symbols",
        type=int,
        metavar="N",
        help=f"how many symbols the generated market has, 1 to {SYMBOLS_MAX} (default: the "
        "profile's own number)",
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of the generated market")


def _add_file_options(parser: argparse.ArgumentParser) -> None:
    """Markets from files, and how they pass."""
    parser.add_argument(
        "--replay",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="recorded traffic instead of a generated market",
    )
    parser.add_argument(
        "--candles",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="a market along the candles of CSV files (plain, .xz or .gz)",
    )
    parser.add_argument(
        "--candles-from",
        metavar="TIME",
        help="begin with the candle that opens then (2024-01-03T12:00, UTC); those before it are "
        "what clients see as history",
    )
    parser.add_argument(
        "--instruments",
        type=Path,
        metavar="FILE",
        help="order rules of the symbols of a recording or of candles",
    )
    parser.add_argument(
        "--hold",
        action="store_true",
        help="begin the recording with the first stream that a client subscribes to, "
        f"at the latest after {HOLD_MS // 1000} s",
    )
    parser.add_argument(
        "--speed",
        type=float,
        default=1.0,
        metavar="X",
        help="play a recording or candles X times as fast as they were (default 1)",
    )
    parser.add_argument(
        "--faults",
        type=Path,
        metavar="FILE",
        help="what shall go wrong, and when (TOML; docs/faults.md)",
    )
    parser.add_argument(
        "--fault-log",
        type=Path,
        metavar="FILE",
        help="write there which faults happened (default: stderr)",
    )
    parser.add_argument(
        "--audit",
        type=Path,
        metavar="FILE",
        help="write down why each fill was honest, for `seawall audit` (a new file; a generated "
        "market goes to FILE.market.jsonl)",
    )


def _add_account_options(parser: argparse.ArgumentParser) -> None:
    """Who trades, and what is kept."""
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="keep accounts, orders and market position in DIR/venue.db (default: in memory)",
    )
    parser.add_argument(
        "--balance",
        action="append",
        default=[],
        metavar="ASSET=AMOUNT",
        help="what each new account starts with (default: USDT=10000)",
    )
    parser.add_argument("--accounts", type=int, default=1, help="how many accounts, with own keys")
    parser.add_argument(
        "--unlimited", action="store_true", help="count requests but enforce no rate limits"
    )


def add_child_options(parser: argparse.ArgumentParser) -> None:
    """Adds what the supervisor uses besides."""
    parser.add_argument(
        "--ready-file",
        type=Path,
        metavar="FILE",
        help="write the JSON line there (mode 0600) when connections are accepted",
    )
    parser.add_argument(
        "--ready-fd", type=int, metavar="N", help="write the JSON line to this descriptor"
    )


def read_options(args: argparse.Namespace) -> VenueOptions:
    """The options of a parsed command line. Raises ConfigError for values that cannot be."""
    if not 0 <= args.port <= 65_535:
        raise ConfigError(f"--port {args.port}, allowed: 0 to 65535")
    if args.symbols is not None and not 1 <= args.symbols <= SYMBOLS_MAX:
        raise ConfigError(f"--symbols {args.symbols}, allowed: 1 to {SYMBOLS_MAX}")
    if args.symbols is not None and (args.replay or args.candles):
        raise ConfigError("--symbols goes with generated markets; files bring their own")
    if not 1 <= args.accounts <= 100:
        raise ConfigError(f"--accounts {args.accounts}, allowed: 1 to 100")
    if args.candles and args.replay:
        raise ConfigError("--candles and --replay are two markets; choose one")
    if args.candles_from is not None and not args.candles:
        raise ConfigError("--candles-from goes with --candles")
    from_files = bool(args.replay or args.candles)
    if args.instruments is not None and not from_files:
        raise ConfigError(
            "--instruments goes with --replay or --candles; generated markets bring their own"
        )
    if args.hold and not args.replay:
        raise ConfigError("--hold goes with --replay; generated markets have always been there")
    if not 0 < args.speed < float("inf"):
        raise ConfigError(f"--speed {args.speed}, allowed: more than 0")
    if args.speed != 1.0 and not from_files:
        raise ConfigError(
            "--speed goes with --replay or --candles; a generated market has its own pace"
        )
    return VenueOptions(
        protocol=args.protocol,
        port=args.port,
        profile=args.profile,
        seed=args.seed,
        symbols=args.symbols,
        replay=tuple(args.replay),
        candles=tuple(args.candles),
        candles_from=args.candles_from,
        instruments=args.instruments,
        hold=args.hold,
        speed=args.speed,
        audit=args.audit,
        faults=args.faults,
        fault_log=args.fault_log,
        data=args.data,
        balances=_balances(args.balance) or dict(DEFAULT_BALANCE),
        accounts=args.accounts,
        unlimited=args.unlimited,
        json=args.json,
        ready_file=getattr(args, "ready_file", None),
        ready_fd=getattr(args, "ready_fd", None),
    )


def _balances(texts: list[str]) -> dict[str, Decimal]:
    balances: dict[str, Decimal] = {}
    for text in texts:
        asset, _, amount_text = text.partition("=")
        try:
            amount = decimal_from_text(amount_text)
        except NumberError:
            amount = Decimal(-1)
        if _ASSET.fullmatch(asset) is None or amount < 0:
            raise ConfigError(f"--balance {text!r}, allowed: ASSET=AMOUNT such as USDT=10000")
        if amount != round(amount, 8):
            raise ConfigError(f"--balance {text!r}: at most 8 decimals")
        balances[asset] = amount
    return balances
