"""Single orders: place, test, query, cancel, amend, and lists of what is or was open."""

from __future__ import annotations

from typing import Any

from procs.localvenue.matching.exchange import FEE_RATE
from procs.localvenue.matching.model import (
    Canceled,
    CancelRestriction,
    Placed,
    Refusal,
)
from procs.localvenue.protocols.binance_spot import render_orders
from procs.localvenue.protocols.binance_spot.desk import Desk
from procs.localvenue.protocols.binance_spot.order_params import (
    OTHER_CLIENT_ID,
    granted,
    order_ids,
    response_of,
    restriction_of,
    single_order,
    usual_response,
    window_of,
)
from procs.localvenue.protocols.binance_spot.params import CLIENT_ID, Params, RefusedError
from procs.localvenue.protocols.binance_spot.render import commission_rates
from procs.localvenue.reads import Reads


class Orders:
    """Answers about single orders; every operation takes the account and the parameters."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._exchange = desk.exchange

    def place(self, account: str, params: Params) -> Any:
        """POST order."""
        request = single_order(params, self._desk.symbol(params))
        response = response_of(params, usual_response(request))
        answer: Placed = self._desk.placing(
            account, 1, lambda now_ms: self._desk.place(account, request, now_ms)
        )
        return render_orders.placed(answer, response)

    def test(self, account: str, params: Params) -> Any:
        """POST order/test: every check, no order; with its commission rates if wanted."""
        request = single_order(params, self._desk.symbol(params))
        response_of(params, "ACK")
        with_rates = params.flag("computeCommissionRates", False)
        fault = self._exchange.place_fault(account, request)
        if fault is not None:
            raise RefusedError(fault)
        return commission_rates(FEE_RATE, "ForOrder", sides=False) if with_rates else {}

    def query(self, account: str, params: Params) -> Any:
        """GET order."""
        symbol = self._desk.symbol(params)
        order_id, client_id = order_ids(params)
        reads = self._desk.reads
        self._same_order(account, symbol, order_id, client_id, reads)
        return render_orders.queried(granted(reads.order(account, symbol, order_id, client_id)))

    def cancel(self, account: str, params: Params) -> Any:
        """DELETE order; one order of a list cancels the list."""
        symbol = self._desk.symbol(params)
        order_id, client_id = order_ids(params)
        cancel_id = params.text("newClientOrderId", CLIENT_ID)
        restriction = restriction_of(params)
        answer: Canceled = self._desk.turn(
            lambda now_ms: self.cancel_now(
                account, symbol, now_ms, order_id, client_id, cancel_id, restriction
            )
        )
        return render_orders.canceled(answer)

    def cancel_now(
        self,
        account: str,
        symbol: str,
        now_ms: int,
        order_id: int | None,
        client_id: str | None,
        cancel_id: str | None,
        restriction: CancelRestriction | None,
    ) -> Canceled | Refusal:
        """Cancels within a turn that has begun. Raises RefusedError when the two ids name
        different orders."""
        self._same_order(account, symbol, order_id, client_id)
        return self._exchange.cancel(
            account,
            symbol,
            now_ms,
            order_id=order_id,
            client_id=client_id,
            cancel_id=cancel_id,
            restriction=restriction,
        )

    def cancel_all(self, account: str, params: Params) -> Any:
        """DELETE openOrders, order lists among them."""
        symbol = self._desk.symbol(params)
        answers: list[Canceled] = self._desk.turn(
            lambda now_ms: self._exchange.cancel_all(account, symbol, now_ms)
        )
        return [render_orders.canceled(answer) for answer in answers]

    def amend(self, account: str, params: Params) -> Any:
        """PUT order/amend/keepPriority: a smaller quantity at the same place in the queue."""
        symbol = self._desk.symbol(params)
        order_id, client_id = order_ids(params)
        quantity = params.needed_number("newQty")
        new_client_id = params.text("newClientOrderId", CLIENT_ID)
        self._same_order(account, symbol, order_id, client_id)
        return render_orders.amended(
            self._desk.turn(
                lambda now_ms: self._exchange.amend(
                    account,
                    symbol,
                    now_ms,
                    order_id=order_id,
                    client_id=client_id,
                    quantity=quantity,
                    new_client_id=new_client_id,
                )
            )
        )

    def amendments(self, account: str, params: Params) -> Any:
        """GET order/amendments, of one order, oldest first."""
        symbol = self._desk.symbol(params)
        order_id = params.needed_integer("orderId")
        from_id = params.integer("fromExecutionId")
        limit = params.limit(500, 1_000)
        granted(self._exchange.order(account, symbol, order_id, None))
        rows = [
            render_orders.amendment_row(one)
            for one in self._exchange.amendments(order_id)
            if from_id is None or one.execution_id >= from_id
        ]
        return rows[:limit]

    def open_orders(self, account: str, params: Params) -> Any:
        """GET openOrders, of one symbol or of all."""
        symbol = self._desk.symbol(params) if "symbol" in params.values else None
        return [render_orders.queried(one) for one in self._desk.reads.open_orders(account, symbol)]

    def all_orders(self, account: str, params: Params) -> Any:
        """GET allOrders."""
        symbol = self._desk.symbol(params)
        orders = self._desk.reads.all_orders(account, symbol)
        chosen = window_of(
            params, ((order, order.id, order.created_ms) for order in orders), "orderId"
        )
        return [render_orders.queried(order) for order in chosen]

    def _same_order(
        self,
        account: str,
        symbol: str,
        order_id: int | None,
        client_id: str | None,
        reads: Reads | None = None,
    ) -> None:
        """Raises RefusedError when both ids were sent and the order has another client id."""
        if order_id is None or client_id is None:
            return
        order = (reads or self._exchange).find(account, symbol, order_id, None)
        if order is not None and order.client_id != client_id:
            raise RefusedError(OTHER_CLIENT_ID)
