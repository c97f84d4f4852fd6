"""Writes docs/planted_bugs.md: in which seed each planted bug is found, and in what words.

Run it with `make planted`. Each bug is planted into an engine of its own and seeds are played from
0 on until one breaks a law; a bug that survives 1,000 seeds is a hole in the simulation, and is
said to be one.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from planted_bugs import BUGS, Planted  # noqa: E402

from procs.simulate.modes import mode_named  # noqa: E402
from procs.simulate.world import play  # noqa: E402
from shared.clock import EngineClock  # noqa: E402
from shared.units import NS_PER_S  # noqa: E402

PAGE = ROOT / "docs" / "planted_bugs.md"
WITHIN = 1_000

HEAD = """# Planted bugs

Written by `make planted` from `tests/sim/planted_*.py`. Each row is a bug that costs money, patched
into the engine on purpose. The simulation ([simulation.md](simulation.md)) then plays seeds from 0
on; the row says in which one a law was broken first, which, in what words, and after how many
seconds on one core. A checker that finds no planted bug proves nothing by its silence.

| bug | what is wrong | law | profile | first seed | what the checker says | seconds |
|---|---|---|---|---:|---|---:|
"""


class Row(NamedTuple):
    """One bug's fate."""

    bug: str
    meant: str
    law: str
    profile: str
    seed: int | None
    words: str
    seconds: float


def look_for(name: str, within: int = WITHIN) -> Row:
    """Plants a bug and plays seeds until a law is broken that holds without it.

    Raises ValueError when the patch itself is called wrongly: the crash would pass for a find."""
    (bug,) = (one for one in BUGS if one.plant.__name__ == name)
    mode = mode_named(bug.mode)
    clock = EngineClock()
    began_ns = clock.now_ns()
    law, found, words = "", None, f"nothing, in {within} seeds"
    for seed in range(within):
        with pytest.MonkeyPatch.context() as patch:
            bug.plant(patch)
            broken = play(seed, bug.profile, mode).violations
        for one in broken:
            if one.text.startswith(f"raised TypeError: {name}."):
                raise ValueError(f"{name}: does not fit the engine any more, {one.text}")
        if broken and not play(seed, bug.profile, mode).violations:
            law, found, words = broken[0].law, seed, broken[0].text
            break
    took_s = (clock.now_ns() - began_ns) / NS_PER_S
    return Row(bug.name, bug.meaning, law, bug.where, found, words, took_s)


def page(rows: Iterable[Row]) -> str:
    """The whole page."""
    rows = list(rows)
    lines = [HEAD.rstrip("\n")]
    for row in rows:
        seed = "not found" if row.seed is None else str(row.seed)
        words = row.words.replace("|", "/")
        lines.append(
            f"| {row.bug} | {row.meant} | {row.law} | {row.profile} | {seed} | {words} "
            f"| {row.seconds:.1f} |"
        )
    found = sum(row.seed is not None for row in rows)
    worst = max((row.seed + 1 for row in rows if row.seed is not None), default=0)
    lines += ["", f"{found} of {len(rows)} found, each within {worst} seeds.", ""]
    return "\n".join(lines)


def rows_of(text: str) -> list[Row]:
    """A page's rows, as they were written."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    rows = []
    for line in lines[1:]:
        bug, meant, law, where, seed, words, took = line[2:-2].split(" | ")
        found = None if seed == "not found" else int(seed)
        rows.append(Row(bug, meant, law, where, found, words, float(took)))
    return rows


def listed(text: str) -> list[tuple[str, str, str]]:
    """Of a page's rows the bug, what is wrong with it, and where it was looked for."""
    return [(row.bug, row.meant, row.profile) for row in rows_of(text)]


def merged(old: Iterable[Row], new: Iterable[Row]) -> list[Row]:
    """A row for each planted bug in its order: the new one, else the old one if it is of this."""
    known = {(row.bug, row.meant, row.profile): row for row in (*old, *new)}
    return [known[wanted(bug)] for bug in BUGS if wanted(bug) in known]


def wanted(bug: Planted) -> tuple[str, str, str]:
    """What a page has to say of a bug, whatever was found."""
    return bug.name, bug.meaning, bug.where


def document(within: int, rows: Iterable[Row]) -> dict:
    """Every bug's fate, for a script (`bench.evidence`)."""
    names = ("bug", "law", "seed", "seconds")
    return {
        "within": within,
        "bugs": [{name: getattr(row, name) for name in names} for row in rows],
    }


def main() -> int:
    """Looks for every bug, two at a time, and writes the page; 1 when one was not found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--within", type=int, default=WITHIN, help="seeds per bug")
    parser.add_argument("--only", nargs="*", help="look for these again, the other rows stay")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print JSON on stdout")
    args = parser.parse_args()
    if args.json and args.only:
        parser.error("--json tells of every bug: give no --only")
    names = args.only or [bug.plant.__name__ for bug in BUGS]
    rows = []
    with ProcessPoolExecutor(args.workers, mp_context=get_context("spawn")) as pool:
        for row in pool.map(look_for, names, [args.within] * len(names)):
            rows.append(row)
            seed = "----" if row.seed is None else f"{row.seed:4}"
            where = f"{row.bug:32} {row.profile:10} {seed} {row.seconds:6.1f} s"
            print(f"{where} {row.law:4} {row.words}", file=sys.stderr if args.json else sys.stdout)
    old = rows_of(PAGE.read_text("utf-8")) if args.only and PAGE.exists() else []
    PAGE.write_text(page(merged(old, rows)), encoding="utf-8")
    if args.json:
        print(json.dumps(document(args.within, rows)))
    return int(any(row.seed is None for row in rows))


if __name__ == "__main__":
    sys.exit(main())
