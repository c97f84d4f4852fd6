"""A process told to die at an exact point dies there, and nowhere else."""

import asyncio
import signal
import time
from types import SimpleNamespace

import pytest
from runtime_rig import Rig

from procs.runtime.calls import STALE_TURN_NS, Calls
from procs.runtime.fate import POINTS, Fate
from shared.domain.effects import CallVenue
from shared.errors import ConfigError
from shared.journal.reader import JournalReader
from shared.messages.base import Amount
from shared.messages.venue import CancelOrder, OrderKind, Outcome, PlaceOrder, QueryOrder, Side
from shared.units import NS_PER_S

PLACE = PlaceOrder(
    symbol="BTCUSDT",
    client_id="sw-t1-1-e1",
    side=Side.BUY,
    kind=OrderKind.MARKET,
    quantity=Amount(1),
)
CANCEL = CancelOrder(symbol="BTCUSDT", client_id="sw-t1-1-e1")
QUERY = QueryOrder(symbol="BTCUSDT", client_id="sw-t1-1-e1")


class Died(Exception):
    """Instead of SIGKILL."""


def fate(text):
    def die():
        raise Died

    return Fate(text, die)


def walked(text):
    """How many of these steps were survived: turn, query, place, answer, turn, cancel, answer."""
    found = fate(text)
    steps = [
        found.committed,
        lambda: found.calling(QUERY),
        lambda: found.answered(QUERY),
        lambda: found.calling(PLACE),
        lambda: found.answered(PLACE),
        found.committed,
        lambda: found.calling(CANCEL),
        lambda: found.answered(CANCEL),
    ]
    for number, step in enumerate(steps):
        try:
            step()
        except Died:
            return number
    return len(steps)


@pytest.mark.parametrize(
    ("text", "survived"),
    [
        ("", 8),
        ("commit:1", 0),
        ("commit:2", 5),
        ("commit:3", 8),
        ("call:1", 1),
        ("call:3", 6),
        ("order:1", 3),
        ("order:2", 6),
        ("answer:1", 4),
        ("answer:2", 7),
    ],
)
def test_it_dies_at_the_point(text, survived):
    assert walked(text) == survived


@pytest.mark.parametrize("text", ["commit", "commit:", "commit:0", "commit:-1", "lunch:1", ":3"])
def test_other_texts_are_refused(text):
    with pytest.raises(ConfigError, match="dies_after") as error:
        Fate(text)
    assert all(point in str(error.value) for point in POINTS)


def test_calls_pass_the_points_in_order():
    said = []

    async def perform(call, turn_began_ns):
        said.append("sent")
        return "answer"

    shell = SimpleNamespace(perform_call=perform)
    watcher = SimpleNamespace(
        calling=lambda request: said.append("calling"),
        answered=lambda request: said.append("answered"),
    )
    calls = Calls(shell, said.append, lambda began_ns: False, None, watcher)
    step = calls._perform(CallVenue(request=PLACE), 0)
    with pytest.raises(StopIteration):
        step.send(None)
    assert said == ["calling", "sent", "answered", "answer"]


def test_what_a_stop_gives_up_may_have_left_until_its_turn_was_too_old():
    """L2: the fence counts from the last moment of the write, however long it was waited for."""
    said = []
    began_ns = 40 * NS_PER_S

    async def never(call, turn_began_ns):
        await asyncio.get_running_loop().create_future()

    async def stop():
        shell = SimpleNamespace(perform_call=never)
        calls = Calls(shell, said.append, lambda began_ns: False, lambda task: None)
        calls.begin(CallVenue(request=PLACE), began_ns)
        await calls.wait(0.01)
        await calls.abandon()

    asyncio.run(stop())
    [answer] = said
    assert answer.outcome is Outcome.UNKNOWN
    assert answer.sent_ns == began_ns + STALE_TURN_NS


@pytest.mark.e2e
def test_a_child_dies_right_after_its_second_commit(tmp_path):
    rig = Rig(tmp_path)
    try:
        rig.start(dies_after="commit:2")
        for _ in range(2):
            rig.say()
            time.sleep(0.05)
            rig.pump()
        assert rig.child.wait(60) == -signal.SIGKILL
        rig.expects_life = False
        rig.pump(50)
        with JournalReader(rig.journal, "decide") as reader:
            assert len(list(reader.rows())) == 2
        assert max(ack.seq for ack in rig.acks) == 1
        rig.start()
        assert rig.hellos[0].mark == 2
    finally:
        rig.close()
