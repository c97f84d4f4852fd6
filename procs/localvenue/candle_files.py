"""Opens files of candles as the venue's market: which columns they have, in which steps they count.

A file is CSV, plain or packed (.xz, .gz), with a header that names at least a time, open, high,
low, close and volume; a column `symbol` when it holds several, else its name begins with the
symbol. Files without a header are read as the exchange's own monthly ones, by position.
"""

from __future__ import annotations

import csv
import gzip
import lzma
import re
import sys
import zlib
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from procs.localvenue.market.bar_columns import Bar, BarColumns
from procs.localvenue.market.candle_market import CandleMarket
from procs.localvenue.market.candle_path import CandleSeries
from shared.domain.instrument import Instrument
from shared.errors import ConfigError, NotFoundError, NumberError, RecordingError
from shared.recordings.instruments import SHIPPED, load_instruments, split_symbol
from shared.units import decimal_from_text, plain

TIME_NAMES: Final = ("ts", "timestamp", "time", "open_time", "opentime", "date", "datetime")
VALUES: Final = ("open", "high", "low", "close", "volume")
PLACES_MAX: Final = 8
FIRST_MS: Final = 946_684_800_000
LAST_MS: Final = 4_102_444_800_000
"""Times from 2000 to 2100 are believed."""
_WIDE: Final = Decimal(1_000_000_000)
_BROKEN: Final = (
    OSError,
    EOFError,
    lzma.LZMAError,
    zlib.error,
    gzip.BadGzipFile,
    UnicodeDecodeError,
)


class Row(NamedTuple):
    """One candle as the file says it, and the line it stands in."""

    line: int
    at_ms: int
    values: tuple[Decimal, ...]


def open_candles(
    paths: Sequence[Path],
    instruments: Path | None,
    start_ms: int,
    speed: float = 1.0,
    from_text: str | None = None,
    seed: int = 1,
) -> CandleMarket:
    """The candles of the files as one market that begins at start_ms, `speed` times as fast.

    With from_text (an ISO time, UTC unless it says otherwise, or ms since 1970) it begins with the
    first candle that opens then or later. Order rules come from the `instruments` file, else from
    the shipped table where the file's prices fit it, else from the file's decimals, which is said
    on stderr. Raises NotFoundError, ConfigError, or RecordingError with file and line."""
    named = load_instruments(instruments) if instruments is not None else {}
    from_ms = None if from_text is None else read_time(from_text, "--candles-from")
    series: dict[str, CandleSeries] = {}
    for path in paths:
        for symbol, rows in _read(path).items():
            if symbol in series:
                raise RecordingError(f"{path}: {symbol} is in two of the files")
            series[symbol] = _series(path, symbol, rows, named.get(symbol))
    if not series:
        raise RecordingError(f"{', '.join(map(str, paths))}: no candles")
    return CandleMarket(tuple(series.values()), start_ms, speed, seed, from_ms)


def read_time(text: str, place: str) -> int:
    """Milliseconds since 1970 of a number (s, ms, µs or ns, by its size) or an ISO time, UTC.

    Raises ConfigError naming the place."""
    at_ms: float
    if re.fullmatch(r"[0-9]{9,20}", text, re.ASCII):
        at_ms = int(text)
        while at_ms >= LAST_MS:
            at_ms /= 1_000
        if at_ms < FIRST_MS:
            at_ms *= 1_000
    else:
        try:
            parsed = datetime.fromisoformat(text)
        except ValueError:
            raise ConfigError(
                f"{place}: {text!r} is no time, allowed: 2024-01-03T12:00, with a time zone if it "
                "is not UTC, or seconds, ms, µs or ns since 1970"
            ) from None
        at_ms = (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp() * 1_000
    if not FIRST_MS <= at_ms < LAST_MS:
        raise ConfigError(f"{place}: {text!r} is out of range, allowed: the years 2000 to 2099")
    return int(at_ms)


def _lines(path: Path) -> Iterator[list[str]]:
    """The rows of the CSV file. Raises NotFoundError or RecordingError."""
    try:
        with path.open("rb") as raw:
            head = raw.read(6)
        opener = (
            lzma.open
            if head.startswith(b"\xfd7zXZ\x00")
            else gzip.open
            if head.startswith(b"\x1f\x8b")
            else open
        )
        with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
            yield from csv.reader(file)
    except FileNotFoundError:
        raise NotFoundError(f"no such file of candles: {path}") from None
    except csv.Error as error:
        raise RecordingError(f"{path}: not CSV: {error}") from None
    except _BROKEN as error:
        raise RecordingError(f"{path}: cannot be read: {error}") from None


def _read(path: Path) -> dict[str, list[Row]]:
    """The rows of each symbol, in the file's order."""
    found: dict[str, list[Row]] = {}
    columns: dict[str, int] | None = None
    alone = ""
    for line, fields in enumerate(_lines(path), 1):
        if not fields:
            continue
        if columns is None:
            columns = _columns(path, fields)
            if "symbol" not in columns:
                alone = _symbol_of(path, re.split(r"[^A-Za-z0-9]", path.name)[0], line)
            if not fields[columns["time"]].strip()[:1].isdigit():
                continue
        if len(fields) <= max(columns.values()):
            raise RecordingError(
                f"{path}, line {line}: {len(fields)} fields, expected {max(columns.values()) + 1}"
            )
        symbol = alone
        if "symbol" in columns:
            symbol = fields[columns["symbol"]].strip()
        rows = found.get(symbol)
        if rows is None:
            name = _symbol_of(path, symbol, line)
            rows = found[symbol] = found.pop(name, [])
        rows.append(_row(path, line, columns, fields, rows[-1].at_ms if rows else 0))
    return {_symbol_of(path, symbol, 1): rows for symbol, rows in found.items()}


def _columns(path: Path, fields: list[str]) -> dict[str, int]:
    names = [field.strip().lower().replace(" ", "_") for field in fields]
    if names[0][:1].isdigit() and len(names) > len(VALUES):
        return {"time": 0, **{name: place for place, name in enumerate(VALUES, 1)}}
    time_name = next((name for name in TIME_NAMES if name in names), None)
    missing = [name for name in VALUES if name not in names]
    if time_name is None:
        missing.insert(0, "a time (" + ", ".join(TIME_NAMES) + ")")
    if missing or time_name is None:
        raise RecordingError(f"{path}, line 1: the header lacks {', '.join(missing)}: {names}")
    columns = {"time": names.index(time_name), **{name: names.index(name) for name in VALUES}}
    for name in ("symbol", "pair"):
        if name in names:
            columns["symbol"] = names.index(name)
    return columns


def _symbol_of(path: Path, text: str, line: int) -> str:
    """The venue's name of a symbol as files write it: BTCUSDT for BTC/USDT; BTC-PERP stays."""
    name = text.upper()
    for separator in "/_-":
        base, _, quote = name.partition(separator)
        if base and quote and quote != "PERP":
            name = base + quote
    if re.fullmatch(r"[A-Z0-9.-]{2,20}", name, re.ASCII) is None:
        raise RecordingError(f"{path}, line {line}: {text!r} is not a symbol such as BTCUSDT")
    return name


def _row(path: Path, line: int, columns: dict[str, int], fields: list[str], last_ms: int) -> Row:
    place = f"{path}, line {line}"
    try:
        at_ms = read_time(fields[columns["time"]].strip(), place)
    except ConfigError as error:
        raise RecordingError(str(error)) from None
    values = []
    for name in VALUES:
        try:
            values.append(decimal_from_text(fields[columns[name]].strip()))
        except NumberError as error:
            raise RecordingError(f"{place}: {name}: {error}") from None
    opened, high, low, closed, volume = values
    faults = (
        (low <= 0, f"low {low} is not positive"),
        (high < max(opened, closed), f"high {high} is below open {opened} or close {closed}"),
        (low > min(opened, closed), f"low {low} is above open {opened} or close {closed}"),
        (volume < 0, f"volume {volume} is negative"),
        (at_ms <= last_ms, "it does not open after the symbol's candle before it"),
    )
    fault = next((text for broken, text in faults if broken), None)
    if fault is not None:
        raise RecordingError(f"{place}: {fault}")
    return Row(line, at_ms, tuple(values))


def _series(path: Path, symbol: str, rows: list[Row], named: Instrument | None) -> CandleSeries:
    instrument = named if named is not None else _instrument(path, symbol, rows)
    interval_ms = _interval(path, symbol, rows)
    tick, step = instrument.tick_size, instrument.step_size
    columns = BarColumns(0, interval_ms)
    for row in rows:
        prices = [value / tick for value in row.values[:4]]
        if any(price != int(price) for price in prices):
            raise RecordingError(
                f"{path}, line {row.line}: {symbol}: a price is not in ticks of {plain(tick)}"
            )
        opened, high, low, closed = map(int, prices)
        volume = round(row.values[4] / step)
        turnover = volume * ((opened + high + low + closed) // 4)
        columns.append(Bar(0, opened, high, low, closed, volume, turnover, 0))
    return CandleSeries(instrument, interval_ms, array("q", [row.at_ms for row in rows]), columns)


def _interval(path: Path, symbol: str, rows: list[Row]) -> int:
    """The commonest distance of two candles, which none may be nearer than."""
    distances = Counter(later.at_ms - sooner.at_ms for sooner, later in pairwise(rows))
    if not distances:
        raise RecordingError(f"{path}: one candle of {symbol} does not tell how long it is")
    interval_ms = distances.most_common(1)[0][0]
    for sooner, later in pairwise(rows):
        if later.at_ms - sooner.at_ms < interval_ms:
            raise RecordingError(
                f"{path}, line {later.line}: {symbol}: it opens {later.at_ms - sooner.at_ms} ms "
                f"after the one before it, the others {interval_ms} ms"
            )
    return interval_ms


def _instrument(path: Path, symbol: str, rows: list[Row]) -> Instrument:
    shipped = SHIPPED.get(symbol)
    if shipped is not None and all(
        value % shipped.tick_size == 0 for row in rows for value in row.values[:4]
    ):
        return shipped
    tick = Decimal(1).scaleb(-_places(path, symbol, rows, slice(0, 4)))
    step = Decimal(1).scaleb(-_places(path, symbol, rows, slice(4, 5)))
    base, quote = symbol.removesuffix("-PERP"), "USDT"
    if base == symbol:
        base, quote = split_symbol(symbol)
    print(
        f"seawall venue: {symbol}: order rules derived from the file: tick {plain(tick)}, "
        f"step {plain(step)}",
        file=sys.stderr,
    )
    return Instrument(
        symbol=symbol,
        base=base,
        quote=quote,
        tick_size=tick,
        step_size=step,
        min_quantity=step,
        max_quantity=_WIDE,
        min_price=tick,
        max_price=_WIDE,
        min_notional=Decimal(5),
        market_max_quantity=_WIDE,
    )


def _places(path: Path, symbol: str, rows: list[Row], which: slice) -> int:
    """The decimals of the finest of these values; volumes may be finer, they are rounded."""
    places = 0
    for row in rows:
        for value in row.values[which]:
            exponent = value.normalize().as_tuple().exponent
            if isinstance(exponent, int) and -exponent > places:
                places = -exponent
                if places > PLACES_MAX and which.start == 0:
                    raise RecordingError(
                        f"{path}, line {row.line}: {symbol}: {value} has more than {PLACES_MAX} "
                        "decimals"
                    )
    return min(places, PLACES_MAX)
