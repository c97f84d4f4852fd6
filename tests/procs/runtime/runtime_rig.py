"""What surrounds the toy child in tests: a supervisor's and a route's end of its channels."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import zmq

from procs.runtime.launch import Launch, write_launch
from shared.bus.locks import prepare_run_dir
from shared.bus.sockets import Link
from shared.bus.topology import ACCOUNT, CONTROL
from shared.clock import boot_offset_ns
from shared.config.schema import Settings, Storage
from shared.messages.account import Acknowledge, Beat, Hello
from shared.messages.base import Reader, encode
from shared.messages.control import Heartbeat, ProcessReady, ProcessStopped, StopProcess

TOY = Path(__file__).with_name("runtime_toy.py")
ROOT = Path(__file__).parents[3]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
"""Children find this checkout whether it is installed or not."""
CONTROL_READER = Reader(CONTROL.spoken_to("supervise"))
ACCOUNT_READER = Reader(ACCOUNT.spoken_to("route"))


class Rig:
    """Binds `control` and `account`, starts toys, and says beats to them."""

    def __init__(self, folder: Path, **launch) -> None:
        self.userdir = folder / "u"
        self.run_dir = self.userdir / "run"
        self.data_dir = self.userdir / "data"
        self.data_dir.mkdir(parents=True)
        prepare_run_dir(self.run_dir)
        self.context = zmq.Context()
        self.control = Link(self.context, CONTROL, "supervise", self.run_dir)
        self.account = Link(self.context, ACCOUNT, "route", self.run_dir)
        self.control.open()
        self.account.open()
        self.settings = Settings(storage=Storage(checkpoint_s=5))
        self.launch = launch
        self.incarnation = 0
        self.child: subprocess.Popen | None = None
        self.children: list[subprocess.Popen] = []
        self.words: list = []
        self.acks: list[Acknowledge] = []
        self.hellos: list[Hello] = []
        self.number = 0
        self.expects_life = True

    @property
    def journal(self) -> Path:
        return self.data_dir / "decide.db"

    def start(self, env=None, wait=True, command=(str(TOY),), **extra):
        self.incarnation += 1
        role = extra.pop("role", "decide")
        launch = Launch(
            role=role,
            run_id="t1",
            incarnation=self.incarnation,
            clock_offset_ns=boot_offset_ns(),
            userdir=str(self.userdir),
            run_dir=str(self.run_dir),
            data_dir=str(self.data_dir),
            supervisor_pid=os.getpid(),
            settings=self.settings,
            **{"config_hash": "h", **self.launch, **extra},
        )
        path = write_launch(launch)
        self.child = subprocess.Popen(
            [sys.executable, "-P", *command, "--launch", str(path)],
            env={**ENVIRONMENT, **(env or {})},
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.children.append(self.child)
        self.expects_life = wait
        if wait:
            self.hellos.clear()
            self.until(lambda: self.hellos)
        return self.child

    def pump(self, pause_ms=5):
        self.account.wait(pause_ms)
        for _, body in self.account.drain(10_000):
            message = ACCOUNT_READER.read(body)
            (self.hellos if isinstance(message, Hello) else self.acks).append(message)
        for _, body in self.control.drain(10_000):
            self.words.append(CONTROL_READER.read(body))

    def until(self, condition, seconds=60.0):
        ends = time.monotonic() + seconds
        while True:
            found = condition()
            if found:
                return found
            if time.monotonic() >= ends:
                said = [word for word in self.words if not isinstance(word, Heartbeat)]
                raise AssertionError(f"did not happen in {seconds} s; heard {said[-5:]}")
            if self.expects_life and self.child is not None and self.child.poll() is not None:
                raise AssertionError(f"child ended {self.child.returncode}: {self.last_words()}")
            self.pump()

    def word(self, kind, seconds=60.0):
        return self.until(
            lambda: next((word for word in self.words if isinstance(word, kind)), None), seconds
        )

    def beats(self):
        return [word for word in self.words if isinstance(word, Heartbeat)]

    def figure(self, name):
        """A counter of the newest heartbeat; None before it is known."""
        beats = self.beats()
        return beats[-1].figures.get(name) if beats else None

    def say(self, epoch="row", to="decide"):
        self.number += 1
        beat = Beat(epoch=epoch, seq=self.number, reconciled=True, at_ns=0)
        return self.account.send(encode(beat), to)

    def ack(self, role, seconds=60.0):
        return self.until(
            lambda: next((ack for ack in self.acks if ack.role == role), None), seconds
        )

    def rows(self, count, seconds=60.0):
        """Says so many beats and waits until the last is acknowledged."""
        before = len(self.acks)
        for _ in range(count):
            assert self.say()
        self.until(lambda: len(self.acks) >= before + count, seconds)

    def stop(self, role="decide") -> ProcessStopped:
        # A child's hello on `account` does not tell that `control` is connected already.
        self.until(lambda: self.control.send(encode(StopProcess(deadline_ms=2000)), role))
        self.expects_life = False
        self.words = [word for word in self.words if not isinstance(word, ProcessStopped)]
        word = self.word(ProcessStopped)
        assert self.child.wait(60) == 0
        return word

    def kill(self):
        self.child.kill()
        self.child.wait(60)

    def ready(self) -> ProcessReady:
        return self.word(ProcessReady)

    def last_words(self) -> str:
        return self.child.stderr.read().decode()

    def close(self):
        for child in self.children:
            if child.poll() is None:
                child.kill()
                child.wait(5)
            child.stderr.close()
        self.control.close()
        self.account.close()
        self.context.term()
