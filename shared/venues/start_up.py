"""What is asked of a venue before the first order: its clock, its markets, what the keys may do."""

from __future__ import annotations

from typing import Final

from shared.clock import wall_ms
from shared.domain.instrument import Instrument
from shared.errors import ConfigError, VenueError
from shared.messages.venue import Meaning
from shared.units import NS_PER_MS
from shared.venues import binance_answers as answers
from shared.venues import binance_requests as requests
from shared.venues.binance_instruments import ExchangeInfo, instruments_of
from shared.venues.wire import Answer, Wire

CLOCK_SAMPLES: Final = 3
TESTNET: Final = "testnet"


async def measure_clock(wire: Wire, urgent: bool) -> None:
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
        wire.set_clock(best[1])


def usable_instruments(
    info: ExchangeInfo, wire: Wire
) -> tuple[tuple[Instrument, ...], dict[str, str]]:
    """Spot instruments with exact steps, and why others cannot be used; the account's limits go to
    the budget. Raises VenueError."""
    instruments, unusable = instruments_of(info.symbols)
    if not instruments:
        raise VenueError(f"markets: none of {len(info.symbols)} listed markets can be traded")
    weight = info.limit_of("REQUEST_WEIGHT", "MINUTE", 1)
    orders = info.limit_of("ORDERS", "SECOND", 10)
    wire.budget.weight.limit = weight or wire.budget.weight.limit
    wire.budget.orders.limit = orders or wire.budget.orders.limit
    return instruments, unusable


async def check_account(wire: Wire, mode: str) -> None:
    """Keys must be able to trade and must not be able to withdraw (L13).

    Raises VenueError, and ConfigError for a key of too many or too few rights, which no restart
    mends. The account's own canWithdraw flag says nothing about the key. The testnet does not tell
    the rights of a key; its money is not real.
    """
    account = await wire.ask(requests.ACCOUNT, answers.ACCOUNT, exit_priority=True)
    require(account, "account")
    if not account.content.can_trade:
        raise VenueError(
            "account: the venue does not let it trade; its own pages say why, and it is asked again"
        )
    if mode == TESTNET:
        return
    rights = await wire.ask(requests.KEY_RESTRICTIONS, answers.RESTRICTIONS, exit_priority=True)
    require(rights, "rights of the API key")
    content = rights.content
    for allowed, name in (
        (content.enable_withdrawals, "withdrawals"),
        (content.enable_internal_transfer, "internal transfers"),
        (content.permits_universal_transfer, "universal transfers"),
    ):
        if allowed:
            raise ConfigError(f"API key: it permits {name}; make one that can only read and trade")
    if not content.enable_spot_and_margin_trading:
        raise ConfigError(
            "API key: it does not permit spot trading; allow it at the venue, or make another key"
        )


def require(answer: Answer, what: str) -> None:
    """Raises VenueError, with a hint, unless the answer is OK."""
    verdict = answer.verdict
    if answer.is_ok:
        return
    hint = " (wrong keys?)" if verdict.meaning is Meaning.PERMISSION else ""
    code = f" {verdict.code}" if verdict.code else ""
    raise VenueError(f"{what}: {verdict.outcome.value}{code}: {verdict.text}{hint}")
