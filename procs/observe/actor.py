"""Observe: a reader of everything that decides nothing. It can die unnoticed.

Pure. It follows route's account, keeps the newest quotes for marks, and answers questions. It
writes no journal: after a restart route tells it everything again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from core_ext.quote import Quote
from procs.observe import views
from procs.observe.activity import Activity
from shared.domain.account import fill_key
from shared.domain.effects import Effect, SetTimer, TimerFired
from shared.domain.mark import mark_of
from shared.domain.replica import Replica
from shared.messages.account import Beat, EventSaid, FillBooked, HelloRefused, Welcomed
from shared.messages.base import Message
from shared.messages.control import AlarmRaised, Ask, EngineStatus, Told
from shared.units import NS_PER_MS, NS_PER_S

RECENT_FILLS = 1_000
RECENT_ALARMS = 100
LOOK_NS = 250 * NS_PER_MS
SILENT_NS = NS_PER_S
"""Route beats more often than this; a longer silence means that it forgot us, or is gone."""

QUESTIONS = ("positions", "orders", "fills", "balance", "closed", "activity", "alarms", "summary")
LOOK = "look"


class ObserveActor:
    """The account as a person may see it."""

    role = "observe"

    def __init__(self, incarnation: int, config_hash: str, quote_asset: str) -> None:
        self.replica = Replica(self.role, incarnation, config_hash)
        self.quotes: dict[str, Quote] = {}
        self.status: EngineStatus | None = None
        self.latched = ""
        self.activity = Activity()
        self._quote_asset = quote_asset
        self.welcomes = 0
        """How often route told everything; each time fills may have been missed."""
        self.alarms: deque[AlarmRaised] = deque(maxlen=RECENT_ALARMS)
        self.alarms_total = 0
        """Of all processes, as the supervisor passed them on since this observe began."""
        self._fills: dict[str, FillBooked] = {}
        self._questions = 0

    @property
    def ready(self) -> bool:
        """Whether route has told everything once."""
        return self.replica.welcomed

    def recover(self, snapshot: bytes | None, events: Iterable[Message]) -> None:
        """Owns nothing that could be recovered."""

    def snapshot(self) -> bytes:
        """Owns nothing."""
        return b""

    def start(self, now_ns: int) -> list[Effect]:
        """Asks route for everything."""
        return [*self.replica.ask(now_ns), SetTimer(LOOK, now_ns + LOOK_NS)]

    def on(self, message: Any, now_ns: int) -> list[Effect]:
        """Follows route, quotes and the engine's status; ignores what is for others."""
        match message:
            case Quote():
                self.quotes[message.symbol] = message
            case Welcomed() | EventSaid() | Beat() | HelloRefused():
                events, effects = self.replica.on(message, now_ns)
                if events:
                    self.remember(event for event in events if isinstance(event, FillBooked))
                for event in events:
                    self.activity.heard(event, self.replica.account, self.replica.instruments)
                self.welcomes += isinstance(message, Welcomed)
                return effects
            case EngineStatus():
                self.status = message
            case AlarmRaised():
                self.alarms_total += 1
                self.alarms.append(message)
            case TimerFired(key=key) if key == LOOK:
                silent = now_ns - self.replica.fresh_ns > SILENT_NS
                asked = self.replica.ask(now_ns) if silent or not self.ready else []
                return [*asked, SetTimer(LOOK, now_ns + LOOK_NS)]
        return []

    def remember(self, fills: Iterable[FillBooked]) -> None:
        """Keeps the newest executions, each once, in the order of their booking."""
        new = {fill_key(fill.symbol, fill.trade_id, fill.side): fill for fill in fills}
        if not new:
            return
        self._fills.update(new)
        newest = sorted(self._fills.items(), key=lambda item: item[1].at_ns)
        self._fills = dict(newest[-RECENT_FILLS:])

    def answer(self, question: Ask, now_ns: int) -> Told:
        """The answer to a question; an unknown one is answered by None.

        stale_ms says how long route has been silent; -1 that it never spoke.
        """
        self._questions += 1
        stale_ms = (now_ns - self.replica.fresh_ns) // NS_PER_MS if self.ready else -1
        return Told(data=self._data(question.what, now_ns), stale_ms=stale_ms)

    def _data(self, what: str, now_ns: int) -> Any:
        account = self.replica.account
        match what:
            case "positions":
                return views.positions(account, self.marks(), now_ns)
            case "orders":
                return views.orders(account, now_ns)
            case "fills":
                return views.fills(account, self._fills.values())
            case "balance":
                return views.balances(account)
            case "activity":
                return self.activity.lines()
            case "closed":
                return views.closed(account)
            case "alarms":
                return views.alarms(self.alarms)
            case "summary":
                whole = views.summary(account, self.marks(), self.status, self._quote_asset, now_ns)
                return {**whole, **self._alarm_figures()}
        return None

    def marks(self) -> dict[str, Decimal]:
        """For each symbol with a bid, what it could be sold for."""
        return {
            symbol: mark_of(quote, self.replica.instruments[symbol]).bid
            for symbol, quote in self.quotes.items()
            if quote.bid_ticks and symbol in self.replica.instruments
        }

    def _alarm_figures(self) -> dict[str, int]:
        raised = {
            f"alarms_of_{role}": sum(alarm.role == role for alarm in self.alarms)
            for role in sorted({alarm.role for alarm in self.alarms})
        }
        return {"alarms_raised": self.alarms_total, **raised}

    def figures(self) -> dict[str, float]:
        """Counters for the heartbeat."""
        return {
            "alarms_raised": self.alarms_total,
            "questions": self._questions,
            "symbols_seen": len(self.quotes),
            "account_seq": self.replica.account.seq,
        }

    def report(self) -> dict[str, Any]:
        """Its part of the run summary."""
        return {"questions": self._questions}
