"""The engine of a campaign: `seawall run` in all but the aims of its children (`aims.py`).

`python -P -m procs.chaos DIR` runs the supervisor on the folder's own seawall.toml until SIGINT and
prints the run summary as one JSON line.
"""

from __future__ import annotations

import sys
from pathlib import Path

from procs.chaos.aims import aiming
from procs.supervise.plan import Outcome, RunPlan
from procs.supervise.shell import Shell
from shared.config.load import load_settings
from shared.errors import SeawallError
from shared.messages.base import encode


def main(userdir: Path) -> int:
    """Runs until it is stopped; the exit code of the run."""
    try:
        loaded = load_settings([userdir / "seawall.toml"], [], {}, userdir)
        plan = RunPlan(
            settings=loaded.settings, config_hash=loaded.config_hash, userdir=loaded.userdir
        )
        outcome = Shell(plan, command=aiming(userdir)).run(_print_summary)
    except SeawallError as error:
        print(f"seawall chaos: engine: {error}", file=sys.stderr)
        return error.exit_code
    if outcome.error:
        print(f"seawall chaos: engine: {outcome.error}", file=sys.stderr)
    return outcome.exit_code


def _print_summary(outcome: Outcome) -> None:
    sys.stdout.write(encode(outcome.summary).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]).absolute()))
