"""`seawall inspect RECORDING…`: replays recorded files through the native book, prints checkpoints.

The book is joined with its snapshot Binance's documented way; every N-th applied delta becomes one
line, and the last line of a symbol counts what was applied, stale, missing and crossed. `--facts`
prints the stylised facts of the traffic instead, see shared/recordings/stylised.py.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from itertools import islice
from pathlib import Path
from struct import calcsize, iter_unpack
from typing import Any, Final

import msgspec
import orjson

from core_ext.book import Book
from core_ext.codes import FRAME_FORMAT, FrameTold, Outcome
from core_ext.errors import FrameRefused, NumberRefused
from core_ext.join import DepthJoin
from core_ext.scan import BinanceScanner
from shared.errors import ExitCode, NotFoundError, RecordingError
from shared.recordings.instruments import instruments_for
from shared.recordings.lines import Line, group_by_symbol, read_lines
from shared.recordings.stylised import measure
from shared.units import plain

AT_ONCE: Final = 256
"""Frames in one call."""
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
    replay = Replay(symbol, tick_size, every, printer)
    waiting: list[Line] = []
    for line in lines:
        if line.is_snapshot:
            replay.hear(waiting)
            replay.snapshot(line)
            waiting.clear()
        else:
            waiting.append(line)
            if len(waiting) >= AT_ONCE:
                replay.hear(waiting)
                waiting.clear()
    replay.hear(waiting)
    join = replay.join
    if not replay.joined:
        raise RecordingError(f"{symbol}: no order book snapshot in these files to start from")
    last = {
        "symbol": symbol,
        "applied": join.applied,
        "stale": join.stale,
        "gaps": join.gaps,
        "crossed": replay.crossed,
    }
    printer(last)
    return last


class Replay:
    """One symbol's book while its recording runs through it, many frames at once."""

    def __init__(self, symbol: str, tick_size: Decimal, every: int, printer: Printer) -> None:
        self.join = DepthJoin(Book(tick_size), BinanceScanner())
        self.joined = False
        self.crossed = 0
        self._symbol = symbol
        self._every = every
        self._printer = printer
        self._rows = bytearray(AT_ONCE * calcsize(FRAME_FORMAT))

    def snapshot(self, line: Line) -> None:
        """A snapshot of the recording, and the deltas that waited for it."""
        try:
            kept = self.join.snapshot(line.frame)
            self.joined = True
            for frame, recv_ns in kept:
                self._alone(frame, recv_ns)
        except (FrameRefused, NumberRefused) as error:
            raise RecordingError(f"{line.place}: unreadable: {error}") from None

    def hear(self, lines: Sequence[Line]) -> None:
        """At most AT_ONCE frames, no snapshot among them. RecordingError names a bad one's line."""
        at = 0
        while at < len(lines):
            try:
                if self.join.needs_snapshot:
                    self._alone(lines[at].frame, lines[at].recv_ns)
                    at += 1
                else:
                    at += self._together(lines[at : at + self._till_checkpoint])
            except (FrameRefused, NumberRefused) as error:
                place = lines[at + (error.frame or 0)].place
                raise RecordingError(f"{place}: unreadable: {error.of_frame(None)}") from None

    @property
    def _till_checkpoint(self) -> int:
        """So many frames cannot pass the next checkpoint, whatever they are."""
        return self._every - self.join.applied % self._every

    def _together(self, lines: Sequence[Line]) -> int:
        before = self.join.applied
        fed = self.join.feed_many([(line.frame, line.recv_ns) for line in lines], self._rows)
        for row in islice(iter_unpack(FRAME_FORMAT, self._rows), fed.read):
            told = FrameTold._make(row)
            if told.outcome == Outcome.APPLIED:
                self.crossed += 0 < told.ask_ticks <= told.bid_ticks
        if self.join.applied > before:
            self._look(lines[fed.read - 1].recv_ns)
        return fed.read

    def _alone(self, frame: bytes, recv_ns: int) -> None:
        result = self.join.feed(frame, recv_ns)
        if result is not None and result.outcome == Outcome.APPLIED:
            self.crossed += self.join.book.crossed()
            self._look(recv_ns)

    def _look(self, recv_ns: int) -> None:
        if self.join.applied % self._every == 0:
            self._printer(checkpoint(self._symbol, self.join.applied, recv_ns, self.join.book))


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
