"""The whole engine under its supervisor on a local venue of many symbols, as a process to look at.

`seawall run` but for two things that its options do not offer: how many symbols the venue lists,
and an ingest that does not wait for its rate budget (`bench/unpaced_ingest.py`).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from bench.unpaced_ingest import MODULE
from shared.errors import DeadlineError

ROOT = Path(__file__).resolve().parents[1]
START_WITHIN_S = 60
STOP_WITHIN_S = 30


class Engine:
    """A running engine."""

    def __init__(self, supervisor: psutil.Process) -> None:
        self._supervisor = supervisor

    def processes(self) -> dict[str, int]:
        """Process ids by role, the supervisor and the local venue among them."""
        found = {"supervise": self._supervisor.pid}
        for child in self._supervisor.children():
            words = child.cmdline()
            if "-m" in words:
                module = words[words.index("-m") + 1]
                found[module.rpartition(".")[2].removeprefix("unpaced_")] = child.pid
        return found


@contextlib.contextmanager
def running_engine(userdir: Path, symbols: int, roles: int) -> Iterator[Engine]:
    """Starts it, waits until so many processes run, stops it in order. Raises DeadlineError."""
    errors = userdir / "errors.txt"
    userdir.mkdir(parents=True)
    with errors.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, str(userdir), str(symbols)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=sink,
        )
    try:
        engine = Engine(psutil.Process(process.pid))
        deadline = time.monotonic() + START_WITHIN_S
        while len(engine.processes()) < roles:
            if process.poll() is not None or time.monotonic() > deadline:
                text = errors.read_text(encoding="utf-8", errors="replace")
                raise DeadlineError(f"bench: the engine did not start: {text[-500:]}")
            time.sleep(0.1)
        yield engine
    finally:
        process.terminate()
        try:
            process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _serve(userdir: Path, symbols: int) -> int:
    from procs.cli import run
    from procs.supervise import children
    from procs.supervise.processes import module_command
    from procs.supervise.shell import Shell

    parser = argparse.ArgumentParser()
    run.register(parser.add_subparsers())
    plan = run.plan_of(
        parser.parse_args(
            [
                *("run", "--userdir", str(userdir), "--profile", "calm"),
                *("--set", f"universe.max_symbols={symbols}"),
            ]
        )
    )

    def command(role: str, launch_file: Path) -> list[str]:
        words = module_command(role, launch_file)
        return [MODULE if word == "procs.ingest" else word for word in words]

    usual = children.venue_command

    def venue_command(*args: Any, **options: Any) -> list[str]:
        return [*usual(*args, **options), "--symbols", str(symbols)]

    children.venue_command = venue_command
    return Shell(plan, command=command).run(lambda outcome: None).exit_code


if __name__ == "__main__":
    raise SystemExit(_serve(Path(sys.argv[1]), int(sys.argv[2])))
