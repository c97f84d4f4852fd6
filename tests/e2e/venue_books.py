"""The venue's own books, read by plain signed HTTP that shares no code with the engine."""

import hashlib
import hmac
import http.client
import json
import time
import tomllib
import urllib.error
import urllib.parse
import urllib.request
from collections import defaultdict
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path

TIMEOUT_S = 5.0
LIVE = ("NEW", "PARTIALLY_FILLED")
PREFIX = "sw-"


@dataclass(frozen=True)
class Books:
    """One account at one venue."""

    rest: str
    api_key: str
    api_secret: str

    @classmethod
    def of_engine(cls, run_dir: Path) -> "Books":
        """Where the engine's route trades, with the keys that it was given."""
        launch = json.loads((run_dir / "launch-route.json").read_text())
        keys = tomllib.loads((run_dir / "venue-credentials.toml").read_text())["local"]
        return cls(launch["venue_rest"], keys["api_key"], keys["api_secret"])

    def get(self, path: str, **params: object) -> object:
        """A signed question; raises urllib's errors when nobody answers."""
        query = urllib.parse.urlencode({**params, "timestamp": time.time_ns() // 1_000_000})
        signature = hmac.new(self.api_secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        request = urllib.request.Request(
            f"{self.rest}/api/v3/{path}?{query}&signature={signature}",
            headers={"X-MBX-APIKEY": self.api_key},
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            return json.load(answer)

    def answers(self) -> bool:
        """Whether the venue is there."""
        try:
            self.get("account")
        except (urllib.error.URLError, http.client.HTTPException, OSError):
            return False
        return True

    def balance(self, asset: str) -> Decimal:
        """Free and locked together."""
        rows = self.get("account")["balances"]
        return sum(
            (
                Decimal(row["free"]) + Decimal(row["locked"])
                for row in rows
                if row["asset"] == asset
            ),
            Decimal(0),
        )

    def steps(self) -> dict[str, Decimal]:
        """The lot step of each symbol."""
        with urllib.request.urlopen(f"{self.rest}/api/v3/exchangeInfo", timeout=TIMEOUT_S) as info:
            symbols = json.load(info)["symbols"]
        return {
            row["symbol"]: Decimal(rule["stepSize"])
            for row in symbols
            for rule in row["filters"]
            if rule["filterType"] == "LOT_SIZE"
        }

    def open_orders(self) -> list[dict]:
        """Everything that rests."""
        return self.get("openOrders")

    def orders(self, symbols: list[str]) -> list[dict]:
        """Everything that ever was, of these symbols."""
        return [
            row for symbol in symbols for row in self.get("allOrders", symbol=symbol, limit=1000)
        ]

    def stops_of(self, symbol: str) -> list[dict]:
        """The resting stops of a symbol."""
        return [
            row
            for row in self.open_orders()
            if row["symbol"] == symbol and row["type"] == "STOP_LOSS_LIMIT"
        ]

    def remaining_stop(self, symbol: str) -> Decimal:
        """How much the resting stops of a symbol would sell."""
        return sum(
            (
                Decimal(row["origQty"]) - Decimal(row["executedQty"])
                for row in self.stops_of(symbol)
            ),
            Decimal(0),
        )


def unfilled(row: dict) -> Decimal:
    """What an order may still trade."""
    return Decimal(row["origQty"]) - Decimal(row["executedQty"])


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
    bought: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        if row["side"] == "BUY":
            bought[decision_of(row["clientOrderId"])] += Decimal(row["cummulativeQuoteQty"])
    for decision, spent in bought.items():
        assert spent <= position_quote, f"{decision} bought for {spent}"
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
