"""Parameters of orders, order lists and rows as the trading operations need them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeVar

from procs.localvenue.matching.model import OrderType, Refusal, Side, TimeInForce
from procs.localvenue.matching.requests import PlaceOrder
from procs.localvenue.protocols.binance_spot.params import CLIENT_ID, Params, RefusedError

SIDES: Final[tuple[Side, ...]] = ("BUY", "SELL")
TIMES_IN_FORCE: Final[tuple[TimeInForce, ...]] = ("GTC", "IOC", "FOK")
TYPES: Final[tuple[OrderType, ...]] = (
    "LIMIT",
    "LIMIT_MAKER",
    "MARKET",
    "STOP_LOSS_LIMIT",
    "TAKE_PROFIT_LIMIT",
)
RESPONSES: Final = ("ACK", "RESULT", "FULL")
REPLACE_MODES: Final = ("STOP_ON_FAILURE", "ALLOW_FAILURE")

BAD_SIDE: Final = Refusal(-1117, "Invalid side.")
BAD_TYPE: Final = Refusal(-1116, "Invalid orderType.")
BAD_TIME_IN_FORCE: Final = Refusal(-1115, "Invalid timeInForce.")
BAD_RESPONSE: Final = Refusal(-1136, "Invalid newOrderRespType.")
UNSUPPORTED: Final = {
    "STOP_LOSS": Refusal(-2010, "Stop loss orders are not supported for this symbol."),
    "TAKE_PROFIT": Refusal(-2010, "Take profit orders are not supported for this symbol."),
}
NO_ID: Final = Refusal(
    -1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
)
NO_LIST_ID: Final = Refusal(
    -1102, "Param 'listClientOrderId' or 'orderListId' must be sent, but both were empty/null!"
)

Value = TypeVar("Value")


def granted(answer: Value | Refusal) -> Value:
    """The answer; a refusal is raised."""
    if isinstance(answer, Refusal):
        raise RefusedError(answer)
    return answer


def response_of(params: Params, usual: str) -> str:
    """newOrderRespType, or what is usual for the order."""
    return params.word("newOrderRespType", RESPONSES, BAD_RESPONSE) or usual


def order_ids(params: Params) -> tuple[int | None, str | None]:
    """orderId and origClientOrderId, of which one must be sent."""
    order_id = params.integer("orderId")
    client_id = params.text("origClientOrderId", CLIENT_ID)
    if order_id is None and client_id is None:
        raise RefusedError(NO_ID)
    return order_id, client_id


def list_ids(params: Params, client_name: str) -> tuple[int | None, str | None]:
    """orderListId and the list's client id, of which one must be sent."""
    list_id = params.integer("orderListId")
    client_id = params.text(client_name, CLIENT_ID)
    if list_id is None and client_id is None:
        raise RefusedError(NO_LIST_ID)
    return list_id, client_id


def leg_of(params: Params, place: str, symbol: str, side: Side) -> PlaceOrder:
    """One leg of an OCO, from the parameters that begin with its place."""
    kind = params.needed(f"{place}Type")
    if kind in UNSUPPORTED:
        raise RefusedError(UNSUPPORTED[kind])
    return PlaceOrder(
        symbol=symbol,
        side=side,
        type=params.needed_word(f"{place}Type", TYPES, BAD_TYPE),
        quantity=params.needed_number("quantity"),
        price=params.needed_number(f"{place}Price"),
        stop_price=params.number(f"{place}StopPrice"),
        time_in_force=params.word(f"{place}TimeInForce", TIMES_IN_FORCE, BAD_TIME_IN_FORCE),
        client_id=params.text(f"{place}ClientOrderId", CLIENT_ID),
    )


def window_of(params: Params, rows: Iterable[tuple[Value, int, int]], id_name: str) -> list[Value]:
    """Rows from an id on (oldest first), or between two times, at most `limit` of them."""
    limit = params.limit(500, 1_000)
    from_id = params.integer(id_name)
    start_ms, end_ms = params.integer("startTime"), params.integer("endTime")
    chosen = [
        row
        for row, row_id, at_ms in rows
        if (from_id is None or row_id >= from_id)
        and (start_ms is None or at_ms >= start_ms)
        and (end_ms is None or at_ms <= end_ms)
    ]
    return chosen[:limit] if from_id is not None or start_ms is not None else chosen[-limit:]
