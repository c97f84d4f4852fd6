"""A fault plan at work: what the venue asks of an Interference, decided by the plan's triggers.

The venue holds it only while there are faults; healed ones leave nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from procs.localvenue.faults.kinds import KINDS, Group
from procs.localvenue.faults.lagged import LaggedReads
from procs.localvenue.faults.log import FaultLog
from procs.localvenue.faults.messages import MessageFaults
from procs.localvenue.faults.plan import FAULTS_MAX, Plan, parse_fault
from procs.localvenue.faults.requests import RequestFaults
from procs.localvenue.faults.stops import MatchingFaults
from procs.localvenue.faults.trigger import Trigger
from procs.localvenue.interference import Answer, Asked, Channel, Passage
from procs.localvenue.market.events import MarketEvent
from procs.localvenue.matching.model import OrderUpdated, VenueEvent
from procs.localvenue.shell import Venue
from shared.errors import ConfigError, NotFoundError


class Injector:
    """The faults of one venue, from the start or as they are added and healed at run time."""

    def __init__(self, venue: Venue, log: FaultLog) -> None:
        self._venue = venue
        self.log = log
        self._seed = 1
        self._given = 0
        self._triggers: list[Trigger] = []
        self._of: dict[Group, list[Trigger]] = {group: [] for group in GROUPS}
        self._requests = RequestFaults(log, venue.now_ms)
        exchange = venue.exchange
        self._messages = MessageFaults(log, venue.now_ms, exchange.instruments, exchange.published)
        self._matching = MatchingFaults(log, venue)
        self._lagged: dict[int, LaggedReads] = {}

    def replace(self, plan: Plan) -> None:
        """Heals everything and begins anew with this plan."""
        self._set([])
        self._seed, self._given = plan.seed, len(plan.faults)
        now_ms = self._venue.now_ms()
        self._set([Trigger(one, plan.seed, at, now_ms) for at, one in enumerate(plan.faults, 1)])

    def add(self, data: Any, source: str) -> int:
        """One more fault, as a table of a plan; its number. Raises ConfigError."""
        number = self._given + 1
        fault = parse_fault(data, f"{source}: fault {number}")
        if len(self._triggers) >= FAULTS_MAX:
            raise ConfigError(f"{source}: {FAULTS_MAX} faults hold already")
        self._given = number
        self._set([*self._triggers, Trigger(fault, self._seed, number, self._venue.now_ms())])
        return number

    def heal(self, number: int | None = None) -> None:
        """Ends one fault, or all. Raises NotFoundError when there is none of that number."""
        left = [one for one in self._triggers if number not in (None, one.number)]
        if number is not None and len(left) == len(self._triggers):
            known = ", ".join(str(one.number) for one in left) or "there is none"
            raise NotFoundError(f"fault {number} is not there, allowed: {known}")
        self._set(left)

    def report(self) -> dict[str, Any]:
        """The plan, how often each fault matched and struck, and the newest that happened."""
        return {
            "seed": self._seed,
            "fault": [one.row() for one in self._triggers],
            "counts": dict(self.log.counts),
            "recent": list(self.log.recent),
        }

    def clock_skew_ms(self) -> int:
        """How far the clients' clock is ahead; the venue's own is never touched."""
        if not self._of["clock"]:
            return 0
        now_ms = self._venue.now_ms()
        skew_ms = 0.0
        for one in self._of["clock"]:
            if not one.is_on(now_ms):
                continue
            skew_ms += one.value("skew_ms")
            skew_ms += one.value("drift_ms_per_s") * one.since_ms(now_ms) / 1_000
            if not one.strikes:
                one.strikes = 1
                self.log.write(now_ms, one.number, one.kind, detail=dict(one.fault.values))
        return round(skew_ms)

    async def around(self, asked: Asked, answer: Callable[[], Answer]) -> Answer | None:
        """Carries the request out as the faults let it; None cuts."""
        lag = self._lag_of(asked)
        if lag is not None:
            answer = self._late_reads(answer, lag)
        struck = [one for one in self._of["request"] if _hits(one, asked)]
        return await self._requests.around(struck, asked, answer)

    def outgoing(self, channel: Channel, name: str, data: bytes) -> Sequence[Passage] | None:
        """What leaves instead of one message; None for the message as it is."""
        triggers = self._of["message"]
        if not triggers:
            return None
        return self._messages.outgoing(triggers, channel, name, data)

    def on_user(self, events: list[VenueEvent], now_ms: int) -> None:
        """The events of one turn: what lagging answers will know, stops that came to rest."""
        for lagged in self._lagged.values():
            lagged.hear(events, now_ms)
        self._matching.hear(events, now_ms)

    def on_event(self, event: MarketEvent, now_ms: int) -> None:
        """What the market does is no business of ours; its messages pass `outgoing`."""

    def on_market(self, now_ms: int) -> None:
        """Each turn: stops vanish whose time has come; lagging answers learn that later too."""
        for order in self._matching.pass_time(now_ms):
            told = OrderUpdated(
                account=order.account,
                execution_id=0,
                execution="CANCELED",
                order=order,
                at_ms=now_ms,
            )
            for lagged in self._lagged.values():
                lagged.hear([told], now_ms)

    def _set(self, triggers: list[Trigger]) -> None:
        """The faults that hold from now on; the venue knows of us only while there are some."""
        venue = self._venue
        healed = {one.number for one in self._triggers} - {one.number for one in triggers}
        for number in healed:
            self._requests.forget(number)
            self._messages.forget(number)
            self._lagged.pop(number, None)
        was_there, self._triggers = bool(self._triggers), triggers
        for group in GROUPS:
            self._of[group] = [one for one in triggers if KINDS[one.kind].group == group]
        for one in self._of["reads"]:
            if one.number not in self._lagged:
                lag_ms = one.value("lag_ms")
                self._lagged[one.number] = LaggedReads(venue.exchange, lag_ms, venue.now_ms)
        self._matching.set(self._of["matching"])
        if triggers and not was_there:
            venue.user_listeners.append(self)
            venue.market_listeners.append(self)
        elif was_there and not triggers:
            venue.user_listeners.remove(self)
            venue.market_listeners.remove(self)
        venue.interference = self if triggers else None

    def _lag_of(self, asked: Asked) -> Trigger | None:
        """The first lag that strikes; a request that changes orders reads nothing."""
        if asked.writes:
            return None
        now_ms = self._venue.now_ms()
        struck = [one for one in self._of["reads"] if _hits(one, asked) and one.strikes_now(now_ms)]
        for one in struck:
            self.log.write(
                now_ms,
                one.number,
                one.kind,
                operation=asked.operation,
                symbol=asked.symbol,
                detail=dict(one.fault.values),
            )
        return struck[0] if struck else None

    def _late_reads(self, answer: Callable[[], Answer], lag: Trigger) -> Callable[[], Answer]:
        def answer_late() -> Answer:
            lagged = self._lagged.get(lag.number)
            if lagged is None:
                return answer()  # It was healed while the request waited.
            with self._venue.reading(lagged):
                return answer()

        return answer_late


def _hits(one: Trigger, asked: Asked) -> bool:
    return one.fault.hits_request(asked.operation, asked.path, asked.symbol, asked.writes)


GROUPS: tuple[Group, ...] = ("request", "message", "matching", "clock", "reads")
