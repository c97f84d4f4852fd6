"""What a person sees while the engine runs: lines in a pipe, a picture on a terminal."""

import io
import os
import time
from pathlib import Path

import pytest

from procs.cli.liveview import PlainView, TerminalView, line_of, make_viewer
from procs.cli.run import print_summary
from procs.supervise.plan import Outcome
from procs.supervise.summary import RunFacts, summary
from shared.domain.effects import Note

STATUS = {
    "state": "ACTIVE",
    "run_id": "tk3f9a",
    "uptime_s": 3.0,
    "stopping": False,
    "reasons": [],
    "processes": {
        "route": {
            "pid": 7,
            "status": "ready",
            "cpu_pct": 3.2,
            "rss_mb": 120.0,
            "heartbeat_age_ms": 20,
            "restarts": 1,
        }
    },
    "positions_open": 1,
    "unprotected_now": 0,
    "latch": "",
    "alarms": 3,
}
NOTES = [
    Note("system", "process_ready", {"role": "route", "pid": 7, "took_ms": 12}),
    Note("events", "trading_state", {"state": "REDUCING", "reasons": ["stopping"]}),
    Note("errors", "alarm", {"from": "route", "kind": "k", "symbol": "BTCUSDT", "text": "bare"}),
    Note("system", "something_new", {"a": 1}),
]


def test_lines_name_what_happened():
    assert [line_of(note) for note in NOTES] == [
        "route is ready (pid 7, 12 ms)",
        "REDUCING: stopping",
        "ALARM route: BTCUSDT bare",
        "something_new a=1",
    ]


def show(view, tmp_path):
    view.started("tk3f9a", "local", tmp_path)
    for note in NOTES:
        view.noted(note, 1_700_000_000_000_000_000)
    view.showed(STATUS)
    view.close()
    view.close()


def test_a_pipe_gets_plain_lines(tmp_path):
    stream = io.StringIO()
    view = make_viewer(stream)
    assert isinstance(view, PlainView)
    show(view, tmp_path)
    lines = stream.getvalue().splitlines()
    assert "tk3f9a" in lines[0]
    assert lines[1:] == [f"22:13:20 {line_of(note)}" for note in NOTES]
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize("no_color", [False, True])
def test_a_terminal_gets_a_picture_with_or_without_colour(tmp_path, monkeypatch, no_color):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    terminal, ours = os.openpty()
    with os.fdopen(ours, "w") as stream:
        view = make_viewer(stream)
        assert isinstance(view, TerminalView)
        show(view, tmp_path)
    shown = os.read(terminal, 100_000).decode()
    os.close(terminal)
    for text in ("ACTIVE", "3 alarms", "route", "BTCUSDT bare", "120"):
        assert text in shown
    assert ("\x1b[1;32m" in shown) is not no_color


def test_a_stuck_reader_does_not_hold_up_the_engine(tmp_path):
    reads, writes = os.pipe()
    with os.fdopen(writes, "w") as stream:
        view = make_viewer(stream)
        view.started("tk3f9a", "local", tmp_path)
        began = time.monotonic()
        for _ in range(20_000):
            view.noted(NOTES[0], 1)
        # Microseconds each; who waited for the reader, for a millisecond only, would be over it.
        assert time.monotonic() - began < 20
        os.close(reads)
        view.close()


def test_the_farewell_for_a_person(capsys):
    facts = RunFacts(
        run_id="tk3f9a", duration_s=60.0, clean_shutdown=False, restarts={"route": 2}, alarms=11
    )
    reports = {"route": {"fills": 4, "positions": {"opened": 2, "closed": 1, "open": 1}}}
    outcome = Outcome(
        exit_code=1,
        error="x",
        stop_reason="SIGINT",
        summary=summary(facts, reports),
        alarms=[f"route: bare {number} s" for number in range(11)],
    )
    print_summary(outcome)
    out = capsys.readouterr().out
    for text in ("NOT clean", "SIGINT", "opened 2, closed 1, open 1", "restarts 2", "11 alarms"):
        assert text in out
    assert "bare 0 s" not in out
    assert "bare 10 s" in out
    assert "None" not in out
    assert Path.cwd().as_posix() not in out
