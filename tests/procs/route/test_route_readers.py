"""Route and its readers: what they have seen and the journal does not hold trips (L12)."""

import msgspec
import pytest
from actor_scene import POLICY, Scene, active, answer, entered, hello, status
from domain_scene import ID, intent, ns, order_id, said, traded

from shared.messages.account import EventSaid, IntentEnded, IntentRefused, Welcomed
from shared.messages.control import TradingState, Tripped
from shared.messages.venue import (
    CancelOrder,
    Meaning,
    Outcome,
    PlaceOco,
    PlaceOrder,
    QueryOrder,
    TakeSnapshot,
    VenueReported,
    VenueStatus,
)


def grown_again():
    """Another run began where the rows of an earlier one are lost, and a second process of it has
    found as many rows as the reader has seen."""
    first = active(run="run1")
    lost = (len(first.rows), first.actor.epoch)
    second = active(run="run2")
    assert len(second.rows) >= lost[0]
    scene = Scene(rows=second.rows, run="run2", incarnation=2)
    scene.start()
    scene.reconcile(0.1)
    scene.give(status(), 0.2)
    return scene, second.actor.epoch, lost


def test_a_journal_that_was_lost_and_has_grown_again_is_not_the_one_that_was_seen():
    scene, epoch, (mark, marked_in) = grown_again()
    scene.give(hello("protect", mark, epoch))
    assert scene.said(Tripped) == []
    scene.give(hello("protect", mark, marked_in))
    assert f"row {mark} of run1.1, which protect has seen" in scene.actor.trips.tripped
    scene.give(intent(), 0.4)
    assert not scene.account.intents
    scene.actor.trips.rearm()
    scene.give(hello("protect", mark, marked_in))
    assert scene.actor.trips.tripped == "", "once: after a person has looked it is no news"


def test_the_trip_is_said_before_the_welcome_that_makes_the_reader_forget():
    scene, _, lost = grown_again()
    scene.give(hello("protect", *lost))
    kinds = [type(m) for _, m in scene.says if isinstance(m, Tripped | Welcomed)]
    assert kinds == [Tripped, Welcomed]


def test_a_trip_is_said_again_until_the_latch_stands():
    scene, _, lost = grown_again()
    scene.give(hello("protect", *lost), 0.3)
    for tenths in range(4, 25):
        scene.tick(tenths / 10)
    assert len(scene.said(Tripped)) == 3
    scene.give(status(TradingState.REDUCING, latch="route: lost"), 2.5)
    for tenths in range(26, 60):
        scene.tick(tenths / 10)
    assert len(scene.said(Tripped)) == 3


# ── before they have spoken ─────────────────────────────────────────────────────────────────────


def restarted(rows=(), **more):
    """A new process of route, reconciled and told that all is well, whom nobody has greeted."""
    scene = Scene(rows=rows, incarnation=2, **more)
    scene.start(greeted=False)
    scene.reconcile(0.1)
    scene.give(status(), 0.2)
    return scene


def refusals(scene):
    return [e.event for e in scene.said(EventSaid) if isinstance(e.event, IntentRefused)]


@pytest.mark.parametrize("first", ["decide", "protect"])
def test_nothing_is_bought_before_both_who_remember_have_spoken(first):
    """L12: rows may be lost that the other one has seen."""
    scene = restarted()
    assert scene.give(intent(), 0.3) == []
    scene.give(hello(first), 0.4)
    scene.give(hello("observe"), 0.4)
    scene.give(hello(first), 0.5)
    assert scene.give(intent(intent_id="run1-2"), 0.5) == []
    assert [one.reason for one in refusals(scene)] == ["not_active", "not_active"]
    scene.give(hello({"decide": "protect", "protect": "decide"}[first]), 0.6)
    [order] = scene.give(intent(intent_id="run1-3"), 0.7)
    assert isinstance(order, PlaceOrder)


def test_a_reader_of_another_build_has_not_said_what_it_has_seen():
    scene = restarted()
    scene.give(hello("decide"), 0.3)
    scene.give(hello("protect", config="decaf"), 0.3)
    assert scene.give(intent(), 0.4) == []


def test_a_reader_that_dies_and_comes_back_has_nothing_to_add():
    """What it has seen of this process is in the journal, and of earlier ones it has spoken."""
    scene = restarted()
    scene.greet()
    scene.give(hello("protect"), 0.3)
    [order] = scene.give(intent(), 0.4)
    assert isinstance(order, PlaceOrder)


def test_a_word_that_was_said_to_an_earlier_route_is_no_greeting():
    """L12: that route may have told the reader of rows since. It is not even welcomed: a welcome
    would make it forget them."""
    scene = Scene(incarnation=2)
    scene.start(5.0, greeted=False)
    scene.reconcile(5.1)
    scene.give(status(), 5.2)
    scene.give(hello("decide", at=5.3), 5.3)
    scene.give(hello("protect", at=4.9), 5.3)
    assert len(scene.said(Welcomed)) == 1
    assert scene.give(intent(deadline_ns=ns(6)), 5.4) == []
    scene.give(hello("protect", at=5.5), 5.5)
    assert len(scene.said(Welcomed)) == 2
    [order] = scene.give(intent(intent_id="run1-2", deadline_ns=ns(6)), 5.6)
    assert isinstance(order, PlaceOrder)


def test_what_a_late_word_says_was_seen_is_missed_all_the_same():
    """L12: its reader may die before it says so again, and its own journal know less. The word is
    no greeting for that."""
    first = active(run="run1")
    lost = (len(first.rows), first.actor.epoch)
    scene = Scene(run="run2")
    scene.start(5.0, greeted=False)
    scene.reconcile(5.1)
    scene.give(status(), 5.2)
    scene.give(hello("protect", *lost, at=4.9), 5.3)
    [trip] = scene.said(Tripped)
    assert f"protect has seen {lost[0]}" in trip.reason
    assert scene.said(Welcomed) == []
    scene.greet()
    assert scene.give(intent(deadline_ns=ns(6)), 5.4) == []
    assert [one.reason for one in refusals(scene)] == ["not_active"]


def test_a_late_word_of_rows_that_are_there_changes_nothing():
    first = active(run="run1")
    scene = Scene(rows=first.rows, run="run2")
    scene.start(5.0, greeted=False)
    scene.reconcile(5.1)
    scene.give(status(), 5.2)
    scene.greet()
    scene.give(hello("protect", len(first.rows), first.actor.epoch, at=4.9), 5.3)
    assert scene.said(Tripped) == []
    [order] = scene.give(intent(intent_id="run2-1", deadline_ns=ns(6)), 5.4)
    assert isinstance(order, PlaceOrder)


def in_doubt(**more):
    """The answer to a first step was lost with its process, and the next one takes it back."""
    scene = restarted(rows=entered().rows, **more)
    assert [type(one) for one in scene.calls] == [TakeSnapshot, CancelOrder]
    return scene


def first_step_over(**more):
    """An earlier process sent the first step of an entry; it has ended, and bought nothing."""
    scene = in_doubt(**more)
    gone = answer(scene.calls[-1], Outcome.REFUSED, at=0.3, meaning=Meaning.UNKNOWN_ORDER)
    [asked] = scene.give(gone, 0.3)
    expired = said(status=VenueStatus.EXPIRED)
    assert scene.give(answer(asked, at=0.4, orders=(expired,)), 0.4) == []
    return scene


def ends(scene):
    return [e.event.reason for e in scene.said(EventSaid) if isinstance(e.event, IntentEnded)]


def test_an_intent_under_way_waits_for_those_who_remember():
    """L2, L12: rows may be lost that sent its next step. With its end its reservation would fall,
    and what goes on would be bought a second time."""
    scene = first_step_over()
    scene.give(hello("decide"), 0.4)
    assert scene.give(status(TradingState.REDUCING), 0.5) == []
    assert (list(scene.account.intents), ends(scene)) == ([ID], [])
    scene.give(status(), 0.6)
    [step] = scene.give(hello("protect"), 0.7)
    assert (type(step), step.client_id) == (PlaceOrder, order_id("e2"))


def test_it_ends_when_they_have_spoken_and_nothing_may_be_bought():
    scene = first_step_over()
    scene.give(status(TradingState.REDUCING), 0.5)
    for role in ("decide", "protect"):
        assert ends(scene) == []
        assert scene.give(hello(role), 0.6) == []
    assert ends(scene) == ["no entries any more"]


def questions(scene, at):
    """One more look at what is in doubt, all of which the venue does not know."""
    scene.give(status(TradingState.REDUCING), at)
    asked = [one for one in scene.tick(at) if isinstance(one, QueryOrder)]
    for question in asked:
        scene.give(answer(question, at=at), at + 0.05)
    return [question.client_id for question in asked]


NEXT_STEPS = [order_id("e2"), order_id("e3")]


def test_where_they_stay_silent_the_venue_is_asked_at_the_fence():
    """L2: an entry is not under way for ever because a reader does not start."""
    scene = first_step_over()
    for seconds in range(1, 18):
        assert questions(scene, float(seconds)) == []
        assert list(scene.account.intents) == [ID]
    asked = questions(scene, 18.1) + questions(scene, 18.2)
    assert asked == NEXT_STEPS
    assert ends(scene) == ["no entries any more"]


def test_without_a_fence_nothing_is_asked_in_their_place():
    """L2: at such a venue silence proves nothing at any time; only they can tell."""
    scene = first_step_over(policy=msgspec.structs.replace(POLICY, fence_s=0.0))
    assert questions(scene, 600.0) == []
    assert (list(scene.account.intents), ends(scene)) == ([ID], [])
    for role in ("decide", "protect"):
        scene.give(hello(role), 600.1)
    assert ends(scene) == ["no entries any more"]


def test_protection_and_exits_wait_for_nobody():
    """L5: what was bought is protected, whoever has spoken."""
    scene = in_doubt()
    filled = VenueReported(order=said(status=VenueStatus.FILLED, filled="1"), trade=traded())
    [stop] = scene.give(filled, 0.3)
    assert isinstance(stop, PlaceOco)
