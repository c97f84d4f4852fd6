"""When who lived and who was bare: spans of time made from the diary, the logs and the venue."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from procs.chaos.audit_books import Order, Rule

Span = tuple[int, int]
"""From, to; milliseconds of the wall clock."""

FOREVER: Final = 1 << 62
SLACK_MS: Final = 50
"""The diary and the engine read two clocks."""
NOTICED_MS: Final = 20_000
"""A supervisor that is stopped notices a death when it goes on."""
SUPERVISE: Final = "supervise"
VENUE: Final = "localvenue"


@dataclass(frozen=True)
class Death:
    """A process that died, and when its successor was ready; None when it died before."""

    role: str
    at_ms: int
    ready_ms: int | None
    exit_code: int
    words: str
    asked: bool
    """A blow killed it, by a signal or at an exact point."""
    alone: bool = True
    """Nothing else was dead, stopped, misbehaving or at the rate limit until its successor was
    ready."""


def away(role: str, diary: list[dict[str, Any]], system: list[dict[str, Any]]) -> list[Span]:
    """Spans in which a process was dead, not ready, or stopped by SIGSTOP."""
    marks: list[tuple[int, bool]] = [(0, False)]
    marks += [
        (one["at_ms"], False)
        for one in diary
        if one["what"] == "kill" and one["role"] in (role, SUPERVISE)
    ]
    for record in system:
        if _about(record) != role:
            continue
        if record["event_type"] == "process_ready":
            marks.append((record["at_ns"] // 1_000_000, True))
        elif record["event_type"] == "process_died":
            marks.append((record["at_ns"] // 1_000_000, False))
    found: list[Span] = []
    since: int | None = None
    for at_ms, lives in sorted(marks):
        if lives and since is not None:
            found.append((since, at_ms))
            since = None
        elif not lives and since is None:
            since = at_ms
    if since is not None:
        found.append((since, FOREVER))
    return merged([*found, *paused(role, diary)])


def paused(role: str, diary: list[dict[str, Any]]) -> list[Span]:
    """Spans between SIGSTOP and SIGCONT."""
    return spans_between("pause", "resume", role, diary)


def spans_between(begin: str, end: str, role: str, diary: list[dict[str, Any]]) -> list[Span]:
    """Spans between two kinds of entries about a role."""
    found: list[Span] = []
    since: int | None = None
    for one in diary:
        if one["role"] != role:
            continue
        if one["what"] == begin:
            since = one["at_ms"]
        elif one["what"] == end and since is not None:
            found.append((since, one["at_ms"]))
            since = None
    return found


def deaths(diary: list[dict[str, Any]], system: list[dict[str, Any]]) -> list[Death]:
    """Every death of a child that the supervisor saw, and those of the supervisor itself."""
    kills = [one for one in diary if one["what"] == "kill"]
    hits = [one for one in diary if one["what"] == "aim"]
    found = []
    for at, record in enumerate(system):
        if record["event_type"] != "process_died":
            continue
        role, at_ms = _about(record), record["at_ns"] // 1_000_000
        aimed = record["exit_code"] == -9 and any(
            one["role"] == role and 0 <= at_ms - one["at_ms"] < 60_000 for one in hits
        )
        # A number of a process comes again after some ten thousand others.
        killed_ms = [
            one["at_ms"]
            for one in kills
            if one["pid"] == record["pid"] and 0 <= at_ms + SLACK_MS - one["at_ms"] <= NOTICED_MS
        ]
        found.append(
            Death(
                role=role,
                at_ms=max(killed_ms, default=at_ms),
                ready_ms=_ready_after(role, system[at + 1 :]),
                exit_code=record["exit_code"],
                words=record["last_words"],
                asked=bool(killed_ms) or aimed,
            )
        )
    whole = [one["at_ms"] for one in diary if one["what"] == "whole"]
    for one in diary:
        if one["what"] == "kill" and one["role"] == SUPERVISE:
            ready_ms = next((at_ms for at_ms in whole if at_ms > one["at_ms"]), None)
            found.append(Death(SUPERVISE, one["at_ms"], ready_ms, -9, "", asked=True))
    return sorted(found, key=lambda death: death.at_ms)


def told_apart(
    found: list[Death], diary: list[dict[str, Any]], limited: list[dict[str, Any]]
) -> list[Death]:
    """Deaths in the order of time, those alone told from those among other troubles: who waits for
    a process that is stopped cannot be ready before it goes on, nor who waits for the venue's rate
    limit, which so many starts within a minute use up."""
    troubles = [
        (death.role, (death.at_ms, _over_ms(death, found[at:])))
        for at, death in enumerate(found, 1)
    ]
    roles = {one["role"] for one in diary if one["what"] == "pause"}
    troubles += [("", span) for role in roles for span in paused(role, diary)]
    troubles += [("", span) for span in spans_between("faults", "healed", VENUE, diary)]
    for one in limited:
        at_ms = int(one["at_ns"]) // 1_000_000
        troubles.append(("", (at_ms, at_ms + int(one["wait_s"] * 1000))))
    return [
        replace(
            death,
            alone=not any(
                role != death.role and begin < _over_ms(death, []) and death.at_ms < end
                for role, (begin, end) in troubles
            ),
        )
        for death in found
    ]


def _over_ms(death: Death, later: list[Death]) -> int:
    """When the role was ready again, or died again before it was."""
    if death.ready_ms is not None:
        return death.ready_ms
    return next((one.at_ms for one in later if one.role == death.role), FOREVER)


def _ready_after(role: str, later: Iterable[dict[str, Any]]) -> int | None:
    for record in later:
        if record["event_type"] in ("engine_started", "process_died") and _about(record) in (
            role,
            SUPERVISE,
        ):
            return None
        if record["event_type"] == "process_ready" and _about(record) == role:
            return int(record["at_ns"]) // 1_000_000
    return None


def _about(record: dict[str, Any]) -> str:
    """The process that a record of the supervisor's is about."""
    return str(record.get("field_role", record["role"]))


# ── positions at the venue ──────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Moment:
    """A position after everything that happened to it in one millisecond."""

    at_ms: int
    held: Decimal
    selling: Decimal
    """What its open sell orders may still sell at most; the legs of a list count once."""
    guarded: Decimal
    """What its resting stops and exit orders may still sell; a take profit alone is no stop."""
    price: Decimal


def moments(orders: Iterable[Order]) -> Iterator[Moment]:
    """The life of one decision's position."""
    own = list(orders)
    changes: list[tuple[int, int, int, Order, Any]] = []
    for order in own:
        changes.append((order.created_ms, 1, order.order_id, order, None))
        changes += [(fill.at_ms, 0, order.order_id, order, fill) for fill in order.fills]
        if order.ended_ms is not None:
            changes.append((order.ended_ms, 2, order.order_id, order, None))
    changes.sort(key=lambda change: change[:3])
    held = price = Decimal(0)
    left: dict[int, Decimal] = {}
    filled: dict[int, Decimal] = {}
    for at, (at_ms, kind, order_id, order, fill) in enumerate(changes):
        if kind == 0:
            held += fill.quantity - fill.base_fee if fill.buys else -fill.quantity
            price = fill.price
            filled[order_id] = filled.get(order_id, Decimal(0)) + fill.quantity
            if order_id in left:
                left[order_id] -= fill.quantity
        elif kind == 1 and order.side == "SELL":
            left[order_id] = order.quantity - filled.get(order_id, Decimal(0))
        elif kind == 2:
            left.pop(order_id, None)
        if at + 1 == len(changes) or changes[at + 1][0] != at_ms:
            yield Moment(at_ms, held, *_selling(own, left), price)


def _selling(own: list[Order], left: dict[int, Decimal]) -> tuple[Decimal, Decimal]:
    groups: dict[int, Decimal] = {}
    guarded = Decimal(0)
    for order in own:
        if order.order_id not in left:
            continue
        group = order.list_id if order.list_id > 0 else -order.order_id
        groups[group] = max(groups.get(group, Decimal(0)), left[order.order_id])
        if order.leg in ("s", "x"):
            guarded += left[order.order_id]
    return sum(groups.values(), Decimal(0)), guarded


def bare(life: Iterable[Moment], rule: Rule, end_ms: int) -> list[Span]:
    """Spans in which more could have been sold than resting stops and exits would sell."""
    found: list[Span] = []
    since: int | None = None
    for moment in life:
        wanted = rule.sellable(moment.held, moment.price)
        if wanted > moment.guarded:
            since = moment.at_ms if since is None else since
        elif since is not None:
            found.append((since, moment.at_ms))
            since = None
    if since is not None:
        found.append((since, end_ms))
    return [span for span in found if span[1] > span[0]]


# ── spans ───────────────────────────────────────────────────────────────────────────────────────


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same time, without overlaps, in order."""
    found: list[Span] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return found


def common(one: Iterable[Span], other: list[Span]) -> list[Span]:
    """What is in both."""
    return merged(
        (max(begin, start), min(end, stop))
        for begin, end in one
        for start, stop in other
        if max(begin, start) < min(end, stop)
    )


def without(spans: Iterable[Span], holes: list[Span]) -> list[Span]:
    """What is left of spans when holes are cut out."""
    found = list(spans)
    for start, stop in holes:
        found = [
            piece
            for begin, end in found
            for piece in ((begin, min(end, start)), (max(begin, stop), end))
            if piece[0] < piece[1]
        ]
    return found
