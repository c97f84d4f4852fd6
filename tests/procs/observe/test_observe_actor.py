"""Observe's answers: the account as it stands, marks, ages, and how old the news is."""

import json
from decimal import Decimal

import story_of_a_trade as story
from story_of_a_trade import CLOSED, OPENED, T0, D, S, account_after, fill, said, welcome_to

from core_ext.quote import Quote
from procs.observe.actor import QUESTIONS, RECENT_ALARMS, ObserveActor
from shared.domain.effects import Say, TimerFired
from shared.messages.account import Beat, FillBooked, Hello
from shared.messages.base import encode
from shared.messages.control import AlarmRaised, Ask, EngineStatus, TradingState
from shared.messages.venue import Side

NOW = T0 + 60 * S


def actor():
    return ObserveActor(1, "hash", "USDT")


def opened():
    made = actor()
    made.start(T0)
    made.on(welcome_to(account_after([])), T0)
    for message in said(OPENED):
        made.on(message, T0)
    made.on(Beat(epoch="run", seq=len(OPENED), reconciled=True, at_ns=NOW), NOW)
    return made


def told(made, what, now_ns=NOW):
    return made.answer(Ask(what=what), now_ns)


def hellos(effects):
    return [e for e in effects if isinstance(e, Say) and isinstance(e.message, Hello)]


def test_it_asks_until_it_is_told_and_after_silence():
    made = actor()
    assert len(hellos(made.start(T0))) == 1
    assert not made.ready
    assert len(hellos(made.on(TimerFired("look"), T0 + S))) == 1
    assert told(made, "positions").stale_ms == -1
    made.on(welcome_to(account_after([])), T0 + S)
    assert made.ready
    assert hellos(made.on(TimerFired("look"), T0 + S + 1)) == []
    assert len(hellos(made.on(TimerFired("look"), T0 + 3 * S))) == 1


def test_an_unknown_question_is_answered_by_nothing():
    assert told(opened(), "secrets").data is None


def test_a_position_has_its_fields_and_what_follows_from_them():
    made = opened()
    made.on(Quote(symbol="BTCUSDT", bid_ticks=10_100, ask_ticks=10_200), NOW)
    (position,) = told(made, "positions").data
    assert position["position_id"] == "run-1"
    assert position["quantity"] == D("0.5")
    assert position["entry_price"] == 100
    assert position["mark"] == D("101.00")
    assert position["pnl_quote"] == D("0.45"), "0.5 gained less 0.05 fee"
    assert position["pnl_pct"] == D("0.90")
    assert position["protection"] == "protected"
    assert position["stop_price"] == 97
    assert position["take_profit_price"] == 103
    assert position["age_s"] == 57
    assert position["unprotected_s"] == 2
    assert position["unprotected_now"] is False
    assert position["exiting"] == ""


def test_stop_and_target_are_those_that_rest():
    made = opened()
    position = made.replica.account.positions["run-1"]
    position.target = None
    (record,) = told(made, "positions").data
    assert record["stop_price"] == 97
    assert record["take_profit_price"] is None


def test_without_a_price_there_is_no_profit_to_show():
    (position,) = told(opened(), "positions").data
    assert position["mark"] is None
    assert position["pnl_quote"] is None
    assert position["pnl_pct"] is None


def test_orders_fills_and_balances():
    made = opened()
    (order,) = told(made, "orders").data
    assert order["client_id"] == "sw-run-1-s1"
    assert order["remaining"] == D("0.5")
    assert order["age_s"] == 58
    (bought,) = told(made, "fills").data
    assert set(bought) >= set(FillBooked.__struct_fields__)
    balances = {record["asset"]: record for record in told(made, "balance").data}
    assert balances["USDT"]["free"] == 1000
    assert balances["USDT"]["ledger"] == D("949.95")
    assert balances["BTC"]["ledger"] == D("0.5")


def test_a_close_moves_the_position_to_the_closed_ones():
    made = opened()
    for message in said(CLOSED, after=len(OPENED)):
        made.on(message, NOW)
    assert told(made, "positions").data == []
    assert told(made, "orders").data == []
    (trade,) = told(made, "closed").data
    assert trade["pnl_quote"] == D("-1.60")
    summary = told(made, "summary").data
    assert summary["positions_open"] == 0
    assert summary["closed_pnl_quote"] == D("-1.60")
    assert summary["equity_quote"] == D("998.40")


def test_the_summary_counts_positions_at_their_mark():
    made = opened()
    made.on(Quote(symbol="BTCUSDT", bid_ticks=11_000, ask_ticks=11_100), NOW)
    status = EngineStatus(
        run_id="run",
        state=TradingState.REDUCING,
        at_ns=NOW,
        uptime_s=60,
        stopping=False,
        reasons=("test",),
        processes={},
    )
    made.on(status, NOW)
    summary = told(made, "summary").data
    assert summary["equity_quote"] == D("1004.95")
    assert summary["state"] == "REDUCING"
    assert summary["unprotected_now"] == 0


def test_every_answer_can_be_sent():
    made = opened()
    made.on(alarm(1), NOW)
    for what in QUESTIONS:
        plain = json.loads(encode(told(made, what)))
        assert plain["stale_ms"] == 0
        assert plain["data"] or what == "closed"


def test_old_news_are_said_to_be_old():
    assert told(opened(), "orders", NOW + 5 * S).stale_ms == 5000


def test_fills_from_the_journal_join_those_heard_once_each():
    made = opened()
    earlier = fill("sw-run-0-e1", Side.BUY, 90, "9", T0 - S)
    made.remember([earlier, fill("sw-run-1-e1", Side.BUY, 100, "11", T0 + 3 * S)])
    assert [record["trade_id"] for record in told(made, "fills").data] == ["9", "11"]


def test_only_the_newest_fills_are_kept():
    made = opened()
    made.remember(fill("x", Side.BUY, 1, str(100 + n), T0 + n) for n in range(1500))
    kept = told(made, "fills").data
    assert len(kept) == 1000
    assert kept[-1]["trade_id"] == "11"


def test_an_inferred_fill_is_shown_until_real_ones_replace_it():
    made = actor()
    made.on(welcome_to(account_after(OPENED[:5])), T0)
    guess = fill("sw-run-1-e1", Side.BUY, 100, "inferred-1", T0 + 3 * S, fee="0", inferred=True)
    real = fill("sw-run-1-e1", Side.BUY, 100, "11", T0 + 4 * S)
    made.on(said([guess], after=5)[0], T0)
    assert [record["inferred"] for record in told(made, "fills").data] == [True]
    made.on(said([real], after=6)[0], T0)
    assert [record["trade_id"] for record in told(made, "fills").data] == ["11"]


def test_marks_need_an_instrument_and_a_bid():
    made = opened()
    made.on(Quote(symbol="BTCUSDT", ask_ticks=10_200), NOW)
    made.on(Quote(symbol="ETHUSDT", bid_ticks=1), NOW)
    assert made.marks() == {}
    made.on(Quote(symbol="BTCUSDT", bid_ticks=1), NOW)
    assert made.marks() == {"BTCUSDT": Decimal("0.01")}


def test_it_owns_nothing():
    made = opened()
    made.recover(None, [story.OPENED[0]])
    assert made.snapshot() == b""
    assert made.report() == {"questions": 0}
    assert made.figures()["account_seq"] == len(OPENED)


def alarm(number):
    role = "route" if number % 4 else "supervise"
    return AlarmRaised(role=role, kind="bare", symbol="BTCUSDT", text=f"no. {number}", at_ns=number)


def test_the_newest_alarms_are_told_and_all_are_counted():
    made = opened()
    assert told(made, "alarms").data == []
    assert told(made, "summary").data["alarms_raised"] == 0
    for number in range(RECENT_ALARMS + 20):
        assert made.on(alarm(number), NOW) == []
    shown = told(made, "alarms").data
    assert [record["at_ns"] for record in shown] == list(range(20, RECENT_ALARMS + 20))
    assert shown[-1]["text"] == "no. 119"
    assert set(shown[0]) == set(AlarmRaised.__struct_fields__)
    summary = told(made, "summary").data
    assert summary["alarms_raised"] == made.figures()["alarms_raised"] == 120
    assert (summary["alarms_of_route"], summary["alarms_of_supervise"]) == (75, 25)
