"""L16: what the journal folds to is what was alive, and a second reconciliation changes nothing."""

from __future__ import annotations

from typing import Any

import msgspec

from procs.simulate.checkers.base import Checker
from shared.domain.effects import CallVenue, Journal
from shared.messages.account import Reconciled
from shared.messages.venue import PlaceOco, PlaceOrder, TakeSnapshot

COUNTED_BY_RUN = (
    "run_id",
    "number",
    "refusals",
    "signals",
    "intents",
    "pending_max",
    "equity_start",
)
"""Of decide: set to nothing at each start of a run, before anything is journaled in it."""

JOURNALS = ("route", "decide", "protect")


class Recovery(Checker):
    """Recovers each dead process beside the world, and route once more at the end."""

    law = "L16"

    def died(self, node: Any) -> None:
        """The journal folds to the state that died, unless its last turn was not committed."""
        dead = node.actor
        if node.role not in JOURNALS or dead is None or _seq(dead) != len(node.rows):
            return
        folded = node.recovered()
        alive = _lasting(dead)
        differing = [name for name, held in _lasting(folded).items() if held != alive[name]]
        if differing:
            self.say(f"{node.role}: the journal folds to other {', '.join(differing)}")
        saved = dead.snapshot()
        folded.recover(saved, ())
        if folded.snapshot() != saved:
            self.say(f"{node.role}: the snapshot is read as another state")

    def at_rest(self) -> None:
        """Reconciled once, a second comparison with the same venue journals nothing."""
        for node in self.world.nodes.values():
            if node.alive and node.role in JOURNALS:
                self.died(node)
        node = self.world.nodes["route"]
        now_ns = self.world.agenda.now_ns
        actor = node.recovered()
        question = _question(actor.start(now_ns))
        for second in (False, True):
            if question is None:
                self.say("a recovered route asks the venue nothing")
                return
            answer = self.world.venue.told(question, now_ns)
            effects = actor.on(answer, now_ns)
            placed = [e for e in effects if isinstance(e, CallVenue) and _places(e)]
            changes = [e for e in effects if isinstance(e, Journal)]
            changes = [e for e in changes if not isinstance(e.event, Reconciled)]
            if second and (changes or placed):
                what = [type(e.event).__name__ for e in changes] + [str(e.request) for e in placed]
                self.say(f"a second reconciliation changes something: {', '.join(what)}")
            question = _question(effects) or question


def _places(effect: CallVenue) -> bool:
    return isinstance(effect.request, PlaceOrder | PlaceOco)


def _question(effects: list[Any]) -> TakeSnapshot | None:
    for effect in effects:
        if isinstance(effect, CallVenue) and isinstance(effect.request, TakeSnapshot):
            return effect.request
    return None


def _lasting(actor: Any) -> dict[str, Any]:
    """What a restart must bring back, by name."""
    if actor.role == "route":
        return dict(msgspec.structs.asdict(actor.account))
    state = dict(msgspec.structs.asdict(actor.state))
    for name in COUNTED_BY_RUN if actor.role == "decide" else ():
        del state[name]
    return state


def _seq(actor: Any) -> int:
    state = actor.account if actor.role == "route" else actor.state
    return int(state.seq)
