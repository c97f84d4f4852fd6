"""Which fault met the engine in which state, counted; and which declared pairs never occurred.

A pair is declared by hand: a fault that is drawn somewhere new must be written down here, and what
is written down and never met is said at the end of a campaign.
"""

from __future__ import annotations

from procs.simulate.channels import PAIRS
from procs.simulate.overseer import SAYING

PLACEMENTS = ("PlaceOrder", "PlaceOco")
WRITES = (*PLACEMENTS, "CancelOrder")
REQUESTS = (*WRITES, "QueryOrder", "TakeSnapshot")
PUSHES = ("OPEN", "FILLED", "CANCELED", "EXPIRED", "balances")
SAYS = (
    "Hello",
    "Welcomed",
    "Acknowledge",
    "Beat",
    "EventSaid",
    "EntryIntent",
    "SetProtection",
    "ProcessReady",
    "Heartbeat",
    "EngineStatus",
    "AlarmRaised",
    "Tripped",
    "PricePolled",
    "CloseAsked",
    "StopEntries",
    "StopProcess",
    "Drained",
    "ProcessStopped",
)
READERS = ("route", "protect", "decide", "observe")
STREAMS = ("bookTicker", "depth", "trade")
JOURNALS = ("route", "decide", "protect")
CHILDREN = ("route", "protect", "ingest", "decide", "observe")
ROUTE_WRITES = """
    RunBegan RowsLost LedgerOpened BalancesSeen IntentAccepted IntentRefused IntentEnded
    OrderSubmitted OrderAcknowledged OrderTriggered OrderRefused OrderDoubted OrderAdopted
    OrderEnded CancelAsked FillBooked ProtectionAccepted ProtectionChanged PositionClosed
    Reconciled Alarmed CancelOrder QueryOrder TakeSnapshot
"""
"""What a turn of route begins with: its first event, or its first request."""
TURNS = (
    *(f"route {first}" for first in ROUTE_WRITES.split()),
    *(
        f"decide {first}"
        for first in ("DecisionMade", "ReservationFound", "ReservationReleased", "RouteMarked")
    ),
    *(f"protect {first}" for first in ("PlanChanged", "PlanDropped", "RouteMarked")),
)

STEERING = tuple(
    f"supervise {first}"
    for first in (
        "Spawn",
        "Signal",
        "WriteLatch",
        "RemoveLatch",
        "RememberOperator",
        "Reply",
        "Finish",
    )
)
FEEDING = ("ingest Quote",)
WATCHING = ("observe EventSaid", "observe Welcomed")
ANY_TURN = (*TURNS, *STEERING, SAYING, *FEEDING, *WATCHING)

DECLARED: dict[str, tuple[str, ...]] = {
    "lost_request": REQUESTS,
    "lost_answer": REQUESTS,
    "slow_request": REQUESTS,
    "cut_request": WRITES,
    "throttled": REQUESTS,
    "refused": PLACEMENTS,
    "banned": REQUESTS,
    "rejected_stop": ("PlaceOco",),
    "empty_answer": WRITES,
    "cancel_race": ("CancelOrder",),
    "part_filled": ("LIMIT", "MARKET", "STOP_LOSS_LIMIT"),
    "vanished_stop": ("NEW",),
    "foreign_order": ("far",),
    "foreign_trade": ("market",),
    "lagging_orders": ("TakeSnapshot",),
    "lagging_balances": ("TakeSnapshot",),
    "late_fill": ("OPEN", "FILLED"),
    "doubled_fill": ("OPEN", "FILLED"),
    "read_lag": ("NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "EXPIRED"),
    "lost_push": PUSHES,
    "doubled_push": PUSHES,
    "late_push": PUSHES,
    "lost_say": SAYS,
    "late_say": SAYS,
    "doubled_say": SAYS,
    "lost_quote": READERS,
    "crash": TURNS,
    "crash_pair": ANY_TURN,
    "crash_supervise": STEERING,
    "crash_saying": (SAYING,),
    "crash_ingest": FEEDING,
    "crash_observe": WATCHING,
    "failed_start": CHILDREN,
    "lost_frame": STREAMS,
    "doubled_frame": STREAMS,
    "late_frame": STREAMS,
    "malformed_frame": STREAMS,
    "cut_feed": ("up",),
    "silent_feed": ("up",),
    "failed_snapshot": ("depth",),
    "stale_snapshot": ("depth",),
    "lost_poll": ("blind",),
    "clock_jump": ("wall",),
    "disk_full": JOURNALS,
    "disk_error": JOURNALS,
    "power_cut": ("machine",),
    "lost_journal": JOURNALS,
    "stopped": ("ACTIVE", "REDUCING", "HALTED"),
    "silent_protect": ("protect",),
    "unlisted_trade": ("BUY", "SELL"),
    "sold_by_hand": ("ACTIVE", "REDUCING", "HALTED"),
    "held_by_hand": ("ACTIVE", "REDUCING", "HALTED"),
    "cut_channel": tuple(" and ".join(pair) for pair in PAIRS),
    "paused": ("supervise", *CHILDREN),
    "paused_turn": ANY_TURN,
    "suspended": ("machine",),
    "starved": ("supervise", *CHILDREN),
}
"""For each fault the states in which it can meet the engine."""


def split(pair: str) -> tuple[str, str]:
    """A pair's fault and state."""
    state, _, fault = pair.rpartition(" × ")
    return fault, state


def never_met(counted: dict[str, int], faults: dict[str, int]) -> list[str]:
    """Declared pairs that did not occur, of the faults that occurred at all."""
    return [
        f"{state} × {fault}"
        for fault, states in DECLARED.items()
        if fault in faults
        for state in states
        if f"{state} × {fault}" not in counted
    ]


def undeclared(counted: dict[str, int]) -> list[str]:
    """Pairs that occurred and that nobody has written down."""
    return [pair for pair in counted if split(pair)[1] not in DECLARED.get(split(pair)[0], ())]


def table(counted: dict[str, int]) -> list[str]:
    """The pairs as lines: for each fault its states, most frequent first."""
    by_fault: dict[str, list[tuple[int, str]]] = {}
    for pair, count in counted.items():
        fault, state = split(pair)
        by_fault.setdefault(fault, []).append((count, state))
    lines = []
    for fault in sorted(by_fault):
        lines.append(f"  {fault}")
        for count, state in sorted(by_fault[fault], key=lambda row: (-row[0], row[1])):
            lines.append(f"    {count:>9}  {state}")
    return lines
