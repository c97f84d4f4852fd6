"""Which core a process may use, and how politely: chosen, applied, and verified (R5).

The hot path ingest → decide → route gets cores of its own first; what only watches shares the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import psutil

from shared.config.schema import PROCESS_NAMES, Settings
from shared.errors import ConfigError

Placement = tuple[tuple[int, ...], int]
"""(cores, nice); no cores means all of them."""

LAYOUTS: Final[dict[int, dict[str, int]]] = {
    2: {
        "ingest": 0,
        "localvenue": 0,
        "observe": 0,
        "supervise": 0,
        "decide": 1,
        "route": 1,
        "protect": 1,
    },
    4: {
        "supervise": 0,
        "observe": 0,
        "localvenue": 0,
        "ingest": 1,
        "decide": 2,
        "protect": 2,
        "route": 3,
    },
    8: {
        "supervise": 0,
        "observe": 1,
        "ingest": 2,
        "decide": 3,
        "protect": 4,
        "route": 5,
        "localvenue": 6,
    },
}
"""By number of cores: the index of each process's core among those available. One core needs no
layout; a number in between uses the next smaller one."""

SPIN_CORES_MIN: Final = 4
"""With fewer, the layout puts decide and route on one core."""


def available_cpus() -> tuple[int, ...]:
    """The cores this process may use, which a container or taskset may have narrowed."""
    return tuple(sorted(psutil.Process().cpu_affinity() or ()))


def layout(cpus: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """The automatic layout over these cores: process name → its cores; empty is all."""
    fitting = [count for count in LAYOUTS if count <= len(cpus)]
    if not fitting:
        return dict.fromkeys(PROCESS_NAMES, ())
    places = LAYOUTS[max(fitting)]
    return {name: (cpus[places[name]],) for name in PROCESS_NAMES}


def placements(settings: Settings, cpus: Sequence[int], *, automatic: bool) -> dict[str, Placement]:
    """Where every process goes: the configuration's word, else the layout, else everywhere.

    Raises ConfigError for a core that does not exist or may not be used, and for `engine.spin`
    where decide would take the core from those who must answer it.
    """
    if settings.engine.spin and len(cpus) < SPIN_CORES_MIN:
        raise ConfigError(
            f"engine.spin = true: needs {SPIN_CORES_MIN} cores or more, here are {len(cpus)}; "
            "a process that never sleeps would take the time of the others"
        )
    chosen = layout(cpus) if automatic else dict.fromkeys(PROCESS_NAMES, ())
    result: dict[str, Placement] = {}
    for name in PROCESS_NAMES:
        process = settings.process.get(name)
        wanted = process.cpus if process and process.cpus else chosen[name]
        for cpu in wanted:
            if cpu not in cpus:
                raise ConfigError(
                    f"process.{name}.cpus = {list(wanted)}: no core {cpu} here, "
                    f"allowed {list(cpus)}"
                )
        result[name] = (wanted, process.nice if process else 0)
    return result


def apply(role: str, cpus: Sequence[int], nice: int) -> Placement:
    """Binds this process and says what really holds. No cores and nice 0 leave things as they are.

    Raises ConfigError when the system refuses or does something else than asked.
    """
    process = psutil.Process()
    try:
        if cpus:
            process.cpu_affinity(list(cpus))
        if nice:
            process.nice(nice)
    except (psutil.AccessDenied, PermissionError) as error:
        raise ConfigError(
            f"process.{role}.nice = {nice}: not permitted; use 0 or more, or raise the nice limit"
        ) from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"process.{role}.cpus = {list(cpus)}: {error}") from error
    found_cpus = tuple(sorted(process.cpu_affinity() or ()))
    found_nice = int(process.nice() or 0)
    if cpus and found_cpus != tuple(sorted(cpus)):
        raise ConfigError(f"process.{role}.cpus = {list(cpus)}: got {list(found_cpus)}")
    if nice and found_nice != nice:
        raise ConfigError(f"process.{role}.nice = {nice}: got {found_nice}")
    return found_cpus, found_nice
