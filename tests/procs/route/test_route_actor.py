"""Route's judgement as a whole: write-ahead, fail closed, and nothing forgotten in a crash."""

import msgspec
import pytest
from actor_scene import (
    BALANCES,
    EVENTS,
    POLICY,
    Scene,
    active,
    answer,
    entered,
    held,
    hello,
    status,
)
from domain_scene import BTC, ID, D, intent, ns, order_id, quote, said, traded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from procs.route.actor import Actor
from shared.domain.account import read_account
from shared.domain.effects import TimerFired
from shared.domain.order import OrderStatus
from shared.domain.replica import Replica
from shared.messages.account import (
    Beat,
    EventSaid,
    HelloRefused,
    IntentEnded,
    IntentRefused,
    ProtectionStatus,
    Welcomed,
)
from shared.messages.control import (
    ASKED_BY_A_PERSON,
    ENGINE_STOP,
    AlarmRaised,
    Drained,
    StopEntries,
    TradingState,
    Tripped,
)
from shared.messages.protection import Exit, Guard, PricePolled, SetProtection, Urgency
from shared.messages.venue import (
    CancelOrder,
    Meaning,
    Outcome,
    PlaceOco,
    PlaceOrder,
    QueryOrder,
    Side,
    TakeSnapshot,
    VenueAnswered,
    VenueBalance,
    VenueReported,
    VenueStatus,
    VenueStreamChanged,
)

# ── prices ──────────────────────────────────────────────────────────────────────────────────────


def test_what_protect_polled_guards_as_well_as_a_quote():
    """P13: without a stop at the venue the price of either tells when to sell."""
    scene = entered()
    filled = VenueReported(order=said(status=VenueStatus.FILLED, filled="1"), trade=traded())
    [oco] = scene.give(filled)
    scene.give(answer(oco, outcome=Outcome.UNKNOWN, at=0.4))
    assert scene.position.protection is not ProtectionStatus.PROTECTED
    scene.give(PricePolled(symbol="BTCUSDT", bid=D(100), ask=D(101), recv_ns=ns(0.5)), 0.5)
    assert scene.position.protection is ProtectionStatus.LOCAL_GUARD
    scene.give(PricePolled(symbol="BTCUSDT", bid=D(1), ask=D(2), recv_ns=ns(0.4)), 0.6)
    scene.give(PricePolled(symbol="NOSUCH", bid=D(1), ask=D(2), recv_ns=ns(0.6)), 0.6)
    assert scene.position.exiting is None, "older, and foreign"


# ── before anything else ────────────────────────────────────────────────────────────────────────


def test_it_asks_before_it_acts():
    """L16: until the first reconciliation nothing leaves but questions."""
    scene = Scene()
    [asked] = scene.start()
    assert isinstance(asked, TakeSnapshot)
    assert not scene.actor.ready
    scene.give(status(), 0.1)
    assert scene.give(intent(), 0.2) == []
    refused = [e.event for e in scene.said(EventSaid) if isinstance(e.event, IntentRefused)]
    assert [r.reason for r in refused] == ["not_active"]
    scene.reconcile(0.3)
    assert scene.actor.ready


def test_after_a_crash_it_protects_nothing_before_it_has_asked():
    before = entered()
    rows = list(before.rows)
    scene = Scene(rows=rows, incarnation=2)
    assert [type(r) for r in scene.start(1.0)] == [TakeSnapshot]
    filled = VenueReported(trade=traded())
    assert scene.give(filled, 1.1) == [], "the fill is booked, its stop waits for the truth"
    assert scene.position.bought == 1
    told = scene.reconcile(1.2, trades=(traded(),), balances=scene.explained())
    assert any(isinstance(r, PlaceOco) for r in told)


def test_after_a_power_cut_it_sells_nothing_that_the_venue_may_have_sold_already():
    """L6: the rows of the stop and of its fill are gone; the ledger does not explain the venue."""
    before = entered()
    scene = Scene(rows=list(before.rows), incarnation=2)
    scene.start(1.0)
    scene.give(VenueReported(trade=traded()), 1.1)
    [asked] = scene.reconcile(1.2, trades=(traded(),))
    assert isinstance(asked, TakeSnapshot)
    assert asked.history
    assert scene.tick(1.3) == [], "nothing is sold until the history is read"
    scene.give(answer(asked, Outcome.UNKNOWN), 1.4)
    [again] = [r for at in (2.0, 2.5) for r in scene.tick(at) if isinstance(r, TakeSnapshot)]
    assert again.history
    told = scene.give(answer(again, trades=(traded(),), balances=BALANCES), 2.6)
    assert told == [], "a read may lag: once more"
    [last] = [r for at in (3.0, 3.3) for r in scene.tick(at) if isinstance(r, TakeSnapshot)]
    assert last.history
    told = scene.give(answer(last, trades=(traded(),), balances=BALANCES), 3.4)
    assert any(isinstance(r, PlaceOco) for r in told), "what history does not explain is a person's"


def test_a_snapshot_that_fails_is_asked_for_again():
    scene = Scene()
    [asked] = scene.start()
    scene.give(answer(asked, Outcome.UNKNOWN), 5.0)
    assert scene.actor.balance_timeouts == 1
    assert not scene.actor.ready
    assert scene.tick(5.5) == []
    assert [type(r) for r in scene.tick(6.0)] == [TakeSnapshot]


def test_it_reconciles_again_when_the_stream_comes_up():
    scene = active()
    asked = scene.give(VenueStreamChanged(connected=True), 5.0)
    assert [type(r) for r in asked] == [TakeSnapshot]
    assert scene.give(VenueStreamChanged(connected=False), 9.0) == []


def test_it_reconciles_every_minute():
    scene = active()
    asked = [at for at in range(1, 70) if any(isinstance(r, TakeSnapshot) for r in scene.tick(at))]
    assert asked == [60]


# ── entries fail closed (L9) ────────────────────────────────────────────────────────────────────


def test_an_intent_becomes_an_order():
    scene = active()
    [request] = scene.give(intent(), 0.3)
    assert (request.client_id, request.quantity, request.price) == (order_id(), D(1), D(100))


def refuse(scene, at=0.3, asked=None):
    assert scene.give(asked or intent(), at) == []
    return EVENTS.read(next(r for r in reversed(scene.rows) if b"intent_refused" in r)).reason


@pytest.mark.parametrize("state", [TradingState.REDUCING, TradingState.HALTED])
def test_only_an_active_engine_enters(state):
    scene = active()
    scene.give(status(state))
    assert refuse(scene) == "not_active"


@pytest.mark.parametrize(("at", "enters"), [(1.699, True), (1.7, False)])
def test_an_old_status_is_no_permission(at, enters):
    """Said at 0.2; the supervisor may be gone."""
    scene = active()
    requests = scene.give(intent(created_ns=ns(at), deadline_ns=ns(9)), at)
    assert bool(requests) == enters


def test_the_latch_refuses_entries():
    scene = active()
    scene.actor.latched = "killed"
    assert refuse(scene) == "not_active"


def test_a_trip_refuses_entries():
    scene = active()
    scene.actor.trips.raise_trip("test")
    assert refuse(scene) == "not_active"


def test_an_intent_is_taken_once_however_often_it_comes():
    """L8: entries are at most once."""
    scene = entered()
    rows = len(scene.rows)
    assert scene.give(intent(), 0.4) == []
    assert len(scene.rows) == rows
    scene.give(VenueReported(order=said(status=VenueStatus.CANCELED)))
    assert scene.give(intent(), 0.5) == []


def test_a_late_intent_is_refused():
    assert refuse(active(), at=1.1) == "stale"


def test_losing_the_permission_cancels_what_rests():
    """L9: REDUCING keeps exits and stops, and takes entries away."""
    scene = entered()
    scene.give(VenueReported(order=said()))
    assert [type(r) for r in scene.give(status(TradingState.REDUCING), 0.5)] == [CancelOrder]


# ── HALTED (L9) ─────────────────────────────────────────────────────────────────────────────────


def halted():
    scene = held()
    scene.give(status(TradingState.HALTED), 0.5)
    return scene


def wanted(reason, urgency=Urgency.URGENT, version=1):
    target = Exit(reason=reason, urgency=urgency)
    return SetProtection(position_id=ID, version=version, target=target)


def end_both(scene, at):
    for leg in ("s1", "t1"):
        word = said(leg, VenueStatus.CANCELED)
        requests = scene.give(VenueReported(order=word), at)
    return requests


def test_halted_keeps_the_stops():
    """What the engine wants of itself is not sent, and what protects is not taken away."""
    scene = halted()
    assert scene.give(wanted("time_to_live", Urgency.PATIENT), 0.6) == []
    assert scene.tick(9) == []
    assert scene.position.exiting.reason == "time_to_live"
    resumed = scene.give(status(), 10)
    assert [type(r) for r in resumed] == [CancelOrder], "and goes on when it is resumed"


def test_halted_sells_what_a_person_asks_for():
    scene = halted()
    assert [type(r) for r in scene.give(wanted(ASKED_BY_A_PERSON), 0.6)] == [CancelOrder]
    [sale] = end_both(scene, 0.7)
    assert isinstance(sale, PlaceOrder)
    assert sale.client_id == order_id("x3")


def test_halted_sells_at_a_persons_word_what_the_engine_wanted_to_sell_anyway():
    """The slot was held by the engine's own exit: the person's word is not lost in joining it."""
    scene = halted()
    scene.give(wanted("local_stop", Urgency.MARKET), 0.6)
    requests = scene.give(wanted(ASKED_BY_A_PERSON, Urgency.URGENT, 2), 0.7)
    assert [type(r) for r in requests] == [CancelOrder]
    assert scene.position.exiting.urgency is Urgency.MARKET


def test_halted_sells_what_was_on_its_way_out_when_the_engine_is_to_close_all():
    """The stop waits for that exit, and HALTED held it back: nothing rested, nothing was sold."""
    scene = halted()
    assert scene.give(wanted("take_profit", Urgency.PATIENT), 0.6) == []
    assert [type(r) for r in scene.give(StopEntries(flatten=True), 0.7)] == [CancelOrder]
    assert scene.position.exiting == Exit(reason=ENGINE_STOP, urgency=Urgency.URGENT)
    rows = len(scene.rows)
    scene.give(StopEntries(flatten=True), 0.8)
    assert len(scene.rows) == rows, "asked again, nothing new is written down"
    [sale] = end_both(scene, 0.9)
    assert isinstance(sale, PlaceOrder)
    assert sale.client_id == order_id("x3")


# ── protection and exits ────────────────────────────────────────────────────────────────────────


def test_protection_rests_with_the_first_fill_even_without_protect():
    """L5: route places the intent's first protection, whether protect lives or not."""
    scene = entered()
    part = VenueReported(order=said(filled="0.4"), trade=traded(quantity="0.4"))
    [oco] = scene.give(part)
    assert (oco.quantity, oco.stop_price) == (D("0.4"), D(97))


def test_a_version_is_followed_once():
    scene = held()
    guard = Guard(stop_price=D(98), stop_limit_price=D("97.5"), take_profit_price=D(103))
    change = SetProtection(position_id=ID, version=1, target=guard)
    assert [type(r) for r in scene.give(change, 0.9)] == [CancelOrder]
    rows = len(scene.rows)
    for old in (change, SetProtection(position_id=ID, version=0, target=guard)):
        assert scene.give(old, 1.0) == []
    assert len(scene.rows) == rows
    assert scene.position.version == 1


def test_a_guard_does_not_undo_an_exit_and_duplicates_are_counted():
    """P7: the first request holds the slot; the version is named all the same."""
    scene = held()
    scene.give(wanted("time_to_live", Urgency.PATIENT), 0.5)
    guard = Guard(stop_price=D(98), stop_limit_price=D(97), take_profit_price=D(0))
    scene.give(SetProtection(position_id=ID, version=2, target=guard), 0.6)
    scene.give(wanted("other", Urgency.PATIENT, 3), 0.7)
    leaving = scene.position.exiting
    assert (leaving.reason, leaving.urgency) == ("time_to_live", Urgency.PATIENT)
    assert scene.position.version == 3
    assert scene.actor.exits_deduplicated == 2
    scene.give(wanted("other", Urgency.MARKET, 4), 0.8)
    assert scene.position.exiting.urgency is Urgency.MARKET


def test_protection_of_a_position_nobody_knows_is_ignored():
    scene = active()
    rows = len(scene.rows)
    assert scene.give(wanted("x"), 0.5) == []
    assert len(scene.rows) == rows


def test_route_sells_by_itself_where_no_stop_rests():
    """The local guard: the stop was refused, throttled, unknown, or is being moved (L5)."""
    scene = entered()
    filled = VenueReported(order=said(status=VenueStatus.FILLED, filled="1"), trade=traded())
    [oco] = scene.give(filled)
    scene.give(answer(oco, Outcome.THROTTLED), 0.35)
    [sale] = scene.give(quote(bid=9_700, ask=9_701, at=0.36), 0.36) or scene.tick(0.61)
    assert isinstance(sale, PlaceOrder)
    assert sale.price == D("96.51")


def test_a_refused_stop_behind_the_price_sells_at_once():
    scene = entered()
    filled = VenueReported(order=said(status=VenueStatus.FILLED, filled="1"), trade=traded())
    [oco] = scene.give(filled)
    scene.give(answer(oco, Outcome.REFUSED, meaning=Meaning.WOULD_TRIGGER), 0.4)
    requests = scene.tick(0.7)
    assert [type(r) for r in requests] == [PlaceOrder]
    assert scene.actor.trips.tripped == ""


def test_an_oversold_exit_is_clamped_to_the_balance():
    """O5: "insufficient" is told apart by asking for the balance, never hammered."""
    scene = held()
    scene.give(wanted("x", Urgency.MARKET), 0.5)
    [sale] = end_both(scene, 0.6)
    asked = scene.give(answer(sale, Outcome.REFUSED, meaning=Meaning.INSUFFICIENT), 0.7)
    asked += scene.tick(1.2)
    assert TakeSnapshot in [type(r) for r in asked]
    balances = (VenueBalance(asset="BTC", free=D("0.9"), locked=D(0)), BALANCES[1])
    requests = scene.reconcile(1.3, balances=balances) + scene.tick(1.5)
    assert [r.quantity for r in requests if isinstance(r, PlaceOrder)] == [D("0.9")]


@pytest.mark.parametrize("outcome", [Outcome.THROTTLED, Outcome.NOT_SENT])
def test_a_sale_that_cannot_leave_is_tried_until_it_can(outcome):
    """Ten seconds without a network, or of a ban: neither idle for 30 s after it (P7), nor taken
    for an engine that runs wild (L9)."""
    scene = held()
    scene.give(wanted("x", Urgency.MARKET), 0.5)
    [sale] = end_both(scene, 0.6)
    times = 0
    at = 0.6
    while at < 10:
        assert isinstance(sale, PlaceOrder)
        unsent = VenueAnswered(request=sale, outcome=outcome)
        assert scene.give(unsent, at) == []
        times += 1
        at += 0.3
        [sale] = (r for r in scene.tick(at) if isinstance(r, PlaceOrder))
    assert times > 30
    assert scene.actor.trips.tripped == ""
    assert "exits_failed" not in scene.account.totals


def test_orders_that_the_venue_throttles_over_and_over_trip():
    """They did leave: who sends on is wild, however well paced (L9, L10)."""
    scene = held()
    scene.give(wanted("x", Urgency.MARKET), 0.5)
    [sale] = end_both(scene, 0.6)
    for number in range(1, 13):
        at = 0.6 + 0.3 * number
        scene.give(answer(sale, Outcome.THROTTLED, at=at - 0.3), at - 0.3)
        [sale] = (r for r in scene.tick(at) if isinstance(r, PlaceOrder))
    assert "repeated orders" in scene.actor.trips.tripped


def test_a_price_without_a_position_is_no_turn():
    scene = active()
    assert scene.actor.on(quote(at=0.5), ns(0.5)) == []


# ── doubt (L2) ──────────────────────────────────────────────────────────────────────────────────


def test_an_unknown_entry_is_asked_about_until_the_fence_and_holds_everything():
    scene = entered()
    order = PlaceOrder(
        symbol=BTC.symbol, client_id=order_id(), side="buy", kind="limit", quantity=D(1)
    )
    [first] = scene.give(answer(order, Outcome.UNKNOWN, at=0.3), 5.3)
    assert first == QueryOrder(symbol=BTC.symbol, client_id=order_id())
    for at in range(6, 18):
        for query in scene.tick(at):
            assert isinstance(query, QueryOrder)
            assert scene.give(answer(query, at=at)) == []
        assert scene.account.order(order_id()).status is OrderStatus.UNKNOWN
        assert ID in scene.account.intents
        scene.give(status())
    scene.give(status(), 18.4)
    late = QueryOrder(symbol=BTC.symbol, client_id=order_id())
    assert scene.give(answer(late, at=18.4), 18.5) == []
    [ended] = [m.event for m in scene.said(EventSaid) if isinstance(m.event, IntentEnded)]
    assert ended.reason == "too late for the next step", "a price of 18 s ago is no entry (L8)"


def test_without_a_fence_an_unknown_entry_stays_unknown_blocks_and_alarms():
    """L2: absence is no proof there, however often and however late the venue says it."""
    scene = active(policy=msgspec.structs.replace(POLICY, fence_s=0.0))
    scene.give(intent(), 0.3)
    order = PlaceOrder(
        symbol=BTC.symbol, client_id=order_id(), side="buy", kind="limit", quantity=D(1)
    )
    scene.give(answer(order, Outcome.UNKNOWN, at=0.3), 5.3)
    for at in range(6, 400, 2):
        scene.give(status())
        for query in scene.tick(at):
            if isinstance(query, QueryOrder):
                assert scene.give(answer(query, at=at)) == []
            else:
                assert isinstance(query, TakeSnapshot), query
                scene.give(answer(query, at=at, balances=BALANCES))
    assert scene.account.order(order_id()).status is OrderStatus.UNKNOWN
    assert ID in scene.account.intents, "its reservation stands"
    assert scene.account.totals["alarms"] == 1
    assert [(one.kind, one.symbol) for one in scene.said(AlarmRaised)] == [
        ("outcome_unknown", BTC.symbol)
    ]


def test_an_illegal_event_is_alarmed_blocked_and_reconciled():
    """O1: counted, alarmed, state kept, symbol blocked for entries."""
    scene = held()
    word = said("e1", VenueStatus.CANCELED, filled="2")
    scene.give(VenueReported(order=word), 2.0)
    assert scene.account.totals["alarms"] == 1
    assert scene.account.blocked[BTC.symbol] > ns(2)
    assert TakeSnapshot in [type(r) for r in scene.tick(2.1)]


# ── stopping (R1) ───────────────────────────────────────────────────────────────────────────────


def test_stop_entries_cancels_waits_and_says_drained():
    scene = entered()
    scene.give(VenueReported(order=said()))
    assert [type(r) for r in scene.give(StopEntries(flatten=False), 1.0)] == [CancelOrder]
    assert scene.said(Drained) == []
    scene.give(VenueReported(order=said(status=VenueStatus.CANCELED)), 1.2)
    scene.tick(2.5)
    scene.reconcile(2.6)
    assert [("supervise", Drained(role="route"))] == [
        (to, m) for to, m in scene.says if isinstance(m, Drained)
    ]
    scene.tick(3)
    assert len(scene.said(Drained)) == 1
    scene.give(StopEntries(flatten=False), scene.at + 0.5)
    assert len(scene.said(Drained)) == 2, "asked again, because the first word was lost"


def test_stop_entries_keeps_positions_and_their_stops():
    scene = held()
    scene.give(StopEntries(flatten=False), 5.0)
    scene.tick(5.1)
    assert not any(isinstance(c, CancelOrder) for c in scene.calls)
    assert scene.position.protection is ProtectionStatus.PROTECTED


def test_stop_entries_with_flatten_sells_first():
    scene = held()
    assert [type(r) for r in scene.give(StopEntries(flatten=True), 5.0)] == [CancelOrder]
    [sale] = end_both(scene, 5.1)
    scene.tick(5.2)
    assert scene.said(Drained) == []
    done = said("x3", VenueStatus.FILLED, filled="1", quantity="1")
    scene.give(VenueReported(order=done, trade=traded("x3", trade="9")), 5.3)
    assert sale.client_id == order_id("x3")
    assert scene.account.positions == {}
    scene.tick(6.5)
    scene.reconcile(6.6)
    assert len(scene.said(Drained)) == 1


def test_a_stop_that_flattens_sells_what_was_bought_since():
    """The stop found an entry under way and nothing to close; the order was filled all the same."""
    scene = entered()
    scene.give(StopEntries(flatten=True), 0.4)
    bought = VenueReported(order=said(status=VenueStatus.FILLED, filled="1"), trade=traded())
    [sale] = scene.give(bought, 0.5)
    assert (type(sale), sale.side) == (PlaceOrder, Side.SELL)
    assert scene.position.exiting.reason == ENGINE_STOP
    scene.tick(1.0)
    assert scene.said(Drained) == []


def test_what_comes_after_the_stop_was_at_rest_is_compared_once_more_too():
    """R1: the last comparison is younger than the last sale."""
    scene = held()
    scene.give(StopEntries(flatten=False), 5.0)
    scene.reconcile(5.1, balances=scene.explained(), orders=(said("s1"), said("t1")))
    assert len(scene.said(Drained)) == 1
    scene.give(StopEntries(flatten=True), 6.0)
    end_both(scene, 6.1)
    done = said("x3", VenueStatus.FILLED, filled="1", quantity="1")
    scene.give(VenueReported(order=done, trade=traded("x3", trade="9")), 6.2)
    assert scene.account.positions == {}
    assert len(scene.said(Drained)) == 1, "not by the comparison from before the sale"
    scene.tick(7.3)
    scene.reconcile(7.4, balances=scene.explained())
    assert len(scene.said(Drained)) == 2


def test_a_refused_intent_is_not_taken_on_when_its_copy_comes_late():
    """L8: its reservation is gone; meanwhile the engine is active again."""
    scene = active()
    scene.give(status(TradingState.REDUCING), 0.3)
    assert refuse(scene, 0.4) == "not_active"
    scene.give(status(), 0.5)
    rows = len(scene.rows)
    assert scene.give(intent(), 0.6) == []
    assert len(scene.rows) == rows, "nor refused once more"


def test_nothing_enters_while_stopping():
    scene = active()
    scene.give(StopEntries(flatten=False), 0.25)
    assert refuse(scene) == "not_active"


# ── readers (L8, L12) ───────────────────────────────────────────────────────────────────────────


def test_a_reader_is_welcomed_with_everything():
    scene = held()
    scene.give(hello(mark=3, marked_in=scene.actor.epoch))
    [welcome] = scene.said(Welcomed)
    assert read_account(bytes(welcome.account)) == scene.account
    replica = Replica("decide", 1, "c0ffee")
    replica.on(welcome, ns(1))
    assert (replica.account, replica.instruments) == (scene.account, {BTC.symbol: BTC})


@pytest.mark.parametrize(("version", "config"), [(2, "c0ffee"), (1, "decaf")])
def test_a_reader_of_another_build_or_configuration_is_refused(version, config):
    scene = active()
    scene.give(hello(version=version, config=config))
    assert scene.said(Welcomed) == []
    [refusal] = scene.said(HelloRefused)
    assert config in refusal.reason
    assert str(version) in refusal.reason


def test_a_reader_that_has_seen_more_than_the_journal_holds_trips():
    """L12: the journal lost rows; entries stop until a person has looked."""
    scene = active()
    epoch = scene.actor.epoch
    scene.give(hello(mark=scene.account.seq, marked_in=epoch))
    assert scene.actor.trips.tripped == ""
    scene.give(hello(mark=scene.account.seq + 1, marked_in=epoch))
    assert "has seen" in scene.actor.trips.tripped
    scene.tick(0.3)
    assert [t.role for t in scene.said(Tripped)] == ["route"]
    assert refuse(scene, 0.4) == "not_active"


@pytest.mark.parametrize("marked_in", ["", "run0.7", "run1.1"])
def test_what_route_writes_at_its_start_hides_no_lost_rows(marked_in):
    """L12: three rows are lost, and by the time a reader asks as many new ones stand in their
    place. Its mark is of an earlier route, so it is held against what this one found."""
    before = active()
    seen = before.account.seq
    lost = before.rows[:-3]
    scene = Scene(rows=lost, run="run1", incarnation=2)
    scene.start()
    scene.reconcile(0.1)
    for at in range(1, 200, 10):
        scene.tick(at)
        scene.reconcile(at + 0.1)
        if scene.account.seq > seen:
            break
    assert scene.account.seq > seen
    scene.give(hello(mark=seen, marked_in=marked_in))
    assert f"ended at {len(lost)}, decide has seen {seen}" in scene.actor.trips.tripped
    # Once: after a person has looked, the reader's old mark is no news.
    scene.actor.trips.rearm()
    scene.give(hello(mark=seen, marked_in=marked_in))
    assert scene.actor.trips.tripped == ""


def test_a_reader_from_before_a_crash_has_seen_nothing_that_is_missing():
    before = active()
    scene = Scene(rows=before.rows, incarnation=2)
    scene.start()
    scene.give(hello(mark=len(before.rows), marked_in=before.actor.epoch))
    assert scene.actor.trips.tripped == ""


def test_a_trip_holds_until_a_person_has_removed_the_latch_written_for_it():
    """A status sent before the supervisor knew of the trip is no re-arming."""
    scene = active()
    scene.actor.trips.raise_trip("test")
    scene.tick(0.3)
    scene.give(status(), 0.35)
    assert scene.actor.trips.tripped == "test"
    scene.give(status(TradingState.REDUCING, latch="route: test"), 0.6)
    assert scene.actor.trips.tripped == "test"
    scene.give(status(), 9.0)
    assert scene.actor.trips.tripped == ""
    assert len(scene.said(Tripped)) == 1


def test_beats_name_the_last_event_every_250_ms():
    scene = active()
    before = len(scene.said(Beat))
    for step in range(1, 41):
        scene.tick(1 + step / 10)
    beats = scene.said(Beat)[before:]
    assert 13 <= len(beats) <= 17
    assert {(beat.epoch, beat.seq, beat.reconciled) for beat in beats} == {
        ("run1.1", scene.account.seq, True)
    }


# ── memory ──────────────────────────────────────────────────────────────────────────────────────


def test_a_new_run_counts_from_its_beginning():
    scene = Scene(run="run2", rows=held().rows)
    scene.start(100)
    assert scene.account.run_id == "run2"
    assert scene.account.totals.get("fills", 0) == 0
    assert ID in scene.account.positions


STEPS = st.lists(
    st.one_of(
        st.builds(
            VenueReported,
            order=st.builds(
                said,
                st.sampled_from(["e1", "e2", "s1", "t1", "x3"]),
                st.sampled_from([s for s in VenueStatus if s is not VenueStatus.REJECTED]),
                st.sampled_from(["0", "0.4", "1"]),
            ),
        ),
        st.builds(
            VenueReported,
            trade=st.builds(
                traded,
                st.sampled_from(["e1", "s1", "t1", "x3"]),
                st.sampled_from(["0.4", "0.6", "1"]),
                st.sampled_from(["1", "2", "3", "4"]),
            ),
        ),
        st.builds(status, st.sampled_from(list(TradingState))),
        st.just(intent()),
        st.builds(wanted, st.sampled_from(["x", ASKED_BY_A_PERSON]), st.sampled_from(Urgency)),
        st.just(TimerFired("tick")),
        st.builds(lambda bid: bid, st.integers(9_000, 11_000)),
        st.sampled_from(list(Outcome)),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_the_journal_alone_brings_the_live_state_back(steps):
    """R4: whatever happened, in whatever order; every batch write-ahead on the way (L1)."""
    scene = active()
    for number, step in enumerate(steps):
        at = 0.25 + number / 5
        if isinstance(step, int):
            step = quote(bid=step, ask=step + 1, at=at)
        elif isinstance(step, Outcome):
            asked = [c for c in scene.calls if not isinstance(c, TakeSnapshot)]
            if not asked:
                continue
            step = answer(asked[-1], step, at=at, meaning=Meaning.OTHER)
        scene.give(step, at)
    again = Actor(POLICY, (BTC,), "run1", 2)
    again.recover(None, [EVENTS.read(row) for row in scene.rows])
    assert again.snapshot() == scene.actor.snapshot()
    half = Actor(POLICY, (BTC,), "run1", 2)
    middle = len(scene.rows) // 2
    half.recover(None, [EVENTS.read(row) for row in scene.rows[:middle]])
    rest = [EVENTS.read(row) for row in scene.rows[middle:]]
    last = Actor(POLICY, (BTC,), "run1", 3)
    last.recover(half.snapshot(), rest)
    assert last.snapshot() == scene.actor.snapshot()


def test_its_figures_and_its_report():
    scene = held()
    figures, report = scene.actor.figures(), scene.actor.report()
    assert (figures["orders_live"], figures["positions_open"], figures["fills"]) == (2, 1, 1)
    assert all(isinstance(value, float) for value in figures.values())
    assert report["positions"] == {"opened": 1, "closed": 0, "open": 1}
    assert report["orders"]["filled"] == 1
    assert report["ledger"]["BTC"] == {"engine": "1", "venue": "0"}
    assert report["fill_rate"] == 1.0


@pytest.mark.parametrize(("said_at", "risen"), [(0.4, False), (9.0, True)])
def test_a_push_that_was_long_on_its_way_raises_no_dead_order(said_at, risen):
    """L2: open news younger than the end is the venue's word, older ones only took their time."""
    scene = held()
    over = VenueReported(order=said("t1", status=VenueStatus.CANCELED))
    scene.give(over, 1.0)
    late = said("t1", updated_ms=ns(said_at) // 10**6)
    scene.give(VenueReported(order=late), 9.5)
    assert (scene.account.totals.get("orders_adopted", 0) == 1) == risen
