"""A toy child for the runtime's tests: it journals each beat it hears, then acknowledges it.

It plays decide. What a beat's epoch says, it does: `sleep:MS` in the turn, `timer:KEY:MS`,
`cancel:KEY`, `call:CLIENT_ID` (a risky call), `exit:CLIENT_ID` (with exit priority), `crash`,
`trip:REASON`.
TOY_DIE=STEP:N in the environment makes it kill itself before or after a step of its N-th row.
"""

from __future__ import annotations

import os
import signal
import sys
import time

import msgspec

from procs.runtime.keeper import Keeper
from procs.runtime.links import Links
from procs.runtime.shell import Shell
from procs.runtime.start import run_process
from shared.domain.effects import CallVenue, CancelTimer, Journal, Note, Say, SetTimer, TimerFired
from shared.errors import ConfigError
from shared.messages.account import Acknowledge, Beat, Hello
from shared.messages.control import Tripped
from shared.messages.decision import DecideEvent, RouteMarked
from shared.messages.venue import (
    OrderKind,
    Outcome,
    PlaceOrder,
    Side,
    VenueAnswered,
)
from shared.units import NS_PER_MS

HELLO_NS = 50 * NS_PER_MS


class State(msgspec.Struct):
    seq: int = 0
    total: int = 0


class ToyActor:
    role = "decide"

    def __init__(self, incarnation: int) -> None:
        self.incarnation = incarnation
        self.state = State()
        self.latched = ""
        self.greeted = False
        self.heard = 0

    def recover(self, snapshot, events):
        if snapshot is not None:
            self.state = msgspec.json.decode(snapshot, type=State)
        for event in events:
            self._evolve(event)

    def _evolve(self, event):
        self.state.seq += 1
        self.state.total += event.seq

    def snapshot(self):
        return msgspec.json.encode(self.state)

    def start(self, now_ns):
        return [SetTimer("hello", now_ns)]

    @property
    def ready(self):
        return self.greeted

    def figures(self):
        return {"heard": self.heard, "latched": float(bool(self.latched))}

    def report(self):
        return {"seq": self.state.seq, "total": self.state.total, "latched": self.latched}

    def on(self, message, now_ns):
        match message:
            case TimerFired(key="hello"):
                if self.greeted:
                    return []
                hello = Hello(
                    role="decide",
                    incarnation=self.incarnation,
                    version=self.state.seq,
                    config_hash=str(self.state.total),
                    mark=self.state.seq,
                    at_ns=now_ns,
                )
                return [Say("route", hello), SetTimer("hello", now_ns + HELLO_NS)]
            case TimerFired(key=key):
                return [self._acknowledge(key)]
            case Beat():
                return self._on_beat(message, now_ns)
            case VenueAnswered(outcome=outcome, request=request, code=code):
                return [self._acknowledge(f"{request.client_id}={outcome}:{code}")]
        return []

    def _on_beat(self, beat, now_ns):
        self.greeted = True
        self.heard += 1
        verb, _, rest = beat.epoch.partition(":")
        match verb:
            case "count":
                return []
            case "sleep":
                time.sleep(int(rest) / 1000)
            case "timer":
                key, _, delay = rest.partition(":")
                return [SetTimer(key, now_ns + int(delay) * NS_PER_MS)]
            case "cancel":
                return [CancelTimer(rest)]
            case "trip":
                tripped = Tripped(role="decide", reason=rest, at_ns=now_ns)
                return [Say("supervise", tripped), self._acknowledge("decide")]
            case "crash":
                raise RuntimeError("the toy was told to crash")
            case "sleepcall":
                time.sleep(0.3)
                return [self._call(rest, exit_priority=False)]
            case "call" | "exit":
                self.state.seq += 1
                self.state.total += beat.seq
                return [
                    self._call(rest, exit_priority=verb == "exit"),
                    Journal(self.state.seq, RouteMarked(seq=beat.seq, at_ns=now_ns), True),
                ]
        event = RouteMarked(seq=beat.seq, at_ns=now_ns)
        self._evolve(event)
        # Said first on purpose: the runtime, not the actor, puts the journal first.
        return [
            self._acknowledge("decide"),
            Note("events", "toy_heard", {"seq": beat.seq}),
            Journal(self.state.seq, event, durable=beat.seq % 2 == 0),
        ]

    def _call(self, client_id, *, exit_priority):
        request = PlaceOrder(
            symbol="BTCUSDT",
            client_id=client_id,
            side=Side.BUY,
            kind=OrderKind.MARKET,
            quantity=1,
        )
        return CallVenue(request, exit_priority)

    def _acknowledge(self, role):
        return Say("route", Acknowledge(role=role, seq=self.state.seq))


class ToyShell(Shell):
    """A toy."""

    role = "decide"
    journal_events = DecideEvent
    rehearses = True

    def build(self):
        if self.launch.config_hash == "impossible":
            raise ConfigError("toy.config_hash = 'impossible': not allowed")
        return ToyActor(self.launch.incarnation)

    async def perform_call(self, call, turn_began_ns):
        return VenueAnswered(request=call.request, outcome=Outcome.OK)


def die_at(step: str, number: int) -> None:
    """Kills this process around a step of the number-th row."""

    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    commit, say = Keeper.commit, Links.say

    def dying_commit(self, batch, now_ns):
        last = batch.journal[-1].seq if batch.journal else 0
        if step == "before-commit" and last >= number:
            die()
        done = commit(self, batch, now_ns)
        if step == "after-commit" and last >= number:
            die()
        return done

    def dying_say(self, to, message):
        done = say(self, to, message)
        if step == "after-say" and isinstance(message, Acknowledge) and message.seq >= number:
            die()
        return done

    Keeper.commit, Links.say = dying_commit, dying_say


if __name__ == "__main__":
    plan = os.environ.get("TOY_DIE", "")
    if plan:
        die_at(plan.split(":")[0], int(plan.split(":")[1]))
    sys.exit(run_process(ToyShell))
