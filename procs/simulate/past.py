"""What the venue looked like a moment ago: its reads may be that old (L2: read lag)."""

from __future__ import annotations

from procs.localvenue.matching.model import Balance, Order


class Past:
    """Copies of orders and balances as they changed, newest last."""

    def __init__(self) -> None:
        self._orders: dict[int, list[tuple[int, Order]]] = {}
        self._balances: dict[str, list[tuple[int, Balance]]] = {}
        self._touched: list[tuple[int, int]] = []
        """When which order changed, in order of time."""

    def ordered(self, order: Order, now_ns: int) -> None:
        """An order changed; the copy is this moment's."""
        self._orders.setdefault(order.id, []).append((now_ns, order))
        self._touched.append((now_ns, order.id))

    def moved(self, balances: dict[str, Balance], now_ns: int) -> None:
        """Balances changed."""
        for asset, balance in balances.items():
            self._balances.setdefault(asset, []).append((now_ns, balance))

    def order_at(self, order_id: int, at_ns: int) -> Order | None:
        """An order as it was then; None when it was not there yet."""
        copies = self._orders.get(order_id, ())
        return next((copy for seen_ns, copy in reversed(copies) if seen_ns <= at_ns), None)

    def changed_since(self, at_ns: int) -> list[int]:
        """Orders that changed after that time."""
        found: dict[int, None] = {}
        for seen_ns, order_id in reversed(self._touched):
            if seen_ns <= at_ns:
                break
            found[order_id] = None
        return list(found)

    def balance_at(self, asset: str, now: Balance, at_ns: int) -> Balance:
        """A balance as it was then; `now` when it has not changed since the beginning."""
        copies = self._balances.get(asset)
        if not copies or copies[-1][0] <= at_ns:
            return now
        older = next((copy for seen_ns, copy in reversed(copies) if seen_ns <= at_ns), None)
        return older if older is not None else now
