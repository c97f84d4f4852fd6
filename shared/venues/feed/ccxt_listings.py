"""Instruments, candles and volumes from ccxt's unified answers, checked before they are believed.

ccxt has made floats of the venue's text; the shortest text of such a float is the venue's number
again, up to 15 digits, and that is what steps are read from. Spot markets only: what a contract's
quantity means differs from venue to venue. Pure; no ccxt here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from shared.domain.instrument import Instrument
from shared.errors import NumberError, VenueError
from shared.units import LOT, MAX_MAGNITUDE, ONE, ZERO, decimal_from_text, plain
from shared.venues.feed.ccxt_dialects import text_of_float
from shared.venues.feed.port import MinuteCandle, RestError

DECIMAL_PLACES: Final = 2
TICK_SIZE: Final = 4
"""ccxt's precision modes; by significant digits (3) a market has no ticks."""
SYMBOL_MAX: Final = 20
"""What a quote has room for."""

Market = Mapping[str, Any]


def find_market(markets: Mapping[str, Market], name: str) -> Market | None:
    """A spot market by ccxt's unified name (BTC/USDT), or by the venue's own."""
    market = markets.get(name)
    if market is not None:
        return market
    own = [one for one in markets.values() if one.get("id") == name and one.get("spot")]
    return own[0] if len(own) == 1 else None


def instrument_of(market: Market, precision_mode: int) -> Instrument:
    """A market in exact steps. VenueError says why one cannot be watched."""
    symbol = market["symbol"]
    if not market.get("spot"):
        raise VenueError(f"{symbol}: it is a {market.get('type')} market, allowed are spot markets")
    if len(symbol) > SYMBOL_MAX or not symbol.isascii():
        raise VenueError(f"{symbol}: allowed are names of up to {SYMBOL_MAX} ASCII characters")
    precision = market.get("precision") or {}
    limits = market.get("limits") or {}
    try:
        tick = _step(precision.get("price"), precision_mode, symbol, "price")
        step = _step(precision.get("amount"), precision_mode, symbol, "amount")
        if step < LOT:
            raise VenueError(f"{symbol}: quantity step {plain(step)}, allowed from {plain(LOT)}")
        most = _limit(limits, "amount", "max", MAX_MAGNITUDE)
        return Instrument(
            symbol=symbol,
            base=market["base"],
            quote=market["quote"],
            tick_size=tick,
            step_size=step,
            min_quantity=_limit(limits, "amount", "min", step),
            max_quantity=most,
            min_price=_limit(limits, "price", "min", tick),
            max_price=_limit(limits, "price", "max", MAX_MAGNITUDE),
            min_notional=_limit(limits, "cost", "min", ZERO),
            market_max_quantity=min(most, _limit(limits, "market", "max", most)),
            status="BREAK" if market.get("active") is False else "TRADING",
        )
    except NumberError as error:
        raise VenueError(f"{symbol}: {error}") from error


def instruments_of(
    markets: Mapping[str, Market], precision_mode: int, quote: str
) -> tuple[Instrument, ...]:
    """All spot instruments of a quote asset that can be watched. VenueError when there is none."""
    found: list[Instrument] = []
    why = ""
    for market in markets.values():
        if market.get("spot") and market.get("quote") == quote:
            try:
                found.append(instrument_of(market, precision_mode))
            except VenueError as error:
                why = str(error)
    if not found:
        reason = f": {why}" if why else ""
        raise VenueError(f"universe.quote: no spot market against {quote!r} can be watched{reason}")
    return tuple(found)


def places_of(market: Market, row_name: str, step: Decimal, tick: Decimal) -> tuple[int, int]:
    """The decimals of price and quantity in a venue's checksum."""
    info = market.get("info") or {}
    if row_name == "kraken" and "pair_decimals" in info and "lot_decimals" in info:
        return int(info["pair_decimals"]), int(info["lot_decimals"])
    return _places(tick), _places(step)


def candles_of(rows: Sequence[Sequence[Any]], symbol: str) -> tuple[MinuteCandle, ...]:
    """ccxt's [ms, open, high, low, close, volume]. RestError for rows that are none."""
    try:
        return tuple(_candle(row) for row in sorted(rows, key=lambda row: int(row[0])))
    except (TypeError, ValueError, LookupError) as error:
        raise RestError(f"candles of {symbol} cannot be read: {error}") from error


def volumes_of(tickers: Mapping[str, Any], symbols: Iterable[str]) -> dict[str, float]:
    """24 h turnover in quote units of the symbols that have one; of all when none is named."""
    wanted = tuple(symbols) or tuple(tickers)
    found: dict[str, float] = {}
    for symbol in wanted:
        ticker = tickers.get(symbol)
        if not isinstance(ticker, Mapping):
            continue
        volume = ticker.get("quoteVolume")
        if volume is None and ticker.get("baseVolume") and ticker.get("last"):
            volume = ticker["baseVolume"] * ticker["last"]
        if isinstance(volume, int | float) and 0 <= volume <= float(MAX_MAGNITUDE):
            found[symbol] = float(volume)
    return found


# ---- inside


def _step(value: Any, precision_mode: int, symbol: str, what: str) -> Decimal:
    if value is None:
        raise VenueError(f"{symbol}: ccxt knows no {what} step of it")
    if precision_mode == TICK_SIZE:
        step = decimal_from_text(text_of_float(value))
    elif precision_mode == DECIMAL_PLACES:
        step = ONE.scaleb(-int(value))
    else:
        raise VenueError(
            f"{symbol}: the venue counts {what} in significant digits, allowed are fixed steps"
        )
    if step <= 0:
        raise VenueError(f"{symbol}: {what} step {plain(step)}, allowed above 0")
    return step.normalize()


def _limit(limits: Mapping[str, Any], name: str, bound: str, otherwise: Decimal) -> Decimal:
    value = (limits.get(name) or {}).get(bound)
    if not value or float(value) > float(MAX_MAGNITUDE):
        return otherwise
    return decimal_from_text(text_of_float(value))


def _places(step: Decimal) -> int:
    return max(0, -int(step.normalize().as_tuple().exponent))


def _candle(row: Sequence[Any]) -> MinuteCandle:
    high, low, close = float(row[2]), float(row[3]), float(row[4])
    if not 0 < low <= close <= high < float("inf"):
        raise ValueError(f"high {high}, low {low}, close {close}")
    return MinuteCandle(int(row[0]), high, low, close)
