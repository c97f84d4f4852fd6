"""What stands behind a position (P2, P5; L5, L6): prices, placing, resizing, giving up."""

from decimal import Decimal

import pytest
from domain_scene import (
    BTC,
    ID,
    PROTECTION,
    D,
    accepted,
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
    opened,
    order_id,
    position_of,
    refused,
    submitted,
    triggered,
)
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from shared.domain.fold import evolve
from shared.domain.policy import ExitPolicy, ProtectionPolicy
from shared.domain.position import Position
from shared.domain.protection import (
    changed,
    committed,
    first_guard,
    guard_steps,
    local_guard_steps,
    sellable,
    status_of,
)
from shared.messages.account import OrderEnd, ProtectionAccepted, ProtectionStatus, Purpose
from shared.messages.protection import Exit, Guard, Urgency
from shared.messages.venue import CancelOrder, Meaning, PlaceOco, PlaceOrder

POLICY = ProtectionPolicy()
PS = ProtectionStatus


def steps_of(account, at=2.0, policy=POLICY):
    return guard_steps(account, position_of(account), BTC, policy, ns(at))


def flattened(steps) -> tuple[str, Urgency]:
    """Reason and urgency of the escalation that is the only step."""
    [step] = steps
    assert isinstance(step, ProtectionAccepted)
    assert isinstance(step.target, Exit)
    return step.target.reason, step.target.urgency


# ── prices (P5) ─────────────────────────────────────────────────────────────────────────────────

PERCENT = st.decimals("0.01", "99", places=2)


def held_at(price, tick="0.01", **protection):
    instrument = replace(BTC, tick_size=D(tick))
    first = replace(PROTECTION, **protection)
    position = Position(
        position_id=ID,
        symbol="BTCUSDT",
        opened_ns=0,
        first_protection=first,
        bought=D(3),
        spent=D(3) * price,
    )
    return position, instrument


@given(
    st.decimals("0.00000001", "1000000", places=8),
    st.sampled_from(["0.01", "0.00000001", "1", "0.5"]),
    PERCENT,
    PERCENT,
    PERCENT,
)
def test_a_stop_is_never_looser_and_a_target_never_lower(price, tick, stop, target, offset):
    position, instrument = held_at(
        price, tick, stop_loss_pct=stop, take_profit_pct=target, stop_limit_offset_pct=offset
    )
    guard = first_guard(position, instrument)
    entry = position.entry_price
    exact_stop, exact_target = entry * (100 - stop) / 100, entry * (100 + target) / 100
    assert exact_stop <= guard.stop_price < exact_stop + instrument.tick_size + Decimal("1e-18")
    assert exact_target <= guard.take_profit_price
    assert guard.take_profit_price < exact_target + instrument.tick_size + Decimal("1e-18")
    assert 0 < guard.stop_limit_price <= guard.stop_price
    for wanted in (guard.stop_price, guard.stop_limit_price, guard.take_profit_price):
        assert wanted >= instrument.tick_size
        assert wanted % instrument.tick_size == 0


def test_the_prices_of_the_defaults():
    position, instrument = held_at(D(100))
    assert first_guard(position, instrument) == Guard(
        stop_price=D(97), stop_limit_price=D("96.51"), take_profit_price=D(103)
    )


def test_without_a_take_profit_there_is_no_target():
    position, instrument = held_at(D(100), take_profit_pct=D(0))
    assert first_guard(position, instrument).take_profit_price == 0


# ── placing ─────────────────────────────────────────────────────────────────────────────────────


def test_the_first_fill_is_protected_by_one_list_for_the_whole_position():
    """Both legs are on record before the request (L1), for what can be sold net of base fees."""
    account = account_of(*bought("1", fee=D("0.001"), fee_asset="BTC"))
    steps = steps_of(account)
    assert kinds(steps) == ["OrderSubmitted", "OrderSubmitted", "PlaceOco"]
    assert calls(steps) == [
        PlaceOco(
            symbol="BTCUSDT",
            list_id=order_id("g1"),
            quantity=D("0.999"),
            take_profit_id=order_id("t1"),
            take_profit_price=D(103),
            stop_id=order_id("s1"),
            stop_price=D(97),
            stop_limit_price=D("96.51"),
        )
    ]
    assert {e.client_id for e in events(steps)} == {order_id("s1"), order_id("t1")}
    assert {e.list_id for e in events(steps)} == {order_id("g1")}


def test_without_a_take_profit_the_stop_stands_alone():
    entry = list(bought())
    protection = replace(PROTECTION, take_profit_pct=D(0))
    entry[1] = replace(entry[1], intent=replace(entry[1].intent, protection=protection))
    [request] = calls(steps_of(account_of(*entry)))
    assert isinstance(request, PlaceOrder)
    assert (request.stop_price, request.price) == (D(97), D("96.51"))


def test_a_part_of_an_entry_is_protected_while_the_entry_goes_on():
    entry = bought("1")[:-2]
    account = account_of(*entry, filled("e1", "0.4"))
    assert calls(steps_of(account))[0].quantity == D("0.4")


def test_too_little_to_sell_is_not_protected_yet():
    """Below the minimum notional: local guard until more fills (L5)."""
    entry = bought("1")[:-2]
    account = account_of(*entry, filled("e1", "0.05"))
    assert steps_of(account) == []


@pytest.mark.parametrize(
    "news",
    [
        (),
        (doubted("s1"), doubted("t1")),
        (cancel_asked("s1", at=1.2), cancel_asked("t1", at=1.2)),
        (acknowledged("t1"),),
    ],
    ids=["sent", "unknown", "canceling", "one leg known"],
)
def test_one_stop_at_a_time(news):
    """L6: nothing is sent beside a stop that may rest, however long its outcome is unknown."""
    placing = guarded()[:2]
    account = account_of(*bought(), *placing, *news)
    assert steps_of(account, 60) == []


def test_a_stop_that_rests_is_left_alone():
    assert steps_of(account_of(*bought(), *guarded()), 60) == []


# ── resizing ────────────────────────────────────────────────────────────────────────────────────


def grown(at=5.0):
    entry = (*bought("1")[:-2], filled("e1", "0.4"))
    return account_of(*entry, *guarded("0.4"), filled("e1", "0.6", trade="2", at=at))


@pytest.mark.parametrize(("at", "resized"), [(5.0, False), (5.249, False), (5.25, True), (9, True)])
def test_later_fills_gather_before_a_resize(at, resized):
    """250 ms (L5): cancel, then create; both legs go by one request."""
    steps = steps_of(grown(), at)
    assert kinds(steps) == (["CancelAsked", "CancelOrder", "CancelAsked"] if resized else [])


def test_the_new_stop_waits_for_the_end_of_the_old_one():
    account = grown()
    for event in events(steps_of(account, 6)):
        evolve(account, event)
    assert steps_of(account, 6) == []
    evolve(account, ended("s1", OrderEnd.CANCELED, at=6.1))
    assert steps_of(account, 6.1) == []
    evolve(account, ended("t1", OrderEnd.CANCELED, at=6.1))
    [request] = calls(steps_of(account, 6.1))
    assert (request.quantity, request.stop_id) == (D(1), order_id("s3"))


def test_a_resize_cut_short_by_the_take_profit_sells_nothing_more():
    """A fill during the switch wins: what the target sold is not protected again."""
    account = grown()
    for event in events(steps_of(account, 6)):
        evolve(account, event)
    evolve(account, filled("t1", "0.4", trade="9", at=6.1))
    evolve(account, ended("s1", OrderEnd.EXPIRED, at=6.1))
    [request] = calls(steps_of(account, 6.2))
    assert request.quantity == D("0.6")


def test_a_target_that_is_partly_sold_lost_its_stop():
    """The venue takes the stop away with the first execution of the target: both anew."""
    account = account_of(
        *bought(),
        *guarded(),
        filled("t1", "0.4", trade="2", at=3),
        ended("s1", OrderEnd.EXPIRED, at=3),
    )
    assert steps_of(account, 3.2) == []
    assert CancelOrder(symbol="BTCUSDT", client_id=order_id("t1")) in calls(steps_of(account, 3.25))


def test_new_prices_replace_what_rests():
    account = account_of(*bought(), *guarded())
    tighter = Guard(stop_price=D(98), stop_limit_price=D("97.5"), take_profit_price=D(103))
    evolve(account, ProtectionAccepted(at_ns=ns(3), position_id=ID, version=1, target=tighter))
    assert kinds(steps_of(account, 3)) == ["CancelAsked", "CancelOrder", "CancelAsked"]


def test_what_is_owed_is_not_protected_again():
    """The take profit sold, the venue counts it, the execution is not listed yet (L3, L6)."""
    account = account_of(
        *bought(),
        *guarded(),
        filled("t1", "0.6", trade="2", at=3),
        ended("t1", OrderEnd.FILLED, "1", at=3),
        ended("s1", OrderEnd.EXPIRED, at=3),
    )
    assert position_of(account).quantity == D("0.4")
    assert steps_of(account, 4) == []


def test_a_buy_that_is_only_inferred_is_not_sold_whole():
    """Nobody has said yet what it cost in the base asset; sold whole it was oversold once (L6)."""
    account = account_of(
        opened(),
        accepted(),
        submitted("e1"),
        acknowledged("e1"),
        filled("e1", "0.6", at=1),
        ended("e1", OrderEnd.FILLED, "1", at=1),
        filled("e1", "0.4", trade="inferred:e1", at=2, inferred=True),
    )
    position = position_of(account)
    assert position.quantity == 1
    assert sellable(account, position, BTC) == D("0.996")
    evolve(account, filled("e1", "0.4", trade="2", fee=D("0.0004"), fee_asset="BTC", at=3))
    assert sellable(account, position, BTC) == D("0.9996")


# ── refusals and triggers ───────────────────────────────────────────────────────────────────────


def test_a_refused_stop_is_tried_once_more_and_then_sold():
    """L5: retry once, else flatten."""
    account = account_of(*bought(), *guarded()[:2], refused("s1"), refused("t1"))
    [request] = calls(steps_of(account))
    assert request.stop_id == order_id("s3"), "a new attempt has a new id"
    for event in events(steps_of(account)):
        evolve(account, event)
    for leg in ("s3", "t3"):
        evolve(account, refused(leg, at=2))
    assert flattened(steps_of(account)) == ("stop_refused", Urgency.URGENT)


def test_a_throttled_stop_is_tried_for_as_long_as_it_takes():
    account = account_of(*bought())
    for number in (1, 3, 5, 7):
        for event in events(steps_of(account)):
            evolve(account, event)
        for leg in (f"s{number}", f"t{number}"):
            evolve(account, refused(leg, at=2, meaning=Meaning.RATE))
    assert kinds(steps_of(account))[-1] == "PlaceOco"


@pytest.mark.parametrize(("at", "sold"), [(3.0, False), (4.999, False), (5.0, True)])
def test_a_triggered_stop_that_does_not_fill_is_helped_after_two_seconds(at, sold):
    account = account_of(*bought(), *guarded(), triggered("s1", at=3))
    steps = steps_of(account, at)
    assert not steps if not sold else flattened(steps) == ("stop_limit_unfilled", Urgency.URGENT)


# ── the local guard ─────────────────────────────────────────────────────────────────────────────


def local(account, bid, at=2.0, seen_at=2.0):
    position = position_of(account)
    sells = account.live_sells(ID)
    return local_guard_steps(position, sells, BTC, mark(bid, at=seen_at), ns(at))


UNSTOPPED = (
    (),
    guarded()[:2],
    (*guarded()[:2], doubted("s1"), doubted("t1")),
    (*guarded(), cancel_asked("s1", at=1.5), cancel_asked("t1", at=1.5)),
)


@pytest.mark.parametrize("rests", UNSTOPPED, ids=["none", "sent", "unknown", "canceling"])
@pytest.mark.parametrize(
    ("bid", "sold"), [("97.01", None), ("97", "local_stop"), ("50", "local_stop")]
)
def test_without_an_acknowledged_stop_route_watches_the_price(rests, bid, sold):
    steps = local(account_of(*bought(), *rests), bid)
    assert [flattened([step])[0] for step in steps] == ([sold] if sold else [])


def test_with_an_acknowledged_stop_the_venue_does():
    assert local(account_of(*bought(), *guarded()), "50") == []


def test_a_target_is_taken_where_none_rests():
    account = account_of(*bought())
    assert local(account, "102.99") == []
    assert flattened(local(account, "103")) == ("take_profit", Urgency.PATIENT)
    resting = account_of(*bought(), *guarded()[:2])
    assert local(resting, "103") == []


@pytest.mark.parametrize(("seen_at", "acts"), [(0.0, True), (-0.001, False)])
def test_an_old_price_guards_nothing(seen_at, acts):
    assert bool(local(account_of(*bought()), "50", at=2.0, seen_at=seen_at)) == acts


def test_an_exit_under_way_is_not_escalated_again():
    assert local(account_of(*bought(), exit_wanted()), "50") == []


# ── what may still be sold (L6) ─────────────────────────────────────────────────────────────────


def test_the_legs_of_a_list_count_once():
    account = account_of(*bought(), *guarded())
    assert committed(account.live_sells(ID)) == 1
    evolve(account, submitted("x3", "0.5", at=2))
    assert committed(account.live_sells(ID)) == D("1.5")
    evolve(account, doubted("x3", at=2))
    assert committed(account.live_sells(ID)) == D("1.5"), "unknown counts like open"


# ── status (P2) ─────────────────────────────────────────────────────────────────────────────────


def status(account, at=2.0, watched=True):
    position = position_of(account)
    return status_of(account, position, BTC, ExitPolicy(), watched, ns(at))[:2]


LEAVING = (exit_wanted(), submitted("x1", at=1.2, expires_ns=ns(3.2)))


@pytest.mark.parametrize(
    ("more", "watched", "at", "expected"),
    [
        ((), True, 2, (PS.LOCAL_GUARD, False)),
        ((), False, 2, (PS.PROTECTING, True)),
        (guarded()[:2], True, 2, (PS.LOCAL_GUARD, False)),
        (guarded()[:2], False, 2, (PS.PROTECTING, True)),
        ((*guarded()[:2], doubted("s1")), True, 2, (PS.LOCAL_GUARD, False)),
        (guarded(), False, 2, (PS.PROTECTED, False)),
        (guarded("0.5"), False, 2, (PS.PROTECTING, True)),
        (guarded("0.5"), True, 2, (PS.LOCAL_GUARD, False)),
        ((*guarded(), cancel_asked("s1")), False, 2, (PS.PROTECTING, True)),
        ((*guarded(), triggered("s1", at=2)), False, 4, (PS.PROTECTED, False)),
        ((*guarded(), triggered("s1", at=2)), False, 4.1, (PS.PROTECTING, True)),
        (LEAVING[:1], True, 2, (PS.FLATTENING, True)),
        (LEAVING, True, 2, (PS.FLATTENING, True)),
        ((*LEAVING, acknowledged("x1")), True, 2, (PS.FLATTENING, False)),
        ((*LEAVING, acknowledged("x1")), True, 3.3, (PS.FLATTENING, True)),
        ((*LEAVING, doubted("x1")), True, 2, (PS.FLATTENING, True)),
        ((*LEAVING, filled("x1", trade="2", at=2)), True, 2, (PS.NONE, False)),
    ],
)
def test_the_status_of_a_position(more, watched, at, expected):
    """L5: which status, and whether the unprotected clock runs."""
    assert status(account_of(*bought(), *more), at, watched) == expected


def test_an_exit_that_failed_is_an_alarm_until_it_is_armed_again():
    account = account_of(*bought(), exit_wanted())
    position_of(account).exit_rearm_ns = ns(31)
    assert status(account, 30.9) == (PS.ALARM, True)
    assert status(account, 31) == (PS.FLATTENING, True)


def test_too_little_to_sell_is_guarded_while_the_entry_goes_on_and_dust_after_it():
    entry = (*bought("1")[:-2], filled("e1", "0.04"))
    account = account_of(*entry)
    assert status(account, watched=False) == (PS.LOCAL_GUARD, False)
    evolve(account, ended("e1", OrderEnd.CANCELED, "0.04"))
    evolve(account, ended_intent())
    assert status(account, watched=False) == (PS.NONE, False)


def test_only_a_change_is_an_event():
    position = position_of(account_of(*bought()))
    event = changed(position, PS.PROTECTING, True, "x", ns(3))
    assert (event.status, event.bare, event.position_id) == (PS.PROTECTING, True, ID)
    position.protection = PS.PROTECTING
    assert changed(position, PS.PROTECTING, True, "x", ns(3)) is not None, "the clock must start"
    position.bare_since_ns = ns(3)
    assert changed(position, PS.PROTECTING, True, "y", ns(4)) is None
    assert changed(position, PS.PROTECTING, False, "y", ns(4)).bare is False


def test_the_purposes_of_what_rests():
    account = account_of(*bought())
    for event in events(steps_of(account)):
        evolve(account, event)
    assert {o.purpose for o in account.live_sells(ID)} == {Purpose.STOP, Purpose.TAKE_PROFIT}
