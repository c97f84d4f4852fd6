"""A child that only speaks the control channel, and misbehaves as its plan says.

Run as `python toy_child.py --launch FILE`; the plan is `<userdir>/toy.json`: role → behaviour.
"""

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

import zmq

from procs.runtime.guard import die_with_parent, show_stacks_on_faults
from procs.runtime.launch import read_launch
from shared.bus.sockets import Link
from shared.bus.topology import CONTROL
from shared.messages.base import Reader, encode
from shared.messages.control import (
    CloseAsked,
    Drained,
    Heartbeat,
    ProcessReady,
    ProcessStopped,
    StopEntries,
    StopProcess,
    Tripped,
)

BEAT_S = 0.1


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--launch", type=Path, required=True)
    launch = read_launch(parser.parse_args().launch)
    die_with_parent(launch.supervisor_pid)
    show_stacks_on_faults()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    userdir = Path(launch.userdir)
    behaviour = json.loads((userdir / "toy.json").read_text()).get(launch.role, "good")

    def trace(event: str) -> None:
        with (userdir / "trace.txt").open("a") as file:
            file.write(f"{launch.role} {event} {os.getpid()}\n")

    trace("started")
    if behaviour == "bad_configuration":
        print("seawall: error: toy.key = 7, allowed: 1 to 5", file=sys.stderr)
        return 4
    if behaviour == "crashes" or (behaviour == "crashes_once" and launch.incarnation == 1):
        print("the toy broke", file=sys.stderr)
        return 1
    context = zmq.Context()
    link = Link(context, CONTROL, launch.role, Path(launch.run_dir))
    link.open()
    reader = Reader(CONTROL.spoken_to(launch.role))
    ready = False
    beat_at = 0.0
    while True:
        now = time.monotonic()
        if now >= beat_at:
            beat_at = now + BEAT_S
            beat = Heartbeat(
                role=launch.role,
                incarnation=launch.incarnation,
                at_ns=launch.clock().now_ns(),
                figures={"positions_open": 2.0, "unprotected_now": 0.0},
            )
            if not (ready and behaviour == "hangs" and launch.incarnation == 1):
                link.send(encode(beat))
            if not ready:
                said = ProcessReady(
                    role=launch.role,
                    incarnation=launch.incarnation,
                    pid=os.getpid(),
                    cpus=(),
                    nice=0,
                )
                ready = link.send(encode(said))
                if ready:
                    trace("ready")
                    if behaviour == "trips":
                        trip = Tripped(role=launch.role, reason="too many toys", at_ns=1)
                        link.send(encode(trip))
        link.wait(10)
        for _, body in link.drain(100):
            match reader.read(body):
                case StopEntries(flatten=flatten):
                    trace(f"stop_entries:{flatten}")
                    if launch.role == "route" and behaviour != "never_drains":
                        link.send(encode(Drained(role="route")))
                case CloseAsked(symbol=symbol):
                    trace(f"close:{symbol}")
                case StopProcess() if behaviour != "never_stops":
                    report = {"fills": 3, "signals": 5, "quotes": 7, "rss_peak_mb": 1.5}
                    last = ProcessStopped(
                        role=launch.role, incarnation=launch.incarnation, report=report
                    )
                    link.send(encode(last))
                    trace("stopped")
                    link.close(1000)
                    context.term()
                    return 0


if __name__ == "__main__":
    sys.exit(main())
