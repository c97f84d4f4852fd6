"""The local venue as a child of the supervisor: `python -P -m procs.localvenue`."""

from __future__ import annotations

import argparse
import sys

from procs.localvenue.lineage import die_with_parent
from procs.localvenue.options import add_child_options, add_options, read_options
from procs.localvenue.server import serve
from shared.errors import SeawallError


def main(argv: list[str] | None = None) -> int:
    """Serves until a signal or the parent's death; 0, or the exit code of what went wrong."""
    die_with_parent()
    parser = argparse.ArgumentParser(prog="python -P -m procs.localvenue", description=__doc__)
    add_options(parser)
    add_child_options(parser)
    try:
        serve(read_options(parser.parse_args(argv)))
    except SeawallError as error:
        print(f"seawall venue: {error}", file=sys.stderr)
        return int(error.exit_code)
    return 0


if __name__ == "__main__":
    sys.exit(main())
