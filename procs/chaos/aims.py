"""How a campaign tells a child to die at an exact point: a file that its next start finds once.

The engine under chaos is started by the supervisor of every run; only the command of a child goes
through `aiming`, which writes `dies_after` into the launch file of a role that has an aim.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from procs.runtime.launch import read_launch, write_launch
from procs.supervise.processes import ChildCommand, module_command

FOLDER = "aims"


def set_aim(userdir: Path, role: str, dies_after: str) -> None:
    """The next start of the role, and only that one, dies there (`procs/runtime/fate.py`)."""
    folder = userdir / FOLDER
    folder.mkdir(exist_ok=True)
    unfinished = folder / f"{role}.tmp"
    unfinished.write_text(dies_after)
    unfinished.rename(folder / role)


def drop_aims(userdir: Path) -> None:
    """What no start has found yet is forgotten."""
    for path in (userdir / FOLDER).glob("*"):
        path.unlink(missing_ok=True)


def aiming(userdir: Path) -> ChildCommand:
    """The usual command of a child, after its aim was put into its launch file."""

    def command(role: str, launch_file: Path) -> list[str]:
        aim = userdir / FOLDER / role
        try:
            dies_after = aim.read_text()
        except FileNotFoundError:
            return module_command(role, launch_file)
        aim.unlink(missing_ok=True)
        write_launch(msgspec.structs.replace(read_launch(launch_file), dies_after=dies_after))
        return module_command(role, launch_file)

    return command
