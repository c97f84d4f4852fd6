"""Torn, flipped, truncated, reordered and half-synced journals: `tests/torn/run.py --states 20000`.

Prints per kind what came of the states; a silently wrong recovery, or a journal that cannot be gone
on with, comes with the command that repeats it and makes the exit code 1.
"""

import argparse
import json
import sys

from torn_campaign import Result, run_campaign
from torn_judge import OUTCOMES


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="damaged journals, opened as a process does")
    parser.add_argument("--states", type=int, default=20_000)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--history", type=int, help="only this one, as a finding names it")
    parser.add_argument("--state", type=int, help="only this one, as a finding names it")
    parser.add_argument("--json", action="store_true", help="print JSON on stdout")
    given = parser.parse_args()
    if given.json and (given.history, given.state) != (None, None):
        parser.error("--json tells of a whole campaign: give no --history and no --state")
    result = run_campaign(
        given.seed, given.states, only_history=given.history, only_state=given.state
    )
    if given.json:
        print(json.dumps(document(given.seed, result)))
    else:
        show(given.seed, result)
    return 1 if result.findings else 0


def document(seed: str, result: Result) -> dict:
    """The campaign for a script (`bench.evidence`)."""
    return {
        "seed": seed,
        "states": result.states,
        "histories": result.histories,
        "rows": result.rows,
        "seconds": round(result.seconds, 1),
        "outcomes": result.outcomes,
        "findings": result.findings,
    }


def show(seed: str, result: Result) -> None:
    """The campaign for a person."""
    print(f"{'kind':<16}{'states':>8}" + "".join(f"{one:>9}" for one in (*OUTCOMES, "WRONG")))
    for kind, counts in result.outcomes.items():
        row = "".join(f"{counts[one]:>9,}" for one in (*OUTCOMES, "WRONG"))
        print(f"{kind:<16}{counts.total():>8,}{row}")
    for finding in result.findings:
        print(finding)
    print(
        f"{result.states:,} states of {result.histories} journals with {result.rows:,} rows, "
        f"{result.states / max(result.seconds, 1e-9):,.0f}/s, {len(result.findings)} silently "
        f"wrong or stuck, seed {seed}"
    )


if __name__ == "__main__":
    sys.exit(main())
