"""Histories, their states, and the count of what came of them."""

import math
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from torn_damage import KINDS, Damage
from torn_history import Writer
from torn_judge import Judge, Wrong

STEPS = 50
STATES_PER_HISTORY = 250


@dataclass
class Result:
    """What was tried and what came of it."""

    states: int = 0
    histories: int = 0
    rows: int = 0
    seconds: float = 0.0
    outcomes: dict[str, Counter] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)


def run_campaign(
    seed: str,
    states: int,
    *,
    only_history: int | None = None,
    only_state: int | None = None,
    findings_max: int = 10,
    each: Callable[[str, str, str], None] | None = None,
) -> Result:
    """Tries so many states; `each` hears kind, note and outcome of every one."""
    result = Result()
    began = time.perf_counter()
    first = only_history or 0
    count = 1 if only_history is not None else math.ceil(states / STATES_PER_HISTORY)
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    for history in range(first, first + count):
        with tempfile.TemporaryDirectory(prefix="seawall-torn-", dir=memory) as scratch:
            left = min(STATES_PER_HISTORY, states - result.states)
            _one_history(result, seed, history, left, only_state, Path(scratch), each)
        if len(result.findings) >= findings_max:
            break
    result.seconds = time.perf_counter() - began
    return result


def _one_history(
    result: Result,
    seed: str,
    number: int,
    states: int,
    only_state: int | None,
    scratch: Path,
    each: Callable[[str, str, str], None] | None,
) -> None:
    source = scratch / "source"
    source.mkdir()
    history = Writer(source, random.Random(f"{seed}:{number}")).live(STEPS)
    result.histories += 1
    result.rows += len(history.truth)
    judge = Judge(history, scratch / "trial")
    kinds = list(KINDS)
    for at in range(states) if only_state is None else (only_state,):
        chance = random.Random(f"{seed}:{number}:{at}")
        state = Damage(history, chance).state(kinds[at % len(kinds)])
        try:
            outcome = judge.try_state(state, chance)
        except Exception as error:  # noqa: BLE001 - a crash on start is a finding as well
            outcome = "WRONG"
            what = str(error) if isinstance(error, Wrong) else f"{type(error).__name__}: {error}"
            result.findings.append(
                f"FINDING {state.kind}, {state.note}: {what}\n"
                f"  again: tests/torn/run.py --seed {seed} --history {number} --state {at}"
            )
        result.states += 1
        result.outcomes.setdefault(state.kind, Counter())[outcome] += 1
        if each is not None:
            each(state.kind, state.note, outcome)
