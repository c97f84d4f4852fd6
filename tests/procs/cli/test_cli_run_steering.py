"""The steering verbs: without an engine, without a terminal, and against a running one."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from procs.cli.main import main

ROOT = Path(__file__).parents[3]
TOYS = ROOT / "tests" / "procs" / "supervise" / "run_toys.py"
WITHIN_S = 90.0


@pytest.fixture
def userdir(tmp_path):
    (tmp_path / "toy.json").write_text("{}")
    (tmp_path / "data").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    "verb", [["status"], ["stop"], ["pause-entries"], ["resume"], ["halt", "--yes"]]
)
def test_without_an_engine_it_is_exit_code_3(userdir, verb, capsys):
    assert main([*verb, "--userdir", str(userdir)]) == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "no engine is running" in captured.err


def test_what_a_dead_engine_left_behind_is_no_engine(userdir, capsys):
    run_dir = userdir / "run"
    run_dir.mkdir(mode=0o700)
    (run_dir / "engine.json").write_text('{"run_id":"a","pid":1,"started":"x","started_s":1}')
    for name in ("engine.lock", "steer.lock", "control.lock"):
        (run_dir / name).write_text("supervise (pid 1)\n")
    assert main(["status", "--userdir", str(userdir)]) == 3
    assert "no engine is running" in capsys.readouterr().err


@pytest.mark.parametrize("verb", [["halt"], ["kill"], ["rearm"], ["close", "all"]])
def test_destructive_verbs_want_a_yes_where_nobody_can_be_asked(userdir, verb, capsys, monkeypatch):
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        assert main([*verb, "--userdir", str(userdir)]) == 1
    assert "--yes" in capsys.readouterr().err
    assert not (userdir / "data" / "KILL").exists()


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("Yes\n", 0), ("n\n", 1), ("\n", 1)])
def test_on_a_terminal_it_asks(userdir, typed, code, monkeypatch, capsys):
    terminal, ours = os.openpty()
    os.write(terminal, typed.encode())
    with os.fdopen(ours) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert main(["kill", "--userdir", str(userdir)]) == code
    os.close(terminal)
    assert "[y/N]" in capsys.readouterr().err
    assert (userdir / "data" / "KILL").exists() is (code == 0)


def test_kill_and_rearm_work_with_the_engine_dead(userdir, capsys):
    latch = userdir / "data" / "KILL"
    assert main(["kill", "--yes", "--reason", "strange fills", "--userdir", str(userdir)]) == 0
    assert latch.read_text() == "strange fills\n"
    assert main(["kill", "--yes", "--reason", "second", "--userdir", str(userdir)]) == 0
    assert latch.read_text() == "strange fills\n"
    assert main(["rearm", "--yes", "--userdir", str(userdir)]) == 0
    assert not latch.exists()
    capsys.readouterr()
    assert main(["rearm", "--yes", "--json", "--userdir", str(userdir)]) == 0
    assert json.loads(capsys.readouterr().out)["text"] == "it was not latched"


@pytest.fixture
def engine(userdir):
    process = subprocess.Popen(
        [sys.executable, str(TOYS), str(userdir)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    yield process
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    process.communicate(timeout=WITHIN_S)


def status(userdir, capsys):
    capsys.readouterr()
    if main(["status", "--json", "--userdir", str(userdir)]) != 0:
        return {"state": "none"}
    return json.loads(capsys.readouterr().out)


def until(userdir, capsys, state):
    ends = time.monotonic() + WITHIN_S
    while (found := status(userdir, capsys))["state"] != state:
        assert time.monotonic() < ends, found
        time.sleep(0.05)
    return found


@pytest.mark.e2e
def test_a_session_of_a_person(userdir, engine, capsys):
    where = ["--userdir", str(userdir)]
    found = until(userdir, capsys, "ACTIVE")
    assert {"state", "run_id", "uptime_s", "processes", "positions_open", "latch"} <= set(found)
    assert found["unprotected_now"] == 0
    assert main(["status", *where]) == 0
    assert "route" in capsys.readouterr().out
    assert main(["pause-entries", *where]) == 0
    until(userdir, capsys, "REDUCING")
    assert main(["halt", "--yes", *where]) == 0
    until(userdir, capsys, "HALTED")
    assert main(["resume", *where]) == 0
    until(userdir, capsys, "ACTIVE")
    assert main(["kill", "--yes", "--reason", "a drill", *where]) == 0
    assert until(userdir, capsys, "REDUCING")["latch"] == "a drill"
    assert main(["resume", *where]) == 0
    assert until(userdir, capsys, "REDUCING")["latch"] == "a drill"
    assert main(["rearm", "--yes", *where]) == 0
    until(userdir, capsys, "ACTIVE")
    assert main(["close", "all", "--yes", *where]) == 0
    capsys.readouterr()
    assert main(["stop", "--json", *where]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True
    assert engine.poll() == 0
    assert main(["status", *where]) == 3


@pytest.mark.e2e
def test_stop_says_when_it_takes_too_long(userdir, engine, capsys):
    (userdir / "toy.json").write_text('{"route": "never_drains"}')
    until(userdir, capsys, "ACTIVE")
    assert main(["stop", "--timeout", "0.3", "--userdir", str(userdir)]) == 5
    assert "still stopping" in capsys.readouterr().err
    engine.send_signal(signal.SIGINT)


@pytest.mark.e2e
def test_asking_all_the_time_does_not_disturb_a_start(userdir, capsys):
    """A probe holds the lock for an instant; a start must survive any number of them."""
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, str(TOYS), str(userdir), "1.2"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        while process.poll() is None:
            main(["status", "--userdir", str(userdir)])
        _, err = process.communicate()
        assert process.returncode == 0, err
