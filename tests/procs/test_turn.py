"""A turn's effects are performed in one order (L1): journal, timers, says, calls, notes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procs.turn import Batch, gather, take_turn
from shared.domain.effects import (
    CallVenue,
    CancelTimer,
    Journal,
    Note,
    Say,
    SetTimer,
    TimerFired,
)
from shared.messages.account import Alarmed
from shared.messages.control import Drained, EngineStatus, StopEntries, TradingState
from shared.messages.venue import Outcome, QueryOrder, VenueAnswered

EVENT = Alarmed(at_ns=1, kind="x", symbol="", text="")
EFFECTS = st.one_of(
    st.builds(Journal, st.integers(1, 9), st.just(EVENT), st.booleans()),
    st.builds(Say, st.sampled_from(["peers", "route"]), st.just(Drained(role="x"))),
    st.builds(CallVenue, st.builds(QueryOrder, symbol=st.just("X"), client_id=st.text(max_size=3))),
    st.builds(SetTimer, st.text(max_size=2), st.integers(0, 9)),
    st.builds(CancelTimer, st.text(max_size=2)),
    st.builds(Note, st.just("events"), st.text(max_size=3), st.just({})),
)


@given(st.lists(EFFECTS))
def test_nothing_is_lost_and_each_kind_keeps_its_order(effects):
    batch = gather(effects)
    parts = [*batch.journal, *batch.timers, *batch.says, *batch.calls, *batch.notes]
    assert len(parts) == len(effects)
    for part in (batch.journal, batch.timers, batch.says, batch.calls, batch.notes):
        kinds = tuple({type(effect) for effect in part})
        assert part == [e for e in effects if isinstance(e, kinds)] if part else True
    assert batch.durable == any(isinstance(e, Journal) and e.durable for e in effects)


def test_the_parts_are_taken_in_the_order_of_write_ahead():
    """The performers walk the fields; nothing that leaves comes before the journal (L1)."""
    assert Batch.__struct_fields__ == ("journal", "timers", "says", "calls", "notes")


def test_two_batches_share_nothing():
    one, other = Batch(), Batch()
    one.journal.append(Journal(1, EVENT))
    assert other.journal == []


class Echo:
    role = "echo"

    def __init__(self):
        self.heard = []

    def on(self, message, now_ns):
        self.heard.append((message, now_ns))
        return [Note("events", str(message), {}), Journal(len(self.heard), EVENT)]


def test_a_turn_is_one_instant_and_one_batch():
    actor = Echo()
    batch = take_turn(actor, ["a", "b"], 7)
    assert actor.heard == [("a", 7), ("b", 7)]
    assert [entry.seq for entry in batch.journal] == [1, 2]
    assert [note.event_type for note in batch.notes] == ["a", "b"]


@pytest.mark.parametrize("messages", [[], ()])
def test_an_empty_turn_does_nothing(messages):
    assert take_turn(Echo(), messages, 1) == Batch()


def test_what_forbids_is_heard_first():
    """A late timer would else send an entry that the same turn cancels (L9, swarm seed 974)."""
    actor, stop = Echo(), StopEntries(flatten=False)
    take_turn(actor, [TimerFired("rung"), "a", stop, "b"], 7)
    assert [message for message, _ in actor.heard] == [stop, TimerFired("rung"), "a", "b"]


def status(state):
    return EngineStatus(run_id="r1", state=state, at_ns=1, uptime_s=1.0,
                        stopping=False, reasons=(), processes={})  # fmt: skip


def test_a_stop_is_heard_before_a_state_of_before_it():
    """An entry whose pause was over left on that state, and was cancelled (L9, swarm 36611)."""
    actor, stop = Echo(), StopEntries(flatten=True)
    active, reducing = status(TradingState.ACTIVE), status(TradingState.REDUCING)
    take_turn(actor, [active, stop, reducing], 7)
    assert [message for message, _ in actor.heard] == [stop, reducing]


STATUSES = [status(state) for state in TradingState]


@given(st.lists(st.sampled_from(STATUSES), max_size=6))
def test_only_the_newest_state_permits(words):
    """One may come twice, in the simulation as the same object."""
    actor = Echo()
    take_turn(actor, [TimerFired("rung"), *words], 7)
    heard = [message for message, _ in actor.heard]
    assert heard[-1] == TimerFired("rung")
    old = [word for word in words[:-1] if word.state is not TradingState.ACTIVE]
    assert heard[:-1] == old + words[-1:]


def test_a_throttled_answer_is_heard_before_another():
    """The other would let the next order of the same decision leave (L10, swarm seed 1139)."""
    request = QueryOrder(symbol="BTCUSDT", client_id="sw-t3uwow-1-e1")
    fine, throttled = (
        VenueAnswered(request=request, outcome=outcome)
        for outcome in (Outcome.OK, Outcome.THROTTLED)
    )
    actor = Echo()
    take_turn(actor, [fine, throttled], 7)
    assert [message for message, _ in actor.heard] == [throttled, fine]
