"""What must hold in the venue's own books, which `procs/chaos/books.py` reads."""

from collections import defaultdict
from decimal import ROUND_FLOOR, Decimal

from procs.chaos.books import Books, unfilled
from shared.domain.policy import EntryPolicy

LIVE = ("NEW", "PARTIALLY_FILLED")
PREFIX = "sw-"
TICK_BPS_MAX = 10
DEARER = 1 + (Decimal(str(EntryPolicy().slippage_bps)) + TICK_BPS_MAX) / 10_000
"""What the second price of an entry allows (E6): a slow machine meets a market that went on."""


def decision_of(client_id: str) -> str:
    """`sw-tk3f9a-12-e1` belongs to tk3f9a-12."""
    assert client_id.startswith(PREFIX), client_id
    return client_id.removeprefix(PREFIX).rpartition("-")[0]


def floored(quantity: Decimal, step: Decimal) -> Decimal:
    """The quantity in whole lots."""
    return (quantity / step).to_integral_value(ROUND_FLOOR) * step


def assert_no_duplicates(books: Books, symbols: list[str], position_quote: Decimal) -> None:
    """No client id twice, no decision bought more than once, one open sell list a position."""
    rows = books.orders(symbols)
    ids = [row["clientOrderId"] for row in rows]
    assert len(ids) == len(set(ids)), sorted(ids)
    bought: dict[str, list[dict]] = defaultdict(list)
    for row in rows:
        if row["side"] == "BUY":
            bought[decision_of(row["clientOrderId"])].append(row)
    for decision, orders in bought.items():
        spent = sum(Decimal(row["cummulativeQuoteQty"]) for row in orders)
        assert spent <= position_quote * DEARER, f"{decision} bought for {spent}"
        filled = sum(Decimal(row["executedQty"]) for row in orders)
        wanted = max(Decimal(row["origQty"]) for row in orders)
        assert filled <= wanted, f"{decision} bought {filled} of {wanted}"
    lists: dict[str, set[int]] = defaultdict(set)
    selling: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        if row["side"] == "SELL" and row["status"] in LIVE:
            decision = decision_of(row["clientOrderId"])
            alone = row["orderListId"] == -1
            lists[decision].add(-row["orderId"] if alone else row["orderListId"])
            if row["type"] == "STOP_LOSS_LIMIT":
                selling[row["symbol"]] += unfilled(row)
    for decision, found in lists.items():
        assert len(found) == 1, f"{decision} has the open sell lists {found}"
    for symbol, quantity in selling.items():
        held = books.balance(symbol.removesuffix("USDT"))
        assert quantity <= held, f"{symbol}: stops for {quantity}, {held} held"


def assert_protected(books: Books, symbol: str, quantity: Decimal) -> None:
    """A resting stop for at least what the position can sell (L5)."""
    sellable = floored(quantity, books.steps()[symbol])
    assert sellable > 0
    assert books.remaining_stop(symbol) >= sellable, (books.open_orders(), quantity)
