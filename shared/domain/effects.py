"""What an actor wants done, as data. `procs/turn.py` says in which order, the shells do it."""

from __future__ import annotations

from typing import Any

import msgspec

from shared.messages.base import Message
from shared.messages.venue import VenueRequest


class Journal(msgspec.Struct, frozen=True):
    """Append an event to this process's journal. seq is its place: 1, 2, 3, … without a hole.

    `durable` asks for a power-safe commit: turns that raise risk (L1)."""

    seq: int
    event: Message
    durable: bool = False


class Say(msgspec.Struct, frozen=True):
    """Send a message to a role (`route`, `decide`, `protect`, `observe`, `supervise`), or to every
    reader of account events (`peers`)."""

    to: str
    message: Message


class CallVenue(msgspec.Struct, frozen=True):
    """Ask the venue; the answer comes back as a VenueAnswered. `exit_priority` requests may use the
    part of the rate budget that is reserved for them (L10)."""

    request: VenueRequest
    exit_priority: bool = False


class SetTimer(msgspec.Struct, frozen=True):
    """Deliver TimerFired(key) at an engine time; setting a key again replaces it."""

    key: str
    at_ns: int


class CancelTimer(msgspec.Struct, frozen=True):
    """Forget a timer."""

    key: str


class Note(msgspec.Struct, frozen=True):
    """A structured log record: stream, stable event type, plain fields (M1)."""

    stream: str
    event_type: str
    fields: dict[str, Any]


Effect = Journal | Say | CallVenue | SetTimer | CancelTimer | Note


class TimerFired(msgspec.Struct, frozen=True):
    """A timer came due."""

    key: str
