"""The auditor of a campaign: the venue's own books against everything the engine says it did.

It shares nothing with the engine (import-linter holds that): it opens both databases itself, knows
the words in them as text, and judges by rules of its own, which docs/chaos.md tells in full.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from procs.chaos.audit_books import (
    Order,
    diary,
    engine_events,
    log_lines,
    rules,
    venue_balances,
    venue_orders,
)
from procs.chaos.audit_spans import (
    VENUE,
    Death,
    Span,
    away,
    bare,
    common,
    deaths,
    merged,
    moments,
    paused,
    told_apart,
    without,
)

BOUND_MS: Final = 5000
"""L5, under a kill: bare without a live guard at most so long after the last blow."""
LEFT_MS: Final = 20_000
"""A position may be left to the local guard for so long after the last blow, no longer."""
CLOCKS_MS: Final = 50
"""The venue reads the wall clock, the engine its own, set once: they may differ by so much."""
BLOWS: Final = ("kill", "aim_hit", "resume", "healed", "disk_room", "start")
"""What the bounds count from: the end of a blow."""
EXPECTED_LATCHES: Final = ("disk:",)
"""A full disk latches; nothing else that a campaign does may."""


@dataclass
class Audit:
    """What was found."""

    findings: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    deaths: list[Death] = field(default_factory=list)


@dataclass(frozen=True)
class Evidence:
    """Everything that is looked at, read once."""

    orders: list[Order]
    events: list[tuple[int, str, dict[str, Any]]]
    diary: list[dict[str, Any]]
    system: list[dict[str, Any]]
    userdir: Path
    end_ms: int

    @property
    def decisions(self) -> dict[str, list[Order]]:
        """The engine's orders by the decision they belong to."""
        found: dict[str, list[Order]] = defaultdict(list)
        for order in self.orders:
            if order.decision:
                found[order.decision].append(order)
        return found

    def bodies(self, kind: str) -> list[dict[str, Any]]:
        """The rows of one type in route's journal."""
        return [body for _, name, body in self.events if name == kind]


def audit(userdir: Path, summary: dict[str, Any] | None) -> Audit:
    """Judges a campaign that is over. `summary` is what `run --json` said last, if it did."""
    done = diary(userdir)
    system = sorted(
        [*log_lines(userdir, "supervise.system"), *log_lines(userdir, "supervise.errors")],
        key=lambda record: int(record["at_ns"]),
    )
    evidence = Evidence(
        orders=venue_orders(userdir),
        events=list(engine_events(userdir)),
        diary=done,
        system=system,
        userdir=userdir,
        end_ms=done[-1]["at_ms"],
    )
    limited = [
        record
        for record in log_lines(userdir, "ingest.events")
        if record["event_type"] == "rate_limited"
    ]
    found = Audit(deaths=told_apart(deaths(done, system), done, limited))
    _fills(evidence, found)
    _orders(evidence, found)
    _sales(evidence, found)
    _bare(evidence, found)
    _foreign(evidence, found)
    _ledger(evidence, found, summary)
    _processes(evidence, found)
    return found


def _fills(evidence: Evidence, found: Audit) -> None:
    """Every execution at the venue is booked, once, as it was; nothing else is."""
    booked: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    guessed: Counter[str] = Counter()
    for body in evidence.bodies("fill_booked"):
        if body["inferred"]:
            guessed[body["client_id"]] += 1
        elif body["trade_id"] in booked[body["client_id"]]:
            found.findings.append(f"fill {body['trade_id']} of {body['client_id']} booked twice")
        else:
            booked[body["client_id"]][body["trade_id"]] = body
    count = lost = 0
    for order in evidence.orders:
        if not order.decision:
            continue
        known: dict[str, Any] = booked.pop(order.client_id, {})
        for fill in order.fills:
            count += 1
            body = known.pop(fill.trade_id, None)
            if body is None:
                lost += 1
                found.findings.append(f"lost fill {fill.trade_id} of {order.client_id}")
            elif (Decimal(body["price"]), Decimal(body["quantity"])) != (fill.price, fill.quantity):
                found.findings.append(f"fill {fill.trade_id} of {order.client_id} booked as {body}")
        found.findings += [f"fill {one} of {order.client_id} never happened" for one in known]
    for client_id, own in booked.items():
        if own:
            found.findings.append(f"fills of {client_id}, which the venue does not know: {own}")
    seqs = [seq for seq, _, _ in evidence.events]
    if seqs != list(range(seqs[0], seqs[0] + len(seqs))):
        found.findings.append("route's journal has holes in its numbers")
    found.figures |= {
        "fills": count,
        "fills_lost": lost,
        "fills_inferred": sum(guessed.values()),
        "journal_rows": len(seqs),
    }


def _orders(evidence: Evidence, found: Audit) -> None:
    """Journaled before they lived, no id twice, one entry at a time, never more than intended."""
    submitted = {body["client_id"]: body["at_ns"] for body in evidence.bodies("order_submitted")}
    intents = {
        body["intent"]["intent_id"]: body["intent"] for body in evidence.bodies("intent_accepted")
    }
    ids = Counter(order.client_id for order in evidence.orders)
    found.findings += [f"{one} was accepted {n} times" for one, n in ids.items() if n > 1]
    ours = [order for order in evidence.orders if order.decision]
    for order in ours:
        at_ns = submitted.get(order.client_id)
        if at_ns is None:
            found.findings.append(f"{order.client_id} lives at the venue, not in the journal")
        elif at_ns // 1_000_000 > order.created_ms + CLOCKS_MS:
            late = at_ns // 1_000_000 - order.created_ms
            found.findings.append(f"{order.client_id} was journaled {late} ms after it lived")
    duplicates = 0
    for decision, own in evidence.decisions.items():
        entries = sorted((one for one in own if one.side == "BUY"), key=lambda one: one.order_id)
        for before, after in itertools.pairwise(entries):
            if before.ended_ms is None or before.ended_ms > after.created_ms:
                duplicates += 1
                found.findings.append(f"{before.client_id} lived when {after.client_id} came")
        bought = sum((one.executed for one in entries), Decimal(0))
        intent = intents.get(decision)
        if intent is None:
            found.findings.append(f"{decision} bought without an intent in the journal")
        elif bought > Decimal(intent["quantity"]):
            duplicates += 1
            found.findings.append(f"{decision} bought {bought}, wanted {intent['quantity']}")
    found.figures |= {"orders": len(ours), "intents": len(intents), "duplicates": duplicates}


def _sales(evidence: Evidence, found: Audit) -> None:
    """Never sold, and never offered for sale, more than was bought (the account has more)."""
    oversold = 0
    for decision, own in evidence.decisions.items():
        for moment in moments(own):
            if moment.held < 0 or moment.selling > max(moment.held, Decimal(0)):
                oversold += 1
                found.findings.append(
                    f"{decision} at {moment.at_ms}: {moment.held} held, {moment.selling} on sale"
                )
                break
    found.figures["oversold"] = oversold


def _bare(evidence: Evidence, found: Audit) -> None:
    """L5: how long positions stood without a resting stop or exit, and without a live guard."""
    known = rules(evidence.userdir)
    route, protect, venue = (
        away(role, evidence.diary, evidence.system) for role in ("route", "protect", VENUE)
    )
    # While the venue is dead or stopped nothing can be traded, and no price moves.
    asleep = merged([*venue, *paused(VENUE, evidence.diary)])
    unguarded = merged([*route, *protect])
    ends = [one["at_ms"] for one in evidence.diary if one["what"] in BLOWS]
    without_stop: list[int] = []
    without_guard: list[int] = []
    positions: list[Span] = []
    for decision, own in evidence.decisions.items():
        life = list(moments(own))
        rule = known[own[0].symbol]
        positions += _held(life, rule, evidence.end_ms)
        spans = without(bare(life, rule, evidence.end_ms), asleep)
        without_stop += [end - begin for begin, end in spans]
        for begin, end in spans:
            if end - _since(begin, end, ends) > LEFT_MS:
                found.findings.append(f"{decision} had no stop for {end - begin} ms from {begin}")
        for begin, end in common(spans, unguarded):
            without_guard.append(end - begin)
            if end - _since(begin, end, ends) > BOUND_MS:
                found.findings.append(f"{decision} was bare for {end - begin} ms from {begin}")
        if life and bare(life[-1:], rule, evidence.end_ms):
            found.findings.append(f"{decision} was left without a stop: {life[-1]}")
    held = merged(positions)
    kills = [death.at_ms for death in found.deaths if death.asked]
    found.figures |= {
        "positions": sum(1 for own in evidence.decisions.values() if any(o.executed for o in own)),
        "kills_with_position": sum(1 for at in kills if any(a <= at <= b for a, b in held)),
        "without_stop_ms": _spread(without_stop),
        "without_stop_or_guard_ms": _spread(without_guard),
    }


def _since(begin: int, end: int, ends: list[int]) -> int:
    """The last end of a blow within a span, else the span's beginning."""
    return max([begin, *(at for at in ends if begin <= at <= end)])


def _held(life: list[Any], rule: Any, end_ms: int) -> list[Span]:
    """Spans in which there was something to sell."""
    found = []
    for at, moment in enumerate(life):
        if rule.sellable(moment.held, moment.price):
            found.append((moment.at_ms, life[at + 1].at_ms if at + 1 < len(life) else end_ms))
    return found


def _foreign(evidence: Evidence, found: Audit) -> None:
    """L4: orders placed by hand are as they were."""
    left = {order.client_id: order for order in evidence.orders if not order.decision}
    placed = json.loads((evidence.userdir / "foreign.json").read_text())["orders"]
    for row in placed:
        order = left.pop(row["clientOrderId"], None)
        expected = (Decimal(row["price"]), Decimal(row["origQty"]), "NEW")
        if order is None or (order.price, order.quantity, order.status) != expected:
            found.findings.append(f"foreign order {row['clientOrderId']} was touched: {order}")
    found.findings += [f"{one} is an order that nobody placed" for one in left]
    found.figures["foreign_orders"] = len(placed)


def _ledger(evidence: Evidence, found: Audit, summary: dict[str, Any] | None) -> None:
    """L15: what the engine thinks that it has is what the account has."""
    if summary is None:
        found.findings.append("the engine did not stop by itself: it left no summary")
        return
    if not summary["clean_shutdown"]:
        found.findings.append("the last stop was not clean")
    if summary["ledger"] is None:
        found.findings.append("the summary has no ledger")
        return
    balances = venue_balances(evidence.userdir)
    for asset, row in summary["ledger"].items():
        if Decimal(row["engine"]) != balances.get(asset, Decimal(0)):
            found.findings.append(
                f"{asset}: the engine has {row['engine']}, the account {balances.get(asset)}"
            )
    missing = [asset for asset in balances if asset not in summary["ledger"]]
    if missing:
        found.findings.append(f"the engine does not know of {', '.join(missing)}")


def _processes(evidence: Evidence, found: Audit) -> None:
    """Nothing died by itself, everything came back, nothing latched that should not."""
    for death in found.deaths:
        if not death.asked:
            how = f"{death.exit_code}: {death.words}"
            found.findings.append(f"{death.role} died by itself at {death.at_ms}, {how}")
    for one in evidence.diary:
        if one["what"] == "engine_ended":
            found.findings.append(f"the supervisor ended by itself: {one['said'][-300:]}")
        elif one["what"] == "not_whole":
            found.findings.append(f"not whole again at {one['at_ms']}: {one['status']}")
        elif one["what"] == "revived":
            found.findings.append(f"{one['role']} was given up at {one['at_ms']}")
        elif one["what"] == "latched" and not any(e in one["text"] for e in EXPECTED_LATCHES):
            found.findings.append(f"latched at {one['at_ms']}: {one['text']}")
    alarms: Counter[str] = Counter()
    for record in log_lines(evidence.userdir, "supervise.errors"):
        if record["event_type"] == "alarm":
            alarms[record.get("kind", "")] += 1
            if record.get("kind") == "illegal_event":
                found.findings.append(f"illegal event: {record.get('text')}")
    found.figures["alarms"] = dict(sorted(alarms.items()))


def _spread(values: list[int]) -> dict[str, int]:
    """How often, the middle and the worst."""
    values = sorted(values)
    return {
        "count": len(values),
        "p50": values[len(values) // 2] if values else 0,
        "max": values[-1] if values else 0,
    }
