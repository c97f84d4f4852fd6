"""The engine as somebody outside has it: started, asked, signalled, killed, and cleaned away."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import psutil

from shared.bus.ask import ask
from shared.bus.topology import STEER
from shared.errors import DeadlineError, MessageError, NotRunningError, SeawallError
from shared.messages.control import Steer, Steered

ROOT: Final = Path(__file__).parents[2]
ENGINE_ROLES: Final = ("route", "protect", "ingest", "decide", "observe")
ROLES: Final = ("localvenue", *ENGINE_ROLES)
WITHIN_S: Final = 30.0
ORPHANS_WITHIN_S: Final = 5.0
ANSWER_MS: Final = 400


class OrphansError(SeawallError):
    """Processes that outlived the supervisor, which they must never do (L14)."""


class EngineProcess:
    """One engine in a user folder and a session of its own; it may be started again and again."""

    def __init__(self, userdir: Path, command: Sequence[str]) -> None:
        self.userdir = userdir
        self.run_dir = userdir / "run"
        self.process: subprocess.Popen[str] | None = None
        self._command = tuple(command)
        self._seen: dict[int, psutil.Process] = {}

    def start(self, *arguments: object) -> None:
        """Starts it; returns at once."""
        self.userdir.mkdir(parents=True, exist_ok=True)
        with (self.userdir / "stderr.txt").open("a") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, *self._command, *map(str, arguments)],
                stdout=subprocess.PIPE,
                stderr=stderr,
                stdin=subprocess.DEVNULL,
                text=True,
                cwd=ROOT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The supervisor's."""
        if self.process is None:
            raise NotRunningError("the engine was never started")
        return self.process.pid

    @property
    def ended(self) -> bool:
        """Whether the supervisor is gone."""
        return self.process is None or self.process.poll() is not None

    def said(self) -> str:
        """The end of what it wrote to stderr."""
        return (self.userdir / "stderr.txt").read_text()[-4000:]

    def steer(self, verb: str, deadline_ms: int = ANSWER_MS) -> Steered | None:
        """What the supervisor answers; None when it does not."""
        self.look()
        try:
            answer: Steered = ask(self.run_dir, STEER, Steer(verb=verb), deadline_ms)
        except (NotRunningError, DeadlineError, MessageError):
            return None
        return answer

    def status_now(self) -> dict[str, Any]:
        """`seawall status --json`; empty while nobody answers."""
        answer = self.steer("status")
        return {} if answer is None or answer.data is None else answer.data

    def signal_pid(self, number: signal.Signals, pid: int) -> bool:
        """Signals a process; False when it is gone."""
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        return True

    def kill_all(self) -> None:
        """kill -9 of the supervisor; its children die with it. Raises OrphansError."""
        if self.process is None:
            raise NotRunningError("the engine was never started")
        self.look()
        self.process.kill()
        self.process.communicate()
        self._bury()

    def summary(self, within_s: float = WITHIN_S) -> dict[str, Any]:
        """The one JSON object on stdout, after the engine ended by itself. Raises SeawallError."""
        if self.process is None:
            raise NotRunningError("the engine was never started")
        self.look()
        try:
            out, _ = self.process.communicate(timeout=within_s)
        except subprocess.TimeoutExpired as error:
            raise DeadlineError(f"the engine did not end within {within_s:g} s") from error
        if out.count("\n") != 1:
            raise SeawallError(f"no summary but {out!r}: {self.said()}")
        found: dict[str, Any] = json.loads(out)
        return found

    def stop(self, within_s: float = WITHIN_S) -> dict[str, Any]:
        """One Ctrl-C, and what it says last."""
        self.signal_pid(signal.SIGINT, self.pid)
        return self.summary(within_s)

    def clean_up(self) -> None:
        """Nothing of it is alive afterwards. Raises OrphansError when something had to be killed
        that the supervisor's death should have taken along."""
        if self.process is None:
            return
        self.look()
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        self._bury()

    def look(self) -> None:
        """Remembers every process below the supervisor; psutil tells a reused id from them."""
        if self.process is None or self.process.poll() is not None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children(recursive=True):
                self._seen.setdefault(child.pid, child)

    def _bury(self) -> None:
        _, alive = psutil.wait_procs(self._seen.values(), timeout=ORPHANS_WITHIN_S)
        self._seen.clear()
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if alive:
            raise OrphansError(f"orphans: {alive}")
