"""Free and locked balances of one account, exact, and the proof that they add up (L15)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_DOWN, Context, Decimal, InvalidOperation
from typing import Final

from procs.localvenue.matching.model import Balance
from shared.units import LEDGER, LOT, ZERO

_ROUNDING: Final = Context(prec=60, traps=[InvalidOperation])

add: Final = LEDGER.add
subtract: Final = LEDGER.subtract
multiply: Final = LEDGER.multiply


def down_to_unit(amount: Decimal) -> Decimal:
    """The amount in whole units of 10^-8, what is finer cut off."""
    return amount.quantize(LOT, ROUND_DOWN, _ROUNDING)


def up_to_unit(amount: Decimal) -> Decimal:
    """The amount in whole units of 10^-8, what is finer rounded up: holds are never too small."""
    return amount.quantize(LOT, ROUND_CEILING, _ROUNDING)


class LedgerBroken(AssertionError):
    """A bug of the matching core: a balance below zero, or money that came from nowhere."""


class Account:
    """The balances of one account. Every movement is checked when it is made."""

    def __init__(self, name: str, free: Mapping[str, Decimal]) -> None:
        self.name = name
        self.free: dict[str, Decimal] = dict(free)
        self.locked: dict[str, Decimal] = {}
        self._owned: dict[str, Decimal] = dict(free)

    def available(self, asset: str) -> Decimal:
        """What is free of asset."""
        return self.free.get(asset, ZERO)

    def balance(self, asset: str) -> Balance:
        """Free and locked of asset."""
        return Balance(self.free.get(asset, ZERO), self.locked.get(asset, ZERO))

    def lock(self, asset: str, amount: Decimal) -> None:
        """Holds amount of what is free. Raises LedgerBroken when that is not there."""
        rest = subtract(self.free.get(asset, ZERO), amount)
        if rest < ZERO or amount < ZERO:
            raise LedgerBroken(f"{self.name}: cannot lock {amount} {asset}: free is short")
        self.free[asset] = rest
        self.locked[asset] = add(self.locked.get(asset, ZERO), amount)

    def unlock(self, asset: str, amount: Decimal) -> None:
        """Frees amount of what is held. Raises LedgerBroken when less is held."""
        self._take_locked(asset, amount)
        self.free[asset] = add(self.free.get(asset, ZERO), amount)

    def pay(self, asset: str, released: Decimal, paid: Decimal) -> None:
        """Pays out of a hold; what is released beyond the payment becomes free."""
        self._take_locked(asset, released)
        back = subtract(released, paid)
        if back < ZERO or paid < ZERO:
            raise LedgerBroken(f"{self.name}: {paid} {asset} paid out of a hold of {released}")
        self.free[asset] = add(self.free.get(asset, ZERO), back)
        self._owned[asset] = subtract(self._owned.get(asset, ZERO), paid)

    def receive(self, asset: str, amount: Decimal) -> None:
        """Takes in amount (net of fees)."""
        if amount < 0:
            raise LedgerBroken(f"{self.name}: received {amount} {asset}")
        self.free[asset] = add(self.free.get(asset, ZERO), amount)
        self._owned[asset] = add(self._owned.get(asset, ZERO), amount)

    def move(self, asset: str, amount: Decimal) -> None:
        """Money comes from outside, or leaves when amount is below zero."""
        rest = add(self.free.get(asset, ZERO), amount)
        if rest < 0:
            raise LedgerBroken(f"{self.name}: cannot move {amount} {asset}: free is short")
        self.free[asset] = rest
        self._owned[asset] = add(self._owned.get(asset, ZERO), amount)

    def verify(self) -> None:
        """Raises LedgerBroken unless free + locked is what was opened, received and paid."""
        for asset in self.free.keys() | self.locked.keys() | self._owned.keys():
            free, locked = self.free.get(asset, ZERO), self.locked.get(asset, ZERO)
            owned = self._owned.get(asset, ZERO)
            if free < 0 or locked < 0 or add(free, locked) != owned:
                raise LedgerBroken(f"{self.name}: {asset} {free} + {locked} is not {owned}")

    def _take_locked(self, asset: str, amount: Decimal) -> None:
        rest = subtract(self.locked.get(asset, ZERO), amount)
        if rest < ZERO or amount < ZERO:
            raise LedgerBroken(f"{self.name}: cannot release {amount} {asset}: less is held")
        self.locked[asset] = rest
