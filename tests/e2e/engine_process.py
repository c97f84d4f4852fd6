"""The engine as a person runs it: started, asked, killed by process, and always cleaned away."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any

from procs.chaos.engine import ENGINE_ROLES as ENGINE_ROLES
from procs.chaos.engine import ROLES as ROLES
from procs.chaos.engine import ROOT, EngineProcess

WITHIN_S = 120.0
"""For waits: far longer than any working machine needs."""

HOLDS = {
    "protection.take_profit_pct": "40",
    "protection.stop_loss_pct": "40",
    "risk.max_positions": "1",
    "risk.cooldown_s": "0",
}
"""One position, whose stop and target are so far away that it stays."""


def sets(values: Mapping[str, object]) -> list[str]:
    """`--set` options."""
    return [part for key, value in values.items() for part in ("--set", f"{key}={value}")]


def seawall(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """One command as typed, with its exit code and what it said."""
    return subprocess.run(
        [sys.executable, "-m", "procs", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=options.pop("timeout", WITHIN_S),
        **options,
    )


class Engine(EngineProcess):
    """`seawall run` in a user folder of its own, asked by the commands that a person types."""

    def __init__(self, userdir: Path) -> None:
        super().__init__(userdir, ("-m", "procs", "run", "--json", "--userdir", str(userdir)))

    def until_said(self, text: str) -> None:
        """Waits for a text on stderr."""
        ends = time.monotonic() + WITHIN_S
        while text not in self.said():
            assert time.monotonic() < ends, f"{text!r} was never said: {self.said()}"
            time.sleep(0.005)

    def command(self, verb: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        """A verb about this engine."""
        return seawall(verb, *arguments, "--userdir", self.userdir)

    def asked(self, verb: str, *arguments: object) -> Any:
        """The JSON that a verb prints; fails when the verb does."""
        done = self.command(verb, *arguments, "--json")
        assert done.returncode == 0, f"{verb}: {done.stderr}; {self.said()}"
        return json.loads(done.stdout)

    def status(self) -> dict[str, Any]:
        """`status --json`; state "none" while no engine answers."""
        self.look()
        done = self.command("status", "--json")
        if done.returncode in (3, 5):
            return {"state": "none", "processes": {}, "positions_open": None}
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def positions(self) -> list[dict[str, Any]]:
        """`positions --json`; none while nobody answers."""
        done = self.command("positions", "--json")
        return json.loads(done.stdout) if done.returncode == 0 else []

    def until(self, holds: Callable[[dict[str, Any]], bool], what: str, within_s=WITHIN_S) -> dict:
        """The first status for which it holds."""
        ends = time.monotonic() + within_s
        while True:
            found = self.status()
            if holds(found):
                return found
            assert not self.ended, f"{what}: the engine ended: {self.said()}"
            assert time.monotonic() < ends, f"{what}: {found}; {self.said()}"
            time.sleep(0.02)

    def until_active(self, within_s: float = WITHIN_S) -> dict[str, Any]:
        """Every process ready, and entries allowed."""
        return self.until(is_active, "ACTIVE and all ready", within_s)

    def until_held(self, within_s: float = WITHIN_S) -> dict[str, Any]:
        """The only position, once its entry has ended."""
        ends = time.monotonic() + within_s
        while True:
            held = [row for row in self.positions() if row["status"] == "protecting"]
            if held:
                assert len(held) == 1, held
                return held[0]
            assert time.monotonic() < ends, f"no position; {self.said()}"
            time.sleep(0.1)

    def summary(self, within_s: float = WITHIN_S) -> dict[str, Any]:
        """As above, with this patience."""
        return super().summary(within_s)

    def stop(self, within_s: float = WITHIN_S) -> dict[str, Any]:
        """As above, with this patience."""
        return super().stop(within_s)

    def signal(self, number: signal.Signals, role: str = "supervise") -> int:
        """Signals one process; returns its id."""
        pid = self.pid if role == "supervise" else self.status()["processes"][role]["pid"]
        os.kill(pid, number)
        return pid


def machine_allows_s(promised_s: float) -> float:
    """How long what is promised within `promised_s` may take here and now: that long where one
    command takes a seventh of a second, and in proportion where it takes longer."""
    took_s = []
    for _ in range(3):
        began_s = time.monotonic()
        seawall("--version")
        took_s.append(time.monotonic() - began_s)
    return promised_s * max(1.0, 7 * median(took_s))


def machine_allows_cpu_s(promised_s: float) -> float:
    """How much CPU time what is promised for `promised_s` may cost here and now: that much where
    one command costs an eighth of a second, and in proportion where it costs more."""
    spent_s = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        seawall("--version")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent_s.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return promised_s * max(1.0, 8 * median(spent_s))


def is_active(found: dict[str, Any]) -> bool:
    """Whether a status says ACTIVE and every process ready."""
    return found["state"] == "ACTIVE" and all(
        row["status"] == "ready" for row in found["processes"].values()
    )


def assert_sound(whole: dict[str, Any], restarted: tuple[str, ...] = ()) -> None:
    """What every run that ended well says of itself; `restarted` may have been, others not."""
    assert whole["clean_shutdown"] is True
    for asset, row in whole["ledger"].items():
        assert row["engine"] == row["venue"], (asset, row)
        assert Decimal(row["engine"]) >= 0, (asset, row)
    for role, row in whole["processes"].items():
        assert row["restarts"] == 0 or role in restarted, (role, row)
