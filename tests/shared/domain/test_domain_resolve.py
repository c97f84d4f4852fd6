"""Open questions (L2, O3): whom to ask, how often, and what silence proves."""

import pytest
from domain_scene import (
    ID,
    INSTRUMENTS,
    D,
    accepted,
    account_of,
    acknowledged,
    bought,
    calls,
    cancel_asked,
    doubted,
    ended,
    filled,
    guarded,
    kinds,
    ns,
    opened,
    order_id,
    submitted,
)
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.fold import evolve
from shared.domain.resolve import Inquiries, needs_evidence, of_absence, overdue_fills
from shared.messages.account import Alarmed, OrderEnd, OrderRefused
from shared.messages.venue import QueryOrder
from shared.units import NS_PER_S

FENCE_NS = 18 * NS_PER_S
BEGUN = (opened(), accepted(), submitted("e1"))


def order_after(*events):
    return account_of(*BEGUN, *events).order(order_id())


@pytest.mark.parametrize(
    ("events", "at", "asked"),
    [
        ((), 3.0, False),
        ((), 3.001, True),
        ((acknowledged(),), 1000, False),
        ((doubted(),), 0.1, True),
        ((acknowledged(), cancel_asked(at=5)), 8.0, False),
        ((acknowledged(), cancel_asked(at=5)), 8.001, True),
        ((ended(filled="1"),), 0.2, True),
        ((ended(end=OrderEnd.CANCELED),), 1000, False),
        ((filled(),), 1000, False),
    ],
)
def test_which_orders_are_asked_about(events, at, asked):
    assert needs_evidence(order_after(*events), ns(at)) == asked


def test_questions_are_quick_at_first_and_slow_later():
    account, inquiries = account_of(*BEGUN, doubted()), Inquiries()
    asked = [at / 10 for at in range(0, 400) if inquiries.due(account, ns(at / 10))]
    assert asked[:3] == [0.0, 1.0, 2.0]
    assert asked[-1] - asked[-2] == 5.0
    assert len(asked) == 24
    assert inquiries.oldest_s(ns(40)) == 40


def test_an_answered_question_is_forgotten():
    account, inquiries = account_of(*BEGUN, doubted()), Inquiries()
    [call] = calls(inquiries.due(account, ns(1)))
    assert call == QueryOrder(symbol="BTCUSDT", client_id=order_id())
    evolve(account, acknowledged(at=2))
    assert inquiries.due(account, ns(3)) == []
    assert inquiries.oldest_s(ns(9)) == 0.0


def test_where_silence_proves_nothing_a_person_is_told_once():
    """L2: no fence known, so it stays unknown and alarms."""
    account, inquiries = account_of(*BEGUN, doubted(fence=0)), Inquiries(0)
    said = []
    for at in range(0, 120):
        steps = inquiries.due(account, ns(at))
        said += [(at, step) for step in steps if isinstance(step, Alarmed)]
    [(at, alarm)] = said
    assert at == 3
    assert (alarm.kind, alarm.symbol) == ("outcome_unknown", "BTCUSDT")
    assert order_id() in alarm.text
    assert account.orders[order_id()].in_doubt


def test_a_crash_before_the_answer_alarms_too_where_there_is_no_fence():
    account, inquiries = account_of(*BEGUN), Inquiries(0)
    alarms = [
        at
        for at in range(0, 30)
        if any(isinstance(step, Alarmed) for step in inquiries.due(account, ns(at)))
    ]
    assert len(alarms) == 1


def test_with_a_fence_an_open_question_is_no_alarm():
    account, inquiries = account_of(*BEGUN, doubted()), Inquiries(FENCE_NS)
    for at in range(0, 60):
        assert not [s for s in inquiries.due(account, ns(at)) if isinstance(s, Alarmed)]


# ── absence ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("asked", "proof"), [(0.2, False), (17.999999, False), (18.0, True), (30, True)]
)
def test_absence_is_proof_only_after_the_fence(asked, proof):
    """The question must have left after it, however late the answer comes (L2)."""
    order = order_after(doubted(fence=18.0))
    steps = of_absence(order, ns(asked), ns(1000), FENCE_NS)
    assert kinds(steps) == (["OrderRefused"] if proof else [])


@pytest.mark.parametrize(("asked", "proof"), [(17.9, False), (18.0, True)])
def test_the_fence_of_an_order_without_an_answer_begins_when_it_was_sent(asked, proof):
    """After a crash nobody doubted it; its submission is on record."""
    assert bool(of_absence(order_after(), ns(asked), ns(99), FENCE_NS)) == proof


@given(st.integers(0, 10**7))
def test_without_a_fence_absence_proves_nothing(asked_s):
    """It stays UNKNOWN and keeps its reservation (L2)."""
    assert of_absence(order_after(doubted(fence=0)), ns(asked_s), ns(asked_s), 0) == []


@pytest.mark.parametrize(("asked", "proof"), [(22.9, False), (23.0, True)])
def test_an_acknowledged_order_that_vanished_is_an_alarm(asked, proof):
    """The venue had it: gone only when it is absent a fence after the last thing we did to it."""
    order = order_after(acknowledged(), cancel_asked(at=5))
    steps = of_absence(order, ns(asked), ns(asked), FENCE_NS)
    assert kinds(steps) == (["Alarmed", "OrderEnded"] if proof else [])


def test_the_absence_of_an_ended_order_is_no_news():
    assert of_absence(order_after(filled()), ns(99), ns(99), FENCE_NS) == []


def test_proved_absent_is_refused_and_nobodys_fault():
    account = account_of(*bought(), *guarded()[:2], doubted("s1"))
    [refusal] = of_absence(account.orders[order_id("s1")], ns(20), ns(21), FENCE_NS)
    assert isinstance(refusal, OrderRefused)
    evolve(account, refusal)
    assert account.positions[ID].protect_refusals == 0


# ── executions that are never listed ────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("at", "inferred"), [(2.2, 0), (2.201, 1)])
def test_owed_executions_are_inferred_after_two_seconds(at, inferred):
    account = account_of(*BEGUN, filled("e1", "0.4"), ended(filled="1", at=0.2))
    found = overdue_fills(account, INSTRUMENTS, ns(at))
    assert len(found) == inferred
    for fill in found:
        evolve(account, fill)
    if inferred:
        assert account.positions[ID].bought == D(1)
        assert overdue_fills(account, INSTRUMENTS, ns(99)) == []


def test_the_real_executions_are_asked_for_until_they_come():
    """L5: an inferred one does not say what it cost; what is left of the position may be bare."""
    account = account_of(*BEGUN, acknowledged(), ended(filled="1", at=0.2))
    [guess] = overdue_fills(account, INSTRUMENTS, ns(2.3))
    evolve(account, guess)
    inquiries = Inquiries(FENCE_NS)
    asked = [at for at in range(3, 20) if inquiries.due(account, ns(at))]
    assert asked == [6, 9, 12, 15, 18]
    [question] = calls(inquiries.due(account, ns(21)))
    assert question == QueryOrder(symbol="BTCUSDT", client_id=order_id())
    assert inquiries.oldest_s(ns(21)) == 0, "nobody waits for the answer"
    assert inquiries.due(account, ns(700)) == [], "they will come with a reconciliation"
    evolve(account, filled("e1", "1"))
    assert inquiries.due(account, ns(30)) == []


def test_a_live_order_owes_nothing():
    assert overdue_fills(account_of(*BEGUN, acknowledged()), INSTRUMENTS, ns(99)) == []
