"""A reader's copy (L8, L12): complete or asking, never guessing."""

import msgspec
import pytest
from domain_scene import BTC, account_of, bought, guarded, ns, opened
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.account import Account, account_bytes
from shared.domain.effects import Say
from shared.domain.fold import evolve
from shared.domain.replica import ACKNOWLEDGE_EVERY, Replica, raw
from shared.messages.account import (
    Acknowledge,
    Alarmed,
    Beat,
    EventSaid,
    Hello,
    HelloRefused,
    Welcomed,
)
from shared.messages.base import MESSAGE_VERSION, encode

STORY = (*bought(), *guarded())


def welcome(account, epoch="e.1", at=0.0, reconciled=True):
    return Welcomed(
        epoch=epoch,
        seq=account.seq,
        account=raw(account_bytes(account)),
        instruments=raw(encode((BTC,))),
        reconciled=reconciled,
        at_ns=ns(at),
    )


def beat(seq, epoch="e.1", at=0.0, reconciled=True):
    return Beat(epoch=epoch, seq=seq, reconciled=reconciled, at_ns=ns(at))


def a_replica(account=None):
    replica = Replica("decide", 3, "hash")
    if account is not None:
        replica.on(welcome(account), ns(0))
    return replica


def said(effects):
    return [effect.message for effect in effects if isinstance(effect, Say)]


def test_it_begins_by_asking_and_asks_again_every_200_ms():
    replica = a_replica()
    hello = Hello(
        role="decide",
        incarnation=3,
        version=MESSAGE_VERSION,
        config_hash="hash",
        mark=0,
        at_ns=ns(0),
    )
    assert said(replica.ask(ns(0))) == [hello]
    assert replica.ask(ns(0.199)) == []
    assert said(replica.ask(ns(0.2))) == [msgspec.structs.replace(hello, at_ns=ns(0.2))]


def test_events_before_the_welcome_are_not_folded():
    replica = a_replica()
    events, effects = replica.on(EventSaid(epoch="e.1", seq=1, event=opened()), ns(1))
    assert events == []
    assert isinstance(said(effects)[0], Hello)
    assert replica.account == Account()


def test_it_follows_event_by_event():
    replica, truth = a_replica(Account()), Account()
    for seq, event in enumerate(STORY, 1):
        evolve(truth, event)
        heard, _ = replica.on(EventSaid(epoch="e.1", seq=seq, event=event), ns(seq))
        assert heard == [event]
    assert replica.account == truth
    assert replica.mark == len(STORY)
    assert replica.instruments == {"BTCUSDT": BTC}


def test_a_mark_names_the_route_that_said_it():
    """L12: a successor that knows less than its predecessor said is found out by it."""

    def asked(replica, at):
        [hello] = said(replica.ask(ns(at)))
        return hello.mark, hello.marked_in

    replica = Replica("decide", 1, "c0ffee")
    replica.mark = 9
    assert asked(replica, 1) == (9, "")
    replica.on(welcome(account_of(*STORY[:3]), "e.1"), ns(2))
    assert asked(replica, 3) == (9, ""), "a shorter account does not make the mark its own"
    replica = a_replica(account_of(*STORY[:3]))
    assert asked(replica, 4) == (3, replica.epoch)
    replica.on(EventSaid(epoch="e.1", seq=4, event=STORY[3]), ns(5))
    first = replica.epoch
    replica.on(welcome(account_of(*STORY[:2]), f"{first}9"), ns(6))
    assert asked(replica, 7) == (4, first)
    replica.on(welcome(account_of(*STORY[:4]), f"{first}9"), ns(8))
    assert asked(replica, 9) == (4, f"{first}9")


def test_a_duplicate_is_ignored():
    replica = a_replica(account_of(*STORY))
    before = account_bytes(replica.account)
    assert replica.on(EventSaid(epoch="e.1", seq=3, event=STORY[2]), ns(1)) == ([], [])
    assert account_bytes(replica.account) == before


@pytest.mark.parametrize("seq", [2, 3, 4])
def test_a_late_row_of_a_dead_route_is_not_folded(seq):
    """L8: where a journal was lost between the two, its number is another row's."""
    replica = a_replica(account_of(*STORY[:2]))
    replica.on(welcome(account_of(*STORY[:3]), "e.2"), ns(1))
    before = account_bytes(replica.account)
    late = EventSaid(epoch="e.1", seq=seq, event=STORY[3])
    assert replica.on(late, ns(2)) == ([], [])
    assert account_bytes(replica.account) == before


@pytest.mark.parametrize("seq", [2, 3, 4])
def test_a_row_of_a_new_route_is_answered_by_asking(seq):
    """L12: the mark must not name one route for another's row."""
    replica = a_replica(account_of(*STORY[:3]))
    events, effects = replica.on(EventSaid(epoch="e.2", seq=seq, event=STORY[3]), ns(9))
    assert events == []
    [hello] = said(effects)
    assert (hello.mark, hello.marked_in) == (3, "e.1")


def test_a_gap_is_answered_by_asking_for_everything():
    replica = a_replica(account_of(*STORY[:3]))
    before = account_bytes(replica.account)
    events, effects = replica.on(EventSaid(epoch="e.1", seq=5, event=STORY[4]), ns(9))
    assert events == []
    assert said(effects)[0].mark == 3, "the mark is what was seen, not what was missed"
    assert account_bytes(replica.account) == before


def test_a_welcome_replaces_everything():
    replica = a_replica(account_of(*STORY[:3]))
    [answer] = said(replica.on(welcome(account_of(*STORY), "e.2"), ns(9))[1])
    assert answer == Acknowledge(role="decide", seq=len(STORY))
    assert replica.account == account_of(*STORY)
    assert replica.epoch == "e.2"


def test_a_shorter_journal_does_not_lower_the_mark():
    """L12: route must be told that it has lost something."""
    replica = a_replica(account_of(*STORY))
    replica.on(welcome(account_of(opened()), "e.2"), ns(9))
    assert (replica.account.seq, replica.mark) == (1, len(STORY))
    assert said(replica.ask(ns(99)))[0].mark == len(STORY)


def test_a_welcome_that_contradicts_itself_changes_nothing_and_is_told():
    wrong = welcome(account_of(*STORY))
    broken = msgspec.structs.replace(wrong, epoch="e", seq=99)
    replica = a_replica()
    events, (note,) = replica.on(broken, ns(1))
    assert events == []
    assert note.event_type == "welcome_unreadable"
    assert "99" in note.fields["reason"]
    assert not replica.welcomed
    assert replica.account == Account()


@pytest.mark.parametrize(
    ("heard", "asks"),
    [
        (beat(3, at=9), False),
        (beat(4, at=9), True),
        (beat(2, at=9), True),
        (beat(3, "e.2", at=9), True),
    ],
)
def test_a_beat_shows_what_is_missing(heard, asks):
    """Another epoch: route restarted, its calls for events may have been lost."""
    replica = a_replica(account_of(*STORY[:3]))
    assert bool(said(replica.on(heard, ns(9))[1])) == asks
    assert (replica.caught_up_ns == heard.at_ns) == (not asks)


@pytest.mark.parametrize(("reconciled", "caught_up_s"), [(True, 4), (False, 2)])
def test_a_welcome_lacks_nothing_once_route_has_asked_the_venue(reconciled, caught_up_s):
    """Before that the venue may show an order that route's journal has lost."""
    replica = a_replica(account_of(opened()))
    replica.on(beat(1, at=2), ns(2))
    replica.on(welcome(account_of(*STORY[:3]), at=4, reconciled=reconciled), ns(5))
    assert replica.account.seq == 3
    assert replica.caught_up_ns == ns(caught_up_s)


def test_freshness_is_when_route_last_spoke():
    replica = a_replica(account_of(opened()))
    replica.on(beat(1, at=4, reconciled=False), ns(5))
    assert (replica.fresh_ns, replica.caught_up_ns) == (ns(5), ns(0))
    assert not replica.reconciled
    replica.on(beat(1, at=6), ns(7))
    assert (replica.fresh_ns, replica.caught_up_ns) == (ns(7), ns(6))
    assert replica.reconciled


def test_a_refusal_is_kept_and_noted():
    """Version or configuration differ (L8)."""
    replica = a_replica()
    _, [note] = replica.on(HelloRefused(reason="version 2"), ns(1))
    assert replica.refused == "version 2"
    assert not replica.welcomed
    assert (note.stream, note.event_type) == ("errors", "hello_refused")


def test_it_acknowledges_now_and_then():
    replica = a_replica(Account())
    acknowledged = []
    for seq in range(1, 3 * ACKNOWLEDGE_EVERY):
        event = Alarmed(at_ns=seq, kind="x", symbol="", text="")
        acknowledged += said(replica.on(EventSaid(epoch="e.1", seq=seq, event=event), ns(0))[1])
    assert [a.seq for a in acknowledged] == [ACKNOWLEDGE_EVERY, 2 * ACKNOWLEDGE_EVERY]


@given(st.lists(st.integers(0, len(STORY) - 1), max_size=40))
def test_whatever_is_lost_or_repeated_a_copy_is_a_prefix_of_the_truth(heard):
    """It may lag; it never holds a state that route never had."""
    replica = a_replica(Account())
    for index in heard:
        replica.on(EventSaid(epoch="e.1", seq=index + 1, event=STORY[index]), ns(1))
    assert replica.account == account_of(*STORY[: replica.account.seq])


def test_a_welcome_that_was_overtaken_changes_nothing():
    """Seed 1507: a late welcome took a reader back, and an exposure that was gone came to life."""
    truth = account_of(*STORY)
    replica = a_replica(truth)
    earlier = account_of(*STORY[:3])
    assert replica.on(welcome(earlier), ns(1)) == ([], [])
    assert replica.account == truth
    # A later route is believed, whatever it holds; the one before it is not heard any more.
    replica.on(welcome(earlier, epoch="e.2"), ns(2))
    assert replica.account == earlier
    assert replica.on(welcome(truth, epoch="e.1"), ns(3)) == ([], [])
    assert replica.account == earlier
