"""Whole runs as acceptance makes them: the demonstration, a calm market, real recorded traffic."""

import lzma
import shutil
from decimal import Decimal
from pathlib import Path

import pytest
from engine_process import ENGINE_ROLES, ROOT, assert_sound, machine_allows_cpu_s, seawall, sets

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

BOOKS = ROOT.parent / "shared" / "data" / "book"
RECORDED_S = 40
OURS = ("supervise", *ENGINE_ROLES)
"""The venue is not the engine."""


def assert_quiet(whole: dict) -> None:
    """Nothing went wrong that only counts."""
    assert_sound(whole)
    assert whole["alarms"] == 0
    assert whole["reconcile"]["runs"] >= 1
    assert whole["reconcile"]["mismatches"] == 0
    assert whole["unprotected_s"]["max"] <= 2
    assert whole["balance_timeouts"] == 0


def total(whole: dict, key: str) -> float:
    """A figure summed over the engine's processes."""
    return sum(whole["processes"][role][key] for role in OURS)


@pytest.mark.timeout(600)
def test_the_demonstration_trades_in_peace(engine):
    assert seawall("init", engine.userdir).returncode == 0
    engine.start("--for", "75s")
    whole = engine.summary(300)
    assert engine.process.returncode == 0, engine.said()
    assert 75 <= whole["duration_s"] < 85
    assert_quiet(whole)
    assert whole["positions"]["closed"] > 0
    assert whole["fills"] >= 2 * whole["positions"]["closed"]
    assert Decimal(str(whole["equity"]["start"])) == 10_000
    assert total(whole, "pss_mb") < 450


@pytest.mark.timeout(600)
def test_a_calm_market_costs_less_than_half_a_core(engine):
    engine.start("--for", "30s", "--profile", "calm")
    whole = engine.summary(300)
    assert engine.process.returncode == 0, engine.said()
    assert_quiet(whole)
    assert total(whole, "cpu_s") / whole["duration_s"] < machine_allows_cpu_s(0.5)


def first_seconds(path: Path, seconds: float, into: Path) -> Path:
    """The beginning of a recording as a recording of its own."""
    with lzma.open(path, "rb") as whole, lzma.open(into, "wb", preset=0) as part:
        first_ns = 0
        for line in whole:
            at_ns = int(line.partition(b" ")[0])
            first_ns = first_ns or at_ns
            if at_ns - first_ns > seconds * 1e9:
                break
            part.write(line)
    return into


@pytest.mark.timeout(600)
def test_recorded_traffic_is_traded_and_ends_by_itself(engine, tmp_path):
    names = [f"binance_spot-{symbol}_20240808.jsonl.xz" for symbol in ("btcusdt", "ethusdt")]
    if not all((BOOKS / name).exists() for name in names):
        pytest.skip("recorded data is absent: ../shared/data/book")
    parts = [first_seconds(BOOKS / name, RECORDED_S, tmp_path / name) for name in names]
    engine.start(
        "--replay",
        *parts,
        *sets(
            {
                "signal.drop.trigger_pct": "0.02",
                "signal.drop.anchor_window_s": "10",
                "signal.drop.anchor_min_age_s": "2",
                "protection.take_profit_pct": "0.02",
                "protection.stop_loss_pct": "0.02",
                "risk.cooldown_s": "1",
                "guards.min_quote_volume": "0",
                "risk.stop_guard_enabled": "false",
            }
        ),
    )
    whole = engine.summary(300)
    assert engine.process.returncode == 0, engine.said()
    assert RECORDED_S - 2 < whole["duration_s"] < RECORDED_S + 20
    assert_quiet(whole)
    assert whole["positions"]["opened"] > 0
    assert set(whole["ledger"]) <= {"BTC", "ETH", "USDT"}
    journals = engine.userdir / "data" / f"replay-{whole['run_id']}"
    assert (journals / "route.db").exists()
    shutil.rmtree(journals)
    assert not list((engine.userdir / "data").glob("*.db"))
