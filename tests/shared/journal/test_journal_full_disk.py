"""A disk that is already full when a process starts: a typed refusal or a fault, never a traceback.

RLIMIT_FSIZE plays the full disk; Python sees a file that cannot grow."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
CODE = """
import resource, sys
from pathlib import Path
from procs.localvenue.journal import VenueJournal
from procs.localvenue.market.profiles import build_market
from procs.localvenue.shell import Venue
from shared.bus.locks import take_lock
from shared.domain.effects import Journal as Entry
from shared.errors import JournalError
from shared.journal.journal import DiskError, Journal
from shared.messages.decision import DecideEvent, RouteMarked

def engine(folder):
    take_lock(folder / "decide.lock", "decide")
    journal = Journal.open(folder / "decide.db", "decide", DecideEvent)
    row = RouteMarked(seq=1, at_ns=1)
    journal.append([Entry(seq=journal.seq + 1, event=row, durable=True)], 1)
    journal.write_snapshot(b"{}", 10)
    journal.close()
    return journal.recovered.fault

def venue(folder):
    start_ms = 1_750_000_000_000
    market = build_market("calm", 1, start_ms)
    opened = Venue(market, "calm:1", VenueJournal(folder), {"USDT": 1}, lambda: start_ms)
    opened.pump()
    opened.close()
    return ""

folder, limit, what = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
if limit >= 0:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    print("fine", {"engine": engine, "venue": venue}[what](folder))
except DiskError as error:
    print("disk", error)
except JournalError as error:
    print("journal", error)
"""
FULL = (0, 1, 4096, 20_000, 32_768, 66_000, 100_000, 300_000)


def start(folder, limit, what) -> str:
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(folder), str(limit), what],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


@pytest.mark.slow
@pytest.mark.parametrize("first", ["fresh", "closed"])
@pytest.mark.parametrize("what", ["engine", "venue"])
def test_a_start_on_a_full_disk_is_explained(tmp_path, what, first):
    said = []
    for limit in FULL:
        folder = tmp_path / str(limit)
        folder.mkdir()
        if first == "closed":
            assert start(folder, -1, what).startswith("fine")
        said.append(start(folder, limit, what))
    assert said[0].startswith({"engine": "disk", "venue": "journal"}[what])
    assert "cannot be written" in said[0]
    assert "is the disk full?" in said[0]
    assert "not a venue journal" not in " ".join(said)
    # The engine's journal fits at the end, but not the reserve that a full disk would need (L11).
    assert said[-1] == "fine" if what == "venue" else "no room for decide.emergency" in said[-1]


def test_a_disk_that_frees_up_is_used_again(tmp_path):
    assert start(tmp_path, 0, "engine").startswith("disk")
    assert start(tmp_path, -1, "engine") == "fine"


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.parametrize("limit", [0, 1, 20_000, 70_000])
def test_an_engine_on_a_full_disk_ends_with_one_line(tmp_path, limit):
    command = [sys.executable, "-m", "procs", "run", "--for", "3s", "--userdir", str(tmp_path)]
    subprocess.run([*command[:3], "init", str(tmp_path)], cwd=ROOT, capture_output=True, check=True)
    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("seawall: error: ")
    assert "is the disk full?" in last or "disk I/O error" in last
