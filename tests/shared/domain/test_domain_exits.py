"""The way out (P7, L6): rungs, attempts, urgency, and never more than is held."""

from decimal import Decimal

import pytest
from domain_scene import (
    BTC,
    ID,
    D,
    account_of,
    acknowledged,
    bought,
    calls,
    cancel_asked,
    doubted,
    ended,
    ended_intent,
    events,
    exit_wanted,
    filled,
    guarded,
    kinds,
    mark,
    ns,
    position_of,
    refused,
    submitted,
)

from shared.domain.exits import close_steps, exit_steps, join
from shared.domain.fold import evolve
from shared.domain.policy import ExitPolicy
from shared.domain.resolve import INFERRED_PHASE_NS
from shared.messages.account import ExitFailed, OrderEnd, PositionClosed
from shared.messages.control import ASKED_BY_A_PERSON, ENGINE_STOP
from shared.messages.protection import Exit, Urgency
from shared.messages.venue import CancelOrder, Meaning, OrderKind, PlaceOrder, TimeInForce
from shared.units import NS_PER_S

POLICY = ExitPolicy()


def leaving(*more, urgency=Urgency.URGENT, quantity="1", at=1.0, **fill):
    return account_of(*bought(quantity, **fill), exit_wanted(urgency, at=at), *more)


def steps_of(account, at=1.0, seen="100", held=None):
    price = mark(seen, at=at) if seen else None
    return exit_steps(account, position_of(account), BTC, POLICY, price, ns(at), held)


def placed(account, at=1.0, **more) -> PlaceOrder:
    request = calls(steps_of(account, at, **more))[0]
    assert isinstance(request, PlaceOrder)
    return request


LIMIT, MARKET = OrderKind.LIMIT, OrderKind.MARKET
GTC, IOC = TimeInForce.GTC, TimeInForce.IOC


@pytest.mark.parametrize(
    ("urgency", "rungs"),
    [
        (Urgency.PATIENT, [(LIMIT, GTC, "100"), (LIMIT, IOC, "99.5"), (MARKET, IOC, None)]),
        (Urgency.URGENT, [(LIMIT, IOC, "99.5"), (MARKET, IOC, None), (MARKET, IOC, None)]),
        (Urgency.MARKET, [(MARKET, IOC, None), (MARKET, IOC, None)]),
    ],
)
def test_each_urgency_begins_on_its_rung_and_climbs(urgency, rungs):
    """Limit GTC at the bid, limit IOC through it by 50 bps, market; one attempt after another."""
    account = leaving(urgency=urgency)
    for number, (kind, force, price) in enumerate(rungs, 1):
        at = float(number)
        request = placed(account, at)
        assert (request.kind, request.time_in_force) == (kind, force)
        assert request.price == (D(price) if price else None)
        assert request.client_id == f"sw-{ID}-x{number}"
        assert request.quantity == 1
        evolve(account, events(steps_of(account, at))[0])
        evolve(account, ended(f"x{number}", OrderEnd.EXPIRED, at=at))


def test_each_rung_has_its_own_deadline():
    """10 s for a GTC at the bid, 2 s for an IOC (P7)."""
    patient, urgent = leaving(urgency=Urgency.PATIENT), leaving()
    assert events(steps_of(patient))[0].expires_ns == ns(1 + 10)
    assert events(steps_of(urgent))[0].expires_ns == ns(1 + 2)


@pytest.mark.parametrize(("at", "cancelled"), [(2.999, False), (3.0, True), (9.0, True)])
def test_a_rung_that_is_over_is_cancelled_before_the_next(at, cancelled):
    account = leaving(
        submitted("x1", at=1, expires_ns=ns(3), time_in_force=IOC), acknowledged("x1")
    )
    steps = steps_of(account, at)
    assert kinds(steps) == (["CancelAsked", "CancelOrder"] if cancelled else [])


def test_raised_urgency_takes_a_patient_order_away_at_once():
    resting = submitted("x1", at=1, expires_ns=ns(11), time_in_force=GTC)
    account = leaving(resting, acknowledged("x1"), urgency=Urgency.PATIENT)
    assert steps_of(account, 2) == []
    evolve(account, exit_wanted(Urgency.URGENT, at=2))
    assert calls(steps_of(account, 2)) == [CancelOrder(symbol="BTCUSDT", client_id=f"sw-{ID}-x1")]


def test_protection_leaves_before_anything_is_sold():
    """One request cancels both legs; while either may trade, nothing is sent (L6)."""
    account = account_of(*bought(), *guarded(), exit_wanted(at=2))
    steps = steps_of(account, 2)
    assert kinds(steps) == ["CancelAsked", "CancelOrder", "CancelAsked"]
    for event in events(steps):
        evolve(account, event)
    assert steps_of(account, 2.1) == []
    evolve(account, ended("s1", OrderEnd.CANCELED, at=2.2))
    assert steps_of(account, 2.2) == []
    evolve(account, ended("t1", OrderEnd.CANCELED, at=2.3))
    assert placed(account, 2.3).quantity == 1


@pytest.mark.parametrize(
    "doubt",
    [
        (doubted("x1", at=1.2),),
        (cancel_asked("x1", at=1.2),),
        (acknowledged("x1", at=1.1), cancel_asked("x1", at=1.2)),
    ],
)
def test_nothing_is_sent_beside_a_sale_that_may_live(doubt):
    """Unknown sells count like open ones (L6): wait for evidence, however urgent."""
    account = leaving(submitted("x1", at=1, expires_ns=ns(3)), *doubt)
    evolve(account, exit_wanted(Urgency.MARKET, at=2, version=2))
    assert steps_of(account, 100.0) == []


def test_what_an_ended_sale_still_owes_is_not_sold_again():
    """The venue counted 1 as sold and listed 0.8: the rest comes as an execution (L3, L6)."""
    account = leaving(
        submitted("x1", at=1, time_in_force=IOC),
        filled("x1", "0.8", trade="2", at=1.1),
        ended("x1", OrderEnd.FILLED, "1", at=1.1),
    )
    assert position_of(account).quantity == D("0.2")
    assert steps_of(account, 1.2) == []
    assert close_steps(account, position_of(account), BTC, mark(at=1.2), ns(1.2)) == []
    evolve(account, filled("x1", "0.2", trade="3", at=1.3))
    closing = close_steps(account, position_of(account), BTC, mark(at=1.3), ns(1.3))
    assert kinds(closing) == ["PositionClosed"]


def test_what_is_left_beside_an_owed_sale_is_sold():
    account = leaving(
        submitted("x1", at=1, time_in_force=IOC),
        filled("x1", "0.1", trade="2", at=1.1),
        ended("x1", OrderEnd.EXPIRED, "0.4", at=1.1),
    )
    assert placed(account, 1.2).quantity == D("0.6")


def test_base_fees_are_not_sold():
    """Bought 1, paid 0.0010005 of it: sellable is what is left, floored to the lot."""
    account = leaving(fee=D("0.0010005"), fee_asset="BTC")
    assert placed(account).quantity == D("0.99899")


@pytest.mark.parametrize(
    ("held", "sold"), [("0.5", "0.5"), ("0.500019", "0.50001"), ("2", "1"), ("0.01", None)]
)
def test_a_sale_the_venue_called_too_large_is_clamped(held, sold):
    """O5: to what the account really holds free; dust is not sent at all."""
    steps = steps_of(leaving(), held=D(held))
    assert [c.quantity for c in calls(steps)] == ([D(sold)] if sold else [])


def test_a_sale_larger_than_one_market_order_goes_in_parts():
    account = leaving(quantity="150")
    assert placed(account).quantity == BTC.market_max_quantity


@pytest.mark.parametrize("seen", [None, "stale", "0"])
def test_without_a_fresh_price_the_market_decides(seen):
    account = leaving(urgency=Urgency.PATIENT)
    price = {None: None, "stale": mark("100", at=-1.001), "0": mark("0", at=1)}[seen]
    steps = exit_steps(account, position_of(account), BTC, POLICY, price, ns(1))
    request = calls(steps)[0]
    assert (request.kind, request.price) == (MARKET, None)


def test_an_attempt_that_sold_something_has_not_failed():
    """L5: market orders that a thin book fills in parts go on at once, at the same rung."""
    account = leaving(urgency=Urgency.PATIENT, quantity="10")
    seen = []
    for number in range(1, 9):
        steps = steps_of(account, 1.0)
        assert kinds(steps) == ["OrderSubmitted", "PlaceOrder"]
        seen.append(calls(steps)[0].kind)
        evolve(account, events(steps)[0])
        evolve(account, filled(f"x{number}", "1", trade=f"x{number}", at=1.0))
        evolve(account, ended(f"x{number}", OrderEnd.EXPIRED, "1", at=1.0))
    assert seen == [LIMIT, LIMIT] + [MARKET] * 6
    assert "exits_failed" not in account.totals


def test_after_four_attempts_it_fails_aloud_and_rearms_doubling():
    """30 s, 60, 120 … 600; said once each time; attempts start anew (P7)."""
    account = leaving(urgency=Urgency.MARKET)
    at, number, pauses = 1.0, 0, []
    for _ in range(7):
        for _ in range(POLICY.max_attempts):
            number += 1
            evolve(account, events(steps_of(account, at))[0])
            evolve(account, refused(f"x{number}", at=at))
        steps = steps_of(account, at)
        assert kinds(steps) == ["ExitFailed", "Alarmed"]
        failed = steps[0]
        assert isinstance(failed, ExitFailed)
        evolve(account, failed)
        pauses.append((failed.rearm_ns - ns(at)) // 10**9)
        just_before = (failed.rearm_ns - 1 - ns(0)) / 1e9
        assert steps_of(account, at + 0.001) == []
        assert exit_steps(
            account, position_of(account), BTC, POLICY, mark(at=just_before), failed.rearm_ns - 1
        ) == []  # fmt: skip
        at += pauses[-1]
    assert pauses == [30, 60, 120, 240, 480, 600, 600]
    assert account.totals["exits_failed"] == 7


def test_a_ban_neither_climbs_the_ladder_nor_gives_up():
    """However often nothing left: the sale after the ban is the first attempt (P7, L10)."""
    account = leaving()
    for number in range(1, 10):
        evolve(account, events(steps_of(account, number))[0])
        evolve(account, refused(f"x{number}", at=number, meaning=Meaning.RATE))
    request = placed(account, 10.0)
    assert (request.kind, request.time_in_force) == (LIMIT, IOC)
    assert request.client_id == f"sw-{ID}-x10"
    assert "exits_failed" not in account.totals


def test_a_new_exit_request_arms_at_once():
    account = leaving(urgency=Urgency.MARKET)
    failed = ExitFailed(at_ns=ns(1), position_id=ID, attempts=4, rearm_ns=ns(31))
    evolve(account, failed)
    assert steps_of(account, 2) == []
    evolve(account, exit_wanted(Urgency.MARKET, at=2, version=2))
    assert kinds(steps_of(account, 2)) == ["OrderSubmitted", "PlaceOrder"]


def exit_of(urgency, reason="first"):
    return Exit(reason=reason, urgency=urgency)


@pytest.mark.parametrize(
    ("held", "asked", "joined"),
    [
        (None, exit_of(Urgency.PATIENT, "b"), exit_of(Urgency.PATIENT, "b")),
        (exit_of(Urgency.PATIENT), exit_of(Urgency.PATIENT, "b"), None),
        (exit_of(Urgency.URGENT), exit_of(Urgency.PATIENT, "b"), None),
        (exit_of(Urgency.MARKET), exit_of(Urgency.MARKET, "b"), None),
        (exit_of(Urgency.PATIENT), exit_of(Urgency.URGENT, "b"), exit_of(Urgency.URGENT)),
        (exit_of(Urgency.URGENT), exit_of(Urgency.MARKET, "b"), exit_of(Urgency.MARKET)),
    ],
)
def test_the_first_request_holds_the_slot(held, asked, joined):
    """Later ones join it or raise its urgency; its reason stays (P7)."""
    assert join(held, asked) == joined


@pytest.mark.parametrize(
    ("held", "asked", "joined"),
    [
        (Urgency.PATIENT, Urgency.URGENT, Urgency.URGENT),
        (Urgency.MARKET, Urgency.URGENT, Urgency.MARKET),
    ],
)
def test_a_persons_word_is_not_lost_in_joining(held, asked, joined):
    """HALTED sells only what a person asks for (L9): the joined exit must still say so."""
    ours, theirs = exit_of(held), exit_of(asked, ASKED_BY_A_PERSON)
    assert join(ours, theirs) == exit_of(joined, ASKED_BY_A_PERSON)
    assert join(exit_of(joined, ASKED_BY_A_PERSON), theirs) is None
    assert join(exit_of(joined, ASKED_BY_A_PERSON), ours) is None


@pytest.mark.parametrize(
    ("held", "asked", "joined"),
    [
        ("take_profit", ENGINE_STOP, ENGINE_STOP),
        (ENGINE_STOP, "local_stop", ENGINE_STOP),
        (ENGINE_STOP, ASKED_BY_A_PERSON, ASKED_BY_A_PERSON),
        (ASKED_BY_A_PERSON, ENGINE_STOP, ASKED_BY_A_PERSON),
    ],
)
def test_a_stop_that_closes_all_lends_its_reason(held, asked, joined):
    """HALTED would hold back what the engine itself wants, and the stop wait for it (L9, R1)."""
    after = exit_of(Urgency.URGENT, joined)
    ours = exit_of(Urgency.PATIENT, held)
    assert join(ours, exit_of(Urgency.URGENT, asked)) == after
    assert join(after, exit_of(Urgency.URGENT, asked)) is None


# ── the end ─────────────────────────────────────────────────────────────────────────────────────


def closing(account, at=5.0) -> PositionClosed | None:
    steps = close_steps(account, position_of(account), BTC, mark(at=at), ns(at))
    return steps[0] if steps else None


def test_a_sold_position_closes_with_its_reason():
    account = leaving(submitted("x1", at=1), filled("x1", trade="2", at=2))
    closed = closing(account)
    assert (closed.reason, closed.dust_quantity) == ("test", 0)
    evolve(account, closed)
    assert account.positions == {}
    assert account.dust == {}
    assert [(t.pnl_quote, t.reason) for t in account.closed] == [(D(0), "test")]


@pytest.mark.parametrize(("leg", "reason"), [("s1", "stop"), ("t1", "take_profit")])
def test_a_position_sold_by_a_resting_order_names_it(leg, reason):
    other = "t1" if leg == "s1" else "s1"
    account = account_of(
        *bought(),
        *guarded(),
        filled(leg, trade="2", at=2),
        ended(other, OrderEnd.EXPIRED, at=2),
    )
    assert closing(account).reason == reason


def test_dust_is_booked_and_does_not_block():
    """P12: what cannot be sold is no position."""
    account = leaving(submitted("x1", at=1), filled("x1", "0.99", trade="2", at=2))
    evolve(account, ended("x1", OrderEnd.CANCELED, "0.99", at=2))
    closed = closing(account)
    assert closed.dust_quantity == D("0.01")
    evolve(account, closed)
    assert account.dust == {"BTCUSDT": D("0.01")}
    assert account.position_in("BTCUSDT") is None


def test_what_an_unheard_fee_keeps_back_is_no_dust():
    """L5: until an inferred buy is listed a part of it is kept back; it is sold afterwards."""
    account = leaving(submitted("x1", quantity="99", at=1), quantity="100")
    evolve(account, filled("x1", "99", trade="2", at=2))
    guess = filled("e1", "100", trade="inferred", inferred=True)
    account.inferred = {guess.client_id: guess}
    assert position_of(account).quantity == D(1)
    assert closing(account) is None
    asked_s = (guess.at_ns - ns(0) + INFERRED_PHASE_NS) / NS_PER_S
    assert closing(account, at=asked_s - 0.1) is None
    assert closing(account, at=asked_s).dust_quantity == 1, "nobody lists it any more"
    account.inferred = {}
    assert kinds(steps_of(account, at=5))[0] == "OrderSubmitted"


def test_dust_accumulates():
    account = leaving(submitted("x1", at=1), filled("x1", "0.99", trade="2", at=2))
    evolve(account, ended("x1", OrderEnd.CANCELED, "0.99", at=2))
    account.dust = {"BTCUSDT": D("0.02")}
    evolve(account, closing(account))
    assert account.dust == {"BTCUSDT": D("0.03")}


@pytest.mark.parametrize(
    "why",
    [
        (),
        (submitted("x1", at=1), filled("x1", "0.99", trade="2", at=2)),
        (submitted("x1", at=1), filled("x1", "0.99", trade="2"), doubted("x1")),
        (submitted("x1", at=1), ended("x1", OrderEnd.FILLED, "1", at=2)),
    ],
    ids=["nothing sold", "the rest may trade", "doubt", "executions owed"],
)
def test_a_position_stays_while_something_can_happen(why):
    assert closing(leaving(*why)) is None


def test_a_position_stays_while_its_intent_lives():
    entry = [event for event in bought("0.01") if event != ended_intent()]
    assert closing(account_of(*entry)) is None
    assert closing(account_of(*entry, ended_intent())).dust_quantity == Decimal("0.01")
