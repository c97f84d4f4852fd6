"""The tables of docs/promises.md and docs/chaos.md, from what `make evidence` kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from bench.proofs import PROOFS, Figures

NOT_YET = "not shown yet"

Evidence = dict[str, dict[str, Any]]
"""Name of a proof to the commit, command and figures of its last report."""


class Row(NamedTuple):
    """One thing that is wanted, beside what was shown of it."""

    wanted: str
    shown: str
    reached: bool | None
    """None for what has no bound, or was not shown yet."""
    command: str
    commit: str


def rows(evidence: Evidence) -> Iterator[Row]:
    """Every goal of every proof, in the proofs' order."""
    for name, proof in PROOFS.items():
        kept = evidence.get(name)
        for goal in proof.goals:
            if kept is None:
                yield Row(goal.wanted, NOT_YET, None, proof.command, "-")
                continue
            figures = kept["figures"]
            reached = None if goal.reached is None else bool(goal.reached(figures))
            shown = goal.shown(figures)
            yield Row(goal.wanted, shown, reached, kept["command"], kept["commit"])


def promises(evidence: Evidence) -> str:
    """The table of docs/promises.md."""
    words = {True: "yes", False: "**no**", None: "-"}
    lines = ["| wanted | shown | reached | command | commit |", "|---|---|---|---|---|"]
    lines += [
        f"| {row.wanted} | {row.shown} | {words[row.reached]} | `{row.command}` | {row.commit} |"
        for row in rows(evidence)
    ]
    return "\n".join(lines)


def chaos(evidence: Evidence) -> str:
    """What kills and the flood showed, for docs/chaos.md."""
    return "\n".join([*_kills(evidence), "", *_flat(evidence)])


def _heading(evidence: Evidence, name: str) -> str:
    kept = evidence.get(name)
    if kept is None:
        return f"`{PROOFS[name].command}`: {NOT_YET}."
    first = PROOFS[name].goals[0].shown(kept["figures"])
    return f"`{kept['command']}`, at commit {kept['commit']}: {first}."


def _kills(evidence: Evidence) -> Iterator[str]:
    yield _heading(evidence, "kills")
    if "kills" not in evidence:
        return
    figures: Figures = evidence["kills"]["figures"]
    yield ""
    yield "| ms | count | p50 | worst |"
    yield "|---|---:|---:|---:|"
    for what, field in (
        ("kill to READY, a child, nothing else wrong", "ready_child_ms"),
        ("kill to READY, a child, whatever else was wrong", "ready_among_others_ms"),
        ("kill to READY, the supervisor with everything", "ready_supervise_ms"),
        ("without stop and without live guard", "without_stop_or_guard_ms"),
        ("without stop at the venue", "without_stop_ms"),
    ):
        row = figures[field]
        yield f"| {what} | {row['count']:,} | {row['p50']:,} | {row['max']:,} |"


def _flat(evidence: Evidence) -> Iterator[str]:
    yield _heading(evidence, "flat")
    if "flat" not in evidence:
        return
    yield ""
    yield "| resident memory, MB | early | late | descriptors early | late |"
    yield "|---|---:|---:|---:|---:|"
    for role, row in evidence["flat"]["figures"]["processes"].items():
        yield (
            f"| {role} | {row['rss_mb_early']:.1f} | {row['rss_mb_late']:.1f} "
            f"| {row['fds_early']} | {row['fds_late']} |"
        )
