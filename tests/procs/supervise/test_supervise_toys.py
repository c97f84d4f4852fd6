"""Real processes, sockets and signals: the supervisor's shell around children that are toys."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from procs.supervise.rundir import UserPaths, is_gone, read_run_file
from shared.bus.ask import ask
from shared.bus.locks import is_locked
from shared.bus.topology import STEER
from shared.errors import SeawallError
from shared.messages.control import Steer, Steered

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[3]
ROLES = ["route", "protect", "ingest", "decide", "observe"]
WITHIN_S = 90.0


class Toys:
    """One engine of toys; every process that it starts is gone at the end of the test."""

    def __init__(self, userdir: Path, **behaviour: str) -> None:
        self.userdir = userdir
        self.paths = UserPaths(userdir)
        (userdir / "toy.json").write_text(json.dumps(behaviour))
        self.process: subprocess.Popen[str]
        self.said = ""

    def start(self, *arguments: str) -> "Toys":
        self.process = subprocess.Popen(
            [
                sys.executable,
                str(Path(__file__).with_name("run_toys.py")),
                str(self.userdir),
                *arguments,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        return self

    def trace(self) -> list[list[str]]:
        path = self.userdir / "trace.txt"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def events(self, event: str) -> list[str]:
        return [role for role, what, _ in self.trace() if what == event]

    def pids(self) -> list[int]:
        return [int(pid) for _, what, pid in self.trace() if what == "started"]

    def steer(self, verb: str, argument: str = "") -> Steered:
        return ask(self.paths.run_dir, STEER, Steer(verb=verb, argument=argument), 3000)

    def status(self) -> dict:
        try:
            return self.steer("status").data
        except SeawallError:
            return {"state": "none", "processes": {}}

    def until(self, holds, what: str) -> None:
        ends = time.monotonic() + WITHIN_S
        while not holds():
            assert time.monotonic() < ends, f"not within {WITHIN_S} s: {what}; {self.status()}"
            time.sleep(0.02)

    def until_active(self) -> "Toys":
        self.until(lambda: self.status()["state"] == "ACTIVE", "ACTIVE")
        return self

    def until_traced(self, event: str, count: int) -> None:
        self.until(lambda: len(self.events(event)) >= count, f"{count} × {event}")

    def outcome(self) -> dict:
        out, self.said = self.process.communicate(timeout=WITHIN_S)
        assert out, self.said
        return json.loads(out)


@pytest.fixture
def toys(tmp_path):
    made: list[Toys] = []

    def make(**behaviour: str) -> Toys:
        made.append(Toys(tmp_path, **behaviour))
        return made[-1]

    yield make
    for engine in made:
        if engine.process.poll() is None:
            engine.process.kill()
        engine.process.communicate()
        for pid in engine.pids():
            ends = time.monotonic() + 60
            while not is_gone(pid):
                assert time.monotonic() < ends, f"orphan {pid}"
                time.sleep(0.02)


def test_starts_and_stops_in_order_and_reports(toys):
    engine = toys().start().until_active()
    engine.until_traced("ready", 5)
    assert engine.events("ready") == ROLES
    started_at = {role: place for place, (role, what, _) in enumerate(engine.trace())}
    assert list(started_at) == ROLES
    engine.process.send_signal(signal.SIGINT)
    outcome = engine.outcome()
    assert engine.process.returncode == 0
    assert engine.events("stopped") == ["decide", "ingest", "protect", "route", "observe"]
    assert set(engine.events("stop_entries:False")) == {"route", "decide", "protect"}
    summary = outcome["summary"]
    assert summary["clean_shutdown"] is True
    assert summary["fills"] == 3
    assert summary["quotes"] == 7
    assert list(summary["processes"]) == ["supervise", *ROLES]
    assert not is_locked(engine.paths.lock)
    assert read_run_file(engine.paths.run_file) is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_stop_as_cleanly(toys, number):
    engine = toys().start().until_active()
    engine.process.send_signal(number)
    assert engine.outcome()["stop_reason"] == number.name
    assert engine.process.returncode == 0


def test_a_run_of_limited_length_ends_by_itself(toys):
    engine = toys().start("1.5")
    outcome = engine.outcome()
    assert outcome["summary"]["clean_shutdown"] is True
    assert 1.5 <= outcome["summary"]["duration_s"] < 6


def test_ctrl_c_reaches_the_supervisor_alone(toys):
    """Children live in sessions of their own: a terminal's Ctrl-C does not stop them itself."""
    engine = toys().start().until_active()
    engine.until_traced("ready", 5)
    sessions = {os.getsid(pid) for pid in engine.pids()}
    assert len(sessions) == 5
    assert os.getsid(engine.process.pid) not in sessions
    engine.process.send_signal(signal.SIGINT)
    engine.outcome()


def test_second_signal_skips_waits(toys):
    engine = toys(route="never_drains").start().until_active()
    engine.process.send_signal(signal.SIGINT)
    engine.until_traced("stop_entries:False", 3)
    assert engine.process.poll() is None
    engine.process.send_signal(signal.SIGINT)
    outcome = engine.outcome()
    # The first phase would have waited for its deadline, and would have said that it ended.
    assert "stop entries: done" not in engine.said
    assert "stop everything at once: done" in engine.said
    assert sorted(engine.events("stopped")) == sorted(ROLES)
    assert outcome["summary"]["clean_shutdown"] is False
    assert engine.process.returncode == 1


def test_third_signal_kills(toys):
    behaviour = dict.fromkeys(ROLES, "never_stops") | {"route": "never_drains"}
    engine = toys(**behaviour).start().until_active()
    for _ in range(3):
        engine.process.send_signal(signal.SIGINT)
        time.sleep(0.3)
    engine.outcome()
    assert engine.process.returncode == 1
    assert all(is_gone(pid) for pid in engine.pids())


def test_a_child_that_ignores_its_order_is_killed_and_the_rest_stop(toys):
    engine = toys(ingest="never_stops").start().until_active()
    engine.process.send_signal(signal.SIGINT)
    outcome = engine.outcome()
    assert "ingest still there" in outcome["error"]
    assert engine.events("stopped") == ["decide", "protect", "route", "observe"]
    assert engine.process.returncode == 1


def test_a_killed_child_comes_back_and_the_state_follows(toys):
    engine = toys().start().until_active()
    victim = engine.status()["processes"]["decide"]["pid"]
    os.kill(victim, signal.SIGKILL)
    engine.until(
        lambda: engine.status()["processes"]["decide"]["restarts"] == 1, "decide restarted"
    )
    engine.until_active()
    row = engine.status()["processes"]["decide"]
    assert row["pid"] != victim
    assert row["status"] == "ready"
    engine.process.send_signal(signal.SIGINT)
    outcome = engine.outcome()
    assert outcome["summary"]["processes"]["decide"]["restarts"] == 1
    assert outcome["summary"]["clean_shutdown"] is True


@pytest.mark.slow
def test_crashing_too_often_is_failed_and_reducing(toys):
    engine = toys(decide="crashes").start()
    engine.until(
        lambda: engine.status()["processes"].get("decide", {}).get("status") == "failed",
        "decide failed",
    )
    assert len(engine.events("started")) >= 6
    assert engine.events("started").count("decide") == 6
    engine.until_traced("ready", 4)
    status = engine.status()
    assert status["state"] == "REDUCING"
    assert "decide is failed" in status["reasons"]
    engine.process.send_signal(signal.SIGINT)
    outcome = engine.outcome()
    assert any("the toy broke" in alarm for alarm in outcome["alarms"])
    assert engine.process.returncode == 1


@pytest.mark.slow
def test_a_hung_child_shows_its_stacks_before_it_is_killed(toys):
    engine = toys(protect="hangs").start().until_active()
    engine.until(
        lambda: engine.status()["processes"]["protect"]["restarts"] == 1, "protect restarted"
    )
    stacks = (engine.paths.logs_dir / "protect.stderr").read_text()
    assert "most recent call first" in stacks
    assert "toy_child.py" in stacks
    engine.until_active()
    engine.process.send_signal(signal.SIGINT)
    assert engine.outcome()["summary"]["clean_shutdown"] is True


def test_a_configuration_error_ends_the_start_with_code_4(toys):
    engine = toys(protect="bad_configuration").start()
    outcome = engine.outcome()
    assert engine.process.returncode == 4
    assert "toy.key = 7" in outcome["error"]
    assert engine.events("started").count("protect") == 1
    assert engine.events("stopped") == ["route"]


def test_a_second_instance_names_the_first_and_starts_nothing(toys, tmp_path):
    engine = toys().start().until_active()
    engine.until_traced("ready", 5)
    before = engine.trace()
    second = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("run_toys.py")), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert second.returncode == 1
    assert second.stdout == ""
    assert f"pid {engine.process.pid}" in second.stderr
    assert len(second.stderr.splitlines()) == 1
    assert engine.trace() == before
    assert engine.status()["state"] == "ACTIVE"
    run_file = read_run_file(engine.paths.run_file)
    assert run_file is not None
    assert run_file.pid == engine.process.pid


def test_kill_9_of_the_supervisor_leaves_no_orphans_and_a_new_run_starts(toys):
    engine = toys().start().until_active()
    engine.until_traced("ready", 5)
    first = read_run_file(engine.paths.run_file)
    assert first is not None
    engine.steer("pause-entries")
    engine.process.kill()
    engine.process.wait()
    for pid in engine.pids():
        engine.until(lambda pid=pid: is_gone(pid), f"{pid} gone with its parent")
    assert not is_locked(engine.paths.lock)
    engine.process.communicate()
    engine.start()
    engine.until_traced("ready", 10)
    second = read_run_file(engine.paths.run_file)
    assert second is not None
    assert second.started_s > first.started_s
    status = engine.status()
    assert status["state"] == "REDUCING"
    assert status["reasons"] == ["entries paused by a person"]
    engine.steer("resume")
    engine.until_active()
    engine.process.send_signal(signal.SIGINT)
    assert engine.outcome()["summary"]["clean_shutdown"] is True


def test_a_trip_latches_over_restarts_until_rearmed(toys):
    engine = toys(route="trips").start()
    engine.until_traced("ready", 5)
    engine.until(lambda: engine.status().get("latch") == "route: too many toys", "latched")
    engine.process.send_signal(signal.SIGINT)
    engine.outcome()
    assert engine.paths.latch.read_text() == "route: too many toys\n"
    (engine.userdir / "toy.json").write_text("{}")
    engine.start()
    engine.until_traced("ready", 10)
    assert engine.status()["state"] == "REDUCING"
    assert engine.steer("rearm").ok
    engine.until_active()
    assert not engine.paths.latch.exists()
    engine.paths.latch.touch()
    engine.until(lambda: engine.status()["latch"] == "no reason given", "latched by hand")
    engine.process.send_signal(signal.SIGINT)
    engine.outcome()


def test_close_reaches_protect_and_figures_reach_status(toys):
    engine = toys().start().until_active()
    assert engine.steer("close", "btcusdt").ok
    engine.until_traced("close:BTCUSDT", 1)
    status = engine.status()
    assert status["positions_open"] == 2
    assert status["unprotected_now"] == 0
    engine.until(lambda: engine.status()["processes"]["route"]["rss_mb"] > 1, "measured")
    assert engine.steer("stop").text == "stopping"
    assert engine.outcome()["stop_reason"] == "asked by a person"
