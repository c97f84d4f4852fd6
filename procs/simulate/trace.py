"""A seed as a story: messages, events, requests, faults and deaths, one line each, in virtual time.

What says nothing is left out: quotes and ticks, beats, the supervisor's word while it is the same,
the messages that only repeat to readers what route has just journaled.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec

from core_ext.quote import Quote
from procs.localvenue.matching.model import Order as VenueSideOrder
from procs.simulate.dice import Hit
from procs.simulate.prices import BooksMoved
from procs.simulate.process import Process
from procs.simulate.world import START_MS, Outcome, World
from procs.supervise.effects import Tick
from shared.domain.effects import CallVenue, Journal, Say, TimerFired
from shared.messages.account import Acknowledge, Beat, EventSaid, Welcomed
from shared.messages.control import EngineStatus, Heartbeat
from shared.messages.protection import PricePolled
from shared.messages.venue import VenueAnswered, VenueReported
from shared.units import NS_PER_MS, NS_PER_S, plain

UNTOLD = (
    Quote, TimerFired, Beat, EventSaid, PricePolled, Acknowledge, Tick, Heartbeat, BooksMoved,
)  # fmt: skip
"""Messages without a line of their own."""
UNTOLD_FIELDS = frozenset(
    {"at_ns", "asked_ns", "checks", "account", "instruments", "version", "config_hash", "request"}
)
FIELD_MAX = 200
START_NS = START_MS * NS_PER_MS


class Trace:
    """Writes a world down as it runs; `write` takes one line."""

    def __init__(self, world: World, write: Callable[[str], None]) -> None:
        self._world = world
        self._write = write
        self._status: dict[str, tuple[Any, ...]] = {}
        world.watched_by(self)

    # ── what the world says ─────────────────────────────────────────────────────────────────────

    def started(self, node: Process) -> None:
        """A process begins to live."""
        rows = len(node.rows)
        self._line(node.role, "starts", f"incarnation {node.incarnation}, {rows} rows on disk")

    def died(self, node: Process) -> None:
        """A process is gone."""
        self._line(node.role, "dies", f"incarnation {node.incarnation}")

    def took(self, node: Process, message: Any) -> None:
        """A living process takes a message."""
        if isinstance(message, UNTOLD):
            return
        if isinstance(message, EngineStatus):
            now = (message.state, message.latch, message.reasons)
            if self._status.get(node.role) == now:
                return
            self._status[node.role] = now
            text = f"{message.state.name} {'; '.join(message.reasons)} {message.latch}".rstrip()
            self._line(node.role, "hears", f"EngineStatus {text}")
            return
        self._line(node.role, "hears", words_of(message))

    def did(self, node: Process, effect: Journal | Say | CallVenue) -> None:
        """An effect was performed."""
        if isinstance(effect, Journal):
            self._line(node.role, "journals", f"{effect.seq} {words_of(effect.event)}")
        elif isinstance(effect, CallVenue):
            self._line(node.role, "asks", words_of(effect.request))
        elif not isinstance(effect.message, (*UNTOLD, EngineStatus)):
            self._line(node.role, "says", f"to {effect.to}: {words_of(effect.message)}")

    def hit(self, hit: Hit, state: str) -> None:
        """A fault happens."""
        self._line("FAULT", str(hit), f"at {state}")

    def ordered(self, order: VenueSideOrder) -> None:
        """An order changed at the venue."""
        price = f" at {plain(order.price)}" if order.price is not None else ""
        done = f"{plain(order.executed)} of {plain(order.quantity)}"
        text = f"{order.client_id} {order.side} {order.type} {order.status} {done}{price}"
        self._line("venue", "order", text)

    def healed(self) -> None:
        """From now on no fault happens."""
        self._line("world", "heals", "no fault from here on")

    def ended(self, outcome: Outcome) -> None:
        """The last lines: what was broken, or that nothing was."""
        for violation in outcome.violations:
            self._line("BROKEN", violation.law, f"{violation.text} (event {violation.step})")
        if not outcome.violations:
            self._line("world", "ends", f"no law broken, {outcome.events} events")

    def _line(self, who: str, verb: str, text: str) -> None:
        at_s = (self._world.agenda.now_ns - self._world.began_ns) / NS_PER_S
        self._write(f"{at_s:9.4f} {who:<8} {verb:<9} {text}")


def words_of(message: Any) -> str:
    """A message with the fields that matter: those that are set, short."""
    if isinstance(message, VenueAnswered):
        asked = words_of(message.request)
        return f"answer {message.outcome.name} {_fields(message)} to {asked}".replace("  ", " ")
    if isinstance(message, VenueReported):
        parts = [message.order, message.trade, *message.balances]
        return "push " + "; ".join(words_of(part) for part in parts if part is not None)
    if isinstance(message, Welcomed):
        return f"Welcomed epoch={message.epoch} seq={message.seq}"
    return f"{type(message).__name__} {_fields(message)}".rstrip()


def _fields(message: msgspec.Struct) -> str:
    shown = []
    for field in msgspec.structs.fields(message):
        value = getattr(message, field.name)
        if field.name in UNTOLD_FIELDS or value in (None, "", 0, (), field.default):
            continue
        if isinstance(message, VenueAnswered) and field.name in ("outcome", "balances", "sent_ns"):
            continue
        if field.name.endswith("_ns") and value > START_NS:
            shown.append(f"{field.name[:-3]}={(value - START_NS) / NS_PER_S:.3f}s")
        else:
            shown.append(f"{field.name}={_short(value)}")
    return " ".join(shown)


def _short(value: Any) -> str:
    if isinstance(value, Enum):
        return str(value.name)
    if isinstance(value, msgspec.Struct):
        text = f"({words_of(value)})"
    elif isinstance(value, tuple):
        text = f"[{', '.join(map(_short, value))}]"
    elif isinstance(value, Decimal):
        text = plain(value)
    elif isinstance(value, float):
        text = f"{value:.5g}"
    else:
        text = str(value)
    return text if len(text) <= FIELD_MAX else text[: FIELD_MAX - 1] + "…"


def play_traced(world: World, write: Callable[[str], None]) -> Outcome:
    """Runs a world to its end and writes it down."""
    trace = Trace(world, write)
    outcome = world.play()
    trace.ended(outcome)
    return outcome
