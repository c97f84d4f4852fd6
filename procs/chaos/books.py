"""The venue's own books and doors, by plain HTTP that shares no code with the engine.

A campaign uses them to prepare the account and to make the venue misbehave; the tests that kill a
running engine read positions and orders here, because nothing that the engine says of itself could
prove anything.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import tomllib
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from shared.clock import wall_ms

TIMEOUT_S: Final = 5.0
NOBODY: Final = (urllib.error.URLError, http.client.HTTPException, OSError)
"""What a venue that is not there raises."""


@dataclass(frozen=True)
class Books:
    """One account at one venue."""

    rest: str
    api_key: str
    api_secret: str

    @classmethod
    def of_engine(cls, run_dir: Path) -> Books:
        """Where the engine's route trades, with the keys that it was given."""
        launch = json.loads((run_dir / "launch-route.json").read_text())
        keys = tomllib.loads((run_dir / "venue-credentials.toml").read_text())["local"]
        return cls(launch["venue_rest"], keys["api_key"], keys["api_secret"])

    def get(self, path: str, **params: object) -> Any:
        """A signed question; raises urllib's errors when nobody answers."""
        return self._signed("GET", path, params)

    def place(self, **params: object) -> Any:
        """An order as a person would send it by hand; raises urllib's errors."""
        return self._signed("POST", "order", params)

    def public(self, path: str, **params: object) -> Any:
        """A question that needs no key; raises urllib's errors."""
        return _json(urllib.request.Request(f"{self.rest}/api/v3/{path}?{_query(params)}"))

    def answers(self) -> bool:
        """Whether the venue is there."""
        try:
            self.get("account")
        except NOBODY:
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

    def rules(self) -> dict[str, dict[str, Any]]:
        """Filters of each symbol by their type."""
        return {
            row["symbol"]: {rule["filterType"]: rule for rule in row["filters"]}
            for row in self.public("exchangeInfo")["symbols"]
        }

    def steps(self) -> dict[str, Decimal]:
        """The lot step of each symbol."""
        return {
            symbol: Decimal(rules["LOT_SIZE"]["stepSize"]) for symbol, rules in self.rules().items()
        }

    def open_orders(self) -> list[dict[str, Any]]:
        """Everything that rests."""
        found: list[dict[str, Any]] = self.get("openOrders")
        return found

    def orders(self, symbols: list[str]) -> list[dict[str, Any]]:
        """Everything that ever was, of these symbols."""
        return [
            row for symbol in symbols for row in self.get("allOrders", symbol=symbol, limit=1000)
        ]

    def stops_of(self, symbol: str) -> list[dict[str, Any]]:
        """The resting stops of a symbol."""
        return [
            row
            for row in self.open_orders()
            if row["symbol"] == symbol and row["type"] == "STOP_LOSS_LIMIT"
        ]

    def remaining_stop(self, symbol: str) -> Decimal:
        """How much the resting stops of a symbol would sell."""
        return sum((unfilled(row) for row in self.stops_of(symbol)), Decimal(0))

    def _signed(self, method: str, path: str, params: dict[str, object]) -> Any:
        query = _query({**params, "timestamp": wall_ms()})
        signature = hmac.new(self.api_secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        return _json(
            urllib.request.Request(
                f"{self.rest}/api/v3/{path}?{query}&signature={signature}",
                headers={"X-MBX-APIKEY": self.api_key},
                method=method,
            )
        )


@dataclass(frozen=True)
class Door:
    """The venue's own doors under /seawall (docs/faults.md); they raise urllib's errors."""

    rest: str

    def misbehave(self, faults: list[dict[str, Any]], seed: int) -> None:
        """Replaces the fault plan."""
        self._say("POST", "faults", {"seed": seed, "fault": faults})

    def heal(self) -> None:
        """No faults any more."""
        self._say("DELETE", "faults")

    def deposit(self, api_key: str, asset: str, amount: str) -> None:
        """Money from outside."""
        self._say("POST", "deposit", {"api_key": api_key, "asset": asset, "amount": amount})

    def _say(self, method: str, path: str, body: object = None) -> None:
        data = None if body is None else json.dumps(body).encode()
        _json(urllib.request.Request(f"{self.rest}/seawall/{path}", data, method=method))


def unfilled(row: dict[str, Any]) -> Decimal:
    """What an order may still trade."""
    return Decimal(row["origQty"]) - Decimal(row["executedQty"])


def _query(params: dict[str, object]) -> str:
    return urllib.parse.urlencode(params)


def _json(request: urllib.request.Request) -> Any:
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        return json.load(answer)
