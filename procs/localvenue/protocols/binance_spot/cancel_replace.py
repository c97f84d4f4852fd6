"""Cancel one order and place another in one turn, with the exchange's answers when parts fail."""

from __future__ import annotations

from typing import Any, Final

from procs.localvenue.matching.model import Canceled, Placed, PlaceOrder, Refusal
from procs.localvenue.protocols.binance_spot import render_orders
from procs.localvenue.protocols.binance_spot.desk import Desk
from procs.localvenue.protocols.binance_spot.order_params import (
    order_ids,
    response_of,
    restriction_of,
    single_order,
    usual_response,
)
from procs.localvenue.protocols.binance_spot.orders import Orders
from procs.localvenue.protocols.binance_spot.params import (
    CLIENT_ID,
    Params,
    RefusedError,
    invalid,
)

MODES: Final = ("STOP_ON_FAILURE", "ALLOW_FAILURE")
LIMIT_MODES: Final = ("DO_NOTHING", "CANCEL_ONLY")

MATCHING_REFUSES: Final = -2010
"""The code of the refusals that come after the cancel; all other checks come before it."""


class ReplaceFailedError(RefusedError):
    """A cancel-replace that failed in part or whole carries both answers in `data`."""

    def __init__(
        self, refusal: Refusal, data: dict[str, Any], retry_after_s: int | None = None
    ) -> None:
        super().__init__(refusal, retry_after_s)
        self.data = data


class CancelReplace:
    """POST order/cancelReplace."""

    def __init__(self, desk: Desk, orders: Orders) -> None:
        self._desk = desk
        self._orders = orders

    def replace(self, account: str, params: Params) -> Any:
        """Both answers. Raises ReplaceFailedError when one of them is a refusal."""
        symbol = self._desk.symbol(params)
        name = "cancelReplaceMode"
        mode = params.needed_word(name, MODES, invalid(name))
        request = single_order(params, symbol)
        response = response_of(params, usual_response(request))
        order_id, client_id = order_ids(params, "cancelOrderId", "cancelOrigClientOrderId")
        cancel_id = params.text("cancelNewClientOrderId", CLIENT_ID)
        restriction = restriction_of(params)
        over = self._count(account, request, params)

        def carry_out(now_ms: int) -> tuple[Canceled | Refusal, Placed | Refusal | None]:
            canceled = self._cancel(
                account, symbol, now_ms, order_id, client_id, cancel_id, restriction
            )
            if isinstance(canceled, Refusal) and mode == "STOP_ON_FAILURE":
                return canceled, None
            if over is not None:
                return canceled, over.refusal
            placed = self._desk.place(account, request, now_ms)
            if isinstance(canceled, Canceled) and isinstance(placed, Refusal):
                self._desk.exchange.reject(account, request, placed, now_ms)
            return canceled, placed

        canceled, placed = self._desk.venue.turn(carry_out)
        if isinstance(placed, Refusal) and over is None:
            self._desk.budget.uncount_orders(account, 1, self._desk.venue.now_ms())
        return self._answer(canceled, placed, response, mode, over)

    def _count(self, account: str, request: PlaceOrder, params: Params) -> RefusedError | None:
        """Filters and the order count come before the cancel. An order count that is used up is
        raised, or returned when the cancel shall happen all the same."""
        name = "orderRateLimitExceededMode"
        limit_mode = params.word(name, LIMIT_MODES, invalid(name)) or "DO_NOTHING"
        fault = self._desk.exchange.place_fault(account, request)
        if fault is not None and fault.code != MATCHING_REFUSES:
            raise RefusedError(fault)
        try:
            self._desk.budget.count_orders(account, 1, self._desk.venue.now_ms())
        except RefusedError as error:
            if limit_mode == "DO_NOTHING":
                raise
            return error
        return None

    def _cancel(self, *request: Any) -> Canceled | Refusal:
        try:
            return self._orders.cancel_now(*request)
        except RefusedError as error:
            return error.refusal

    def _answer(
        self,
        canceled: Canceled | Refusal,
        placed: Placed | Refusal | None,
        response: str,
        mode: str,
        over: RefusedError | None,
    ) -> dict[str, Any]:
        cancel_failed = isinstance(canceled, Refusal)
        data = {
            "cancelResult": "FAILURE" if cancel_failed else "SUCCESS",
            "newOrderResult": (
                "SUCCESS"
                if isinstance(placed, Placed)
                else "NOT_ATTEMPTED"
                if placed is None
                else "FAILURE"
            ),
            "cancelResponse": (
                _error(canceled)
                if isinstance(canceled, Refusal)
                else render_orders.canceled(canceled)
            ),
            "newOrderResponse": (
                render_orders.placed(placed, response)
                if isinstance(placed, Placed)
                else None
                if placed is None
                else _error(placed)
            ),
        }
        if not cancel_failed and isinstance(placed, Placed):
            return data
        stopped = over is not None and mode == "STOP_ON_FAILURE"
        retry_after_s = over.retry_after_s if over is not None else None
        if cancel_failed and not isinstance(placed, Placed):
            refusal = Refusal(-2022, "Order cancel-replace failed.", 429 if stopped else 400)
        else:
            text = "Order cancel-replace partially failed."
            refusal = Refusal(-2021, text, 429 if stopped else 409)
        raise ReplaceFailedError(refusal, data, retry_after_s)


def _error(refusal: Refusal) -> dict[str, Any]:
    return {"code": refusal.code, "msg": refusal.message}
