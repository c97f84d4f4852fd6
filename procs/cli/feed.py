"""`seawall feed VENUE SYMBOL…`: a venue's market data, live, through the real ingest process alone.

No keys and no orders: a look at prices and at the quality of a feed, and both for scripts.
The instruments are asked for first, so that an unknown name is one clear line.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Final

import orjson

from core_ext.codes import QuoteFlag
from core_ext.quote import Quote
from procs.cli._feed_child import FeedChild
from shared.clock import EngineClock, iso
from shared.domain.instrument import Instrument
from shared.errors import ConfigError, DeadlineError, ExitCode
from shared.units import NS_PER_MS, NS_PER_S, plain
from shared.venues.feed.ccxt_dialects import checks_of
from shared.venues.feed.choose import LOCAL, feed_names, open_feed
from shared.venues.feed.dialect import NATIVE
from shared.venues.feed.port import FeedStart

Row = dict[str, Any]

FIRST_WITHIN_S: Final = 15.0
"""No book in sync for so long is said on stderr, with the last trouble of the feed."""
BAD: Final = QuoteFlag.CROSSED | QuoteFlag.GAPPED | QuoteFlag.STALE | QuoteFlag.HALTED
COUNTERS: Final = ("gaps", "resyncs", "reconnects", "malformed", "rotations", "stalls")


def register(subparsers: Any) -> None:
    """Adds the verb and its options."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "feed",
        help="a venue's market data, live; no keys, no orders",
        description="Starts the market data process alone and shows best prices, spread, depth "
        "within 0.5 %, drop from the anchor and age of each symbol, and how the feed is doing. "
        f"Natively: {', '.join(feed_names())}; every other venue through ccxt.",
    )
    parser.add_argument("venue", metavar="VENUE", help="such as binance, bybit, binanceusdm")
    parser.add_argument("symbols", nargs="+", metavar="SYMBOL", help="the venue's own names")
    parser.add_argument("--seconds", type=float, metavar="N", help="end after so long")
    parser.add_argument(
        "--every", type=float, default=1.0, metavar="S", help="seconds between looks (default: 1)"
    )
    parser.add_argument("--testnet", action="store_true", help="the venue's test network")
    parser.add_argument("--rest", default="", metavar="URL", help="another REST base address")
    parser.add_argument("--ws", default="", metavar="URL", help="another WebSocket base address")
    parser.add_argument("--json", action="store_true", help="one JSON object a symbol and look")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Shows until Ctrl-C or the end of --seconds. Raises SeawallError with one clear line."""
    start, symbols = _asked(args)
    feed = open_feed(start)
    instruments = asyncio.run(feed.instruments(symbols, ""))
    if start.venue not in feed_names():
        checked = checks_of(start.venue)
        print(
            f"seawall: {start.venue} through ccxt; checked of its books: {checked}",
            file=sys.stderr,
            flush=True,
        )
    stopping = _Stopping()
    with tempfile.TemporaryDirectory(prefix="seawall-feed-") as folder:
        child = FeedChild(Path(folder), start, symbols)
        try:
            dialect = NATIVE.get(start.venue)
            inverse = dialect is not None and dialect.inverse
            shown = _watch(child, instruments, inverse, args, stopping)
            report = child.stop()
        finally:
            child.close()
    _tell_end(report, args.json)
    if not shown:
        raise DeadlineError(f"{start.venue}: no book was in sync before the end")
    return ExitCode.OK


def _asked(args: argparse.Namespace) -> tuple[FeedStart, tuple[str, ...]]:
    """What to open. ConfigError names the option, its value and what is allowed."""
    if args.seconds is not None and not 0 < args.seconds <= 86_400 * 365:
        raise ConfigError(f"--seconds {args.seconds}: allowed is above 0, up to a year")
    if not 0.05 <= args.every <= 3600:
        raise ConfigError(f"--every {args.every}: allowed is 0.05 to 3600")
    if args.venue == LOCAL and not (args.rest and args.ws):
        raise ConfigError(
            f"feed {LOCAL}: --rest and --ws are needed; `seawall venue` prints both addresses"
        )
    start = FeedStart(
        venue=args.venue,
        clock=EngineClock(),
        rest=args.rest,
        ws=args.ws,
        testnet=args.testnet,
    )
    return start, tuple(dict.fromkeys(args.symbols))


class _Stopping:
    """Ctrl-C and SIGTERM end the watching, not the process."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True


def _watch(
    child: FeedChild,
    instruments: Sequence[Instrument],
    inverse: bool,
    args: argparse.Namespace,
    stopping: _Stopping,
) -> bool:
    """Looks again and again; whether any book was ever in sync."""
    began_ns = child.clock.now_ns()
    complain_after_s = FIRST_WITHIN_S
    synced = False
    rates = Rates()
    show = _printer(args.json)
    while not stopping.asked:
        left_s = args.every
        if args.seconds is not None:
            left_s = min(left_s, args.seconds - _since_s(child, began_ns))
            if left_s <= 0:
                break
        _listen(child, left_s, stopping)
        now_ns = child.clock.now_ns()
        rows = rows_of(instruments, child.quotes, now_ns, inverse)
        totals = rates.look(child.figures, child.figures_ns)
        synced = synced or any(row["ok"] for row in rows)
        if rows:
            show(rows, {"at": iso(now_ns), **totals})
        if not synced and _since_s(child, began_ns) >= complain_after_s:
            complain_after_s += FIRST_WITHIN_S
            reason = child.trouble() or "no snapshot yet"
            print(f"seawall: waiting for {args.venue}: {reason}", file=sys.stderr, flush=True)
    return synced


def _listen(child: FeedChild, seconds: float, stopping: _Stopping) -> None:
    """As `child.listen`, in short pieces, so that Ctrl-C is heard."""
    began_ns = child.clock.now_ns()
    while not stopping.asked and (left_s := seconds - _since_s(child, began_ns)) > 0:
        child.listen(min(left_s, 0.2))


def _since_s(child: FeedChild, began_ns: int) -> float:
    return (child.clock.now_ns() - began_ns) / NS_PER_S


class Rates:
    """Counters of the whole feed, and their growth a second between two looks."""

    def __init__(self) -> None:
        self._frames = 0.0
        self._at_ns = 0
        self._rate = 0.0

    def look(self, figures: dict[str, float], at_ns: int) -> Row:
        """What to show of a heartbeat's figures; a rate is 0 before there are two, and stays what
        it was until there is another."""
        frames = figures.get("frames", 0.0)
        if self._at_ns and at_ns > self._at_ns:
            self._rate = (frames - self._frames) * NS_PER_S / (at_ns - self._at_ns)
        self._frames, self._at_ns = frames, at_ns
        return {
            "frames_per_s": round(self._rate, 1),
            **{name: int(figures.get(name, 0)) for name in COUNTERS},
        }


def rows_of(
    instruments: Sequence[Instrument],
    quotes: dict[str, Quote],
    now_ns: int,
    inverse: bool = False,
) -> list[Row]:
    """One row for each symbol that was quoted, prices exact."""
    return [
        row_of(instrument, quotes[instrument.symbol], now_ns, inverse)
        for instrument in instruments
        if instrument.symbol in quotes
    ]


def row_of(instrument: Instrument, quote: Quote, now_ns: int, inverse: bool = False) -> Row:
    """A quote as a person reads it; `age_ms` is that of the symbol's last frame, None before it.

    Depths are in quote units; those of inverse contracts are contracts, to the half per cent that
    they reach from the mid."""
    flags = QuoteFlag(quote.flags)
    tick = instrument.tick_size
    per = float((quote.bid_ticks + quote.ask_ticks) * tick) / 2 if inverse else 1.0
    unit = 1 / per if per else 0.0
    return {
        "symbol": instrument.symbol,
        "bid": plain(quote.bid_ticks * tick) if quote.bid_ticks else None,
        "ask": plain(quote.ask_ticks * tick) if quote.ask_ticks else None,
        "last": plain(quote.last_ticks * tick) if quote.last_ticks else None,
        "spread_bps": round(quote.spread_bps, 3),
        "bid_depth": round(quote.bid_depth_quote * unit, 2),
        "ask_depth": round(quote.ask_depth_quote * unit, 2),
        "depth_unit": "contracts" if inverse else instrument.quote,
        "drop_pct": round(quote.drop_pct, 4),
        "volume_24h": round(quote.volume_quote_24h),
        "age_ms": (now_ns - quote.recv_ns) // NS_PER_MS if quote.recv_ns else None,
        "ok": not flags & BAD,
        "flags": [flag.name.lower() for flag in QuoteFlag if flag & flags and flag.name],
    }


def _printer(as_json: bool) -> Callable[[list[Row], Row], None]:
    return _show_json if as_json else _show_text


def _show_json(rows: list[Row], totals: Row) -> None:
    for row in rows:
        print(orjson.dumps({**row, **totals}).decode(), flush=True)


TITLES: Final = ("symbol", "bid", "ask", "bps", "bid depth", "ask depth", "drop %", "ms", "state")


def lines_of(rows: Sequence[Row]) -> list[str]:
    """The rows as aligned text that fits a narrow terminal; prices are never cut."""
    table = [
        TITLES,
        *(
            (
                row["symbol"],
                row["bid"] or "-",
                row["ask"] or "-",
                f"{row['spread_bps']:.2f}",
                short(row["bid_depth"]),
                short(row["ask_depth"]),
                f"{row['drop_pct']:.2f}",
                "-" if row["age_ms"] is None else str(row["age_ms"]),
                " ".join(row["flags"]) or "cold",
            )
            for row in rows
        ),
    ]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    last = len(TITLES) - 1
    return [
        "  ".join(
            text.ljust(width) if place in (0, last) else text.rjust(width)
            for place, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in table
    ]


def short(amount: float) -> str:
    """An amount in at most five characters or so: 950, 12.3k, 4.56M, 1.20G."""
    for least, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if amount >= least:
            return f"{amount / least:.3g}{unit}"
    return f"{amount:.3g}"


def _show_text(rows: list[Row], totals: Row) -> None:
    counters = ", ".join(f"{totals[name]} {name}" for name in COUNTERS)
    text = [*lines_of(rows), f"{totals['frames_per_s']:.0f} frames/s, {counters}"]
    if sys.stdout.isatty():
        # Home and clear: each look in the place of the last one.
        text.insert(0, "\033[H\033[2J")
    print("\n".join(text), flush=True)


def _tell_end(report: dict[str, Any], as_json: bool) -> None:
    """The last figures, on stderr: stdout is for data."""
    said = {name: report.get(name, 0) for name in ("frames", "quotes", *COUNTERS)}
    if as_json:
        print(orjson.dumps(said).decode(), file=sys.stderr)
    else:
        print(
            "feed ended: " + ", ".join(f"{said[name]:.0f} {name}" for name in said), file=sys.stderr
        )
