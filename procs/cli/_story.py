"""Tells what happened to one decision, from the journals of decide, route and protect (E8).

One id runs through a decision, its intent, its orders and its position, so a story is the rows of
three journals that carry it, in order of time, and the account that follows from them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from procs.cli._words import words_of
from shared.clock import iso
from shared.domain.account import Account
from shared.domain.fold import evolve
from shared.errors import NotFoundError
from shared.ids import decision_of
from shared.journal.reader import JournalReader
from shared.messages.account import AccountEvent, PositionClosed
from shared.messages.base import Message, Reader
from shared.messages.decision import DecideEvent, DecisionMade, ProtectEvent

JOURNALS: Final = {
    "decide": Reader(DecideEvent),
    "route": Reader(AccountEvent),
    "protect": Reader(ProtectEvent),
}


class Chapter(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a story."""

    at: str
    at_ns: int
    process: str
    text: str
    event: Message


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """Everything known of a decision."""

    decision_id: str
    symbol: str
    outcome: str
    position: dict[str, Any] | None
    chapters: list[Chapter]


def data_folder(userdir: Path, decision_id: str) -> Path:
    """Where the journals of a decision lie: its run's replay folder if there is one, else data."""
    replay = userdir / "data" / f"replay-{decision_id.rpartition('-')[0]}"
    return replay if replay.is_dir() else userdir / "data"


def tell(userdir: Path, any_id: str) -> Story:
    """The story of a decision, intent, position or client order id. Raises NotFoundError."""
    decision_id = decision_of(any_id) or any_id
    folder = data_folder(userdir, decision_id)
    chapters = [
        chapter
        for role in JOURNALS
        for chapter in _chapters(folder / f"{role}.db", role, decision_id)
    ]
    if not chapters or (any_id != decision_id and not _mentions(chapters, any_id)):
        raise NotFoundError(
            f"no decision, intent, order or position {any_id} in the journals of {folder}"
        )
    chapters.sort(key=lambda chapter: chapter.at_ns)
    return Story(
        decision_id=decision_id,
        symbol=next((c.event.symbol for c in chapters if hasattr(c.event, "symbol")), ""),
        outcome=_outcome(chapters),
        position=_position(chapters, decision_id),
        chapters=chapters,
    )


def _chapters(path: Path, role: str, decision_id: str) -> Iterator[Chapter]:
    if not path.is_file():
        return
    with JournalReader(path, role) as journal:
        for row in journal.containing(decision_id):
            event = JOURNALS[role].read(row.body)
            # The search finds run-12 for run-1 as well.
            if belongs_to(event, decision_id):
                yield Chapter(
                    at=iso(row.at_ns),
                    at_ns=row.at_ns,
                    process=role,
                    text=words_of(event),
                    event=event,
                )


def belongs_to(event: Message, decision_id: str) -> bool:
    """Whether an event is part of a decision's story."""
    for name in ("decision_id", "intent_id", "position_id"):
        if getattr(event, name, None) == decision_id:
            return True
    intent = getattr(event, "intent", None)
    if intent is not None and intent.intent_id == decision_id:
        return True
    client_id = getattr(event, "client_id", None)
    return client_id is not None and decision_of(client_id) == decision_id


def _mentions(chapters: list[Chapter], client_id: str) -> bool:
    return any(
        client_id in (getattr(c.event, "client_id", None), getattr(c.event, "list_id", None))
        for c in chapters
    )


def _outcome(chapters: list[Chapter]) -> str:
    closed = next(
        (c.event for c in reversed(chapters) if isinstance(c.event, PositionClosed)), None
    )
    if closed is not None:
        return f"closed: {closed.reason}"
    decided = next((c.event for c in chapters if isinstance(c.event, DecisionMade)), None)
    if decided is not None and decided.intent is None:
        return f"refused: {', '.join(decided.refusals) or 'no reason recorded'}"
    return chapters[-1].text


def _position(chapters: list[Chapter], decision_id: str) -> dict[str, Any] | None:
    """What the account fold makes of the decision's own events."""
    account = Account()
    for chapter in chapters:
        if chapter.process == "route":
            evolve(account, chapter.event)  # type: ignore[arg-type]  # route's journal holds these
    closed = next((t for t in reversed(account.closed) if t.position_id == decision_id), None)
    if closed is not None:
        return {"status": "closed", **msgspec.structs.asdict(closed)}
    position = account.positions.get(decision_id)
    if position is None or not position.bought:
        return None
    record = msgspec.structs.asdict(position)
    record["quantity"] = position.quantity
    record["entry_price"] = position.entry_price
    return record
