"""Faults of outgoing messages: late, lost, twice, out of order, broken, or untrue."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import orjson

from procs.localvenue.faults.log import FaultLog
from procs.localvenue.faults.trigger import Trigger
from procs.localvenue.interference import Channel, Passage
from procs.localvenue.matching.published import Published
from shared.domain.instrument import Instrument

GHOST_TICKS_MAX: Final = 500
"""How far from the best price a ghost level may stand."""

FILL_MARK: Final = b'"x":"TRADE"'
"""What an executionReport of a fill holds."""

NOT_TEXT: Final = b"\xff\xfe"
"""Bytes that are in no UTF-8 text."""


class MessageFaults:
    """Turns each message into what leaves instead."""

    def __init__(
        self,
        log: FaultLog,
        now_ms: Callable[[], int],
        instruments: Mapping[str, Instrument],
        published: Mapping[str, Published],
    ) -> None:
        self._log = log
        self._now_ms = now_ms
        self._instruments = {name.lower(): one for name, one in instruments.items()}
        self._published = published
        self._silent_until_ms: dict[tuple[int, str], int] = {}
        self._missing: dict[tuple[int, str], int] = {}
        self._held_until_ms: dict[tuple[int, str], int] = {}

    def forget(self, number: int) -> None:
        """The fault is healed: what it silenced speaks again."""
        states: tuple[dict[tuple[int, str], int], ...] = (
            self._silent_until_ms,
            self._missing,
            self._held_until_ms,
        )
        for state in states:
            for key in [key for key in state if key[0] == number]:
                del state[key]

    def outgoing(
        self, triggers: Sequence[Trigger], channel: Channel, name: str, data: bytes
    ) -> Sequence[Passage] | None:
        """What leaves; None for the message as it is. Every fault that strikes has its say."""
        now_ms = self._now_ms()
        after_ms = extra_ms = 0
        is_twice = is_lost = is_cut = is_changed = False
        for one in triggers:
            kind = one.kind
            if kind == "late_fill":
                after_ms = max(after_ms, self._late(one, channel, name, data, now_ms))
                continue
            if not one.fault.hits_message(channel, name):
                continue
            if kind == "message_delay":
                after_ms = max(after_ms, self._delayed(one, name, now_ms))
            elif kind in ("stall", "gap"):
                is_lost |= self._silent(one, name, now_ms)
            elif kind == "ghost_level":
                untrue = self._ghost(one, name, data, now_ms)
                if untrue is not None:
                    data, is_changed = untrue, True
            elif one.strikes_now(now_ms):
                detail: dict[str, Any] = {}
                if kind == "message_drop":
                    is_lost = True
                elif kind == "cut":
                    is_cut = True
                elif kind == "malformed_frame":
                    data, is_changed = _broken(data, one.value("broken")), True
                    detail = dict(one.fault.values)
                else:
                    detail["delay_ms"] = delay_ms = one.drawn_ms()
                    if kind == "duplicate":
                        is_twice, extra_ms = True, delay_ms
                    else:
                        after_ms = max(after_ms, delay_ms)
                self._note(one, name, now_ms, **detail)
        if is_cut:
            return (Passage(b"", 0, True),)
        if is_lost:
            return ()
        if is_twice:
            return (Passage(data, after_ms), Passage(data, after_ms + extra_ms))
        return (Passage(data, after_ms),) if after_ms or is_changed else None

    def _delayed(self, one: Trigger, name: str, now_ms: int) -> int:
        """Milliseconds until it leaves: never before what was delayed before it."""
        key = (one.number, name)
        due_ms = self._held_until_ms.get(key, 0)
        if due_ms >= now_ms:
            due_ms += 1
        if one.strikes_now(now_ms):
            delay_ms = one.drawn_ms()
            due_ms = max(due_ms, now_ms + delay_ms)
            self._note(one, name, now_ms, delay_ms=delay_ms)
        if due_ms <= now_ms:
            return 0
        self._held_until_ms[key] = due_ms
        return due_ms - now_ms

    def _late(self, one: Trigger, channel: Channel, name: str, data: bytes, now_ms: int) -> int:
        """The same for a fill, behind which all user events wait."""
        if channel != "user":
            return 0
        key = (one.number, channel)
        due_ms = self._held_until_ms.get(key, 0)
        if due_ms >= now_ms:
            due_ms += 1
        is_fill = one.fault.hits_message(channel, name) and FILL_MARK in data
        if is_fill and one.strikes_now(now_ms):
            delay_ms = one.drawn_ms()
            due_ms = max(due_ms, now_ms + delay_ms)
            self._note(one, name, now_ms, delay_ms=delay_ms)
        if due_ms <= now_ms:
            return 0
        self._held_until_ms[key] = due_ms
        return due_ms - now_ms

    def _silent(self, one: Trigger, name: str, now_ms: int) -> bool:
        """Whether a stall or a gap swallows the message; those it swallows are no matches."""
        key = (one.number, name)
        if now_ms < self._silent_until_ms.get(key, 0):
            return True
        if self._missing.get(key, 0) > 0:
            self._missing[key] -= 1
            return True
        if not one.strikes_now(now_ms):
            return False
        self._note(one, name, now_ms, **one.fault.values)
        if one.kind == "stall":
            self._silent_until_ms[key] = now_ms + round(1_000 * one.value("silent_s"))
        else:
            self._missing[key] = one.value("messages") - 1
        return True

    def _ghost(self, one: Trigger, name: str, data: bytes, now_ms: int) -> bytes | None:
        """The depth delta with a level more, or a deletion less; None when it stays as it is.

        A delta without a deletion is no match of `stay`."""
        instrument = self._instruments.get(name.partition("@")[0])
        said = orjson.loads(data)
        event = said.get("data", said)
        if instrument is None or "U" not in event:
            return None
        if one.value("ghost") == "stay":
            deletions = [
                (side, row) for side in ("b", "a") for row in event[side] if not Decimal(row[1])
            ]
            if not deletions or not one.strikes_now(now_ms):
                return None
            side, row = deletions[one.pick(len(deletions))]
            event[side].remove(row)
        else:
            if not one.strikes_now(now_ms):
                return None
            side = "ba"[one.pick(2)]
            row = _made_up(side, instrument, self._published[instrument.symbol], one)
            event[side].append(row)
            event[side].sort(key=lambda level: Decimal(level[0]), reverse=side == "b")
        self._note(one, name, now_ms, ghost=one.value("ghost"), side=side, level=row)
        return orjson.dumps(said)

    def _note(self, one: Trigger, name: str, now_ms: int, **detail: Any) -> None:
        self._log.write(now_ms, one.number, one.kind, stream=name, detail=detail)


def _made_up(side: str, instrument: Instrument, book: Published, one: Trigger) -> list[str]:
    """A level behind the best price where the book has none, of a believable size."""
    levels = book.bids if side == "b" else book.asks
    best = levels.best() or book.last_price or instrument.tick_size * GHOST_TICKS_MAX
    step = -instrument.tick_size if side == "b" else instrument.tick_size
    first = 1 + one.pick(20)
    price = best + step * first
    for ticks in range(first, GHOST_TICKS_MAX):
        price = best + step * ticks
        if price not in levels.quantities:
            break
    quantity = instrument.step_size * (1 + one.pick(10_000))
    return [f"{max(price, instrument.tick_size):.8f}", f"{quantity:.8f}"]


def _broken(data: bytes, how: str) -> bytes:
    half = max(1, len(data) // 2)
    return data[:half] if how == "json" else data[:half] + NOT_TEXT + data[half:]
