"""The stage of a campaign: a user folder, a venue with somebody else's money and orders in it.

The account holds coins and orders that a person brought: an engine that sells more than it
bought can, and one that touches foreign orders has something to touch. Both are looked at at the
end.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from procs.chaos.books import Books, Door
from procs.chaos.engine import ROOT, WITHIN_S
from procs.chaos.patience import now_s
from procs.supervise.processes import child_environment
from shared.errors import DeadlineError

QUOTE: Final = "USDT"
START_QUOTE: Final = 1_000_000
FOREIGN_QUOTE: Final = Decimal(100_000)
"""What the foreign coins of each symbol are worth, about."""
RULES_NAME: Final = "rules.json"
FOREIGN_NAME: Final = "foreign.json"

SETTINGS: Final = """\
# Written by `seawall chaos`: positions open all the time and live for seconds.
[engine]
seed = {seed}

[venue]
profile = "{profile}"
start_quote = {quote}
timeout_ms = 2000
recv_window_ms = 2000
reconcile_s = 10

[universe]
max_symbols = 8

[signal.drop]
trigger_pct = 0.01
anchor_window_s = 3
anchor_min_age_s = 1

[guards]
enabled = false

[risk]
cooldown_s = 0
max_entries_per_minute = 600
max_positions = 5
daily_loss_pct = 90.0
drawdown_pct = 90.0
stop_guard_enabled = false

[protection]
take_profit_pct = "1.5"
stop_loss_pct = "3"
time_to_live_s = 6

[exit]
gtc_deadline_ms = 2000

[storage]
checkpoint_s = 5
"""


def prepare(userdir: Path, profile: str, seed: int) -> None:
    """Makes the folder and, with the venue alone, the account. Raises SeawallError."""
    userdir.mkdir(parents=True)
    text = SETTINGS.format(seed=seed, profile=profile, quote=START_QUOTE)
    (userdir / "seawall.toml").write_text(text)
    data = userdir / "data"
    data.mkdir()
    with _venue_alone(data, profile, seed) as (books, door):
        (userdir / RULES_NAME).write_text(json.dumps(books.rules()))
        (userdir / FOREIGN_NAME).write_text(json.dumps(_foreign(books, door)))


def _foreign(books: Books, door: Door) -> dict[str, Any]:
    """Coins and orders of somebody else in the same account."""
    orders: list[dict[str, Any]] = []
    coins: dict[str, str] = {}
    for symbol, rules in books.rules().items():
        price = Decimal(books.public("ticker/price", symbol=symbol)["price"])
        step, tick = (
            Decimal(rules[kind][key])
            for kind, key in (("LOT_SIZE", "stepSize"), ("PRICE_FILTER", "tickSize"))
        )
        quantity = FOREIGN_QUOTE / price // step * step
        base = symbol.removesuffix(QUOTE)
        coins[base] = f"{quantity:f}"
        door.deposit(books.api_key, base, coins[base])
        for side, factor, share in (("BUY", "0.6", 100), ("SELL", "1.5", 10)):
            orders.append(
                books.place(
                    symbol=symbol,
                    side=side,
                    type="LIMIT",
                    timeInForce="GTC",
                    quantity=f"{quantity / share // step * step:f}",
                    price=f"{price * Decimal(factor) // tick * tick:f}",
                    newClientOrderId=f"by-hand-{symbol.lower()}-{side.lower()}",
                    newOrderRespType="RESULT",
                )
            )
    return {"coins": coins, "orders": orders}


@contextlib.contextmanager
def _venue_alone(data: Path, profile: str, seed: int) -> Iterator[tuple[Books, Door]]:
    ready = data.parent / "venue-ready.json"
    command = [sys.executable, "-P", "-m", "procs.localvenue", "--data", str(data)]
    command += ["--profile", profile, "--seed", str(seed)]
    command += ["--balance", f"{QUOTE}={START_QUOTE}", "--ready-file", str(ready)]
    with (data.parent / "stage.stderr").open("w") as stderr:
        process = subprocess.Popen(
            command, cwd=ROOT, env=child_environment(), stdout=stderr, stderr=stderr
        )
        try:
            ends = now_s() + WITHIN_S
            while not ready.exists() or not ready.read_bytes().endswith(b"\n"):
                if process.poll() is not None or now_s() > ends:
                    words = (data.parent / "stage.stderr").read_text()[-500:]
                    raise DeadlineError(f"the venue did not start: {words}")
                time.sleep(0.02)
            line = json.loads(ready.read_text())
            yield Books(line["rest"], line["api_key"], line["api_secret"]), Door(line["rest"])
        finally:
            process.terminate()
            process.wait(WITHIN_S)
            ready.unlink(missing_ok=True)
