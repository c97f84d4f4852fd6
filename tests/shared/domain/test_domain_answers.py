"""A venue's answers (L2, O4, O5): ok, refused or unknown, and what each lets the engine do."""

import pytest
from domain_scene import (
    BTC,
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
    events,
    exit_wanted,
    filled,
    guarded,
    kinds,
    ns,
    opened,
    order_id,
    said,
    submitted,
    traded,
)

from shared.domain.answers import (
    PAUSE_NS,
    REGION_BLOCK_NS,
    read_cancel,
    read_placement,
    read_query,
    unheeded_cancels,
)
from shared.domain.fold import evolve
from shared.domain.order import OrderStatus
from shared.messages.protection import Urgency
from shared.messages.venue import (
    CancelOrder,
    Meaning,
    OrderKind,
    Outcome,
    PlaceOco,
    PlaceOrder,
    QueryOrder,
    Side,
    VenueAnswered,
    VenueStatus,
)
from shared.units import NS_PER_S

FENCE_NS = 18 * NS_PER_S
ENTRY = PlaceOrder(
    symbol="BTCUSDT",
    client_id=order_id("e1"),
    side=Side.BUY,
    kind=OrderKind.LIMIT,
    quantity=D(1),
    price=D(100),
)
EXIT = PlaceOrder(
    symbol="BTCUSDT",
    client_id=order_id("x1"),
    side=Side.SELL,
    kind=OrderKind.MARKET,
    quantity=D(1),
)
OCO = PlaceOco(
    symbol="BTCUSDT",
    list_id=order_id("g1"),
    quantity=D(1),
    take_profit_id=order_id("t1"),
    take_profit_price=D(103),
    stop_id=order_id("s1"),
    stop_price=D(97),
    stop_limit_price=D("96.5"),
)
BEGUN = (opened(), accepted(), submitted("e1"))
PLACED = (*bought(), *guarded()[:2])


def answer(request, outcome, at=1.0, sent=0.5, **more):
    return VenueAnswered(request=request, outcome=outcome, sent_ns=ns(sent), **more)


def placement(account, word, at=1.0, fence_ns=FENCE_NS):
    reading = read_placement(account, word, INSTRUMENTS, fence_ns, ns(at))
    for event in events(reading.steps):
        evolve(account, event)
    return reading


def test_ok_is_evidence():
    account = account_of(*BEGUN)
    word = answer(ENTRY, Outcome.OK, orders=(said(filled="1", status=VenueStatus.FILLED),))
    reading = placement(account, word)
    assert kinds(reading.steps) == ["OrderAcknowledged", "OrderEnded"]
    assert reading.refused is False
    assert account.orders[order_id()].owed == 1


def test_executions_are_read_before_the_end_they_lead_to():
    account = account_of(*BEGUN)
    done = said(filled="1", status=VenueStatus.FILLED)
    reading = placement(account, answer(ENTRY, Outcome.OK, orders=(done,), trades=(traded(),)))
    assert kinds(reading.steps)[0] == "FillBooked"
    assert account.orders == {}


@pytest.mark.parametrize(
    ("outcome", "meaning"),
    [
        (Outcome.UNKNOWN, Meaning.NONE),
        (Outcome.OK, Meaning.NONE),
        (Outcome.REFUSED, Meaning.DUPLICATE_ID),
    ],
    ids=["timed out", "ok without a word", "the id is known there"],
)
@pytest.mark.parametrize("request_", [ENTRY, OCO], ids=["order", "list"])
def test_doubt_keeps_everything_and_asks(outcome, meaning, request_):
    """L2: the fence starts at the sending, nothing is sent again, the reservation stands."""
    account = account_of(*(BEGUN if request_ is ENTRY else PLACED))
    live = set(account.orders)
    reading = placement(account, answer(request_, outcome, meaning=meaning))
    for client in live:
        order = account.orders[client]
        assert order.status is OrderStatus.UNKNOWN
        assert order.fence_ns == ns(0.5) + FENCE_NS
    assert {c.client_id for c in calls(reading.steps)} == live
    assert all(isinstance(c, QueryOrder) for c in calls(reading.steps))
    assert reading.refused is None


def test_on_a_venue_without_a_fence_doubt_has_no_end():
    account = account_of(*BEGUN)
    placement(account, answer(ENTRY, Outcome.UNKNOWN), fence_ns=0)
    assert account.orders[order_id()].fence_ns == 0


@pytest.mark.parametrize("outcome", list(Outcome))
def test_an_answer_cannot_kill_an_order_that_was_seen_alive(outcome):
    """The push was first: a refusal or time-out of the request is overtaken by evidence."""
    account = account_of(*BEGUN, acknowledged())
    placement(account, answer(ENTRY, outcome, meaning=Meaning.OTHER))
    assert account.orders[order_id()].status is OrderStatus.OPEN


def test_a_time_out_after_the_execution_is_no_doubt():
    account = account_of(*BEGUN, filled())
    reading = placement(account, answer(ENTRY, Outcome.UNKNOWN))
    assert reading.steps == []


@pytest.mark.parametrize("outcome", [Outcome.THROTTLED, Outcome.NOT_SENT, Outcome.REFUSED])
def test_what_never_lived_may_be_tried_again_after_a_pause(outcome):
    account = account_of(*BEGUN)
    reading = placement(account, answer(ENTRY, outcome, meaning=Meaning.OTHER))
    assert account.orders == {}
    assert account.order(order_id()).status is OrderStatus.REJECTED
    assert reading.pause_until_ns == ns(1) + PAUSE_NS, "never a tight loop (O5)"
    assert reading.refused is (True if outcome is Outcome.REFUSED else None)


@pytest.mark.parametrize(("retry", "pause"), [(0, 0.25), (2, 1.0), (4, 3.0), (600, 5.0)])
def test_a_throttle_says_when_but_never_for_long(retry, pause):
    """A stop must not wait ten minutes because a venue says so; the budget decides then."""
    word = answer(ENTRY, Outcome.THROTTLED, retry_at_ns=ns(retry))
    assert placement(account_of(*BEGUN), word).pause_until_ns == ns(1 + pause)


# ── what a refusal says about the position ──────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("meaning", "reason", "urgency"),
    [
        (Meaning.WOULD_TRIGGER, "beyond_stop", Urgency.URGENT),
        (Meaning.WOULD_MATCH, "take_profit", Urgency.PATIENT),
    ],
)
def test_a_stop_behind_the_price_is_an_exit(meaning, reason, urgency):
    account = account_of(*PLACED)
    placement(account, answer(OCO, Outcome.REFUSED, meaning=meaning))
    leaving = account.positions[ID].exiting
    assert (leaving.reason, leaving.urgency) == (reason, urgency)
    assert account.orders == {}


def test_an_exit_under_way_is_not_replaced():
    account = account_of(*PLACED, exit_wanted(Urgency.MARKET, at=0.8))
    placement(account, answer(OCO, Outcome.REFUSED, meaning=Meaning.WOULD_MATCH))
    assert account.positions[ID].exiting.urgency is Urgency.MARKET


def test_a_sale_that_is_too_large_is_named():
    account = account_of(*bought(), exit_wanted(), submitted("x1", at=1))
    reading = placement(account, answer(EXIT, Outcome.REFUSED, meaning=Meaning.INSUFFICIENT))
    assert reading.short_of == ID


def test_an_entry_without_funds_clamps_nothing():
    account = account_of(*BEGUN)
    reading = placement(account, answer(ENTRY, Outcome.REFUSED, meaning=Meaning.INSUFFICIENT))
    assert reading.short_of == ""


def test_a_region_refusal_blocks_the_symbol_for_a_day():
    account = account_of(*BEGUN)
    placement(account, answer(ENTRY, Outcome.REFUSED, meaning=Meaning.REGION))
    assert account.blocked == {"BTCUSDT": ns(1) + REGION_BLOCK_NS}


# ── cancels and questions ───────────────────────────────────────────────────────────────────────

CANCEL = CancelOrder(symbol="BTCUSDT", client_id=order_id("e1"))
QUERY = QueryOrder(symbol="BTCUSDT", client_id=order_id("e1"))
ASKED = (*BEGUN, acknowledged(), cancel_asked(at=0.4))


@pytest.mark.parametrize("meaning", [Meaning.UNKNOWN_ORDER, Meaning.OTHER])
@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.UNKNOWN])
def test_a_refused_cancel_is_no_news_of_the_order(outcome, meaning):
    """ "Unknown order" may mean filled: the order is asked about, not believed gone (O4)."""
    account = account_of(*ASKED)
    word = answer(CANCEL, outcome, meaning=meaning)
    reading = read_cancel(account, word, INSTRUMENTS, ns(1))
    assert calls(reading.steps) == [QUERY]
    assert events(reading.steps) == []
    assert account.orders[order_id()].status is OrderStatus.CANCELING


@pytest.mark.parametrize("outcome", [Outcome.THROTTLED, Outcome.NOT_SENT])
def test_a_cancel_that_did_not_leave_is_repeated(outcome):
    reading = read_cancel(account_of(*ASKED), answer(CANCEL, outcome), INSTRUMENTS, ns(1))
    assert (reading.steps, reading.pause_until_ns) == ([], ns(1) + PAUSE_NS)


def test_a_cancel_that_came_too_late_brings_the_fill():
    account = account_of(*ASKED)
    done = said(status=VenueStatus.FILLED, filled="1")
    word = answer(CANCEL, Outcome.OK, orders=(done,), trades=(traded(),))
    reading = read_cancel(account, word, INSTRUMENTS, ns(1))
    for event in events(reading.steps):
        evolve(account, event)
    assert account.positions[ID].bought == 1
    assert account.orders == {}


def query(account, word, at=1.0, fence_ns=FENCE_NS):
    return read_query(account, word, INSTRUMENTS, fence_ns, ns(at))


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.OK])
def test_only_an_answer_is_an_answer(outcome):
    """A failed question proves nothing, ever."""
    word = answer(QUERY, outcome, sent=100.0, meaning=Meaning.UNKNOWN_ORDER)
    assert query(account_of(*BEGUN, doubted()), word, at=101).steps == []


@pytest.mark.parametrize(("sent", "proved"), [(17.0, False), (18.0, True)])
def test_absence_counts_by_when_the_question_left(sent, proved):
    word = answer(QUERY, Outcome.OK, sent=sent)
    steps = query(account_of(*BEGUN, doubted(fence=18.0)), word, at=60).steps
    assert kinds(steps) == (["OrderRefused"] if proved else [])


@pytest.mark.parametrize(("sent", "repeated"), [(1.4, False), (1.5, True)])
def test_a_cancel_the_venue_did_not_heed_is_repeated(sent, repeated):
    account = account_of(*ASKED)
    word = answer(QUERY, Outcome.OK, sent=sent, orders=(said(),))
    assert calls(unheeded_cancels(word, account)) == ([CANCEL] if repeated else [])
    over = answer(QUERY, Outcome.OK, sent=9, orders=(said(status=VenueStatus.CANCELED),))
    assert unheeded_cancels(over, account) == []


def test_an_answer_about_nothing_of_ours_changes_nothing():
    word = answer(ENTRY, Outcome.REFUSED, meaning=Meaning.OTHER)
    reading = placement(account_of(opened()), word)
    assert reading.steps == []
    assert BTC.symbol in INSTRUMENTS
