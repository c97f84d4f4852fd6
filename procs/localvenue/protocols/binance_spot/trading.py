"""What the owner of an account may ask, by kind: orders, order lists, account data, wallet."""

from __future__ import annotations

from procs.localvenue.protocols.binance_spot.account import AccountData
from procs.localvenue.protocols.binance_spot.cancel_replace import CancelReplace
from procs.localvenue.protocols.binance_spot.cancel_replace import (
    ReplaceFailedError as ReplaceFailedError,
)
from procs.localvenue.protocols.binance_spot.desk import Desk
from procs.localvenue.protocols.binance_spot.limits import Budget
from procs.localvenue.protocols.binance_spot.order_lists import OrderLists
from procs.localvenue.protocols.binance_spot.orders import Orders
from procs.localvenue.protocols.binance_spot.wallet import Wallet
from procs.localvenue.shell import Venue


class Trading:
    """The operations of signed endpoints, which take the account and the parameters."""

    def __init__(self, venue: Venue, budget: Budget) -> None:
        """Fills lower the order counts: the budget listens to the venue's account events."""
        desk = Desk(venue, budget)
        self.orders = Orders(desk)
        self.cancel_replace = CancelReplace(desk, self.orders)
        self.lists = OrderLists(desk)
        self.account = AccountData(desk)
        self.wallet = Wallet(venue)
        venue.user_listeners.append(budget)
