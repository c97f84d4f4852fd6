"""What is asked of a venue before the first order: its clock, its markets, what the keys may do."""

from __future__ import annotations

import asyncio
from typing import Final

from shared.clock import wall_ms
from shared.domain.instrument import Instrument
from shared.errors import ConfigError, MessageError, VenueError
from shared.messages.venue import Meaning
from shared.units import NS_PER_MS
from shared.venues import binance_answers as answers
from shared.venues import binance_requests as requests
from shared.venues.binance_instruments import EXCHANGE_INFO, instruments_of
from shared.venues.redirect import RAISED_BY_CCXT, RECORD, Exchanged, RecordedBinance
from shared.venues.wire import Answer, Wire

CLOCK_SAMPLES: Final = 3
LOAD_MARKETS_S: Final = 60.0
"""The real exchange lists thousands of markets in several megabytes."""


async def measure_clock(exchange: RecordedBinance, wire: Wire, urgent: bool) -> None:
    """Sets the clock difference that signatures use, from the quickest of a few answers.

    Without any answer the old difference stays: a venue that does not tell its time now will
    refuse by time later, which measures again. `urgent` when requests fail for lack of it.
    """
    best: tuple[int, float] | None = None
    for _ in range(CLOCK_SAMPLES):
        before_ms = wall_ms()
        answer = await wire.ask(requests.TIME, answers.SERVER_TIME, exit_priority=urgent)
        if not answer.is_ok:
            break
        middle_ms = before_ms + answer.round_trip_ns / (2 * NS_PER_MS)
        ahead_ms = answer.content.server_time - middle_ms
        if best is None or answer.round_trip_ns < best[0]:
            best = (answer.round_trip_ns, ahead_ms)
    if best is not None:
        wire.venue_ahead_ms = best[1]
        exchange.options["timeDifference"] = -round(best[1])


async def read_instruments(
    exchange: RecordedBinance, wire: Wire
) -> tuple[tuple[Instrument, ...], dict[str, str]]:
    """Spot instruments with exact steps, and why others cannot be used. Raises VenueError.

    ccxt parses the same answer for itself, thousands of markets in one go: only before READY.
    """
    record = Exchanged()
    token = RECORD.set(record)
    usual_ms, exchange.timeout = exchange.timeout, int(LOAD_MARKETS_S * 1000)
    try:
        async with asyncio.timeout(LOAD_MARKETS_S):
            # load_markets would share a load that another task began, whose answer is not ours.
            exchange.set_markets(await exchange.fetch_markets())
    except TimeoutError as error:
        raise VenueError(f"markets: no answer within {LOAD_MARKETS_S:.0f} s") from error
    except RAISED_BY_CCXT as error:
        raise VenueError(f"markets: {_short(error, record)}") from error
    finally:
        RECORD.reset(token)
        exchange.timeout = usual_ms
    try:
        info = EXCHANGE_INFO.read(record.body)
    except MessageError as error:
        raise VenueError(f"markets: {error}") from error
    instruments, unusable = instruments_of(info.symbols)
    if not instruments:
        raise VenueError(f"markets: none of {len(info.symbols)} listed markets can be traded")
    weight = info.limit_of("REQUEST_WEIGHT", "MINUTE", 1)
    orders = info.limit_of("ORDERS", "SECOND", 10)
    wire.budget.weight.limit = weight or wire.budget.weight.limit
    wire.budget.orders.limit = orders or wire.budget.orders.limit
    return instruments, unusable


async def check_account(wire: Wire, mode: str) -> None:
    """Keys must be able to trade, and in live mode must not be able to withdraw (L13).

    Raises VenueError, and ConfigError for a key of too many rights, which no restart mends. The
    account's own canWithdraw flag says nothing about the key; the key's rights are asked for where
    they exist, which is the real exchange only.
    """
    account = await wire.ask(requests.ACCOUNT, answers.ACCOUNT, exit_priority=True)
    _require(account, "account")
    if not account.content.can_trade:
        raise VenueError("account: the venue does not let it trade")
    if mode != "live":
        return
    rights = await wire.ask(requests.KEY_RESTRICTIONS, answers.RESTRICTIONS, exit_priority=True)
    _require(rights, "rights of the API key")
    content = rights.content
    for allowed, name in (
        (content.enable_withdrawals, "withdrawals"),
        (content.enable_internal_transfer, "internal transfers"),
        (content.permits_universal_transfer, "universal transfers"),
    ):
        if allowed:
            raise ConfigError(f"API key: it permits {name}; make one that can only read and trade")
    if not content.enable_spot_and_margin_trading:
        raise ConfigError("API key: it does not permit spot trading")


def _require(answer: Answer, what: str) -> None:
    verdict = answer.verdict
    if answer.is_ok:
        return
    hint = " (wrong keys?)" if verdict.meaning is Meaning.PERMISSION else ""
    code = f" {verdict.code}" if verdict.code else ""
    raise VenueError(f"{what}: {verdict.outcome.value}{code}: {verdict.text}{hint}")


def _short(error: BaseException, record: Exchanged) -> str:
    # ccxt's own text may hold addresses with signatures; type and status are enough.
    cause = error.__cause__ or error
    return f"{type(error).__name__} from {type(cause).__name__}, HTTP {record.status}"
