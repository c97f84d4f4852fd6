"""What is to be proven of reliability: by which command, what is wanted, and what a report shows.

A proof's figures are what `bench/results/evidence.json` keeps of a report; its goals turn figures
into the rows of docs/promises.md. `bench.evidence` runs the commands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from bench.proof_shapes import Fuzz, KillFigures, Planted, Spread, Torn, read_report
from procs.chaos import campaign as kills
from procs.chaos.flat import FlatReport
from procs.simulate import campaign as seeds
from procs.simulate.crashes import CrashReport
from procs.simulate.liveness import SETTLED_WITHIN_NS
from shared.errors import ConfigError
from shared.units import NS_PER_S

Figures = dict[str, Any]

SEEDS_WANTED, LIVENESS_WANTED, PAIRS_WANTED = 50_000, 1_000, 50
KILLS_WANTED, READY_P50_MS, READY_WORST_MS = 300, 1_500, 5_000
STATES_WANTED, MUTATIONS_WANTED = 20_000, 1_000_000
BUGS_WANTED, BUG_SEEDS_WANTED = 25, 1_000
SETTLED_WITHIN_S = SETTLED_WITHIN_NS / NS_PER_S


class Goal(NamedTuple):
    """One row: what is wanted, how figures show it, whether they reach it (None: no bound)."""

    wanted: str
    shown: Callable[[Figures], str]
    reached: Callable[[Figures], bool] | None = None


class Proof(NamedTuple):
    """One command, and what its report is wanted to show."""

    command: str
    """As a user types it."""
    shape: type[Any]
    typed: Callable[[Any, str], str]
    """The command that made a report; the text is its range of seeds."""
    figures: Callable[[Any], Figures]
    goals: tuple[Goal, ...]
    seeds: range = range(0)
    """Those of the command, where a report does not name them."""
    must: dict[str, str] = {}
    """Fields by which a report of another mode is told."""

    def read(self, text: str, place: str) -> Any:
        """A report of this proof. Raises ConfigError that names the place."""
        report = read_report(text, self.shape, place)
        for field, allowed in self.must.items():
            if getattr(report, field) != allowed:
                raise ConfigError(f"{place}: {field} {getattr(report, field)}, allowed: {allowed}")
        return report


def _seeds(report: seeds.Report) -> Figures:
    return {
        "seeds": report.seeds,
        "violations": len(report.violations),
        "events": report.events,
        "events_per_s": report.events_per_s,
        "events_min": report.events_min,
        "opened_share": report.opened_share,
        "faulty_share": report.faulty_share,
        "faults": sum(report.faults.values()),
        "pairs": len(report.coverage),
        "never_met": len(report.never_met),
    }


def _liveness(report: seeds.Report) -> Figures:
    return _seeds(report) | {"settled_s_max": report.settled_s_max}


def _crashes(report: CrashReport) -> Figures:
    names = ("seeds", "turns", "singles", "pairs", "deaths", "events", "events_per_s")
    return {name: getattr(report, name) for name in names} | {"violations": len(report.violations)}


def _kills(report: kills.Report) -> Figures:
    try:
        audited = msgspec.convert(report.figures, KillFigures)
        ready = msgspec.convert(report.ready_ms, dict[str, Spread])
    except msgspec.ValidationError as error:
        raise ConfigError(f"{report.command}: no figures of an auditor: {error}") from error
    return {
        "kills": report.kills,
        "kills_with_position": report.kills_with_position,
        "seconds": report.seconds,
        "findings": len(report.findings),
        "too_tame": len(report.too_tame),
        "ready_child_ms": msgspec.to_builtins(ready.get("alone", Spread())),
        "ready_among_others_ms": msgspec.to_builtins(ready.get("all", Spread())),
        "ready_supervise_ms": msgspec.to_builtins(ready.get("supervise", Spread())),
        **msgspec.to_builtins(audited),
    }


def _flat(report: FlatReport) -> Figures:
    names = ("minutes", "market_events", "day_share", "quotes", "orders", "fills")
    return {name: getattr(report, name) for name in names} | {
        "findings": len(report.findings),
        "processes": msgspec.to_builtins(report.processes),
    }


def _torn(report: Torn) -> Figures:
    names = ("states", "histories", "rows", "seconds")
    return {name: getattr(report, name) for name in names} | {"wrong": len(report.findings)}


def _fuzz(report: Fuzz) -> Figures:
    return {
        "decoders": len(report.decoders),
        "mutations": sum(one.mutations for one in report.decoders),
        "least": min((one.mutations for one in report.decoders), default=0),
        "findings": sum(len(one.findings) for one in report.decoders),
        "seconds": round(sum(one.seconds for one in report.decoders), 1),
    }


def _planted(report: Planted) -> Figures:
    found = [one.seed for one in report.bugs if one.seed is not None]
    return {
        "bugs": len(report.bugs),
        "found": len(found),
        "worst_seeds": max((seed + 1 for seed in found), default=0),
    }


def _lawful(f: Figures) -> str:
    return f"{f['violations']:,} violations in {f['events']:,} events ({f['events_per_s']:,.0f}/s)"


def _seconds(ms: int) -> str:
    return f"{ms / 1000:.1f} s"


def _spread(spread: Figures) -> str:
    if not spread["count"]:
        return "none measured"
    middle, worst = _seconds(spread["p50"]), _seconds(spread["max"])
    return f"p50 {middle}, worst {worst}, of {spread['count']:,}"


def _most_grown(f: Figures) -> str:
    rows = f["processes"]
    if not rows:
        return "none measured"
    mb = {role: row["rss_mb_late"] - row["rss_mb_early"] for role, row in rows.items()}
    fds = {role: row["fds_late"] - row["fds_early"] for role, row in rows.items()}
    heaviest, widest = max(mb, key=mb.__getitem__), max(fds, key=fds.__getitem__)
    return f"{heaviest} {mb[heaviest]:+.1f} MB, {widest} {fds[widest]:+} descriptors"


_SEEDS = Proof(
    f"seawall simulate --seeds 0:{SEEDS_WANTED}",
    seeds.Report,
    lambda _, text: f"seawall simulate --seeds {text}",
    _seeds,
    (
        Goal(
            f"at least {SEEDS_WANTED:,} seeds, no law broken",
            lambda f: f"{f['seeds']:,} seeds, {_lawful(f)}",
            lambda f: f["seeds"] >= SEEDS_WANTED and not f["violations"],
        ),
        Goal(
            f"{seeds.SHARE_WANTED * 100:g} % of them open a position, "
            f"{seeds.SHARE_WANTED * 100:g} % meet {seeds.FAULTS_WANTED} faults, "
            f"each has {seeds.EVENTS_WANTED:,} events",
            lambda f: (
                f"{f['opened_share']:.1%}, {f['faulty_share']:.1%}, at least {f['events_min']:,}"
            ),
            lambda f: (
                min(f["opened_share"], f["faulty_share"]) >= seeds.SHARE_WANTED
                and f["events_min"] >= seeds.EVENTS_WANTED
            ),
        ),
        Goal(
            "state × fault pairs met",
            lambda f: (
                f"{f['pairs']:,} by {f['faults']:,} faults, {f['never_met']} declared ones never"
            ),
        ),
    ),
    range(SEEDS_WANTED),
    {"profile": "swarm", "mode": "safety"},
)
_LIVENESS = Proof(
    f"seawall simulate --mode liveness --seeds 0:{LIVENESS_WANTED}",
    seeds.Report,
    lambda _, text: f"seawall simulate --mode liveness --seeds {text}",
    _liveness,
    (
        Goal(
            f"at least {LIVENESS_WANTED:,} seeds settle within {SETTLED_WITHIN_S:g} s of their "
            "healing, no law broken",
            lambda f: (
                f"{f['seeds']:,} seeds, the last after {f['settled_s_max']:.1f} s, {_lawful(f)}"
            ),
            # Whatever is not settled in time is a violation.
            lambda f: f["seeds"] >= LIVENESS_WANTED and not f["violations"],
        ),
    ),
    range(LIVENESS_WANTED),
    {"profile": "swarm", "mode": "liveness"},
)
_CRASHES = Proof(
    f"seawall simulate --mode crashes --seeds 1:2 --pairs {PAIRS_WANTED}",
    CrashReport,
    lambda report, text: (
        f"seawall simulate --mode crashes --seeds {text} --pairs {report.pairs // report.seeds}"
    ),
    _crashes,
    (
        Goal(
            f"a death at every point of a calm seed, {PAIRS_WANTED} pairs of them, no law broken",
            lambda f: f"{f['singles']:,} points, {f['pairs']:,} pairs, {_lawful(f)}",
            lambda f: f["singles"] > 0 and f["pairs"] >= PAIRS_WANTED and not f["violations"],
        ),
    ),
    range(1, 2),
)
_KILLS = Proof(
    f"seawall chaos --seed 1 --kills {KILLS_WANTED}",
    kills.Report,
    lambda report, _: report.command,
    _kills,
    (
        Goal(
            f"at least {KILLS_WANTED} real kills: no fill lost, no order twice, nothing oversold, "
            "nothing bare beyond the bound",
            lambda f: (
                f"{f['kills']:,} kills, {f['kills_with_position']:,} with a position open, "
                f"{f['fills']:,} fills, {f['findings']:,} findings"
            ),
            lambda f: f["kills"] >= KILLS_WANTED and not f["findings"] and not f["too_tame"],
        ),
        Goal(
            f"kill to READY, a child, nothing else wrong: p50 under {_seconds(READY_P50_MS)}",
            lambda f: _spread(f["ready_child_ms"]),
            lambda f: f["ready_child_ms"]["count"] and f["ready_child_ms"]["p50"] < READY_P50_MS,
        ),
        Goal(
            f"kill to READY, a child, nothing else wrong: worst under {_seconds(READY_WORST_MS)}",
            lambda f: _spread(f["ready_child_ms"]),
            lambda f: f["ready_child_ms"]["count"] and f["ready_child_ms"]["max"] < READY_WORST_MS,
        ),
        Goal(
            "kill to READY, a child, whatever else was wrong",
            lambda f: _spread(f["ready_among_others_ms"]),
        ),
        Goal(
            "kill to READY, the supervisor with everything",
            lambda f: _spread(f["ready_supervise_ms"]),
        ),
        Goal(
            "longest without stop and live guard",
            lambda f: _seconds(f["without_stop_or_guard_ms"]["max"]),
        ),
    ),
)
_FLAT = Proof(
    "seawall chaos --flat",
    FlatReport,
    lambda report, _: (
        "seawall chaos --flat" + (f" --seed {report.seed}" if report.seed != 1 else "")
    ),
    _flat,
    (
        Goal(
            "24 hours of one symbol's market, nothing found",
            lambda f: (
                f"{f['day_share'] * 24:.1f} hours in {f['minutes']:.1f} min, "
                f"{f['market_events']:,} market events, {f['orders']:,} orders, "
                f"{f['findings']:,} findings"
            ),
            lambda f: f["day_share"] >= 1 and not f["findings"],
        ),
        Goal(
            "memory and descriptors stay as they are",
            lambda f: f"at most {_most_grown(f)}",
            lambda f: bool(f["processes"]) and all(row["flat"] for row in f["processes"].values()),
        ),
    ),
)
_TORN = Proof(
    f"python tests/torn/run.py --states {STATES_WANTED}",
    Torn,
    lambda report, _: f"python tests/torn/run.py --states {report.states}{_seeded(report.seed)}",
    _torn,
    (
        Goal(
            f"at least {STATES_WANTED:,} damaged journals, none silently wrong",
            lambda f: f"{f['states']:,} states of {f['histories']:,} journals, {f['wrong']} wrong",
            lambda f: f["states"] >= STATES_WANTED and not f["wrong"],
        ),
    ),
)
_FUZZ = Proof(
    f"python tests/fuzz/run.py --each {MUTATIONS_WANTED}",
    Fuzz,
    lambda report, _: f"python tests/fuzz/run.py --each {report.each}{_seeded(report.seed)}",
    _fuzz,
    (
        Goal(
            f"at least {MUTATIONS_WANTED:,} mutations for each decoder, nothing found",
            lambda f: (
                f"{f['decoders']} decoders, at least {f['least']:,} each, {f['mutations']:,} in "
                f"all, {f['findings']} findings"
            ),
            lambda f: f["least"] >= MUTATIONS_WANTED and not f["findings"],
        ),
    ),
)
_PLANTED = Proof(
    "python tests/sim/prove.py",
    Planted,
    lambda report, _: (
        "python tests/sim/prove.py"
        + (f" --within {report.within}" if report.within != BUG_SEEDS_WANTED else "")
    ),
    _planted,
    (
        Goal(
            f"all of at least {BUGS_WANTED} planted bugs within {BUG_SEEDS_WANTED:,} seeds",
            lambda f: f"{f['found']} of {f['bugs']}, each within {f['worst_seeds']:,} seeds",
            lambda f: (
                f["found"] == f["bugs"] >= BUGS_WANTED and f["worst_seeds"] <= BUG_SEEDS_WANTED
            ),
        ),
    ),
)


def _seeded(seed: str) -> str:
    return f" --seed {seed}" if seed != "1" else ""


PROOFS = {
    "seeds": _SEEDS,
    "liveness": _LIVENESS,
    "crashes": _CRASHES,
    "kills": _KILLS,
    "flat": _FLAT,
    "torn": _TORN,
    "fuzz": _FUZZ,
    "planted": _PLANTED,
}
"""In the order in which they are shown."""


def proof_named(name: str) -> Proof:
    """Raises ConfigError for one that is none."""
    if name not in PROOFS:
        raise ConfigError(f"no proof {name}, allowed: {', '.join(PROOFS)}")
    return PROOFS[name]
