"""The whole engine on the local venue, as a person runs it: killed, restarted, replayed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from procs.supervise.rundir import UserPaths, is_gone, read_run_file
from procs.supervise.summary import SUMMARY_KEYS
from shared.bus.ask import ask
from shared.bus.topology import STEER
from shared.errors import SeawallError
from shared.messages.control import Steer

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ROOT = Path(__file__).parents[3]
WITHIN_S = 90.0
ROLES = ["localvenue", "route", "protect", "ingest", "decide", "observe"]


class Engine:
    """`python -m procs run` in a user folder of its own."""

    def __init__(self, userdir: Path) -> None:
        self.userdir = userdir
        self.paths = UserPaths(userdir)
        self.pids: set[int] = set()
        self._where = ("--userdir", str(userdir))
        self.process: subprocess.Popen[str] | None = None

    def start(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "procs", "run", "--json", *self._where, *arguments],
            stdout=subprocess.PIPE,
            stderr=(self.userdir / "stderr.txt").open("a"),
            text=True,
            cwd=ROOT,
        )

    def status(self) -> dict:
        try:
            data = ask(self.paths.run_dir, STEER, Steer(verb="status"), 3000).data
        except SeawallError:
            return {"state": "none", "processes": {}}
        self.pids |= {row["pid"] for row in data["processes"].values() if row["pid"]}
        return data

    def until(self, holds, what: str) -> dict:
        ends = time.monotonic() + WITHIN_S
        while not holds(found := self.status()):
            assert time.monotonic() < ends, f"{what}: {found}; {self.said()}"
            time.sleep(0.05)
        return found

    def until_all_ready(self) -> dict:
        return self.until(
            lambda found: (
                found["state"] == "ACTIVE"
                and all(row["status"] == "ready" for row in found["processes"].values())
            ),
            "all ready",
        )

    def said(self) -> str:
        return (self.userdir / "stderr.txt").read_text()[-3000:]

    def summary(self) -> dict:
        assert self.process is not None
        out, _ = self.process.communicate(timeout=WITHIN_S)
        assert out, self.said()
        return json.loads(out.splitlines()[-1])


@pytest.fixture
def engine(tmp_path):
    made = Engine(tmp_path)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.communicate()
    ends = time.monotonic() + 60
    for pid in made.pids:
        while not is_gone(pid):
            assert time.monotonic() < ends, f"orphan {pid}"
            time.sleep(0.05)


def port_of(engine: Engine) -> str:
    return engine.paths.venue_port.read_text()


def test_killing_every_process_in_turn_and_then_all_at_once(engine):
    engine.start()
    found = engine.until_all_ready()
    assert list(found["processes"]) == ROLES
    port = port_of(engine)
    for role in ROLES:
        victim = found["processes"][role]["pid"]
        os.kill(victim, signal.SIGKILL)
        engine.until(
            lambda now, role=role, victim=victim: now["processes"][role]["pid"] not in (0, victim),
            f"{role} restarted",
        )
        found = engine.until_all_ready()
    first = read_run_file(engine.paths.run_file)
    assert first is not None
    assert engine.process is not None
    engine.process.kill()
    engine.process.communicate()
    ends = time.monotonic() + 60
    while not all(is_gone(pid) for pid in engine.pids):
        assert time.monotonic() < ends, "orphans"
        time.sleep(0.02)
    engine.start("--for", "12s")
    engine.until_all_ready()
    second = read_run_file(engine.paths.run_file)
    assert second is not None
    assert second.run_id > first.run_id
    assert port_of(engine) == port
    whole = engine.summary()
    assert engine.process.returncode == 0, engine.said()
    assert list(whole) == list(SUMMARY_KEYS)
    assert whole["clean_shutdown"] is True
    assert whole["quotes"] > 0
    assert set(whole["processes"]) == {"supervise", *ROLES}
    for asset, row in whole["ledger"].items():
        assert row["engine"] == row["venue"], asset
    for row in whole["processes"].values():
        assert row["rss_peak_mb"] > 10
        assert row["cpus"]


def recording(path: Path) -> Path:
    """A few seconds of a made-up market in the format of recorded traffic."""
    start_ns, update = 1_723_161_253_000_000_000, 1000
    levels = {
        "bids": [[f"{59_999 - level}.00000000", "3.00000000"] for level in range(20)],
        "asks": [[f"{60_010 + level}.00000000", "3.00000000"] for level in range(20)],
    }
    lines: list[str] = []
    for number in range(80):
        at_ns = start_ns + number * 100_000_000
        bid = 60_000 + number % 7
        delta = {
            "e": "depthUpdate",
            "E": at_ns // 1_000_000,
            "s": "BTCUSDT",
            "U": update,
            "u": update + 1,
            "b": [[f"{bid}.00000000", "2.00000000"], [f"{bid - 5}.00000000", "9.00000000"]],
            "a": [[f"{bid + 1}.00000000", "2.00000000"], [f"{bid + 9}.00000000", "9.00000000"]],
        }
        lines.append(f"{at_ns} {json.dumps({'stream': 'btcusdt@depth@100ms', 'data': delta})}")
        if number == 0:
            lines.append(f"{at_ns} {json.dumps({'lastUpdateId': update + 1, **levels})}")
        update += 2
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_replay_ends_with_its_recording_on_fresh_journals(engine, tmp_path):
    engine.start("--replay", str(recording(tmp_path / "recorded.jsonl")))
    whole = engine.summary()
    assert engine.process is not None
    assert engine.process.returncode == 0, engine.said()
    assert whole["clean_shutdown"] is True
    assert 8 <= whole["duration_s"] < 30
    folder = engine.paths.data_dir / f"replay-{whole['run_id']}"
    assert (folder / "route.db").exists()
    assert (folder / "venue.db").exists()
    assert not (engine.paths.data_dir / "route.db").exists()


def test_a_recording_that_breaks_on_the_way_ends_the_run_with_one_clear_line(engine, tmp_path):
    broken = recording(tmp_path / "broken.jsonl")
    lines = broken.read_text().splitlines()
    lines[50] = lines[50][:-20]
    broken.write_text("\n".join(lines) + "\n")
    engine.start("--replay", str(broken))
    whole = engine.summary()
    assert engine.process is not None
    assert engine.process.returncode == 1
    assert whole["clean_shutdown"] is False
    last = engine.said().splitlines()[-1]
    assert last.startswith("seawall: error: localvenue failed")
    assert "broken.jsonl, line 51" in last
