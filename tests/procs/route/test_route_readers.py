"""Route and its readers: what they have seen and the journal does not hold trips (L12)."""

from actor_scene import Scene, active, status
from domain_scene import intent

from shared.messages.account import Hello, Welcomed
from shared.messages.base import MESSAGE_VERSION
from shared.messages.control import TradingState, Tripped


def hello(mark, marked_in):
    return Hello(
        role="protect",
        incarnation=1,
        version=MESSAGE_VERSION,
        config_hash="c0ffee",
        mark=mark,
        marked_in=marked_in,
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
    scene.give(hello(mark, epoch))
    assert scene.said(Tripped) == []
    scene.give(hello(mark, marked_in))
    assert f"row {mark} of run1.1, which protect has seen" in scene.actor.trips.tripped
    scene.give(intent(), 0.4)
    assert not scene.account.intents
    scene.actor.trips.rearm()
    scene.give(hello(mark, marked_in))
    assert scene.actor.trips.tripped == "", "once: after a person has looked it is no news"


def test_the_trip_is_said_before_the_welcome_that_makes_the_reader_forget():
    scene, _, lost = grown_again()
    scene.give(hello(*lost))
    kinds = [type(m) for _, m in scene.says if isinstance(m, Tripped | Welcomed)]
    assert kinds == [Tripped, Welcomed]


def test_a_trip_is_said_again_until_the_latch_stands():
    scene, _, lost = grown_again()
    scene.give(hello(*lost), 0.3)
    for tenths in range(4, 25):
        scene.tick(tenths / 10)
    assert len(scene.said(Tripped)) == 3
    scene.give(status(TradingState.REDUCING, latch="route: lost"), 2.5)
    for tenths in range(26, 60):
        scene.tick(tenths / 10)
    assert len(scene.said(Tripped)) == 3
