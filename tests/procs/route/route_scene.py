"""Route as a real process on the real local venue, with the other ends of its sockets."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path

import zmq

from procs.runtime.launch import Launch, write_launch
from shared.bus.sockets import Link
from shared.bus.topology import ACCOUNT, CONTROL
from shared.clock import EngineClock, boot_offset_ns
from shared.config.schema import Settings
from shared.messages.account import (
    EventSaid,
    Hello,
    Welcomed,
)
from shared.messages.base import MESSAGE_VERSION, Reader, encode
from shared.messages.control import (
    EngineStatus,
    ProcessPhase,
    ProcessStatus,
    ProcessStopped,
    StopProcess,
    TradingState,
)
from shared.messages.entry import EntryIntent, FirstProtection, Rung
from shared.messages.venue import TimeInForce

REPO = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(REPO / "tests" / "shared" / "venues"))
from local_venue import running_local_venue  # noqa: E402


class Scene:
    """The supervisor's and the readers' ends of route's sockets, and route itself."""

    def __init__(self, folder: Path, local) -> None:
        self.folder = folder
        self.local = local
        self.clock = EngineClock(boot_offset_ns())
        self.run_dir = folder / "run"
        self.run_dir.mkdir(mode=0o700)
        self.credentials = self.run_dir / "venue-credentials.toml"
        info = local.info
        self.credentials.write_text(
            f'[local]\napi_key = "{info["api_key"]}"\napi_secret = "{info["api_secret"]}"\n'
        )
        self.credentials.chmod(0o600)
        self.context = zmq.Context()
        self.control = Link(self.context, CONTROL, "supervise", self.run_dir)
        self.decide = Link(self.context, ACCOUNT, "decide", self.run_dir)
        self.protect = Link(self.context, ACCOUNT, "protect", self.run_dir)
        for link in (self.control, self.decide, self.protect):
            link.open()
        self.process: subprocess.Popen[bytes] | None = None
        self.incarnation = 0
        self.settings = Settings()
        self.heard: list = []
        self.said: list = []
        self._control_reader = Reader(CONTROL.spoken_to("supervise"))
        self._account_reader = Reader(ACCOUNT.spoken_to("decide"))
        self._status_ns = 0

    def start(self) -> None:
        self.incarnation += 1
        path = write_launch(
            Launch(
                role="route",
                run_id="tk3f9a",
                incarnation=self.incarnation,
                clock_offset_ns=self.clock.offset_ns,
                userdir=str(self.folder),
                run_dir=str(self.run_dir),
                data_dir=str(self.folder / "data"),
                config_hash="h",
                settings=self.settings,
                supervisor_pid=os.getpid(),
                venue_rest=self.local.info["rest"],
                venue_ws=self.local.info["ws"],
                credentials_path=str(self.credentials),
            )
        )
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "procs.route", "--launch", str(path)],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(REPO)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def pump(self) -> None:
        """Reads both sockets and says the engine's status as the supervisor does."""
        now_ns = self.clock.now_ns()
        if now_ns - self._status_ns > 250_000_000:
            self._status_ns = now_ns
            protect = ProcessStatus(
                pid=1,
                status=ProcessPhase.READY,
                incarnation=1,
                heartbeat_age_ms=10,
                restarts=0,
            )
            status = EngineStatus(
                run_id="tk3f9a",
                state=TradingState.ACTIVE,
                at_ns=now_ns,
                uptime_s=1.0,
                stopping=False,
                reasons=(),
                processes={"protect": protect},
            )
            self.control.send(encode(status), "route")
        self.heard += [self._control_reader.read(body) for _, body in self.control.drain(1000)]
        self.said += [self._account_reader.read(body) for _, body in self.decide.drain(1000)]
        self.protect.drain(1000)

    def until(self, found, timeout_s: float = 60.0):
        """The first truthy value of found(); fails with route's output when it never comes."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            self.pump()
            value = found()
            if value:
                return value
            assert self.process.poll() is None, self.process.stdout.read().decode()
            time.sleep(0.01)
        raise AssertionError(f"never happened; events {self.events()[-5:]}")

    def first(self, kind, among=None):
        return next((one for one in among or self.heard if isinstance(one, kind)), None)

    def events(self) -> list:
        return [one.event for one in self.said if isinstance(one, EventSaid)]

    def event(self, kind, **fields):
        for one in self.events():
            if isinstance(one, kind) and all(getattr(one, k) == v for k, v in fields.items()):
                return one
        return None

    def hello(self) -> Welcomed:
        """Both readers who remember greet; decide's welcome is returned."""
        self.said.clear()
        for link in (self.protect, self.decide):
            hello = Hello(
                role=link.role,
                incarnation=1,
                version=MESSAGE_VERSION,
                config_hash="h",
                mark=0,
                at_ns=self.clock.now_ns(),
            )
            self.until(partial(link.send, encode(hello)))
        return self.until(lambda: self.first(Welcomed, self.said))

    def settle(self) -> None:
        """Long enough for the status to have reached route."""
        end = time.monotonic() + 0.6
        while time.monotonic() < end:
            self.pump()
            time.sleep(0.02)

    def intend(self, number: int, price: Decimal) -> EntryIntent:
        self.settle()
        now_ns = self.clock.now_ns()
        intent = EntryIntent(
            intent_id=f"tk3f9a-{number}",
            symbol="BTCUSDT",
            quantity=Decimal("0.001"),
            ladder=(Rung(time_in_force=TimeInForce.IOC, price=price, deadline_ms=2000),),
            reserved_quote=price * Decimal("0.0011"),
            protection=FirstProtection(
                take_profit_pct=Decimal(10),
                stop_loss_pct=Decimal(10),
                stop_limit_offset_pct=Decimal("0.5"),
                time_to_live_s=0,
            ),
            created_ns=now_ns,
            deadline_ns=now_ns + 1_000_000_000,
        )
        self.decide.send(encode(intent))
        return intent

    def stop(self) -> ProcessStopped:
        self.control.send(encode(StopProcess(deadline_ms=3000)), "route")
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.first(ProcessStopped) is None:
            self.pump()
            time.sleep(0.01)
        self.process.wait(60)
        return self.first(ProcessStopped)

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
        for link in (self.control, self.decide, self.protect):
            link.close(0)
        self.context.destroy(0)


@contextmanager
def running_scene():
    """A local venue, and a scene on it; route is started by the test."""
    # Socket paths are short; pytest's own folders are not.
    folder = Path(tempfile.mkdtemp(prefix="sw-"))
    data = folder / "venue"
    data.mkdir()
    try:
        with running_local_venue(data) as local:
            scene = Scene(folder, local)
            try:
                yield scene
            finally:
                scene.close()
    finally:
        shutil.rmtree(folder)
