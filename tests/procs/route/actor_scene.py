"""Route's actor on a stage: its journal as bytes, everything it said, everything it asked."""

from domain_scene import BTC, ID, D, intent, ns, said, traded

from procs.route.actor import Actor
from procs.turn import gather
from shared.domain.effects import TimerFired
from shared.domain.policy import Policy
from shared.messages.account import (
    AccountEvent,
    EventSaid,
    Hello,
    OrderSubmitted,
    ProtectionStatus,
)
from shared.messages.base import MESSAGE_VERSION, Reader, encode
from shared.messages.control import EngineStatus, ProcessPhase, ProcessStatus, TradingState
from shared.messages.venue import (
    Outcome,
    PlaceOco,
    PlaceOrder,
    TakeSnapshot,
    VenueAnswered,
    VenueBalance,
    VenueReported,
    VenueStatus,
)

POLICY = Policy(config_hash="c0ffee")
EVENTS = Reader(AccountEvent)
BALANCES = (
    VenueBalance(asset="BTC", free=D(0), locked=D(0)),
    VenueBalance(asset="USDT", free=D(10_000), locked=D(0)),
)


def status(state=TradingState.ACTIVE, latch="", protect_age_ms=100):
    protect = ProcessStatus(
        pid=1,
        status=ProcessPhase.READY,
        incarnation=1,
        heartbeat_age_ms=protect_age_ms,
        restarts=0,
    )
    return EngineStatus(
        run_id="run1",
        state=state,
        at_ns=0,
        uptime_s=1.0,
        stopping=False,
        latch=latch,
        reasons=(f"latch: {latch}",) if latch else (),
        processes={"protect": protect},
    )


def hello(role="decide", mark=0, marked_in="", version=MESSAGE_VERSION, config="c0ffee", at=10**6):
    """Said late enough for any route of a test."""
    return Hello(
        role=role,
        incarnation=1,
        version=version,
        config_hash=config,
        mark=mark,
        marked_in=marked_in,
        at_ns=ns(at),
    )


class Scene:
    """One route, its journal as bytes, and everything it ever said and asked."""

    def __init__(self, policy=POLICY, run="run1", rows=(), incarnation=1):
        self.actor = Actor(policy, (BTC,), run, incarnation)
        self.rows = list(rows)
        self.actor.recover(None, [EVENTS.read(row) for row in self.rows])
        self.says, self.calls = [], []
        self.at = 0.0

    def perform(self, effects):
        """Checks every batch against write-ahead (L1) and keeps what it asks for."""
        batch = gather(effects)
        submitted = set()
        for entry in batch.journal:
            assert entry.seq == len(self.rows) + 1, "1, 2, 3, … without a hole"
            self.rows.append(encode(entry.event))
            if isinstance(entry.event, OrderSubmitted):
                submitted.add(entry.event.client_id)
                assert entry.durable, "what leaves is remembered after a power cut too"
        requests = [call.request for call in batch.calls]
        for request in requests:
            match request:
                case PlaceOrder():
                    assert request.client_id in submitted
                case PlaceOco():
                    assert {request.stop_id, request.take_profit_id} <= submitted
        told = [say.message.seq for say in batch.says if isinstance(say.message, EventSaid)]
        assert told == [entry.seq for entry in batch.journal], "all that is journaled is said"
        self.says += [(say.to, say.message) for say in batch.says]
        self.calls += requests
        return requests

    def start(self, at=0.0, greeted=True):
        """As in life: who follows route greets it soon, here before it has reconciled."""
        self.at = at
        requests = self.perform(self.actor.start(ns(at)))
        if greeted:
            self.greet()
        return requests

    def give(self, message, at=None):
        """One message; returns the requests that follow."""
        self.at = self.at if at is None else at
        return self.perform(self.actor.on(message, ns(self.at)))

    def tick(self, at):
        return self.give(TimerFired("tick"), at)

    def greet(self):
        """Both readers who remember say that they have seen nothing; their welcome is not kept."""
        for role in ("decide", "protect"):
            [_] = self.actor.on(hello(role), ns(self.at))

    def reconcile(self, at=None, orders=(), trades=(), balances=BALANCES):
        request = next(c for c in reversed(self.calls) if isinstance(c, TakeSnapshot))
        return self.give(answer(request, at=self.at, orders=orders, trades=trades,
                                balances=balances), at)  # fmt: skip

    def explained(self):
        """Balances that are what the ledger says."""
        return tuple(
            VenueBalance(asset=asset, free=amount, locked=D(0))
            for asset, amount in self.account.ledger.items()
        )

    def said(self, kind):
        return [message for _, message in self.says if isinstance(message, kind)]

    @property
    def account(self):
        return self.actor.account

    @property
    def position(self):
        return self.account.positions[ID]


def answer(request, outcome=Outcome.OK, at=0.0, **more):
    return VenueAnswered(request=request, outcome=outcome, sent_ns=ns(at), **more)


def active(**more):
    """Reconciled, told that all is well, and holding nothing."""
    scene = Scene(**more)
    scene.start()
    scene.reconcile(0.1)
    scene.give(status(), 0.2)
    return scene


def entered(at=0.3):
    scene = active()
    scene.give(intent(), at)
    return scene


def held(at=0.3):
    """A position whose stop and target rest at the venue."""
    scene = entered(at)
    [oco] = scene.give(VenueReported(order=said(status=VenueStatus.FILLED, filled="1"),
                                     trade=traded()))  # fmt: skip
    assert isinstance(oco, PlaceOco)
    scene.give(answer(oco, at=at, orders=(said("s1"), said("t1"))))
    assert scene.position.protection is ProtectionStatus.PROTECTED
    return scene
