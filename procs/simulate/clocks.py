"""The venue's clock and ours: how far they are apart, and what route's session believes of it.

Engine time is the boot clock and never jumps. The wall clock, which stamps requests, does: it may
be wrong from the start, and somebody may set it. The session measures the difference now and then,
and at once after a refusal by time; beyond half a second route latches (L9).
"""

from __future__ import annotations

from typing import Final

from procs.simulate.agenda import Agenda
from procs.simulate.dice import Dice
from shared.units import NS_PER_MS, NS_PER_S

LOOK_NS: Final = 500 * NS_PER_MS
AHEAD_NS: Final = NS_PER_S
"""A stamp farther ahead of the venue's clock is refused."""
MEASURE_NS: Final = 10 * NS_PER_S
MEASURE_PAUSE_NS: Final = NS_PER_S
ERROR_MAX_NS: Final = 500 * NS_PER_MS
JUMPS_MS: Final = (600, 3_600_000)
SMALL_JUMP_MS: Final = 2_000
"""What the venue still takes for the right time, or nearly."""


class Clocks:
    """All in nanoseconds beside engine time."""

    def __init__(self, agenda: Agenda, dice: Dice) -> None:
        self.venue_ns = 0
        """The venue's clock minus engine time."""
        self.wall_ns = 0
        """Our wall clock minus engine time."""
        self._known_ns = 0
        """The venue's clock minus our wall clock, as last measured."""
        self._measured_ns = 0
        self._agenda = agenda
        self._dice = dice
        agenda.after(LOOK_NS, self._look)

    def shown_ms(self, at_ms: int) -> int:
        """What the venue says of a moment of engine time."""
        return at_ms + self.venue_ns // NS_PER_MS

    def asked_ms(self, since_ms: int) -> int:
        """What the session asks for when route means this moment (`shared.venues.spot`)."""
        return since_ms + self.believed_ns() // NS_PER_MS

    def believed_ns(self) -> int:
        """What the session takes for the venue's clock, minus engine time."""
        return self.wall_ns + self._known_ns

    def is_refused(self, stamped_ns: int, window_ns: int) -> bool:
        """Whether the venue refuses a request now that was stamped so, beside engine time."""
        age_ns = self._agenda.now_ns + self.venue_ns - stamped_ns
        return age_ns > window_ns or age_ns < -AHEAD_NS

    def stamp(self) -> int:
        """What a request that leaves now says of its time."""
        return self._agenda.now_ns + self.believed_ns()

    def measure(self, *, at_most_every_ns: int = MEASURE_PAUSE_NS) -> None:
        """The session asks the venue for its time."""
        now_ns = self._agenda.now_ns
        if now_ns - self._measured_ns >= at_most_every_ns:
            self._measured_ns = now_ns
            self._known_ns = self.venue_ns - self.wall_ns

    def error(self) -> str:
        """What route latches for; empty while the clocks are near enough."""
        if abs(self._known_ns) <= ERROR_MAX_NS:
            return ""
        return f"this clock differs from the venue's by {-self._known_ns // NS_PER_MS} ms"

    def start_wrong(self) -> None:
        """The engine begins while the machine's clock is wrong: engine time is that clock."""
        sign = 1 if self._dice.coin("wrong_clock", 0.5) else -1
        self.venue_ns = sign * self._dice.between("wrong_clock", *JUMPS_MS) * NS_PER_MS
        self.measure(at_most_every_ns=0)

    def set_right(self) -> None:
        """A person, or the time service, sets the machine's clock."""
        self.wall_ns = self.venue_ns

    def _look(self) -> None:
        self._agenda.after(LOOK_NS, self._look)
        if self._dice.hits("clock_jump", "wall"):
            sign = 1 if self._dice.coin("clock_jump", 0.5) else -1
            length_ms = self._dice.between("clock_jump", *JUMPS_MS)
            if self._dice.coin("clock_jump", 0.5):
                length_ms %= SMALL_JUMP_MS
            self.wall_ns += sign * length_ms * NS_PER_MS
        self.measure(at_most_every_ns=MEASURE_NS)
