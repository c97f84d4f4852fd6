"""Decide's outside: nothing but its actor; quotes, account and control come through the runtime."""

from __future__ import annotations

from typing import Any, ClassVar

from procs.decide.actor import Actor
from procs.runtime.shell import LiveActor, Shell
from shared.config.schema import policy_of
from shared.domain.policy import NO_FENCE_S
from shared.messages.decision import DecideEvent


class DecideShell(Shell):
    """Signals, guards and risk, as a child of the supervisor."""

    role: ClassVar[str] = "decide"
    journal_events: ClassVar[Any] = DecideEvent
    rehearses: ClassVar[bool] = True
    spins: ClassVar[bool] = True

    def build(self) -> LiveActor:
        """The actor of this run and incarnation."""
        launch = self.launch
        policy = policy_of(launch.settings, NO_FENCE_S, launch.config_hash)
        return Actor(policy, launch.run_id, launch.incarnation)

    def rehearse(self, actor: Any, now_ns: int) -> None:
        """A decision about the newest quote, for nobody."""
        actor.rehearse(now_ns)
