"""The runtime's parts by themselves: timers, inbox, latch, layouts, launch files, calls."""

from __future__ import annotations

import os
import stat

import msgspec
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_ext.quote import pack
from procs.runtime import affinity
from procs.runtime.inbox import QUOTES_PER_TURN_MIN, Inbox
from procs.runtime.keeping import raises_risk
from procs.runtime.latch import NO_REASON, Latch
from procs.runtime.launch import Launch, launch_path, read_launch, write_launch
from procs.runtime.timers import REBUILD_AT, Timers
from shared.config.schema import PROCESS_NAMES, Process, Settings
from shared.domain.effects import CallVenue, CancelTimer, SetTimer
from shared.errors import ConfigError
from shared.messages.venue import CancelOrder, OrderKind, PlaceOrder, Side

KEYS = st.sampled_from("abcde")
STEPS = st.lists(
    st.one_of(
        st.builds(SetTimer, key=KEYS, at_ns=st.integers(0, 50)),
        st.builds(CancelTimer, key=KEYS),
        st.integers(0, 60),
    ),
    max_size=200,
)


@given(STEPS)
def test_timers_behave_like_a_dict_that_is_searched(steps):
    timers, model = Timers(), {}
    for step in steps:
        match step:
            case SetTimer(key, at_ns):
                timers.perform(step)
                model[key] = at_ns
            case CancelTimer(key):
                timers.perform(step)
                model.pop(key, None)
            case now_ns:
                fired = [timer.key for timer in timers.due(now_ns, 3)]
                due = sorted(at for at in model.values() if at <= now_ns)[:3]
                assert [model.pop(key) for key in fired] == due
        assert timers.next_ns() == min(model.values(), default=None)
        assert len(timers) == len(model)


def test_replaced_timers_do_not_pile_up():
    timers = Timers()
    for at_ns in range(10_000):
        timers.perform(SetTimer("same", at_ns))
    assert len(timers._heap) <= REBUILD_AT + 3
    assert [timer.key for timer in timers.due(20_000, 9)] == ["same"]


def quote(symbol: str, sequence: int) -> bytes:
    return pack(symbol=symbol, sequence=sequence, recv_ns=1, publish_ns=1, event_ms=1)


def test_the_newest_quote_of_each_symbol_survives():
    inbox = Inbox()
    for sequence in range(1, 4):
        inbox.put_quote(quote("BTCUSDT", sequence))
        inbox.put_quote(quote("ETHUSDT", sequence))
    inbox.put("message")
    taken = inbox.take(256)
    assert taken[0] == "message"
    assert [(one.symbol, one.sequence) for one in taken[1:]] == [("BTCUSDT", 3), ("ETHUSDT", 3)]
    assert inbox.conflated == 4
    assert not inbox


def test_a_quote_that_comes_both_ways_is_taken_once():
    inbox = Inbox(two_ways=True)
    for sequence in (1, 2, 1, 2):
        inbox.put_quote(quote("BTCUSDT", sequence))
    assert [one.sequence for one in inbox.take(256)] == [2]
    inbox.put_quote(quote("BTCUSDT", 2))
    inbox.put_quote(quote("ETHUSDT", 1))
    assert [(one.symbol, one.sequence) for one in inbox.take(256)] == [("ETHUSDT", 1)]
    assert inbox.repeated_quotes == 3
    inbox.put_quote(b"short")
    assert inbox.take(256) == []
    assert inbox.malformed_quotes == 1


def test_a_flood_of_messages_leaves_room_for_quotes_and_neither_is_lost():
    inbox = Inbox()
    for number in range(1000):
        inbox.put(number)
        inbox.put_quote(quote(f"S{number}", 1))
    first = inbox.take(256)
    assert len(first) == 256
    assert sum(not isinstance(one, int) for one in first) == QUOTES_PER_TURN_MIN
    taken = list(first)
    while inbox:
        taken += inbox.take(256)
    assert [one for one in taken if isinstance(one, int)] == list(range(1000))
    assert len(taken) == 2000


def test_malformed_quotes_are_counted():
    inbox = Inbox()
    inbox.put_quote(b"short")
    inbox.put_quote(quote("BTCUSDT", 1)[:-1])
    assert inbox.take(256) == []
    assert inbox.malformed_quotes == 2


def test_the_latch_keeps_its_first_reason_and_only_a_person_opens_it(tmp_path):
    latch, other = Latch(tmp_path / "KILL"), Latch(tmp_path / "KILL")
    assert latch.text() == ""
    assert latch.set("first")
    assert not other.set("second")
    assert latch.text() == other.text() == "first"
    (tmp_path / "KILL").unlink()
    assert latch.text() == ""


def test_an_empty_latch_is_a_latch_and_so_is_one_that_cannot_be_read(tmp_path):
    (tmp_path / "KILL").touch()
    assert Latch(tmp_path / "KILL").text() == NO_REASON
    (tmp_path / "DIR").mkdir()
    assert "not a regular file" in Latch(tmp_path / "DIR").text()


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 8, 64])
def test_automatic_layouts_use_only_cores_that_exist(count):
    cpus = tuple(range(10, 10 + count))
    layout = affinity.layout(cpus)
    assert set(layout) == set(PROCESS_NAMES)
    assert {cpu for own in layout.values() for cpu in own} <= set(cpus)
    hot = {layout[name] for name in ("ingest", "decide", "route")}
    assert len(hot) == {1: 1, 2: 2, 3: 2}.get(count, 3)


def test_the_configuration_outranks_the_layout():
    settings = Settings(process={"decide": Process(cpus=(1,), nice=3), "route": Process(nice=-1)})
    places = affinity.placements(settings, (0, 1), automatic=True)
    assert places["decide"] == ((1,), 3)
    assert places["route"] == ((1,), -1)
    assert places["ingest"] == ((0,), 0)
    assert affinity.placements(settings, (0, 1), automatic=False)["ingest"] == ((), 0)


def test_a_core_that_does_not_exist_is_refused_by_name():
    settings = Settings(process={"decide": Process(cpus=(0, 7))})
    with pytest.raises(ConfigError, match=r"process\.decide\.cpus = \[0, 7\]: no core 7 here"):
        affinity.placements(settings, (0, 1), automatic=False)


def test_placing_is_verified():
    before = psutil.Process().cpu_affinity()
    try:
        assert affinity.apply("decide", before[:1], 0)[0] == tuple(before[:1])
        with pytest.raises(ConfigError, match=r"process\.decide\.cpus"):
            affinity.apply("decide", (4095,), 0)
    finally:
        psutil.Process().cpu_affinity(before)
    assert affinity.apply("decide", (), 0) == (tuple(before), psutil.Process().nice())


def launch(tmp_path) -> Launch:
    return Launch(
        role="decide",
        run_id="r",
        incarnation=2,
        clock_offset_ns=5,
        userdir=str(tmp_path),
        run_dir=str(tmp_path),
        data_dir=str(tmp_path / "data"),
        config_hash="h",
        settings=Settings(process={"decide": Process(cpus=(1,))}),
        cpus=(1,),
    )


def test_a_launch_file_comes_back_as_it_was_and_is_private(tmp_path):
    path = write_launch(launch(tmp_path))
    assert path == launch_path(tmp_path, "decide")
    assert read_launch(path) == launch(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["launch-decide.json"]


def test_a_launch_file_says_where_things_are(tmp_path):
    told = launch(tmp_path)
    assert told.journal_path == tmp_path / "data" / "decide.db"
    assert told.latch_path == tmp_path / "data" / "KILL"
    assert told.credentials_file == tmp_path / "credentials.toml"
    other = msgspec.structs.replace(told, credentials_path="/x/y.toml")
    assert str(other.credentials_file) == "/x/y.toml"
    assert told.clock().offset_ns == 5


@pytest.mark.parametrize("content", [None, b"", b"{}", b'{"role": 1}', b"\xff"])
def test_a_bad_launch_file_is_a_configuration_error(tmp_path, content):
    path = tmp_path / "launch.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"launch\.json"):
        read_launch(path)


def test_only_new_orders_without_priority_raise_risk():
    order = PlaceOrder(symbol="S", client_id="c", side=Side.BUY, kind=OrderKind.MARKET, quantity=1)
    assert raises_risk(CallVenue(order))
    assert not raises_risk(CallVenue(order, exit_priority=True))
    assert not raises_risk(CallVenue(CancelOrder(symbol="S", client_id="c")))


def test_a_process_without_parent_refuses_to_start():
    from procs.runtime import guard
    from shared.errors import NotRunningError

    child = os.fork()
    if child == 0:
        try:
            guard.die_with_parent(os.getpid())
        except NotRunningError:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
