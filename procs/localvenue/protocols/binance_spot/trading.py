"""What the owner of an account may ask: orders, order lists, trades, balances."""

from __future__ import annotations

from typing import Any

from procs.localvenue.matching.exchange import FEE_RATE
from procs.localvenue.matching.model import Canceled, OrderList, Placed, Refusal
from procs.localvenue.matching.refusals import NO_SUCH_LIST
from procs.localvenue.matching.requests import PlaceOrder, PlaceOrderList
from procs.localvenue.protocols.binance_spot import render
from procs.localvenue.protocols.binance_spot.limits import Budget
from procs.localvenue.protocols.binance_spot.market_data import known_symbol
from procs.localvenue.protocols.binance_spot.order_params import (
    BAD_SIDE,
    BAD_TIME_IN_FORCE,
    BAD_TYPE,
    REPLACE_MODES,
    SIDES,
    TIMES_IN_FORCE,
    TYPES,
    UNSUPPORTED,
    granted,
    leg_of,
    list_ids,
    order_ids,
    response_of,
    window_of,
)
from procs.localvenue.protocols.binance_spot.params import CLIENT_ID, Params, RefusedError
from procs.localvenue.shell import Venue


class ReplaceFailedError(RefusedError):
    """A cancel-replace that failed in part or whole carries both answers in `data`."""

    def __init__(self, refusal: Refusal, data: dict[str, Any]) -> None:
        super().__init__(refusal)
        self.data = data


class Trading:
    """Answers of the signed endpoints; every method takes the account and the parameters."""

    def __init__(self, venue: Venue, budget: Budget) -> None:
        self._venue = venue
        self._exchange = venue.exchange
        self._budget = budget

    def place(self, account: str, params: Params) -> Any:
        """POST order."""
        request = self._order_request(params)
        response = response_of(params, "FULL" if request.type in ("LIMIT", "MARKET") else "ACK")
        self._budget.count_orders(account, 1, self._venue.now_ms())
        return _placed(self._place(account, request), response)

    def test(self, account: str, params: Params) -> Any:
        """POST order/test: every check, no order."""
        request = self._order_request(params)
        fault = self._exchange.place_fault(account, request)
        if fault is not None:
            raise RefusedError(fault)
        return {}

    def query(self, account: str, params: Params) -> Any:
        """GET order."""
        symbol = known_symbol(self._venue, params)
        order_id, client_id = order_ids(params)
        return render.queried(granted(self._exchange.order(account, symbol, order_id, client_id)))

    def cancel(self, account: str, params: Params) -> Any:
        """DELETE order; one leg of an order list cancels the list."""
        return render.canceled(self._cancel(account, params, *order_ids(params)))

    def cancel_all(self, account: str, params: Params) -> Any:
        """DELETE openOrders."""
        symbol = known_symbol(self._venue, params)
        answers = self._venue.turn(
            lambda now_ms: self._exchange.cancel_all(account, symbol, now_ms)
        )
        return [render.canceled(answer) for answer in granted(answers)]

    def replace(self, account: str, params: Params) -> Any:
        """POST order/cancelReplace."""
        mode = params.needed_word(
            "cancelReplaceMode", REPLACE_MODES, Refusal(-1130, "Invalid data sent for a parameter.")
        )
        request = self._order_request(params)
        response = response_of(params, "FULL" if request.type in ("LIMIT", "MARKET") else "ACK")
        order_id = params.integer("cancelOrderId")
        client_id = params.text("cancelOrigClientOrderId", CLIENT_ID)
        if order_id is None and client_id is None:
            raise RefusedError(
                Refusal(
                    -1102,
                    "Param 'cancelOrigClientOrderId' or 'cancelOrderId' must be sent, "
                    "but both were empty/null!",
                )
            )
        self._budget.count_orders(account, 1, self._venue.now_ms())
        cancel_params = Params(
            {**params.values, "newClientOrderId": params.values.get("cancelNewClientOrderId", "")}
        )
        canceled, cancel_failed = self._try(
            lambda: render.canceled(self._cancel(account, cancel_params, order_id, client_id))
        )
        placed: Any = None
        place_failed = cancel_failed and mode == "STOP_ON_FAILURE"
        attempted = not place_failed
        if attempted:
            placed, place_failed = self._try(
                lambda: _placed(self._place(account, request), response)
            )
        data = {
            "cancelResult": "FAILURE" if cancel_failed else "SUCCESS",
            "newOrderResult": (
                "NOT_ATTEMPTED" if not attempted else "FAILURE" if place_failed else "SUCCESS"
            ),
            "cancelResponse": canceled,
            "newOrderResponse": placed,
        }
        if not cancel_failed and not place_failed:
            return data
        if cancel_failed and place_failed:
            raise ReplaceFailedError(Refusal(-2022, "Order cancel-replace failed.", 400), data)
        raise ReplaceFailedError(
            Refusal(-2021, "Order cancel-replace partially failed.", 409), data
        )

    def open_orders(self, account: str, params: Params) -> Any:
        """GET openOrders."""
        symbol = known_symbol(self._venue, params) if "symbol" in params.values else None
        return [render.queried(order) for order in self._exchange.open_orders(account, symbol)]

    def all_orders(self, account: str, params: Params) -> Any:
        """GET allOrders."""
        symbol = known_symbol(self._venue, params)
        orders = self._exchange.all_orders(account, symbol)
        chosen = window_of(
            params, ((order, order.id, order.created_ms) for order in orders), "orderId"
        )
        return [render.queried(order) for order in chosen]

    def place_oco(self, account: str, params: Params) -> Any:
        """POST orderList/oco, with the above and below parameters."""
        symbol = known_symbol(self._venue, params)
        side = params.needed_word("side", SIDES, BAD_SIDE)
        request = PlaceOrderList(
            symbol=symbol,
            kind="OCO",
            orders=tuple(leg_of(params, place, symbol, side) for place in ("below", "above")),
            client_id=params.text("listClientOrderId", CLIENT_ID),
        )
        return self._oco(account, request, params)

    def place_old_oco(self, account: str, params: Params) -> Any:
        """POST order/oco, the older form: price, stopPrice and stopLimitPrice."""
        side = params.needed_word("side", SIDES, BAD_SIDE)
        symbol = known_symbol(self._venue, params)
        quantity = params.needed_number("quantity")
        limit = PlaceOrder(
            symbol=symbol,
            side=side,
            type="LIMIT_MAKER",
            quantity=quantity,
            price=params.needed_number("price"),
            client_id=params.text("limitClientOrderId", CLIENT_ID),
        )
        if "stopLimitPrice" not in params.values:
            raise RefusedError(UNSUPPORTED["STOP_LOSS"])
        stop = PlaceOrder(
            symbol=symbol,
            side=side,
            type="STOP_LOSS_LIMIT",
            quantity=quantity,
            price=params.needed_number("stopLimitPrice"),
            stop_price=params.needed_number("stopPrice"),
            time_in_force=params.needed_word(
                "stopLimitTimeInForce", TIMES_IN_FORCE, BAD_TIME_IN_FORCE
            ),
            client_id=params.text("stopClientOrderId", CLIENT_ID),
        )
        request = PlaceOrderList(
            symbol=symbol,
            kind="OCO",
            orders=(stop, limit) if side == "SELL" else (limit, stop),
            client_id=params.text("listClientOrderId", CLIENT_ID),
        )
        return self._oco(account, request, params)

    def query_list(self, account: str, params: Params) -> Any:
        """GET orderList."""
        list_id, client_id = list_ids(params, "origClientOrderId")
        found = self._exchange.find_list(account, list_id, client_id)
        if found is None:
            raise RefusedError(NO_SUCH_LIST)
        return self._listed(found)

    def cancel_list(self, account: str, params: Params) -> Any:
        """DELETE orderList."""
        symbol = known_symbol(self._venue, params)
        list_id, client_id = list_ids(params, "listClientOrderId")
        cancel_id = params.text("newClientOrderId", CLIENT_ID)
        answer = self._venue.turn(
            lambda now_ms: self._exchange.cancel_list(
                account,
                symbol,
                now_ms,
                list_id=list_id,
                client_id=client_id,
                cancel_id=cancel_id,
            )
        )
        return render.canceled(granted(answer))

    def open_lists(self, account: str, params: Params) -> Any:
        """GET openOrderList."""
        return [
            self._listed(found)
            for found in self._exchange.lists(account)
            if found.status != "ALL_DONE"
        ]

    def all_lists(self, account: str, params: Params) -> Any:
        """GET allOrderList."""
        lists = ((found, found.id, found.created_ms) for found in self._exchange.lists(account))
        return [self._listed(found) for found in window_of(params, lists, "fromId")]

    def my_trades(self, account: str, params: Params) -> Any:
        """GET myTrades, of one symbol, optionally of one order."""
        symbol = known_symbol(self._venue, params)
        order_id = params.integer("orderId")
        if order_id is None:
            fills = self._exchange.fills(account, symbol)
        else:
            order = self._exchange.find(account, symbol, order_id, None)
            fills = self._exchange.fills_of(order_id) if order is not None else []
        rows = ((fill, fill.trade_id, fill.at_ms) for fill in fills)
        return [render.my_trade(fill) for fill in window_of(params, rows, "fromId")]

    def account(self, account: str, params: Params) -> Any:
        """GET account."""
        rate = render.eight(FEE_RATE)
        omit_zero = params.values.get("omitZeroBalances") == "true"
        return {
            "makerCommission": 10,
            "takerCommission": 10,
            "buyerCommission": 0,
            "sellerCommission": 0,
            "commissionRates": {
                "maker": rate,
                "taker": rate,
                "buyer": render.eight(None),
                "seller": render.eight(None),
            },
            "canTrade": True,
            "canWithdraw": False,
            "canDeposit": False,
            "brokered": False,
            "requireSelfTradePrevention": False,
            "preventSor": False,
            "updateTime": self._venue.now_ms(),
            "accountType": "SPOT",
            "balances": [
                {"asset": asset, "free": render.eight(one.free), "locked": render.eight(one.locked)}
                for asset, one in self._exchange.balances(account).items()
                if not omit_zero or one.free or one.locked
            ],
            "permissions": ["SPOT"],
            "uid": list(self._venue.secrets).index(account) + 1,
        }

    def commission(self, account: str, params: Params) -> Any:
        """GET account/commission."""
        none = dict.fromkeys(("maker", "taker", "buyer", "seller"), render.eight(None))
        rate = render.eight(FEE_RATE)
        return {
            "symbol": known_symbol(self._venue, params),
            "standardCommission": {**none, "maker": rate, "taker": rate},
            "specialCommission": none,
            "taxCommission": none,
            "discount": {
                "enabledForAccount": False,
                "enabledForSymbol": False,
                "discountAsset": "BNB",
                "discount": render.eight(None),
            },
        }

    def order_counts(self, account: str, params: Params) -> Any:
        """GET rateLimit/order."""
        return self._budget.order_rows(account, self._venue.now_ms())

    def _order_request(self, params: Params) -> PlaceOrder:
        kind = params.needed("type")
        if kind in UNSUPPORTED:
            raise RefusedError(UNSUPPORTED[kind])
        return PlaceOrder(
            symbol=known_symbol(self._venue, params),
            side=params.needed_word("side", SIDES, BAD_SIDE),
            type=params.needed_word("type", TYPES, BAD_TYPE),
            quantity=params.number("quantity"),
            quote_quantity=params.number("quoteOrderQty"),
            price=params.number("price"),
            stop_price=params.number("stopPrice"),
            time_in_force=params.word("timeInForce", TIMES_IN_FORCE, BAD_TIME_IN_FORCE),
            client_id=params.text("newClientOrderId", CLIENT_ID),
        )

    def _place(self, account: str, request: PlaceOrder) -> Placed:
        return granted(
            self._venue.turn(lambda now_ms: self._exchange.place(account, request, now_ms))
        )

    def _cancel(
        self, account: str, params: Params, order_id: int | None, client_id: str | None
    ) -> Canceled:
        symbol = known_symbol(self._venue, params)
        wanted = params.values.get("newClientOrderId") or None
        cancel_id = None if wanted is None else params.text("newClientOrderId", CLIENT_ID)
        return granted(
            self._venue.turn(
                lambda now_ms: self._exchange.cancel(
                    account,
                    symbol,
                    now_ms,
                    order_id=order_id,
                    client_id=client_id,
                    cancel_id=cancel_id,
                )
            )
        )

    def _oco(self, account: str, request: PlaceOrderList, params: Params) -> Any:
        response = response_of(params, "RESULT")
        self._budget.count_orders(account, 2, self._venue.now_ms())
        answer = granted(
            self._venue.turn(lambda now_ms: self._exchange.place_list(account, request, now_ms))
        )
        write = render.acknowledged if response == "ACK" else render.resulted
        reports = [write(order) for order in answer.orders]
        return {**render.listed(answer.order_list, answer.orders), "orderReports": reports}

    def _listed(self, found: OrderList) -> dict[str, Any]:
        return render.listed(found, self._exchange.legs(found))

    def _try(self, attempt: Any) -> tuple[Any, bool]:
        """(answer, whether it was refused); a refusal is written as its error body."""
        try:
            return attempt(), False
        except RefusedError as error:
            return {"code": error.refusal.code, "msg": error.refusal.message}, True


def _placed(answer: Placed, response: str) -> dict[str, Any]:
    if response == "ACK":
        return render.acknowledged(answer.order)
    if response == "RESULT":
        return render.resulted(answer.order)
    return render.fulfilled(answer.order, answer.fills)
