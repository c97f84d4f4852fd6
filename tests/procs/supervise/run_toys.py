"""An engine of toy children in a process of its own: `python run_toys.py USERDIR [FOR_S]`.

Prints the outcome as one JSON line and leaves with its exit code.
"""

import signal
import sys
from pathlib import Path

from procs.cli.liveview import make_viewer
from procs.supervise.plan import Outcome, RunPlan
from procs.supervise.shell import Shell
from shared.config.schema import Settings, Venue
from shared.errors import SeawallError
from shared.messages.base import encode

TOY = Path(__file__).with_name("toy_child.py")


def main() -> int:
    # A suite that was started with nohup hands its deafness on to all that it starts.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    userdir = Path(sys.argv[1])
    plan = RunPlan(
        settings=Settings(venue=Venue(name="binance")),
        config_hash="toy",
        userdir=userdir,
        run_for_s=float(sys.argv[2]) if len(sys.argv) > 2 else None,
    )

    def command(role: str, launch_file: Path) -> list[str]:
        return [sys.executable, "-P", str(TOY), "--launch", str(launch_file)]

    def farewell(outcome: Outcome) -> None:
        print(encode(outcome).decode(), flush=True)

    try:
        return Shell(plan, command=command, viewer=make_viewer(sys.stderr)).run(farewell).exit_code
    except SeawallError as error:
        print(f"seawall: error: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
