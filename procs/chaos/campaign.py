"""A whole campaign: stage, blows until enough processes were killed, healing, stop, audit."""

from __future__ import annotations

import contextlib
import signal
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from procs.chaos.audit import Audit, audit
from procs.chaos.audit_spans import SUPERVISE, Death
from procs.chaos.blows import blows
from procs.chaos.diary import Diary
from procs.chaos.engine import EngineProcess, OrphansError
from procs.chaos.nemesis import Nemesis
from procs.chaos.patience import now_s
from procs.chaos.stage import prepare
from shared.errors import ConfigError, SeawallError

SETTLE_S: Final = 18.0
"""After the last blow: the fence of an unknown order (15 s here), and a comparison or two."""
STOP_WITHIN_S: Final = 30.0
ENGINE_COMMAND: Final = ("-P", "-m", "procs.chaos")

Progress = Callable[[int, int, float], None]
"""Kills so far, kills wanted, seconds."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted."""

    kills: int
    minutes: float | None
    seed: int
    profile: str = "demo"


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What happened."""

    seed: int
    seconds: float
    kills: int
    kills_with_position: int
    blows: dict[str, int]
    skipped: int
    killed: dict[str, int]
    ready_ms: dict[str, dict[str, int]]
    """Kill to READY by role: count, p50, max; `all` over all children, `alone` over those of them
    that died while nothing else was wrong."""
    figures: dict[str, Any]
    findings: list[str]
    too_tame: list[str]
    folder: str
    command: str

    @property
    def passed(self) -> bool:
        """Whether nothing was found, and enough happened to say so."""
        return not self.findings and not self.too_tame


def campaign(plan: Plan, keep: Path | None, progress: Progress) -> Report:
    """Runs it in a folder that is left behind. Raises ConfigError for a folder that exists."""
    folder = own_folder(keep)
    userdir = folder / "user"
    prepare(userdir, plan.profile, plan.seed)
    diary = Diary(userdir)
    engine = EngineProcess(userdir, (*ENGINE_COMMAND, str(userdir)))
    nemesis = Nemesis(engine, diary, plan.seed)
    began = now_s()
    summary = None
    try:
        if nemesis.begin():
            _strike(plan, nemesis, began, progress)
            summary = _end(nemesis)
    finally:
        nemesis.heal()
        _clean_up(engine, diary)
        diary.note("over")
        diary.close()
    judged = audit(userdir, summary)
    return _report(plan, folder, nemesis, judged, now_s() - began)


def own_folder(keep: Path | None) -> Path:
    """A folder that holds nothing else. Raises ConfigError for one that does."""
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="seawall-chaos-"))
    folder = keep.absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"--keep {keep}: not an empty folder; a campaign needs one of its own")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _strike(plan: Plan, nemesis: Nemesis, began: float, progress: Progress) -> None:
    """Blow after blow; an engine that does not come back ends it."""
    for blow in blows(plan.seed):
        passed_s = now_s() - began
        kills = kills_of(nemesis.diary.entries)
        progress(kills, plan.kills, passed_s)
        if kills >= plan.kills or (plan.minutes is not None and passed_s >= plan.minutes * 60):
            return
        try:
            if not nemesis.strike(blow):
                return
        except OrphansError as error:
            nemesis.diary.note("orphans", text=str(error))
            return


def kills_of(entries: list[dict[str, Any]]) -> int:
    """kill -9 that found somebody, and exact points that were reached."""
    counted = Counter(entry["what"] for entry in entries)
    return counted["kill"] - counted["kill_missed"] + counted["aim_hit"]


def _end(nemesis: Nemesis) -> dict[str, Any] | None:
    """Everything heals and settles; the engine stops as when a person stops it."""
    nemesis.heal()
    if not nemesis.until_whole():
        return None
    time.sleep(SETTLE_S)
    if not nemesis.until_whole():
        return None
    nemesis.diary.note("stop", "supervise")
    nemesis.engine.signal_pid(signal.SIGINT, nemesis.engine.pid)
    with contextlib.suppress(SeawallError):
        return nemesis.engine.summary(STOP_WITHIN_S)
    return None


def _clean_up(engine: EngineProcess, diary: Diary) -> None:
    try:
        engine.clean_up()
    except OrphansError as error:
        diary.note("orphans", text=str(error))


def _report(plan: Plan, folder: Path, nemesis: Nemesis, judged: Audit, seconds: float) -> Report:
    entries = nemesis.diary.entries
    findings = [*judged.findings]
    findings += [entry["text"] for entry in entries if entry["what"] == "orphans"]
    kills = kills_of(entries)
    figures = dict(judged.figures)
    with_position = int(figures.pop("kills_with_position"))
    too_tame = []
    if kills < plan.kills and plan.minutes is None:
        too_tame.append(f"{kills} kills of {plan.kills}")
    if with_position * 2 < kills:
        too_tame.append(f"a position was open at {with_position} of {kills} kills only")
    struck = Counter(entry["name"] for entry in entries if entry["what"] == "blow")
    struck.update(
        entry["second"] for entry in entries if entry["what"] == "blow" and entry["second"]
    )
    asked = [death for death in judged.deaths if death.asked]
    minutes = "" if plan.minutes is None else f" --minutes {plan.minutes:g}"
    return Report(
        seed=plan.seed,
        seconds=round(seconds, 1),
        kills=kills,
        kills_with_position=with_position,
        blows=dict(sorted(struck.items())),
        skipped=nemesis.skipped,
        killed=dict(sorted(Counter(death.role for death in asked).items())),
        ready_ms=ready_ms(asked),
        figures=figures,
        findings=findings,
        too_tame=too_tame,
        folder=str(folder),
        command=f"seawall chaos --seed {plan.seed} --kills {plan.kills}{minutes}",
    )


def ready_ms(deaths: list[Death]) -> dict[str, dict[str, int]]:
    """Kill to READY: by role, `all` of the children together, and those that died `alone`."""
    took: dict[str, list[int]] = defaultdict(list)
    for death in deaths:
        if death.ready_ms is None:
            continue
        took_ms = death.ready_ms - death.at_ms
        took[death.role].append(took_ms)
        if death.role != SUPERVISE:
            took["all"].append(took_ms)
            if death.alone:
                took["alone"].append(took_ms)
    return {
        role: {"count": len(all_ms), "p50": sorted(all_ms)[len(all_ms) // 2], "max": max(all_ms)}
        for role, all_ms in sorted(took.items())
    }
