"""A real route whose disk begins to fail while it holds a position (L11)."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest
from route_scene import REPO, running_scene

from procs.runtime.launch import launch_path
from shared.bus.sockets import Link
from shared.bus.topology import ACCOUNT
from shared.config.schema import Settings, Storage
from shared.messages.account import (
    FillBooked,
    IntentRefused,
    PositionClosed,
    ProtectionChanged,
    ProtectionStatus,
    Welcomed,
)
from shared.messages.base import encode
from shared.messages.control import Heartbeat, ProcessReady, Tripped
from shared.messages.protection import Exit, SetProtection, Urgency
from shared.messages.venue import Side

for room in ("shared/journal", "e2e"):
    sys.path.insert(0, str(REPO / "tests" / room))
from faulty_disk import FaultyDisk  # noqa: E402
from venue_books import Books, assert_protected  # noqa: E402

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

FAULTS = {
    "the first write": (0, "write", errno.EIO),
    "the third write": (2, "write", errno.EIO),
    "the tenth write, full": (9, "write", errno.ENOSPC),
    "the first sync": (0, "sync", errno.EIO),
    "the second sync": (1, "sync", errno.EIO),
}


@pytest.fixture
def scene():
    with running_scene() as made:
        made.protect = Link(made.context, ACCOUNT, "protect", made.run_dir)
        made.protect.open()
        # A snapshot every 5 s syncs, whatever else happens.
        made.settings = Settings(storage=Storage(checkpoint_s=5))
        yield made
        made.protect.close(0)


def start_on(scene, disk: FaultyDisk | None) -> None:
    """Starts route, on a disk that may begin to fail."""
    scene.start()
    if disk is None:
        return
    scene.process.kill()
    scene.process.wait()
    scene.process.stdout.close()
    scene.process = subprocess.Popen(
        [
            *(sys.executable, "-P", "-m", "procs.route"),
            *("--launch", str(launch_path(scene.run_dir, "route"))),
        ],
        cwd=scene.folder,
        env={**os.environ, "PYTHONPATH": str(REPO), **disk.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def hold(scene) -> str:
    """Waits for READY and buys; the position's id, once its stop rests."""
    scene.until(lambda: scene.first(ProcessReady))
    scene.hello()
    scene.intend(1, Decimal("100000.00"))
    scene.until(lambda: scene.event(FillBooked))
    scene.until(lambda: scene.event(ProtectionChanged, status=ProtectionStatus.PROTECTED))
    return "tk3f9a-1"


def sell(scene, position: str, version: int = 1) -> None:
    wanted = SetProtection(
        position_id=position,
        version=version,
        target=Exit(reason="test", urgency=Urgency.URGENT),
    )
    scene.until(lambda: scene.protect.send(encode(wanted)))


def figure(scene, name: str) -> float:
    beats = [one for one in scene.heard if isinstance(one, Heartbeat)]
    return beats[-1].figures.get(name, -1.0) if beats else -1.0


def successor(scene) -> Welcomed:
    """What the next process of route knows, when it is ready; the one before has ended."""
    scene.process.stdout.close()
    scene.heard.clear()
    scene.start()
    scene.until(lambda: scene.first(ProcessReady))
    return scene.hello()


def last_row(scene) -> int:
    """The newest row that route has spoken of."""
    return max(one.seq for one in scene.said if hasattr(one, "seq"))


@pytest.mark.parametrize("name", FAULTS)
def test_a_disk_that_fails_under_a_position(scene, tmp_path, name):
    """Entries stop, the latch is set, the position is sold, nothing asks the journal's disk again,
    and the successor knows everything that happened meanwhile."""
    operations, kind, number = FAULTS[name]
    disk = FaultyDisk(tmp_path / "disk", str(scene.folder / "data" / "route.db"))
    start_on(scene, disk)
    position = hold(scene)
    disk.break_after(operations, kind, number)
    sell(scene, position)
    scene.until(lambda: scene.event(PositionClosed, position_id=position))
    # A fault that waits for a sync meets the next snapshot.
    scene.until(lambda: figure(scene, "journal_degraded") == 1)
    assert scene.first(Tripped).reason.startswith("disk: ")
    assert "disk: " in (scene.folder / "data" / "KILL").read_text()
    assert figure(scene, "journal_unsaved_rows") == 0
    # While the disk is gone: no entry, whatever is asked for, and the beat goes on.
    scene.said.clear()
    scene.intend(50, Decimal("100000.00"))
    refused = scene.until(lambda: scene.event(IntentRefused, intent_id="tk3f9a-50"))
    assert refused.reason == "not_active"
    assert disk.done()
    assert any(one.how == "failed" for one in disk.done())
    assert disk.after_failure() == [], "a disk that refused is asked nothing again"
    seen = last_row(scene)
    scene.process.kill()
    scene.process.wait()
    disk.repair()
    welcome = successor(scene)
    assert welcome.seq >= seen
    assert f'"{position}"' not in bytes(welcome.account).decode().partition('"tombstones"')[0]
    assert scene.first(Tripped) is None, "nothing is missing, so nothing is doubted"
    assert (scene.folder / "data" / "KILL").exists(), "only a person opens it"
    assert venue_books(scene).balance("BTC") <= Decimal("0.00002"), (
        "sold but for what fees leave of a lot"
    )


def venue_books(scene) -> Books:
    """What the account holds and offers, by the venue's own books."""
    info = scene.local.info
    return Books(info["rest"], info["api_key"], info["api_secret"])


@pytest.mark.parametrize("name", ["the third write", "the first sync"])
def test_a_stop_in_order_without_a_disk(scene, tmp_path, name):
    """What the reserve holds survives an orderly stop, which asks the disk for nothing more: the
    stop rests at the venue, and the successor knows the position."""
    operations, kind, number = FAULTS[name]
    disk = FaultyDisk(tmp_path / "disk", str(scene.folder / "data" / "route.db"))
    start_on(scene, disk)
    position = hold(scene)
    disk.break_after(operations, kind, number)
    last = 1
    while figure(scene, "journal_degraded") != 1:
        last += 1
        assert last < 500, "the disk was never used"
        scene.intend(last, Decimal("1.00"))
        scene.pump()
        time.sleep(0.05)
    assert scene.process.poll() is None
    assert scene.stop() is not None
    assert scene.process.returncode == 0
    assert disk.after_failure() == [], "a disk that refused is asked nothing again"
    seen = last_row(scene)
    disk.repair()
    welcome = successor(scene)
    assert welcome.seq >= seen
    assert f'"{position}"' in bytes(welcome.account).decode().partition('"tombstones"')[0]
    books = venue_books(scene)
    assert_protected(books, "BTCUSDT", books.balance("BTC"))
    assert (scene.folder / "data" / "KILL").exists(), "only a person opens it"


def test_a_file_size_limit_on_a_live_route(scene):
    """RLIMIT_FSIZE plays the full disk on a process that runs: everything it writes stops."""
    scene.start()
    position = hold(scene)
    data = scene.folder / "data"
    largest = max(path.stat().st_size for path in data.glob("route.db*"))
    resource.prlimit(scene.process.pid, resource.RLIMIT_FSIZE, (largest, largest))
    sell(scene, position)
    scene.until(lambda: scene.event(PositionClosed, position_id=position))
    sold = sum(
        event.quantity if event.side is Side.SELL else 0
        for event in scene.events()
        if isinstance(event, FillBooked)
    )
    assert sold > 0
    began = time.monotonic()
    while figure(scene, "journal_degraded") != 1:
        assert time.monotonic() - began < 90
        scene.intend(int(time.monotonic_ns() % 10_000_000) + 100, Decimal("1.00"))
        scene.pump()
    assert figure(scene, "journal_unsaved_rows") == 0, "the reserve was there"
    assert scene.process.poll() is None
    seen = last_row(scene)
    scene.process.send_signal(signal.SIGKILL)
    scene.process.wait()
    assert successor(scene).seq >= seen
    assert Path(data / "KILL").exists()
