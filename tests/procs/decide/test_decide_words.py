"""What a decision saw reads as words and numbers with units, whether it passed or refused (E8)."""

from decimal import Decimal

from core_ext.codes import QuoteFlag
from core_ext.quote import Quote
from procs.cli._words import words_of
from procs.decide.actor import Actor
from shared.config.schema import Settings, policy_of
from shared.domain.guards import check_guards
from shared.domain.instrument import Instrument
from shared.domain.policy import GuardPolicy, RiskPolicy
from shared.domain.risk import Exposure, check_risk
from shared.messages.decision import DecisionMade
from shared.units import NS_PER_S

D = Decimal
NOW = 1_760_000_000 * NS_PER_S
BTC = Instrument(
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    tick_size=D("0.01"),
    step_size=D("0.001"),
    min_quantity=D("0.001"),
    max_quantity=D(1000),
    min_price=D("0.01"),
    max_price=D(1_000_000),
    min_notional=D(5),
    market_max_quantity=D(100),
)


def quote(**changes):
    known = {
        "symbol": "BTCUSDT",
        "flags": int(QuoteFlag.WARM),
        "recv_ns": NOW - 12_000_000,
        "bid_ticks": 10_000,
        "ask_ticks": 10_001,
        "last_ticks": 10_000,
        "spread_bps": 1.0,
        "bid_depth_quote": 9_000.0,
        "volume_quote_24h": 5e6,
    }
    return Quote(**{**known, **changes})


def exposure(**changes):
    known = {
        "equity_quote": D(1000),
        "equity_peak_quote": D(1000),
        "day_start_quote": D(1000),
        "at_stake_quote": D(50),
        "wanted_quote": D("50.05"),
        "free_quote": D(950),
        "open_count": 1,
        "symbol_busy": False,
        "last_close_ns": 0,
        "entries_last_minute": 2,
        "closed": [],
    }
    return Exposure(**{**known, **changes})


def told(checks):
    made = DecisionMade(
        decision_id="run-1",
        symbol="BTCUSDT",
        at_ns=NOW,
        drop_pct=-3.0,
        trigger_pct=3.0,
        anchor=D(103),
        bid=D(100),
        ask=D(100),
        spread_bps=1.0,
        checks=checks,
        limits="",
        intent=None,
    )
    return words_of(made).partition("checks: ")[2].split("; ")


def test_guards_that_pass():
    assert told(check_guards(quote(), BTC, GuardPolicy(), D(50), 0, NOW)) == [
        "stale: 12 ms (at most 2000 ms)",
        "broken book: no",
        "stale book: no",
        "halted: no, status TRADING",
        "anchor cold: no",
        "blocked: no",
        "one sided: no",
        "volume: 5000000 (at least 1000000)",
        "spread: 1.00 bps (at most 20 bps)",
        f"depth: 9000 (at least {GuardPolicy().min_depth_positions * 50:.0f})",
        f"last gap: 0.5 bps (at most {GuardPolicy().max_last_gap_bps:g} bps)",
    ]


def test_guards_that_refuse():
    seen = quote(flags=int(QuoteFlag.STALE | QuoteFlag.GAPPED), ask_ticks=10_000)
    refused = check_guards(seen, BTC, GuardPolicy(enabled=False), D(50), NOW + 90 * NS_PER_S, NOW)
    assert [check.name for check in refused if not check.passed] == [
        "broken_book",
        "stale_book",
        "anchor_cold",
        "blocked",
        "one_sided",
    ]
    assert "blocked: yes, for another 90 s REFUSED" in told(refused)
    assert "one sided: yes REFUSED" in told(refused)


def test_risk_rules():
    passed = told(check_risk(exposure(), RiskPolicy(), NOW))
    for text in (
        "symbol busy: no",
        "max positions: 1 (below 10)",
        "exposure: 100.05 (at most 800.00)",
        "balance: 950.00 (at least 50.05)",
        "cooldown: never closed (at least 900 s)",
        "entry rate: 2 (below 6 a minute)",
        f"daily loss: 0.00 % (below {RiskPolicy().daily_loss_pct:g} %)",
        "stop guard: no",
    ):
        assert text in passed
    busy = exposure(symbol_busy=True, last_close_ns=NOW - 10 * NS_PER_S)
    refused = told(check_risk(busy, RiskPolicy(), NOW))
    assert "symbol busy: yes REFUSED" in refused
    assert "cooldown: 10 s (at least 900 s) REFUSED" in refused


def test_an_engine_that_is_not_there_reads_as_what_is_missing():
    actor = Actor(policy_of(Settings(), 18.0, "hash"), "run")
    actor.latched = "killed by a person"
    said = told(actor._check_engine(NOW))
    assert said == [
        "not active: yes, state unknown REFUSED",
        "latched: yes, killed by a person REFUSED",
        "protect silent: yes REFUSED",
        "route unreconciled: yes, never heard REFUSED",
    ]
