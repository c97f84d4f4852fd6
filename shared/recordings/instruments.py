"""The instruments of a recording: a shipped table, a file of the user's, else the data's decimals.

A recording says nothing about filters. For well-known spot pairs the shipped table does; for others
tick and step are the finest that the data shows, and the caller logs that they were derived.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import orjson

from shared.domain.instrument import Instrument
from shared.errors import MessageError, NotFoundError, RecordingError
from shared.messages.base import read_as
from shared.recordings.lines import raw_lines

QUOTES: Final = ("USDT", "USDC", "FDUSD", "TUSD", "BUSD", "BTC", "ETH", "BNB", "EUR", "TRY", "BRL")
DERIVED_LINES_MAX: Final = 100_000
"""How many lines of a recording are looked at to derive its steps."""

_ROWS: Final = """
BTCUSDT  0.01      0.00001  5   9000          120          1000000
ETHUSDT  0.01      0.0001   5   9000          2500         1000000
BNBUSDT  0.01      0.001    5   900000        1500         100000
SOLUSDT  0.01      0.001    5   900000        35000        10000
XRPUSDT  0.0001    0.1      5   9222449       1700000      10000
DOGEUSDT 0.00001   1        1   90000000      12000000     1000
ADAUSDT  0.0001    0.1      5   900000        900000       1000
AVAXUSDT 0.01      0.01     5   902000        40000        10000
LINKUSDT 0.01      0.01     5   90000         60000        10000
DOTUSDT  0.001     0.01     5   90000         60000        10000
LTCUSDT  0.01      0.001    5   90000         8000         100000
BCHUSDT  0.1       0.001    5   90000         1500         100000
TRXUSDT  0.0001    0.1      5   9000000       6000000      1000
UNIUSDT  0.001     0.01     5   90000         50000        10000
ATOMUSDT 0.001     0.01     5   90000         45000        10000
NEARUSDT 0.001     0.1      5   900000        350000       1000
APTUSDT  0.001     0.01     5   922327        80000        10000
ARBUSDT  0.0001    0.1      5   922327        900000       1000
OPUSDT   0.001     0.01     5   92141578      400000       1000
SUIUSDT  0.0001    0.1      5   922327        900000       1000
FILUSDT  0.001     0.01     5   900000        70000        10000
SHIBUSDT 0.00000001 1       1   46116860414   40000000000  1
PEPEUSDT 0.00000001 1       1   92141578000   90000000000  1
ETHBTC   0.00001   0.0001   0.0001 100000     1500         922327
BNBBTC   0.000001  0.001    0.0001 100000     2000         1
BTCEUR   0.01      0.00001  5   9000          20           1000000
BTCUSDC  0.01      0.00001  5   9000          80           1000000
ETHUSDC  0.01      0.0001   5   9000          1500         1000000
"""
"""symbol, tick, step, min notional, max quantity, max market quantity, max price."""

_LEVEL: Final = re.compile(rb'\["(\d+(?:\.\d+)?)","(\d+(?:\.\d+)?)"\]')
_TRADE: Final = re.compile(rb'"p":"(\d+(?:\.\d+)?)","q":"(\d+(?:\.\d+)?)"')


class Chosen(NamedTuple):
    """An instrument and where it comes from: "shipped", "file" or "derived"."""

    instrument: Instrument
    source: str


def split_symbol(symbol: str) -> tuple[str, str]:
    """(base, quote) of a spot symbol. RecordingError when no known quote asset ends it."""
    for quote in QUOTES:
        if symbol.endswith(quote) and symbol != quote:
            return symbol.removesuffix(quote), quote
    raise RecordingError(
        f"{symbol}: base and quote asset are not known; name them in --instruments FILE"
    )


def _shipped() -> dict[str, Instrument]:
    table = {}
    for row in _ROWS.strip().splitlines():
        symbol, tick, step, notional, most, market_most, price_most = row.split()
        base, quote = split_symbol(symbol)
        table[symbol] = Instrument(
            symbol=symbol,
            base=base,
            quote=quote,
            tick_size=Decimal(tick),
            step_size=Decimal(step),
            min_quantity=Decimal(step),
            max_quantity=Decimal(most),
            min_price=Decimal(tick),
            max_price=Decimal(price_most),
            min_notional=Decimal(notional),
            market_max_quantity=Decimal(market_most),
        )
    return table


SHIPPED: Final[Mapping[str, Instrument]] = _shipped()


def load_instruments(path: Path | str) -> dict[str, Instrument]:
    """The instruments of a JSON file: {"SYMBOL": {field: text, …}} or a list of objects.

    Fields that are left out are the shipped table's, if it knows the symbol; tick_size, step_size
    and min_notional must be said otherwise. Raises NotFoundError or RecordingError.
    """
    try:
        raw: Any = orjson.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise NotFoundError(f"no such instruments file: {path}") from None
    except (OSError, orjson.JSONDecodeError) as error:
        raise RecordingError(f"{path}: unreadable JSON: {error}") from None
    if isinstance(raw, dict):
        raw = [
            {"symbol": symbol, **fields} if isinstance(fields, dict) else fields
            for symbol, fields in raw.items()
        ]
    if not isinstance(raw, list) or not all(isinstance(fields, dict) for fields in raw):
        raise RecordingError(f"{path}: expected an object of symbols or a list of objects")
    return {found.symbol: found for found in (_instrument(path, fields) for fields in raw)}


def _instrument(path: Path | str, fields: dict[str, Any]) -> Instrument:
    symbol = fields.get("symbol")
    if not isinstance(symbol, str):
        raise RecordingError(f"{path}: an instrument without 'symbol': {fields!r}")
    unknown = sorted(fields.keys() - set(Instrument.__struct_fields__))
    if unknown:
        raise RecordingError(
            f"{path}: {symbol}: unknown keys {unknown}, "
            f"allowed: {', '.join(Instrument.__struct_fields__)}"
        )
    known = SHIPPED.get(symbol)
    defaults: dict[str, Any]
    if known is not None:
        defaults = {
            name: str(value) if isinstance(value, Decimal) else value
            for name, value in msgspec.structs.asdict(known).items()
        }
    else:
        tick, step = str(fields.get("tick_size")), str(fields.get("step_size"))
        defaults = {"min_quantity": step, "min_price": tick, **_wide()}
        if not {"base", "quote"} <= fields.keys():
            defaults["base"], defaults["quote"] = split_symbol(symbol)
    try:
        made = read_as(Instrument, {**defaults, **fields})
    except MessageError as error:
        raise RecordingError(f"{path}: {symbol}: {error}") from None
    if made.tick_size <= 0 or made.step_size <= 0:
        raise RecordingError(f"{path}: {symbol}: tick_size and step_size must be above 0")
    return made


_WIDE: Final = Decimal(1_000_000_000)
"""The limit of prices and quantities where nothing tells one."""


def _wide() -> dict[str, str]:
    return dict.fromkeys(("max_quantity", "max_price", "market_max_quantity"), str(_WIDE))


def _places(number: bytes) -> int:
    whole_and_fraction = number.split(b".")
    return len(whole_and_fraction[1].rstrip(b"0")) if len(whole_and_fraction) == 2 else 0


def derive_instrument(symbol: str, paths: Iterable[Path | str]) -> Instrument:
    """Tick and step as fine as the data's decimals; step from trades where there are any."""
    price_places = depth_places = 0
    trade_places: int | None = None
    seen = 0
    for path in map(Path, paths):
        for _, frame, _ in raw_lines(path):
            for price, quantity in _LEVEL.findall(frame):
                price_places = max(price_places, _places(price))
                depth_places = max(depth_places, _places(quantity))
            for price, quantity in _TRADE.findall(frame):
                price_places = max(price_places, _places(price))
                trade_places = max(trade_places or 0, _places(quantity))
            seen += 1
            if seen >= DERIVED_LINES_MAX:
                break
    tick = Decimal(1).scaleb(-price_places)
    step = Decimal(1).scaleb(-(depth_places if trade_places is None else trade_places))
    base, quote = split_symbol(symbol)
    return Instrument(
        symbol=symbol,
        base=base,
        quote=quote,
        tick_size=tick,
        step_size=step,
        min_quantity=step,
        min_price=tick,
        min_notional=Decimal(5) if quote.startswith(("USD", "FDUSD", "EUR")) else step * tick,
        max_quantity=_WIDE,
        max_price=_WIDE,
        market_max_quantity=_WIDE,
    )


def instruments_for(
    groups: Mapping[str, list[Path]], override: Path | str | None = None
) -> dict[str, Chosen]:
    """The instrument of each symbol of `group_by_symbol`: the file's, the shipped, or derived."""
    named = load_instruments(override) if override is not None else {}
    chosen = {}
    for symbol, paths in groups.items():
        if symbol in named:
            chosen[symbol] = Chosen(named[symbol], "file")
        elif symbol in SHIPPED:
            chosen[symbol] = Chosen(SHIPPED[symbol], "shipped")
        else:
            chosen[symbol] = Chosen(derive_instrument(symbol, paths), "derived")
    return chosen
