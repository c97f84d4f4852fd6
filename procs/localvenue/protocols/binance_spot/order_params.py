"""Parameters of orders, order lists and rows as the trading operations need them.

Each parameter has its rule here, once: the orders of a list read the same ones under names that
begin with their place (`price`, `abovePrice`, `pendingBelowPrice`). Which of them a type needs, and
which go together, is the matching core's to say.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final, TypeVar

from procs.localvenue.matching.list_admission import OCO_TYPES, WORKING_TYPES
from procs.localvenue.matching.model import (
    CancelRestriction,
    ListKind,
    OrderType,
    PlaceOrder,
    PlaceOrderList,
    Refusal,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from procs.localvenue.matching.refusals import BAD_COMBINATION, OCO_TYPE
from procs.localvenue.protocols.binance_spot.params import (
    CLIENT_ID,
    Params,
    RefusedError,
    invalid,
    one_needed,
)

SIDES: Final[tuple[Side, ...]] = ("BUY", "SELL")
TIMES_IN_FORCE: Final[tuple[TimeInForce, ...]] = ("GTC", "IOC", "FOK")
TYPES: Final[tuple[OrderType, ...]] = (
    "LIMIT",
    "LIMIT_MAKER",
    "MARKET",
    "STOP_LOSS",
    "STOP_LOSS_LIMIT",
    "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT",
)
PREVENTIONS: Final[tuple[SelfTradePrevention, ...]] = (
    "NONE",
    "EXPIRE_TAKER",
    "EXPIRE_MAKER",
    "EXPIRE_BOTH",
    "DECREMENT",
    "TRANSFER",
)
RESTRICTIONS: Final[tuple[CancelRestriction, ...]] = ("ONLY_NEW", "ONLY_PARTIALLY_FILLED")
RESPONSES: Final = ("ACK", "RESULT", "FULL")

STRATEGY_TYPE_MIN: Final = 1_000_000
DAY_MS: Final = 86_400_000

BAD_SIDE: Final = Refusal(-1117, "Invalid side.")
BAD_TYPE: Final = Refusal(-1116, "Invalid orderType.")
BAD_TIME_IN_FORCE: Final = Refusal(-1115, "Invalid timeInForce.")
BAD_RESTRICTIONS: Final = Refusal(-1145, "Invalid cancelRestrictions")
BAD_STRATEGY_TYPE: Final = Refusal(-1134, "strategyType was less than 1000000.")
NO_PEGS: Final = Refusal(-2010, "Pegged orders are not supported for this symbol.")
OTHER_CLIENT_ID: Final = Refusal(-2039, "Client order ID is not correct for this order ID.")
LONGER_THAN_A_DAY: Final = Refusal(-1127, "More than 24 hours between startTime and endTime.")

ORDER_NAMES: Final = (
    "price",
    "stopPrice",
    "trailingDelta",
    "icebergQty",
    "timeInForce",
    "strategyId",
    "strategyType",
    "pegPriceType",
    "pegOffsetValue",
    "pegOffsetType",
)
"""Parameters that every order may have, alone or in a list."""

Value = TypeVar("Value")


def named(place: str, name: str) -> str:
    """The parameter's name for one order of a list; the bare name without a place."""
    return place + name[0].upper() + name[1:] if place else name


def granted(answer: Value | Refusal) -> Value:
    """The answer; a refusal is raised."""
    if isinstance(answer, Refusal):
        raise RefusedError(answer)
    return answer


def single_order(params: Params, symbol: str) -> PlaceOrder:
    """The order of POST order and its relatives."""
    side = params.needed_word("side", SIDES, BAD_SIDE)
    quantity = params.number("quantity")
    return _order(params, symbol, side, quantity, "", params.number("quoteOrderQty"))


def oco(params: Params, symbol: str) -> PlaceOrderList:
    """The list of POST orderList/oco: both orders on one side, of one quantity."""
    side = params.needed_word("side", SIDES, BAD_SIDE)
    quantity = params.needed_number("quantity")
    legs = tuple(_order(params, symbol, side, quantity, place) for place in ("below", "above"))
    return _order_list(params, symbol, "OCO", legs)


def oto(params: Params, symbol: str) -> PlaceOrderList:
    """The list of POST orderList/oto."""
    legs = tuple(_order_of_place(params, symbol, place) for place in ("working", "pending"))
    return _order_list(params, symbol, "OTO", legs)


def otoco(params: Params, symbol: str) -> PlaceOrderList:
    """The list of POST orderList/otoco: both pending orders on one side, of one quantity."""
    working = _order_of_place(params, symbol, "working")
    side = params.needed_word("pendingSide", SIDES, BAD_SIDE)
    quantity = params.needed_number("pendingQuantity")
    below = _order(params, symbol, side, quantity, "pendingBelow")
    above = _order(params, symbol, side, quantity, "pendingAbove")
    return _order_list(params, symbol, "OTOCO", (working, below, above))


def old_oco(params: Params, symbol: str) -> PlaceOrderList:
    """The list of POST order/oco, the older form: price, stopPrice and maybe stopLimitPrice."""
    side = params.needed_word("side", SIDES, BAD_SIDE)
    quantity = params.needed_number("quantity")
    prevention = _prevention(params)
    limit = PlaceOrder(
        symbol=symbol,
        side=side,
        type="LIMIT_MAKER",
        quantity=quantity,
        price=params.needed_number("price"),
        iceberg_quantity=params.number("limitIcebergQty"),
        client_id=params.text("limitClientOrderId", CLIENT_ID),
        prevention=prevention,
        strategy_id=params.integer("limitStrategyId"),
        strategy_type=_strategy_type(params, "limitStrategyType"),
    )
    stop_limit = params.number("stopLimitPrice")
    time_in_force = params.word("stopLimitTimeInForce", TIMES_IN_FORCE, BAD_TIME_IN_FORCE)
    if stop_limit is not None and time_in_force is None:
        text = (
            f"{BAD_COMBINATION.message} Recommendation: 'stopLimitTimeInForce' should also be sent."
        )
        raise RefusedError(Refusal(BAD_COMBINATION.code, text))
    stop = PlaceOrder(
        symbol=symbol,
        side=side,
        type="STOP_LOSS" if stop_limit is None else "STOP_LOSS_LIMIT",
        quantity=quantity,
        price=stop_limit,
        stop_price=params.needed_number("stopPrice"),
        trailing_delta_bps=params.integer("trailingDelta"),
        iceberg_quantity=params.number("stopIcebergQty"),
        time_in_force=time_in_force,
        client_id=params.text("stopClientOrderId", CLIENT_ID),
        prevention=prevention,
        strategy_id=params.integer("stopStrategyId"),
        strategy_type=_strategy_type(params, "stopStrategyType"),
    )
    legs = (stop, limit) if side == "SELL" else (limit, stop)
    return _order_list(params, symbol, "OCO", legs)


def response_of(params: Params, usual: str) -> str:
    """newOrderRespType, or what is usual for the order."""
    return params.word("newOrderRespType", RESPONSES, invalid("newOrderRespType")) or usual


def usual_response(request: PlaceOrder) -> str:
    """FULL for limit and market orders, ACK for all others."""
    return "FULL" if request.type in ("LIMIT", "MARKET") else "ACK"


def restriction_of(params: Params) -> CancelRestriction | None:
    """cancelRestrictions."""
    return params.word("cancelRestrictions", RESTRICTIONS, BAD_RESTRICTIONS)


def order_ids(
    params: Params, id_name: str = "orderId", client_name: str = "origClientOrderId"
) -> tuple[int | None, str | None]:
    """An order's id and client id, of which one must be sent."""
    order_id = params.integer(id_name)
    client_id = params.text(client_name, CLIENT_ID)
    if order_id is None and client_id is None:
        raise RefusedError(one_needed(client_name, id_name))
    return order_id, client_id


def list_ids(params: Params, client_name: str) -> tuple[int | None, str | None]:
    """orderListId and the list's client id, of which one must be sent."""
    list_id = params.integer("orderListId")
    client_id = params.text(client_name, CLIENT_ID)
    if list_id is None and client_id is None:
        raise RefusedError(one_needed(client_name, "orderListId"))
    return list_id, client_id


def window_of(params: Params, rows: Iterable[tuple[Value, int, int]], id_name: str) -> list[Value]:
    """Rows from an id on, or between two times at most a day apart: the oldest ones from there,
    or the newest ones when nothing says where to begin; oldest first, at most `limit`."""
    limit = params.limit(500, 1_000)
    from_id = params.integer(id_name)
    start_ms, end_ms = params.time_ms("startTime"), params.time_ms("endTime")
    if start_ms is not None and end_ms is not None and end_ms - start_ms > DAY_MS:
        raise RefusedError(LONGER_THAN_A_DAY)
    chosen = [
        row
        for row, row_id, at_ms in rows
        if (from_id is None or row_id >= from_id)
        and (start_ms is None or at_ms >= start_ms)
        and (end_ms is None or at_ms <= end_ms)
    ]
    return chosen[:limit] if from_id is not None or start_ms is not None else chosen[-limit:]


def only_together(params: Params, names: Iterable[str], allowed: Iterable[frozenset[str]]) -> None:
    """Raises RefusedError (-1128) unless those of `names` that were sent are one of `allowed`."""
    sent = frozenset(name for name in names if name in params.values)
    if sent not in allowed:
        raise RefusedError(BAD_COMBINATION)


def _order_of_place(params: Params, symbol: str, place: str) -> PlaceOrder:
    side = params.needed_word(f"{place}Side", SIDES, BAD_SIDE)
    return _order(params, symbol, side, params.needed_number(f"{place}Quantity"), place)


def _order(
    params: Params,
    symbol: str,
    side: Side,
    quantity: Decimal | None,
    place: str,
    quote_quantity: Decimal | None = None,
) -> PlaceOrder:
    """The order whose parameters begin with `place`."""
    if named(place, "pegPriceType") in params.values:
        raise RefusedError(NO_PEGS)
    kind = params.needed_word(named(place, "type"), TYPES, BAD_TYPE)
    if place == "working" and kind not in WORKING_TYPES:
        raise RefusedError(BAD_TYPE)
    if place.endswith(("above", "below", "Above", "Below")) and kind not in OCO_TYPES:
        raise RefusedError(OCO_TYPE)
    iceberg_quantity = params.number(named(place, "icebergQty"))
    time_in_force = params.word(named(place, "timeInForce"), TIMES_IN_FORCE, BAD_TIME_IN_FORCE)
    if place and iceberg_quantity is not None and time_in_force not in (None, "GTC"):
        raise RefusedError(_iceberg_wants_gtc(place))
    return PlaceOrder(
        symbol=symbol,
        side=side,
        type=kind,
        quantity=quantity,
        quote_quantity=quote_quantity,
        price=params.number(named(place, "price")),
        stop_price=params.number(named(place, "stopPrice")),
        trailing_delta_bps=params.integer(named(place, "trailingDelta")),
        iceberg_quantity=iceberg_quantity,
        time_in_force=time_in_force,
        client_id=params.text(
            named(place, "clientOrderId") if place else "newClientOrderId", CLIENT_ID
        ),
        prevention=_prevention(params),
        strategy_id=params.integer(named(place, "strategyId")),
        strategy_type=_strategy_type(params, named(place, "strategyType")),
    )


def _iceberg_wants_gtc(place: str) -> Refusal:
    quantity, time_in_force = named(place, "icebergQty"), named(place, "timeInForce")
    text = f"Parameter '{quantity}' is not supported if '{time_in_force}' is not GTC."
    return Refusal(-1160, text)


def _order_list(
    params: Params, symbol: str, kind: ListKind, orders: tuple[PlaceOrder, ...]
) -> PlaceOrderList:
    return PlaceOrderList(
        symbol=symbol,
        kind=kind,
        orders=orders,
        client_id=params.text("listClientOrderId", CLIENT_ID),
    )


def _prevention(params: Params) -> SelfTradePrevention:
    name = "selfTradePreventionMode"
    return params.word(name, PREVENTIONS, invalid(name)) or "NONE"


def _strategy_type(params: Params, name: str) -> int | None:
    value = params.integer(name)
    if value is not None and value < STRATEGY_TYPE_MIN:
        raise RefusedError(BAD_STRATEGY_TYPE)
    return value
