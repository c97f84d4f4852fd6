"""A long campaign of seeds in parts: what is kept, what is missing, and the sum of it.

Parts lie in a folder of their commit, `<first>-<last>.json`, each a report of
`seawall simulate --json`; an interrupted campaign plays only what no part holds.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.proofs import Proof
from procs.simulate import coverage
from procs.simulate.campaign import Report, too_tame
from shared.errors import ConfigError

PART_SEEDS = 2_000
"""Some minutes of play: what an interruption costs at most."""


class Part(NamedTuple):
    """A range of seeds, and the report that says how they went."""

    seeds: range
    report: Report


def read_part(proof: Proof, path: Path) -> Part:
    """A report whose file name begins with its first seed. Raises ConfigError."""
    name = re.fullmatch(r"(\d+)(?:-(\d+))?", path.stem)
    if name is None:
        raise ConfigError(
            f"{path}: a name that tells no seeds, allowed: FIRST-LAST.json or FIRST.json, "
            "such as 0-1999.json"
        )
    report = proof.read(text_of(path), str(path))
    first = int(name[1])
    seeds = range(first, int(name[2]) + 1 if name[2] else first + report.seeds)
    if report.seeds != len(seeds) or not seeds:
        raise ConfigError(f"{path}: {report.seeds} seeds, allowed: as many as its name says")
    return Part(seeds, report)


def text_of(path: Path) -> str:
    """A report's file. Raises ConfigError when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error


def keep_part(folder: Path, seeds: range, text: str) -> None:
    """Writes a part whole or not at all: half a file would be refused at the next start."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{seeds.start}-{seeds.stop - 1}.json"
    half = path.with_suffix(".half")
    half.write_text(text, encoding="utf-8")
    os.replace(half, path)


def kept_parts(proof: Proof, folder: Path, wanted: range) -> list[Part]:
    """The parts within a range, in order, none over another."""
    parts: list[Part] = []
    found = (read_part(proof, path) for path in folder.glob("*.json"))
    for part in sorted(found, key=lambda part: (part.seeds.start, -len(part.seeds))):
        begins = parts[-1].seeds.stop if parts else wanted.start
        if begins <= part.seeds.start and part.seeds.stop <= wanted.stop:
            parts.append(part)
    return parts


def missing(wanted: range, parts: Sequence[Part], size: int = PART_SEEDS) -> Iterator[range]:
    """What no part holds, in pieces of at most so many seeds."""
    at = wanted.start
    for begins, ends in (
        *((part.seeds.start, part.seeds.stop) for part in parts),
        (wanted.stop, wanted.stop),
    ):
        for first in range(at, begins, size):
            yield range(first, min(first + size, begins))
        at = ends


def joined(parts: Iterable[Part]) -> Part:
    """All parts as one. Raises ConfigError when seeds between them are missing or told twice."""
    ordered = sorted(parts, key=lambda part: part.seeds.start)
    for one, other in itertools.pairwise(ordered):
        if one.seeds.stop != other.seeds.start:
            raise ConfigError(
                f"seeds {other.seeds.start}:{other.seeds.stop} behind "
                f"{one.seeds.start}:{one.seeds.stop}, allowed: beginning at {one.seeds.stop}"
            )
    whole = range(ordered[0].seeds.start, ordered[-1].seeds.stop)
    return Part(whole, _sum([part.report for part in ordered]))


def _sum(reports: Sequence[Report]) -> Report:
    """As if one campaign had played them all; rates are over the time of all parts."""
    first = reports[0]
    seeds = sum(one.seeds for one in reports)
    events = sum(one.events for one in reports)
    played_s = sum(one.events / one.events_per_s for one in reports if one.events_per_s)
    total = Report(
        profile=first.profile,
        mode=first.mode,
        seeds=seeds,
        events=events,
        events_per_s=round(events / played_s, 1) if played_s else 0.0,
        seeds_per_s=round(seeds / played_s, 2) if played_s else 0.0,
        opened_share=round(sum(one.opened_share * one.seeds for one in reports) / seeds, 4),
        faulty_share=round(sum(one.faulty_share * one.seeds for one in reports) / seeds, 4),
        events_min=min(one.events_min for one in reports),
        settled_s_max=max(one.settled_s_max for one in reports),
        violations=[found for one in reports for found in one.violations],
        faults=_counted(one.faults for one in reports),
        coverage=_counted(one.coverage for one in reports),
    )
    total.never_met = coverage.never_met(total.coverage, total.faults)
    total.undeclared = coverage.undeclared(total.coverage)
    total.too_tame = too_tame(total)
    return total


def _counted(tables: Iterable[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for table in tables:
        for name, count in table.items():
            total[name] = total.get(name, 0) + count
    return dict(sorted(total.items()))
