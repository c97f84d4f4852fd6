"""Puts every decoder through mutations: `tests/fuzz/run.py --each 1000000`.

Prints what each was put through and how fast; a finding comes with its bytes and the command that
repeats it, and makes the exit code 1.
"""

import argparse
import json
import sys
import time
from typing import TextIO

from fuzz_engine import BLOCK, Finding, Tally, run_block, run_target, try_one
from fuzz_targets import all_targets


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="mutations for every decoder")
    parser.add_argument("--each", type=int, default=20_000, help="mutations per decoder")
    parser.add_argument("--seconds", type=float, help="at most so long for one decoder")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--only", default="", help="decoders whose name starts so")
    parser.add_argument("--block", type=int, help="one block of --only, as a finding names it")
    parser.add_argument("--hex", help="one sample for --only, as a finding shows it")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--json", action="store_true", help="print JSON on stdout")
    given = parser.parse_args()
    if given.json and (given.only or given.list or given.block is not None or given.hex):
        parser.error("--json tells of every decoder: give no --only, --list, --block and --hex")
    targets = [one for one in all_targets().values() if one.name.startswith(given.only)]
    if given.list or not targets:
        print("\n".join(one.name for one in targets) or f"no decoder starts with {given.only!r}")
        return 0 if targets else 2
    seconds = given.seconds if given.seconds is not None else float("inf")
    began = time.perf_counter()
    tallies = []
    for target in targets:
        tally = Tally(target.name)
        if given.hex is not None:
            data = bytes.fromhex(given.hex)
            _, wrong = try_one(target, data)
            if wrong:
                tally.note(Finding(target.name, given.seed, 0, data, wrong))
        elif given.block is not None:
            run_block(target, given.seed, given.block, BLOCK, tally)
        else:
            tally = run_target(target, given.seed, given.each, seconds)
        tallies.append(tally)
        show(tally, sys.stderr if given.json else sys.stdout)
    total = sum(tally.mutations for tally in tallies)
    found = sum(len(tally.findings) for tally in tallies)
    took_s = time.perf_counter() - began
    if given.json:
        print(json.dumps(document(given.seed, given.each, tallies)))
        return 1 if found else 0
    print(
        f"{len(tallies)} decoders, {total:,} mutations, {total / max(took_s, 1e-9):,.0f}/s, "
        f"least {min(tally.mutations for tally in tallies):,}, {found} findings, seed {given.seed}"
    )
    return 1 if found else 0


def document(seed: str, each: int, tallies: list[Tally]) -> dict:
    """What all were put through, for a script (`bench.evidence`)."""
    return {
        "seed": seed,
        "each": each,
        "decoders": [
            {
                "name": tally.target,
                "mutations": tally.mutations,
                "accepted": tally.accepted,
                "refused": tally.refused,
                "seconds": round(tally.seconds, 2),
                "findings": [finding.shown() for finding in tally.findings],
            }
            for tally in tallies
        ],
    }


def show(tally: Tally, to: TextIO) -> None:
    """One line for a decoder, then its findings."""
    rate = tally.mutations / tally.seconds if tally.seconds else 0.0
    print(
        f"{tally.target:<26} {tally.mutations:>10,} mutations {rate:>9,.0f}/s "
        f"{tally.accepted:>10,} taken {tally.refused:>10,} refused {len(tally.findings)} findings",
        file=to,
        flush=True,
    )
    for finding in tally.findings:
        print(finding.shown(), file=to, flush=True)


if __name__ == "__main__":
    sys.exit(main())
