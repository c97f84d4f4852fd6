"""`seawall inspect RECORDING…`: replays recorded files through the native book, prints checkpoints.

The book is joined with its snapshot Binance's documented way; every N-th applied delta becomes one
line, and the last line of a symbol counts what was applied, stale, missing and crossed. `--facts`
prints the stylised facts of the traffic instead, see shared/recordings/stylised.py.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson

from core_ext.book import Book
from core_ext.codes import Outcome
from core_ext.errors import FrameRefused, NumberRefused
from core_ext.join import DepthJoin
from core_ext.scan import BinanceScanner
from shared.errors import ExitCode, NotFoundError, RecordingError
from shared.recordings.instruments import instruments_for
from shared.recordings.lines import Line, group_by_symbol, read_lines
from shared.recordings.stylised import measure
from shared.units import plain

SWEPT_QUOTE: Final = 10_000
BANDS_BPS: Final = (10, 50, 100)

Row = dict[str, Any]
Printer = Callable[[Row], None]


def register(subparsers: Any) -> None:
    """Adds the verb."""
    parser = subparsers.add_parser(
        "inspect",
        help="replay recorded files through the native book and print checkpoints",
        description="Replays one or more recorded files through the native book. Files of one "
        "symbol are read by time; the last line of a symbol counts applied, stale, gaps, crossed.",
    )
    parser.add_argument("recording", nargs="+", type=Path, metavar="RECORDING")
    parser.add_argument("--symbol", metavar="S", help="only this symbol")
    parser.add_argument(
        "--every",
        type=int,
        default=100,
        metavar="N",
        help="a checkpoint at every N-th applied delta (default: 100)",
    )
    parser.add_argument(
        "--instruments",
        type=Path,
        metavar="FILE",
        help="JSON of tick_size, step_size … by symbol, for symbols that are not well known",
    )
    parser.add_argument(
        "--facts",
        action="store_true",
        help="print the stylised facts of the traffic instead: spread, tails, clusters, imbalance",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace) -> int:
    """Prints the checkpoints; RecordingError or NotFoundError says what cannot be read."""
    if args.every < 1:
        raise RecordingError(f"--every {args.every}: allowed is 1 or more")
    groups = group_by_symbol(args.recording)
    if args.symbol is not None:
        if args.symbol not in groups:
            raise NotFoundError(
                f"--symbol {args.symbol}: not in the recordings, which hold {', '.join(groups)}"
            )
        groups = {args.symbol: groups[args.symbol]}
    chosen = instruments_for(groups, args.instruments)
    printer = _print_json if args.json else _print_text
    for symbol, paths in groups.items():
        instrument, source = chosen[symbol]
        if source == "derived":
            print(
                f"{symbol}: tick {plain(instrument.tick_size)} derived from the data "
                "(name it with --instruments FILE)",
                file=sys.stderr,
            )
        if args.facts:
            lines = ((line.recv_ns, line.frame) for line in read_lines(paths))
            facts = measure(lines, float(instrument.tick_size))
            printer({"symbol": symbol, **msgspec.structs.asdict(facts)})
            continue
        inspect_symbol(symbol, instrument.tick_size, read_lines(paths), args.every, printer)
    return ExitCode.OK


def inspect_symbol(
    symbol: str, tick_size: Decimal, lines: Iterable[Line], every: int, printer: Printer
) -> Row:
    """Replays the lines of one symbol, prints its checkpoints and returns its last line.

    RecordingError when a frame is unreadable or when there is no snapshot to start from.
    """
    join = DepthJoin(Book(tick_size), BinanceScanner())
    crossed = 0
    joined = False
    for line in lines:
        waiting = [(line.frame, line.recv_ns)]
        try:
            if line.is_snapshot:
                waiting = join.snapshot(line.frame)
                joined = True
            for frame, recv_ns in waiting:
                result = join.feed(frame, recv_ns)
                if result is not None and result.outcome == Outcome.APPLIED:
                    crossed += join.book.crossed()
                    if join.applied % every == 0:
                        printer(checkpoint(symbol, join.applied, recv_ns, join.book))
        except (FrameRefused, NumberRefused) as error:
            raise RecordingError(f"{line.place}: unreadable: {error}") from None
    if not joined:
        raise RecordingError(f"{symbol}: no order book snapshot in these files to start from")
    last = {
        "symbol": symbol,
        "applied": join.applied,
        "stale": join.stale,
        "gaps": join.gaps,
        "crossed": crossed,
    }
    printer(last)
    return last


def checkpoint(symbol: str, n: int, t: int, book: Book) -> Row:
    """One look at a book: prices and quantities as exact text, notionals and averages as floats.

    Prices of an empty side and averages of a thin one are None.
    """
    bid, bid_quantity, ask, ask_quantity = book.best()
    mid = book.mid()
    bid_levels, ask_levels = book.counts()
    row: Row = {
        "symbol": symbol,
        "n": n,
        "t": t,
        "best_bid": _text(bid),
        "bid_qty": _text(bid_quantity),
        "best_ask": _text(ask),
        "ask_qty": _text(ask_quantity),
        "spread": None if bid is None or ask is None else _text(ask - bid),
        "mid": _text(mid),
        "bid_levels": bid_levels,
        "ask_levels": ask_levels,
    }
    for band_bps in BANDS_BPS:
        row[f"bid_ntl_{band_bps}bp"], row[f"ask_ntl_{band_bps}bp"] = book.depth_bps(band_bps)
    row["buy_vwap_10k"] = book.sweep("buy", SWEPT_QUOTE)
    row["sell_vwap_10k"] = book.sweep("sell", SWEPT_QUOTE)
    return row


def _text(value: Decimal | None) -> str | None:
    """Eight decimals at least, as the venue writes them; more where the value has more."""
    if value is None:
        return None
    padded = value.quantize(Decimal("1E-8"))
    return format(padded if padded == value else value, "f")


def _print_json(row: Row) -> None:
    sys.stdout.write(orjson.dumps(row).decode() + "\n")


def _print_text(row: Row) -> None:
    """Key-value text: readable in a pipe, and each line stands for itself."""
    words = [f"{key}={_shown(value)}" for key, value in row.items() if key != "symbol"]
    sys.stdout.write(f"{row['symbol']} {' '.join(words)}\n")


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
