"""Order lists: OCO, OTO and OTOCO placed, queried and canceled together."""

from __future__ import annotations

from typing import Any, Final

from procs.localvenue.matching.model import (
    Canceled,
    OrderList,
    PlacedList,
    PlaceOrderList,
    Refusal,
)
from procs.localvenue.matching.refusals import NO_SUCH_LIST
from procs.localvenue.protocols.binance_spot import order_params, render_orders
from procs.localvenue.protocols.binance_spot.desk import Desk
from procs.localvenue.protocols.binance_spot.order_params import (
    list_ids,
    only_together,
    response_of,
    window_of,
)
from procs.localvenue.protocols.binance_spot.params import CLIENT_ID, Params, RefusedError

NO_OPO: Final = Refusal(-2010, "OPO orders are not supported for this symbol.")

LIST_WINDOWS: Final = (
    frozenset[str](),
    frozenset({"fromId"}),
    frozenset({"startTime"}),
    frozenset({"endTime"}),
    frozenset({"startTime", "endTime"}),
)


class OrderLists:
    """Answers about order lists; every operation takes the account and the parameters."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._exchange = desk.exchange

    def place_oco(self, account: str, params: Params) -> Any:
        """POST orderList/oco."""
        return self._place(account, params, order_params.oco(params, self._desk.symbol(params)))

    def place_old_oco(self, account: str, params: Params) -> Any:
        """POST order/oco, the older form."""
        request = order_params.old_oco(params, self._desk.symbol(params))
        return self._place(account, params, request)

    def place_oto(self, account: str, params: Params) -> Any:
        """POST orderList/oto."""
        return self._place(account, params, order_params.oto(params, self._desk.symbol(params)))

    def place_otoco(self, account: str, params: Params) -> Any:
        """POST orderList/otoco."""
        return self._place(account, params, order_params.otoco(params, self._desk.symbol(params)))

    def place_opo(self, account: str, params: Params) -> Any:
        """POST orderList/opo and opoco: no symbol of this venue takes them."""
        self._desk.symbol(params)
        raise RefusedError(NO_OPO)

    def query(self, account: str, params: Params) -> Any:
        """GET orderList."""
        list_id, client_id = list_ids(params, "origClientOrderId")
        found = self._desk.reads.find_list(account, list_id, client_id)
        if found is None:
            raise RefusedError(NO_SUCH_LIST)
        return self._listed(found)

    def cancel(self, account: str, params: Params) -> Any:
        """DELETE orderList."""
        symbol = self._desk.symbol(params)
        list_id, client_id = list_ids(params, "listClientOrderId")
        cancel_id = params.text("newClientOrderId", CLIENT_ID)
        answer: Canceled = self._desk.turn(
            lambda now_ms: self._exchange.cancel_list(
                account,
                symbol,
                now_ms,
                list_id=list_id,
                client_id=client_id,
                cancel_id=cancel_id,
            )
        )
        return render_orders.canceled(answer)

    def open_lists(self, account: str, params: Params) -> Any:
        """GET openOrderList."""
        return [
            self._listed(found)
            for found in self._desk.reads.lists(account)
            if found.status != "ALL_DONE"
        ]

    def all_lists(self, account: str, params: Params) -> Any:
        """GET allOrderList."""
        only_together(params, ("fromId", "startTime", "endTime"), LIST_WINDOWS)
        lists = ((found, found.id, found.created_ms) for found in self._desk.reads.lists(account))
        return [self._listed(found) for found in window_of(params, lists, "fromId")]

    def _place(self, account: str, params: Params, request: PlaceOrderList) -> Any:
        response = response_of(params, "RESULT")
        answer: PlacedList = self._desk.placing(
            account,
            len(request.orders),
            lambda now_ms: self._desk.place_list(account, request, now_ms),
        )
        return render_orders.placed_list(answer, response)

    def _listed(self, found: OrderList) -> dict[str, Any]:
        return render_orders.listed(found, self._desk.reads.legs(found))
