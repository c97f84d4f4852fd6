"""Files of the run directory: what a kill -9 leaves behind is understood."""

import os
import subprocess
import sys

import pytest

from procs.supervise.rundir import (
    UserPaths,
    is_gone,
    next_start_s,
    read_latch,
    read_operator,
    read_run_file,
    replace_text,
    take_engine_lock,
    write_latch,
    write_operator,
)
from procs.supervise.venue_child import choose_port, read_ready
from shared.errors import ConfigError, SeawallError
from shared.messages.control import TradingState


@pytest.fixture
def paths(tmp_path):
    made = UserPaths(tmp_path)
    made.make()
    return made


def test_the_run_directory_is_private(paths):
    assert paths.run_dir.stat().st_mode & 0o777 == 0o700


def test_an_open_run_directory_is_refused(paths):
    paths.run_dir.chmod(0o755)
    with pytest.raises(ConfigError, match="0700"):
        paths.make()


def test_a_user_folder_that_everybody_may_change_is_refused(paths):
    """Whoever may rename `run` needs no rights in it."""
    paths.userdir.chmod(0o777)
    with pytest.raises(ConfigError, match="mode 0777: everybody could exchange"):
        paths.make()


def test_journals_are_closed_to_others_and_logs_may_be_opened(paths):
    for folder in (paths.data_dir, paths.logs_dir):
        assert folder.stat().st_mode & 0o777 == 0o700
        folder.chmod(0o755)
    paths.make()
    assert paths.data_dir.stat().st_mode & 0o777 == 0o700
    assert paths.logs_dir.stat().st_mode & 0o777 == 0o755


def test_the_second_engine_is_refused_by_name_and_the_third_after_the_first_may(paths):
    lock = take_engine_lock(paths)
    replace_text(
        paths.run_file, '{"run_id": "tk3f9a", "pid": 4711, "started": "x", "started_s": 1}'
    )
    with pytest.raises(SeawallError, match="pid 4711, run tk3f9a"):
        take_engine_lock(paths)
    lock.release()
    take_engine_lock(paths).release()


def test_run_ids_rise_even_when_the_clock_does_not(paths):
    starts = [next_start_s(paths, now_s) for now_s in (1000, 1000, 900, 2000)]
    assert starts == [1000, 1001, 1002, 2000]


def test_a_latch_keeps_its_first_reason_and_an_empty_one_latches_too(paths):
    assert read_latch(paths.latch) == ""
    write_latch(paths.latch, "first")
    write_latch(paths.latch, "second")
    assert read_latch(paths.latch) == "first"
    paths.latch.write_bytes(b"")
    assert read_latch(paths.latch) == "no reason given"
    paths.latch.write_bytes(b"\xff" * 5000)
    assert 0 < len(read_latch(paths.latch)) <= 1000


@pytest.mark.parametrize("state", list(TradingState))
def test_a_persons_pause_is_kept(paths, state):
    write_operator(paths.operator, state)
    assert read_operator(paths.operator) is state
    assert paths.operator.exists() is (state is not TradingState.ACTIVE)


@pytest.mark.parametrize("text", ["", "nonsense", "ACTIVE extra"])
def test_an_operator_file_that_cannot_be_understood_pauses(paths, text):
    paths.operator.write_text(text)
    assert read_operator(paths.operator) is TradingState.REDUCING


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}'])
def test_a_broken_run_file_is_none(paths, text):
    paths.run_file.write_text(text)
    assert read_run_file(paths.run_file) is None


def test_the_port_is_remembered_while_it_is_free(paths):
    port = choose_port(0, paths.venue_port)
    assert choose_port(0, paths.venue_port) == port
    assert choose_port(4321, paths.venue_port) == 4321
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        moved = choose_port(0, paths.venue_port)
    assert moved != port
    assert choose_port(0, paths.venue_port) == moved


def test_a_torn_ready_line_is_no_readiness():
    line = b'{"rest":"http://h:1","ws":"ws://h:1","api_key":"k","api_secret":"s","symbols":["A"]}'
    ready = read_ready(line + b"\n")
    assert ready is not None
    assert ready.symbols == ("A",)
    assert read_ready(line[:40]) is None
    assert read_ready(b"") is None


def test_gone_means_dead_or_waiting_to_be_noticed():
    assert not is_gone(os.getpid())
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert is_gone(child.pid)
    child.wait()
    assert is_gone(child.pid)
