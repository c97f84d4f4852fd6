"""What belongs to an account beside its orders: balances, trades, rates, counts, filters."""

from __future__ import annotations

from typing import Any, Final

from procs.localvenue.matching.exchange import FEE_RATE
from procs.localvenue.matching.refusals import BAD_COMBINATION
from procs.localvenue.protocols.binance_spot import render_orders
from procs.localvenue.protocols.binance_spot.desk import Desk
from procs.localvenue.protocols.binance_spot.order_params import only_together, window_of
from procs.localvenue.protocols.binance_spot.params import Params, RefusedError
from procs.localvenue.protocols.binance_spot.render import (
    commission_rates,
    eight,
    symbol_filters,
)

TRADE_WINDOWS: Final = (
    frozenset[str](),
    frozenset({"orderId"}),
    frozenset({"startTime"}),
    frozenset({"endTime"}),
    frozenset({"fromId"}),
    frozenset({"startTime", "endTime"}),
    frozenset({"orderId", "fromId"}),
)
"""Which parameters GET myTrades takes together, beside symbol and limit."""


class AccountData:
    """Answers about one account; every operation takes the account and the parameters."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._exchange = desk.exchange

    def account(self, account: str, params: Params) -> Any:
        """GET account."""
        rate = eight(FEE_RATE)
        omit_zero = params.flag("omitZeroBalances", False)
        return {
            "makerCommission": 10,
            "takerCommission": 10,
            "buyerCommission": 0,
            "sellerCommission": 0,
            "commissionRates": {
                "maker": rate,
                "taker": rate,
                "buyer": eight(None),
                "seller": eight(None),
            },
            "canTrade": True,
            "canWithdraw": False,
            "canDeposit": False,
            "brokered": False,
            "requireSelfTradePrevention": False,
            "preventSor": False,
            "updateTime": self._desk.venue.now_ms(),
            "accountType": "SPOT",
            "balances": [
                {"asset": asset, "free": eight(one.free), "locked": eight(one.locked)}
                for asset, one in self._desk.reads.balances(account).items()
                if not omit_zero or one.free or one.locked
            ],
            "permissions": ["SPOT"],
            "uid": list(self._desk.venue.secrets).index(account) + 1,
        }

    def commission(self, account: str, params: Params) -> Any:
        """GET account/commission."""
        return {"symbol": self._desk.symbol(params), **commission_rates(FEE_RATE)}

    def my_trades(self, account: str, params: Params) -> Any:
        """GET myTrades, of one symbol, optionally of one order."""
        symbol = self._desk.symbol(params)
        only_together(params, ("orderId", "startTime", "endTime", "fromId"), TRADE_WINDOWS)
        order_id = params.integer("orderId")
        if order_id is None:
            fills = self._desk.reads.fills(account, symbol)
        else:
            order = self._desk.reads.find(account, symbol, order_id, None)
            fills = self._desk.reads.fills_of(order_id) if order is not None else []
        rows = ((fill, fill.trade_id, fill.at_ms) for fill in fills)
        return [render_orders.my_trade(fill) for fill in window_of(params, rows, "fromId")]

    def preventions(self, account: str, params: Params) -> Any:
        """GET myPreventedMatches: by its id, or those of one order."""
        symbol = self._desk.symbol(params)
        match_id, order_id = params.integer("preventedMatchId"), params.integer("orderId")
        from_id = params.integer("fromPreventedMatchId")
        limit = params.limit(500, 1_000)
        if (match_id is None) == (order_id is None) or (match_id is not None and from_id):
            raise RefusedError(BAD_COMBINATION)
        return [
            render_orders.prevention_row(one)
            for one in self._exchange.preventions(account, symbol)
            if (match_id is None or one.id == match_id)
            and (order_id is None or order_id in (one.taker_order_id, one.maker_order_id))
            and (from_id is None or one.id >= from_id)
        ][:limit]

    def allocations(self, account: str, params: Params) -> Any:
        """GET myAllocations: always none, because this venue has no smart order routing."""
        self._desk.symbol(params)
        return []

    def order_counts(self, account: str, params: Params) -> Any:
        """GET rateLimit/order."""
        return self._desk.budget.order_rows(account, self._desk.venue.now_ms())

    def filters(self, account: str, params: Params) -> Any:
        """GET myFilters: the symbol's; no account has filters of its own here."""
        exchange = self._exchange
        instrument = exchange.instruments[self._desk.symbol(params)]
        return {
            "exchangeFilters": [],
            "symbolFilters": symbol_filters(
                instrument, exchange.max_orders, exchange.max_stop_orders
            ),
            "assetFilters": [],
        }
