"""Guards (E3) and risk (E4): each rule at its boundary, alone, all others passing."""

import pytest
from domain_scene import (
    BTC,
    ID,
    D,
    accepted,
    account_of,
    bought,
    ended_intent,
    exit_wanted,
    filled,
    mark,
    ns,
    opened,
    quote,
    submitted,
)
from msgspec.structs import replace

from core_ext.codes import QuoteFlag
from shared.domain.account import ClosedTrade
from shared.domain.guards import check_guards
from shared.domain.policy import GuardPolicy, RiskPolicy
from shared.domain.risk import (
    DAY_NS,
    Exposure,
    Reservation,
    at_stake,
    check_risk,
    day_start_equity,
    equity,
    position_size,
    stop_guard_left_s,
)

GUARDS = GuardPolicy()
RISK = RiskPolicy()


def refusals(checks) -> list[str]:
    return [check.name for check in checks if not check.passed]


def guards(seen=None, policy=GUARDS, instrument=BTC, size="50", blocked=0, at=0.0):
    checks = check_guards(seen or quote(), instrument, policy, D(size), blocked, ns(at))
    for check in checks:
        assert check.value, "a refusal without its number explains nothing"
    return refusals(checks)


def test_a_healthy_symbol_passes():
    assert guards() == []


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({"spread_bps": 20.0}, None),
        ({"spread_bps": 20.01}, "spread"),
        ({"volume_quote_24h": 1_000_000.0}, None),
        ({"volume_quote_24h": 999_999.0}, "volume"),
        ({"bid_depth_quote": 500.0}, None),
        ({"bid_depth_quote": 499.0}, "depth"),
        ({"last_ticks": 10_000, "bid_ticks": 10_090, "ask_ticks": 10_109}, None),
        ({"last_ticks": 10_000, "bid_ticks": 10_100, "ask_ticks": 10_119}, "last_gap"),
        ({"last_ticks": 10_200}, "last_gap"),
        ({"last_ticks": 0}, "last_gap"),
        ({"flags": 0}, "anchor_cold"),
        ({"flags": QuoteFlag.WARM | QuoteFlag.CROSSED}, "broken_book"),
        ({"flags": QuoteFlag.WARM | QuoteFlag.GAPPED}, "broken_book"),
        ({"flags": QuoteFlag.WARM | QuoteFlag.STALE}, "stale_book"),
        ({"flags": QuoteFlag.WARM | QuoteFlag.HALTED}, "halted"),
        ({"bid_ticks": 0, "last_ticks": 5_000}, "one_sided"),
        ({"ask_ticks": 0, "last_ticks": 5_000}, "one_sided"),
        ({"bid_ticks": 10_001}, "one_sided"),
    ],
)
def test_each_guard_at_its_boundary(changes, refused):
    assert guards(quote(**changes)) == ([refused] if refused else [])


@pytest.mark.parametrize(("at", "refused"), [(2.0, []), (2.001, ["stale"])])
def test_a_quote_is_fresh_for_two_seconds(at, refused):
    assert guards(at=at) == refused


@pytest.mark.parametrize(("until", "refused"), [(1.0, []), (1.001, ["blocked"])])
def test_a_block_ends(until, refused):
    assert guards(at=1.0, blocked=ns(until)) == refused


def test_a_halted_instrument():
    assert guards(instrument=replace(BTC, status="BREAK")) == ["halted"]


def test_depth_is_counted_in_position_sizes():
    assert guards(quote(bid_depth_quote=5_000.0), size="500") == []
    assert guards(quote(bid_depth_quote=5_000.0), size="501") == ["depth"]


def test_every_reason_is_collected():
    """E3: all are looked at, so that a record tells every one."""
    sick = quote(spread_bps=99.0, volume_quote_24h=0.0, flags=0)
    assert guards(sick, at=9) == ["stale", "anchor_cold", "volume", "spread"]


def test_guards_that_are_off_still_refuse_nonsense():
    off = GuardPolicy(enabled=False)
    assert guards(quote(spread_bps=999.0, volume_quote_24h=0.0, last_ticks=1), off) == []
    nonsense = quote(flags=QuoteFlag.CROSSED, bid_ticks=0)
    assert guards(nonsense, off, at=9) == ["stale", "broken_book", "anchor_cold", "one_sided"]


# ── risk ────────────────────────────────────────────────────────────────────────────────────────


def exposure(**changes):
    values = {
        "equity_quote": D(1000),
        "equity_peak_quote": D(1000),
        "day_start_quote": D(1000),
        "at_stake_quote": D(0),
        "wanted_quote": D(50),
        "free_quote": D(1000),
        "open_count": 0,
        "symbol_busy": False,
        "last_close_ns": 0,
        "entries_last_minute": 0,
        "closed": [],
    }
    return Exposure(**{**values, **changes})


def risk(policy=RISK, at=0.0, **changes):
    return refusals(check_risk(exposure(**changes), policy, ns(at)))


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({}, None),
        ({"symbol_busy": True}, "symbol_busy"),
        ({"open_count": 9}, None),
        ({"open_count": 10}, "max_positions"),
        ({"at_stake_quote": D(750)}, None),
        ({"at_stake_quote": D("750.01")}, "exposure"),
        ({"free_quote": D(50)}, None),
        ({"free_quote": D("49.99")}, "balance"),
        ({"last_close_ns": ns(-900)}, None),
        ({"last_close_ns": ns(-899.999)}, "cooldown"),
        ({"entries_last_minute": 5}, None),
        ({"entries_last_minute": 6}, "entry_rate"),
        ({"day_start_quote": D(1030)}, None),
        ({"day_start_quote": D(1031)}, "daily_loss"),
        ({"equity_peak_quote": D(1086)}, None),
        ({"equity_peak_quote": D(1087)}, "drawdown"),
        ({"day_start_quote": D(900), "equity_peak_quote": D(900)}, None),
        ({"day_start_quote": D(0), "equity_peak_quote": D(0)}, None),
    ],
)
def test_each_risk_rule_at_its_boundary(changes, refused):
    assert risk(**changes) == ([refused] if refused else [])


def test_an_account_without_money_enters_nothing():
    assert {"exposure", "balance"} <= set(risk(equity_quote=D(0), free_quote=D(0)))


@pytest.mark.parametrize("lost", ["30", "30.0001"])
def test_losing_exactly_the_daily_limit_stops(lost):
    assert "daily_loss" in risk(equity_quote=D(1000) - D(lost), day_start_quote=D(1000))


def trade(pnl, at, symbol="BTCUSDT"):
    return ClosedTrade(
        position_id=ID,
        symbol=symbol,
        opened_ns=ns(at) - 1,
        closed_ns=ns(at),
        spent=D(50),
        received=D(50) + D(pnl),
        pnl_quote=D(pnl),
        reason="stop",
        unprotected_s=0.0,
    )


def losses(*times):
    return [trade("-1", at) for at in times]


@pytest.mark.parametrize(
    ("closed", "at", "left"),
    [
        ([], 0, 0),
        (losses(0, 1, 2), 3, 0),
        (losses(0, 1, 2, 3), 3, 3600),
        (losses(0, 1, 2, 3), 3602, 1),
        (losses(0, 1, 2, 3), 3603, 0),
        (losses(0, 1, 2, 3600), 3600, 3600),
        (losses(0, 1, 2, 3601), 3601, 0),
        ([*losses(0, 1, 2), trade("5", 2.5), *losses(3)], 3, 3600),
        ([trade("0", at) for at in range(9)], 9, 0),
        (losses(-9000, 0, 1, 2, 3), 3, 3600),
    ],
)
def test_four_losing_exits_within_an_hour_pause_for_an_hour(closed, at, left):
    assert stop_guard_left_s(closed, RISK, ns(at)) == left
    assert ("stop_guard" in risk(closed=closed, at=at)) == (left > 0)


def test_the_stop_guard_can_be_off():
    off = replace(RISK, stop_guard_enabled=False)
    assert stop_guard_left_s(losses(0, 1, 2, 3), off, ns(3)) == 0


def test_the_day_begins_at_midnight_utc():
    midnight_s = (DAY_NS - ns(0) % DAY_NS) / 1e9
    closed = [trade("-7", midnight_s - 1), trade("-5", midnight_s), trade("2", midnight_s + 1)]
    assert day_start_equity(closed, D(100), ns(midnight_s + 2)) == 103
    assert day_start_equity(closed, D(100), ns(midnight_s - 1)) == 110


# ── what is at stake ────────────────────────────────────────────────────────────────────────────


def reservation(quote="100.4", intent_id=ID):
    return Reservation(intent_id=intent_id, symbol="BTCUSDT", quote=D(quote), deadline_ns=ns(1))


@pytest.mark.parametrize(
    ("events", "reservations", "staked"),
    [
        ((), [reservation()], "100.4"),
        ((accepted(),), [reservation()], "100.4"),
        ((accepted(), submitted(), filled("e1", "0.4")), [reservation()], "100.4"),
        (bought(), [reservation()], "100.4"),
        (bought(), [], "100"),
        (bought(), [reservation("50", "run1-2")], "150"),
        (
            (*bought(), exit_wanted(), submitted("x1", at=1), filled("x1", "0.5", trade="2")),
            [],
            "50",
        ),
        ((accepted(), ended_intent()), [], "0"),
    ],
)
def test_a_reservation_is_counted_once_until_it_is_spent(events, reservations, staked):
    """L15: exposure plus reservations; what fills spend leaves the reservation."""
    account = account_of(*([] if events and events[0] == opened() else [opened()]), *events)
    assert at_stake(account, reservations) == D(staked)


def test_equity_is_money_plus_positions_at_the_bid():
    account = account_of(*bought())
    assert equity(account, "USDT", {"BTCUSDT": mark("90")}) == 9_990
    assert equity(account, "USDT", {}) == 10_000, "at cost where no price is known"
    assert equity(account, "USDT", {"BTCUSDT": mark("0")}) == 10_000


def test_the_size_of_a_position():
    assert position_size(RISK, D(1000)) == 50
    assert position_size(replace(RISK, position_pct=2.5), D(1000)) == 25
