"""Links: who may bind, what happens to slow, dead and restarted peers, what is counted."""

from __future__ import annotations

import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

import pytest
import zmq

from shared.bus.ask import ask
from shared.bus.locks import LockedError, clear_socket, is_locked, prepare_run_dir, take_lock
from shared.bus.sockets import Link
from shared.bus.topology import ACCOUNT, CHANNELS, CONTROL, QUERY, QUOTES, STEER, channels_of
from shared.errors import ConfigError, DeadlineError, NotRunningError
from shared.messages.base import Reader, encode
from shared.messages.control import ControlMessage, Steer, Steered


@pytest.fixture
def bus(tmp_path):
    """Makes links in one run directory and closes them all."""
    folder = tmp_path / "run"
    prepare_run_dir(folder)
    context = zmq.Context()
    links = []

    def link(channel, role):
        made = Link(context, channel, role, folder)
        links.append(made)
        if channel is QUOTES and not made.binds:
            made.subscribe()
        made.open()
        return made

    link.folder = folder
    yield link
    for made in links:
        made.close()
    context.term()


def until(condition, seconds=30.0):
    ends = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < ends, f"did not happen in {seconds} s"
        time.sleep(0.002)
    return found


def test_every_limit_is_finite_and_every_reader_has_words():
    for channel in CHANNELS.values():
        assert 0 < channel.binder_hwm <= 20_000
        assert 0 < channel.peer_hwm <= 20_000
        assert channel.binder not in channel.peers
        if channel is not QUOTES:
            assert channel.up
            assert channel.down


def test_the_control_channel_speaks_all_control_messages():
    assert {*CONTROL.up, *CONTROL.down} == set(ControlMessage.__args__)


@pytest.mark.parametrize(
    ("role", "names"),
    [
        ("supervise", ["control", "steer"]),
        ("route", ["quotes", "account", "control"]),
        ("ingest", ["quotes", "control"]),
        ("decide", ["quotes", "account", "control"]),
        ("protect", ["quotes", "account", "control"]),
        ("observe", ["quotes", "account", "control", "query"]),
        ("cli", ["steer", "query"]),
    ],
)
def test_channels_of_a_role(role, names):
    assert [channel.name for channel in channels_of(role)] == names


def test_a_path_that_no_socket_can_have_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="at most 107 allowed"):
        ACCOUNT.address(tmp_path / ("x" * 100))


def test_both_directions_with_names(bus):
    route, decide = bus(ACCOUNT, "route"), bus(ACCOUNT, "decide")
    until(lambda: decide.send(b"up"))
    assert until(lambda: route.drain(10)) == [("decide", b"up")]
    assert route.peers == {"decide"}
    assert route.send(b"down", "decide")
    assert until(lambda: decide.drain(10)) == [("", b"down")]
    assert (route.counters.sent, route.counters.received) == (1, 1)


def test_a_drain_is_bounded_and_readable_says_more(bus):
    route, decide = bus(ACCOUNT, "route"), bus(ACCOUNT, "decide")
    until(lambda: decide.send(b"0"))
    for _ in range(9):
        decide.send(b"n")
    until(route.readable)
    time.sleep(0.05)
    assert len(route.drain(4)) == 4
    assert route.readable()
    assert len(route.drain(100)) == 6
    assert not route.readable()


def test_nobody_there_is_counted_not_waited_for(bus):
    decide = bus(ACCOUNT, "decide")
    assert not decide.send(b"x")
    assert decide.counters.again == 1
    route = bus(ACCOUNT, "route")
    assert not route.send(b"x", "observe")
    assert route.counters.unreachable == 1


def test_frames_of_a_stranger_are_counted(bus):
    route = bus(ACCOUNT, "route")
    stranger = zmq.Context.instance().socket(zmq.DEALER)
    stranger.connect(ACCOUNT.address(bus.folder))
    stranger.send_multipart([b"", b"one", b"two"])
    until(lambda: route.drain(10) or route.counters.malformed)
    assert route.counters.malformed == 1
    stranger.close(0)


def test_a_restarted_peer_takes_its_name_over(bus):
    """ROUTER_HANDOVER: without it a successor of a peer that hangs is never heard."""
    route, first = bus(ACCOUNT, "route"), bus(ACCOUNT, "decide")
    until(lambda: first.send(b"first"))
    until(lambda: route.drain(10))
    second = bus(ACCOUNT, "decide")
    until(lambda: second.send(b"second"))
    assert until(lambda: route.drain(10)) == [("decide", b"second")]
    assert route.send(b"answer", "decide")
    assert until(lambda: second.drain(10)) == [("", b"answer")]
    assert first.drain(10) == []


def test_a_restarted_binder_is_found_again_and_gets_nothing_old(bus):
    route, decide = bus(ACCOUNT, "route"), bus(ACCOUNT, "decide")
    until(lambda: decide.send(b"old"))
    until(lambda: route.drain(10))
    route.close()
    time.sleep(0.05)
    for _ in range(5):
        decide.send(b"while it was gone")
    again = bus(ACCOUNT, "route")
    until(lambda: decide.send(b"new"))
    heard = until(lambda: again.drain(100))
    assert heard[0] == ("decide", b"new")


def test_a_slow_reader_never_blocks_the_writer(bus):
    route, decide = bus(ACCOUNT, "route"), bus(ACCOUNT, "decide")
    until(lambda: decide.send(b"here"))
    until(lambda: route.drain(10))
    body = b"x" * 500
    # Who waits gives up its core: a count, because how long a send took says how busy others are.
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
    sent = sum(route.send(body, "decide") for _ in range(40_000))
    waited = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - before
    assert route.counters.again + sent == 40_000
    assert route.counters.again > 10_000
    assert waited < 10
    assert len(decide.drain(50_000)) > 900


def test_quotes_of_a_slow_reader_are_dropped_not_hoarded(bus):
    ingest, decide = bus(QUOTES, "ingest"), bus(QUOTES, "decide")
    until(lambda: ingest.send(b"?") and decide.drain(10))
    for _ in range(100_000):
        assert ingest.send(b"q" * 176)
    time.sleep(0.2)
    assert len(decide.drain(1_000_000)) < 60_000


def test_a_second_binder_is_refused_before_it_binds(bus):
    route, decide = bus(ACCOUNT, "route"), bus(ACCOUNT, "decide")
    with pytest.raises(LockedError, match=f"held by route \\(pid {os.getpid()}\\)"):
        bus(ACCOUNT, "route")
    until(lambda: decide.send(b"still yours"))
    assert until(lambda: route.drain(10)) == [("decide", b"still yours")]


def test_a_stale_socket_file_is_no_obstacle(bus):
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(ACCOUNT.path(bus.folder)))
    dead.close()
    route, decide = bus(ACCOUNT, "route"), bus(ACCOUNT, "decide")
    until(lambda: decide.send(b"x"))
    assert until(lambda: route.drain(10))


def test_something_else_in_the_way_of_a_socket_is_named(bus):
    ACCOUNT.path(bus.folder).write_text("notes")
    with pytest.raises(ConfigError, match="in the way of a socket"):
        bus(ACCOUNT, "route")
    assert ACCOUNT.path(bus.folder).read_text() == "notes"


def test_a_lock_ends_with_its_holder_however_it_dies(tmp_path):
    path = tmp_path / "a.lock"
    code = (
        "import sys, time; from pathlib import Path; from shared.bus.locks import take_lock;"
        "lock = take_lock(Path(sys.argv[1]), 'holder'); print('held', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"held\n"
    assert is_locked(path)
    with pytest.raises(LockedError, match=f"holder \\(pid {child.pid}\\)"):
        take_lock(path, "me")
    child.send_signal(signal.SIGKILL)
    child.wait(5)
    child.stdout.close()
    assert not is_locked(path)
    take_lock(path, "me").release()


def test_a_lock_is_not_inherited_by_children(tmp_path):
    lock = take_lock(tmp_path / "a.lock", "me")
    child = subprocess.Popen(["sleep", "30"])
    lock.release()
    assert not is_locked(tmp_path / "a.lock")
    child.kill()
    child.wait(5)


def test_the_run_directory_is_private(tmp_path):
    prepare_run_dir(tmp_path / "run")
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o700
    (tmp_path / "run").chmod(0o755)
    with pytest.raises(ConfigError, match="mode 0755, allowed 0700"):
        prepare_run_dir(tmp_path / "run")
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="run directory"):
        prepare_run_dir(tmp_path / "file")


def test_clearing_where_nothing_is_does_nothing(tmp_path):
    clear_socket(tmp_path / "none.sock")
    assert list(tmp_path.iterdir()) == []


def test_a_command_asks_and_is_answered(bus):
    supervise = bus(STEER, "supervise")
    reader = Reader(STEER.spoken_to("supervise"))

    def serve():
        for _ in range(2):
            supervise.wait(5000)
            for peer, body in supervise.drain(1):
                verb = reader.read(body).verb
                supervise.send(encode(Steered(ok=True, text=f"{verb} done")), peer)

    server = threading.Thread(target=serve)
    server.start()
    assert ask(bus.folder, STEER, Steer(verb="halt")) == Steered(ok=True, text="halt done")
    assert ask(bus.folder, STEER, Steer(verb="resume")).text == "resume done"
    server.join(5)


def test_a_command_without_an_engine_says_so(bus):
    with pytest.raises(NotRunningError, match="no engine is running"):
        ask(bus.folder, QUERY, Steer(verb="status"))


def test_a_command_to_a_silent_engine_runs_into_its_deadline(bus):
    bus(STEER, "supervise")
    asked = []

    def ask_patiently():
        with pytest.raises(DeadlineError, match="did not answer in 5000 ms"):
            ask(bus.folder, STEER, Steer(verb="status"), deadline_ms=5000)
        asked.append(5000)

    patient = threading.Thread(target=ask_patiently)
    patient.start()
    with pytest.raises(DeadlineError, match="did not answer in 100 ms"):
        ask(bus.folder, STEER, Steer(verb="status"), deadline_ms=100)
    asked.append(100)
    patient.join(60)
    assert asked == [100, 5000]
