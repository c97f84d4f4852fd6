"""An older journal, or none, while the venue knows more: nothing of ours stays bare (L4, L12)."""

from __future__ import annotations

import msgspec
from actor_scene import POLICY, Scene, answer, status
from domain_scene import D, intent, ns, order_id, said, submitted, traded

from shared.domain.position import PositionStatus
from shared.messages.account import EventSaid, ProtectionStatus
from shared.messages.base import encode
from shared.messages.venue import (
    CancelOrder,
    Outcome,
    PlaceOrder,
    TakeSnapshot,
    VenueBalance,
    VenueReported,
    VenueStatus,
)

LOST = "run0-7"
"""A decision that the journal has never seen."""


def balances(btc_free="0", btc_locked="0", usdt="9900"):
    return (
        VenueBalance(asset="BTC", free=D(btc_free), locked=D(btc_locked)),
        VenueBalance(asset="USDT", free=D(usdt), locked=D(0)),
    )


def of_lost(leg, **changes):
    return said(leg, client_id=order_id(leg, LOST), **changes)


STOPS = (
    of_lost("s1", stop_price=D(97), price=D("96.51"), group_id="3"),
    of_lost("t1", price=D(103), group_id="3"),
)
"""Where the default protection of a decision that nobody remembers would put them."""
ENTRY = of_lost("e1", status=VenueStatus.FILLED, filled="1")
BOUGHT = traded(client_id="", venue_order_id=ENTRY.venue_order_id)


def restored(policy=POLICY):
    """A journal that ends before the venue's history does."""
    before = Scene(policy)
    before.start()
    before.reconcile(0.1)
    scene = Scene(policy, rows=before.rows, run="run2", incarnation=2)
    scene.start(1000.0)
    return scene


def test_the_stop_of_a_lost_position_is_kept_and_its_history_asked_for():
    scene = restored()
    asked = scene.reconcile(1000.1, orders=STOPS, balances=balances(btc_locked="1"))
    assert not [one for one in asked if isinstance(one, CancelOrder)], "it may be all that protects"
    [history] = [one for one in asked if isinstance(one, TakeSnapshot)]
    assert history.history
    assert history.symbols == ("BTCUSDT",)
    assert history.trades_since_ms <= ns(0.1) // 10**6, "back to when all was the same"


def test_the_lost_position_comes_back_with_the_stop_it_has():
    scene = restored()
    scene.reconcile(1000.1, orders=STOPS, balances=balances(btc_locked="1"))
    asked = scene.reconcile(
        1000.2, orders=(*STOPS, ENTRY), trades=(BOUGHT,), balances=balances(btc_locked="1")
    )
    assert asked == [], "found as it was left: nothing to cancel, nothing to place"
    position = scene.account.positions[LOST]
    assert (position.bought, position.spent) == (1, 100)
    assert position.protection is ProtectionStatus.PROTECTED
    assert position.status is PositionStatus.PROTECTING
    assert scene.account.ledger == {"BTC": 1, "USDT": 9900}
    assert scene.tick(1001.0) == []
    assert history_of(scene, 1018.1).history, "another sale of it may have been on its way"
    assert scene.reconcile(1018.2, orders=STOPS, balances=balances(btc_locked="1")) == []
    again = scene.tick(1079.0)
    assert [one.history for one in again if isinstance(one, TakeSnapshot)] == [False]


def bare(policy=POLICY):
    """The lost position is found in the history that was read at once; nothing protects it."""
    scene = restored(policy)
    asked = scene.reconcile(1000.1, balances=balances(btc_free="1"))
    assert [one.history for one in asked if isinstance(one, TakeSnapshot)] == [True]
    asked = found_bare(scene, 1000.2)
    assert scene.account.positions[LOST].bought == 1
    return scene, asked


def found_bare(scene, at):
    """The venue's answer: it was bought, and no sale of it is known."""
    return scene.reconcile(at, orders=(ENTRY,), trades=(BOUGHT,), balances=balances(btc_free="1"))


def test_a_lost_position_without_a_stop_gets_one_when_no_other_can_come():
    """What its journal had sent before it was lost is unknown until the fence (L2, L6)."""
    scene, asked = bare()
    assert asked == []
    assert [one for tenths in range(178) for one in scene.tick(1000.2 + tenths / 10)] == []
    assert history_of(scene, 1018.0).symbols == ("BTCUSDT",)
    [stop] = found_bare(scene, 1018.1)
    assert (stop.quantity, stop.stop_id) == (1, order_id("s2", LOST))


def test_a_sale_that_the_lost_journal_had_sent_is_not_made_twice():
    """L6: it comes to the venue late, and its pushes are lost."""
    scene, _ = bare()
    history_of(scene, 1018.0)
    late = balances(btc_locked="1")
    assert scene.reconcile(1018.1, orders=(ENTRY, *STOPS), trades=(BOUGHT,), balances=late) == []
    assert scene.account.positions[LOST].protection is ProtectionStatus.PROTECTED
    assert [one for one in scene.tick(1019.0) if not isinstance(one, TakeSnapshot)] == []


def test_a_history_that_was_asked_for_too_early_proves_nothing():
    scene = restored()
    scene.reconcile(1000.1, balances=balances(btc_free="1"))
    assert found_bare(scene, 1018.5) == [], "it left at 1000.1"
    assert history_of(scene, 1018.6).history
    [stop] = found_bare(scene, 1018.7)
    assert stop.stop_id == order_id("s2", LOST)


def test_a_history_that_fails_is_asked_for_again():
    scene, _ = bare()
    request = history_of(scene, 1018.0)
    assert scene.give(answer(request, Outcome.UNKNOWN, at=1018.0), 1018.1) == []
    assert scene.tick(1018.5) == [], "not in a tight loop"
    assert history_of(scene, 1019.2).history
    assert len(found_bare(scene, 1019.3)) == 1


def test_a_death_before_the_fence_does_not_make_a_sale_of_the_lost_journal_impossible():
    before, _ = bare()
    scene = Scene(rows=before.rows, run="run2", incarnation=3)
    scene.start(1005.0)
    assert scene.reconcile(1005.1, balances=balances(btc_free="1")) == []
    assert scene.tick(1017.9) == []
    assert history_of(scene, 1018.0).history, "counted from the first run that knew of it"
    assert len(found_bare(scene, 1018.1)) == 1


def test_where_absence_never_proves_anything_a_lost_position_is_protected_at_once():
    """No fence known: waiting would leave it bare for ever (L5)."""
    _, asked = bare(msgspec.structs.replace(POLICY, fence_s=0.0))
    assert [one.stop_id for one in asked] == [order_id("s2", LOST)]


def test_a_lost_round_trip_is_found_by_what_it_earned():
    scene = restored()
    asked = scene.reconcile(1000.1, balances=balances(usdt="10003"))
    assert [one.symbols for one in asked if isinstance(one, TakeSnapshot)] == [("BTCUSDT",)]
    sale = of_lost("x1", status=VenueStatus.FILLED, filled="1")
    sold = traded("x1", trade="2", client_id="", price=D(103), venue_order_id=sale.venue_order_id)
    scene.reconcile(
        1000.2, orders=(ENTRY, sale), trades=(BOUGHT, sold), balances=balances(usdt="10003")
    )
    assert scene.account.ledger == {"BTC": 0, "USDT": 10003}
    assert LOST not in scene.account.positions


def test_what_lags_behind_the_balances_is_found_by_asking_again():
    """L2: the first list does not have yet what the balance already shows."""
    scene = restored()
    held = balances(btc_free="1")
    assert scene.reconcile(1000.1, balances=held)
    assert scene.reconcile(1000.2, balances=held) == []
    asked = [one for at in (1001.0, 1002.2) for one in scene.tick(at)]
    assert [one.history for one in asked if isinstance(one, TakeSnapshot)] == [True]
    scene.reconcile(1002.3, orders=(ENTRY,), trades=(BOUGHT,), balances=held)
    assert scene.account.positions[LOST].bought == 1


def test_what_stays_unexplained_is_asked_for_twice_and_then_a_matter_for_a_person():
    scene = restored()
    more = balances(usdt="12000")
    assert scene.reconcile(1000.1, balances=more)
    assert scene.reconcile(1000.2, balances=more) == [], "history did not explain the deposit"
    histories = [one for one in scene.calls if isinstance(one, TakeSnapshot) and one.history]
    assert len(histories) == 1
    at = 1000.2
    while not scene.actor.trips.tripped and at < 1200:
        at += 0.5
        if any(isinstance(one, TakeSnapshot) for one in scene.tick(at)):
            scene.reconcile(at, balances=more)
    assert "ledger differs" in scene.actor.trips.tripped
    histories = [one for one in scene.calls if isinstance(one, TakeSnapshot) and one.history]
    assert len(histories) == 2, "a read may lag"


def test_a_journal_in_doubt_allows_no_entry_before_ledger_and_venue_agree():
    """L12: a person who re-arms does not make the lost rows come back."""
    before = Scene()
    before.start()
    before.reconcile(0.1)
    scene = Scene(rows=before.rows, incarnation=2)
    scene.actor.latched = "journal route.db: ends at row 3, but row 9 was seen"
    scene.start(1.0)
    scene.reconcile(1.1, balances=balances(btc_free="1"))
    scene.actor.latched = ""
    scene.give(status(), 1.2)
    assert scene.give(intent(deadline_ns=ns(2)), 1.3) == []
    assert scene.said(EventSaid)[-1].event.reason == "not_active"
    while not isinstance((scene.tick(scene.at + 0.5) or [None])[0], TakeSnapshot):
        scene.give(status())
    scene.reconcile(balances=scene.explained())
    scene.give(status())
    [order] = scene.give(intent(intent_id="run1-2", deadline_ns=ns(scene.at + 1)))
    assert isinstance(order, PlaceOrder)


def test_a_sale_that_nothing_stands_behind_is_still_cancelled():
    """The ledger explains what is held: the sale could only oversell (L6)."""
    scene = restored()
    asked = scene.reconcile(1000.1, orders=(of_lost("x1"),), balances=balances(usdt="10000"))
    assert [one.client_id for one in asked if isinstance(one, CancelOrder)] == [
        order_id("x1", LOST)
    ]


def test_trades_from_before_a_long_sleep_are_not_booked_again():
    """Fills are remembered for a day back from the last agreement, not from the start (L3)."""
    before = Scene()
    before.start()
    before.reconcile(0.1)
    day = 86_400.0
    rows = [*before.rows, encode(submitted(at=1.0))]
    scene = Scene(rows=rows, run="run1", incarnation=2)
    scene.start(2.0)
    filled = said("e1", status=VenueStatus.FILLED, filled="1")
    scene.reconcile(2.1, orders=(filled,), trades=(traded(),), balances=balances(btc_free="1"))
    assert scene.account.ledger["BTC"] == 1
    later = Scene(rows=scene.rows, run="run2", incarnation=1)
    later.start(3 * day)
    later.reconcile(3 * day + 0.1, trades=(traded(),), balances=balances(btc_free="1"))
    assert later.account.ledger["BTC"] == 1


# ── no journal at all ───────────────────────────────────────────────────────────────────────────


def without_a_journal(**held):
    """Nothing is known, and something is held."""
    scene = Scene()
    scene.start(1000.0)
    scene.reconcile(1000.1, balances=balances(**held))
    scene.give(status(), 1000.2)
    return scene


def history_of(scene, at):
    [asked] = [one for one in scene.tick(at) if isinstance(one, TakeSnapshot)]
    return asked


def test_a_new_account_without_stock_trades_at_once():
    scene = without_a_journal()
    assert not scene.account.opening
    [order] = scene.give(intent(deadline_ns=ns(1001)), 1000.3)
    assert isinstance(order, PlaceOrder)


def test_the_position_of_a_lost_folder_is_found_and_protected():
    """Its stop was never placed: nothing at the venue points to it but its history."""
    scene = without_a_journal(btc_free="1")
    assert scene.actor.ready
    assert scene.give(intent(deadline_ns=ns(1001)), 1000.3) == [], "some of it may be ours"
    assert [one for one in scene.tick(1002.0) if isinstance(one, TakeSnapshot)] == []
    history = history_of(scene, 1002.2)
    assert (history.history, history.symbols) == (True, ("BTCUSDT",))
    assert found_bare(scene, 1002.3) == [], "a sale may be on its way"
    assert scene.account.positions[LOST].bought == 1
    assert scene.account.ledger == {"BTC": 1, "USDT": 9900}, "held once, not twice"
    assert not scene.account.opening
    assert history_of(scene, 1018.0).history
    [stop] = found_bare(scene, 1018.1)
    assert (stop.quantity, stop.stop_id) == (1, order_id("s2", LOST))


def test_stock_of_the_owner_stays_his():
    scene = without_a_journal(btc_free="1")
    history_of(scene, 1002.2)
    assert scene.reconcile(1002.3, balances=balances(btc_free="1")) == []
    assert (scene.account.positions, scene.account.opening) == ({}, False)
    scene.give(status(), 1002.4)
    [order] = scene.give(intent(deadline_ns=ns(1003)), 1002.5)
    assert isinstance(order, PlaceOrder)


def test_a_death_before_the_history_was_read_forgets_nothing():
    before = without_a_journal(btc_free="1")
    scene = Scene(rows=before.rows, incarnation=2)
    scene.start(1001.0)
    scene.reconcile(1001.1, balances=balances(btc_free="1"))
    assert history_of(scene, 1003.2).history


def test_executions_that_are_owed_are_not_counted_twice():
    """L15: what was sold is in the balances, and its trade is in no list yet."""
    scene = without_a_journal(usdt="10003", btc_free="0.001")
    history_of(scene, 1002.2)
    sale = of_lost("x1", status=VenueStatus.FILLED, filled="1")
    left = balances(usdt="10003", btc_free="0.001")
    scene.reconcile(1002.3, orders=(ENTRY, sale), trades=(BOUGHT,), balances=left)
    assert scene.account.opening
    assert scene.actor._reconciler.unexplained == set(), "what is left may be protected"
    sold = traded("x1", trade="2", client_id="", price=D(103), venue_order_id=sale.venue_order_id)
    asked = [one for tenths in range(30) for one in scene.tick(1002.4 + tenths / 10)]
    assert [one.history for one in asked if isinstance(one, TakeSnapshot)] == [False]
    scene.reconcile(1005.4, trades=(sold,), balances=left)
    assert scene.account.opening, "its inferred execution was booked meanwhile"
    assert scene.account.explained_ns == 0, (
        "on trial it is what the venue says, and explains nothing"
    )
    scene.tick(1007.5)
    scene.reconcile(1007.6, balances=left)
    assert not scene.account.opening
    assert scene.account.explained_ns > 0
    assert scene.account.ledger == {"BTC": D("0.001"), "USDT": 10003}


def test_what_happens_while_history_is_read_is_compared_again():
    """Its balances may be older than what was heard meanwhile."""
    scene = without_a_journal(btc_free="1")
    history_of(scene, 1002.2)
    scene.give(VenueReported(balances=balances(btc_free="2")[:1]), 1002.25)
    scene.reconcile(1002.3, balances=balances(btc_free="1"))
    assert scene.account.opening
    assert not history_of(scene, 1004.4).history, "what is ours is known by now"
    scene.reconcile(1004.5, balances=balances(btc_free="2"))
    assert (scene.account.opening, scene.account.ledger["BTC"]) == (False, 2)


def test_an_execution_that_is_heard_before_the_first_balances_does_not_open_the_ledger():
    """A stop of the lost journal fills while route starts: what it holds is not known by that."""
    scene = Scene()
    scene.start(1000.0)
    sale = said("s1", VenueStatus.FILLED, client_id=order_id("s1", LOST), filled="1")
    scene.give(
        VenueReported(order=sale, trade=traded("s1", client_id=order_id("s1", LOST))), 1000.05
    )
    left = balances(usdt="10003")
    scene.reconcile(1000.1, balances=left)
    assert scene.account.opening, "its balances may be older than what was heard"
    scene.tick(1002.2)
    scene.reconcile(1002.3, balances=left)
    assert (scene.account.opening, scene.account.ledger) == (False, {"BTC": 0, "USDT": 10003})
