"""The venue's own two accounts, and the proof that no money came from nowhere (L15).

Whatever a client pays goes to the market's account or to the fees, whatever it gets comes from the
market's. So the sum over all accounts of an asset is what was put in, at every moment.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from procs.localvenue.matching.account import Account, LedgerBroken, add, subtract
from shared.units import ZERO


class Ledger(msgspec.Struct):
    """Asset to amount: what came from outside, what the market has (it may go below zero), fees."""

    put_in: dict[str, Decimal] = {}
    market: dict[str, Decimal] = {}
    fees: dict[str, Decimal] = {}

    def deposit(self, asset: str, amount: Decimal) -> None:
        """Money came from outside, or left when amount is below zero."""
        self.put_in[asset] = add(self.put_in.get(asset, ZERO), amount)

    def post(self, paid: tuple[str, Decimal], got: tuple[str, Decimal], fee: Decimal) -> None:
        """One fill from the market's side: it takes what was paid, gives what was got; of that
        the fee goes to the fee account."""
        market = self.market
        asset, amount = paid
        market[asset] = add(market.get(asset, ZERO), amount)
        asset, amount = got
        market[asset] = subtract(market.get(asset, ZERO), amount)
        self.fees[asset] = add(self.fees.get(asset, ZERO), fee)

    def verify(self, accounts: Iterable[Account]) -> dict[str, Decimal]:
        """What was put in, by asset. Raises LedgerBroken unless all accounts sum to that."""
        sums: dict[str, Decimal] = {}
        for own in (self.market, self.fees):
            for asset, amount in own.items():
                sums[asset] = add(sums.get(asset, ZERO), amount)
        for account in accounts:
            for balances in (account.free, account.locked):
                for asset, amount in balances.items():
                    sums[asset] = add(sums.get(asset, ZERO), amount)
        for asset in sums.keys() | self.put_in.keys():
            there, put_in = sums.get(asset, ZERO), self.put_in.get(asset, ZERO)
            if there != put_in:
                raise LedgerBroken(f"{asset}: all accounts have {there}, put in was {put_in}")
        return dict(self.put_in)
