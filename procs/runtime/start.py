"""How a child process begins and ends: `raise SystemExit(run_process(SomeShell))`.

Order matters: die with the parent before anything else, place the process before it allocates, take
locks before sockets, sockets before the venue.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

import uvloop
import zmq

from procs.runtime import affinity, guard
from procs.runtime.launch import Launch, read_launch
from procs.runtime.loop import Runtime
from procs.runtime.shell import Shell
from shared.errors import ConfigError, ExitCode, SeawallError
from shared.telemetry.log import open_log


def run_process(kind: type[Shell], arguments: list[str] | None = None) -> int:
    """Runs a child's whole life and returns its exit code: 0 after a clean stop, the code of a
    SeawallError after its one line on stderr. Any other exception keeps its traceback."""
    parser = argparse.ArgumentParser(prog=f"procs.{kind.role}", description=kind.__doc__)
    parser.add_argument("--launch", type=Path, required=True, help="the launch file")
    path = parser.parse_args(arguments).launch
    guard.own_signals()
    try:
        run(kind, read_launch(path))
    except SeawallError as error:
        print(f"{kind.role}: {error}", file=sys.stderr, flush=True)
        return error.exit_code
    return ExitCode.OK


def run(kind: type[Shell], launch: Launch) -> None:
    """The life after the launch file is read. Raises what ended it."""
    if launch.role != kind.role:
        raise ConfigError(f"launch file for {launch.role}, given to {kind.role}")
    guard.keep_files_private()
    guard.die_with_parent(launch.supervisor_pid)
    if kind.keeps_secrets:
        guard.hide_memory()
    guard.show_stacks_on_faults()
    placed = affinity.apply(launch.role, launch.cpus, launch.nice)
    settings = launch.settings.log
    log = open_log(
        launch.logs_dir,
        launch.role,
        launch.run_id,
        settings.rotate_mb,
        settings.keep_files,
        settings.level,
    )
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        runtime = Runtime(launch, kind(launch), context, log, placed)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(runtime.run())
    finally:
        context.destroy(linger=0)
        log.close()
