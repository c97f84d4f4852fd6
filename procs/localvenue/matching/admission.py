"""What the exchange checks before an order exists: parameters, filters, counts, ids, prices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from procs.localvenue.matching import filters, refusals
from procs.localvenue.matching.model import Refusal
from procs.localvenue.matching.queues import Desk, rises_to_trigger
from procs.localvenue.matching.requests import PlaceOrder
from procs.localvenue.matching.shapes import shape_fault
from procs.localvenue.matching.sheets import Sheet
from procs.localvenue.matching.triggers import Triggers
from procs.localvenue.matching.words import STOP_TYPES, Side
from shared.domain.instrument import Instrument


class Admission(Triggers):
    """Says why a request is refused, or None; changes nothing."""

    def __init__(
        self,
        instruments: Iterable[Instrument],
        balances: Mapping[str, Mapping[str, Decimal]],
        fee_rate: Decimal,
        max_orders: int,
        max_stop_orders: int,
    ) -> None:
        super().__init__(instruments, balances, fee_rate)
        self.max_orders = max_orders
        self.max_stop_orders = max_stop_orders

    def place_fault(self, account: str, request: PlaceOrder) -> Refusal | None:
        """Why a single order would be refused now."""
        fault = self._market_fault(account, request.symbol) or shape_fault(request)
        if fault is not None:
            return fault
        desk = self.desks[request.symbol]
        sheet = self._of[account].sheet(request.symbol)
        is_stop = request.type in STOP_TYPES
        is_iceberg = request.iceberg_quantity is not None
        fault = desk.rules.fault(request, desk.published.average_price())
        if fault is None and (is_stop or is_iceberg or len(sheet.open) >= self.max_orders):
            fault = self._count_fault(sheet, 1, int(is_stop), int(is_iceberg))
        if fault is not None:
            return fault
        if request.client_id and sheet.is_client_id_open(request.client_id):
            return refusals.DUPLICATE_ORDER
        if request.type == "LIMIT_MAKER" and meets(desk, request):
            return refusals.WOULD_MATCH
        if is_stop and would_trigger(desk, request):
            return refusals.WOULD_TRIGGER
        if request.quote_quantity is not None:
            return self._quote_fault(account, desk, request.side, request.quote_quantity)
        return None

    def _quote_fault(self, account: str, desk: Desk, side: Side, amount: Decimal) -> Refusal | None:
        """A market order over an amount of quote: funds, and whether there is anything to take."""
        if side == "BUY" and self.accounts[account].available(desk.quote) < amount:
            return refusals.INSUFFICIENT_BALANCE
        level = desk.published.opposite(side).first
        if level is None and desk.opposite(side).first is None:
            return refusals.NO_LIQUIDITY
        return None

    def _market_fault(self, account: str, symbol: str) -> Refusal | None:
        if account not in self.accounts:
            return refusals.UNKNOWN_ACCOUNT
        desk = self.desks.get(symbol)
        if desk is None:
            return refusals.INVALID_SYMBOL
        return None if desk.instrument.status == "TRADING" else refusals.MARKET_CLOSED

    def _count_fault(self, sheet: Sheet, orders: int, stops: int, icebergs: int) -> Refusal | None:
        if len(sheet.open) + orders > self.max_orders:
            return refusals.filter_failure("MAX_NUM_ORDERS")
        if stops and sheet.stops + stops > self.max_stop_orders:
            return refusals.filter_failure("MAX_NUM_ALGO_ORDERS")
        if icebergs and sheet.icebergs + icebergs > filters.MAX_NUM_ICEBERG_ORDERS:
            return refusals.filter_failure("MAX_NUM_ICEBERG_ORDERS")
        return None


def meets(desk: Desk, request: PlaceOrder) -> bool:
    """Whether an order would take at once."""
    return request.price is None or desk.would_match(request.side, request.price)


def would_trigger(desk: Desk, request: PlaceOrder) -> bool:
    """Whether the last price has come to a stop price already."""
    last = desk.published.reference_price()
    if last is None or request.stop_price is None:
        return False
    if rises_to_trigger(request.type, request.side):
        return last >= request.stop_price
    return last <= request.stop_price
