"""How a world is laid out in time: how long it is ill, how long it may take to get well."""

from __future__ import annotations

import msgspec

from shared.errors import ConfigError
from shared.units import NS_PER_S


class Mode(msgspec.Struct, frozen=True, kw_only=True):
    """The two parts of a world's life, both in engine time."""

    name: str
    faulty_ns: int
    """Faults happen until then."""
    healed_ns: int
    """None happens for this long afterwards: longer than the venue's fence, so that every unknown
    outcome can be resolved."""
    liveness: bool = False
    """What is owed at the healing must be settled within a bound, one by one."""


SAFETY = Mode(name="safety", faulty_ns=30 * NS_PER_S, healed_ns=30 * NS_PER_S)
LIVENESS = Mode(name="liveness", faulty_ns=15 * NS_PER_S, healed_ns=45 * NS_PER_S, liveness=True)
CRASHES = Mode(name="crashes", faulty_ns=30 * NS_PER_S, healed_ns=30 * NS_PER_S)

MODES = {mode.name: mode for mode in (SAFETY, LIVENESS, CRASHES)}


def mode_named(name: str) -> Mode:
    """The mode of this name. Raises ConfigError."""
    if name not in MODES:
        raise ConfigError(f"--mode {name!r}, allowed: {', '.join(MODES)}")
    return MODES[name]
