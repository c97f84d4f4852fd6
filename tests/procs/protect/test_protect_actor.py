"""Protect's judgement: eyes on what no stop covers, one exit slot, and a plan said until heard."""

import pytest
from domain_scene import BTC, ID, D, account_of, bought, exit_wanted, guarded, ns, opened, quote

from procs.protect.actor import Actor
from procs.turn import gather
from shared.domain.account import account_bytes
from shared.domain.effects import TimerFired
from shared.domain.fold import evolve
from shared.domain.policy import NO_FENCE_S, Policy
from shared.domain.replica import raw
from shared.messages.account import (
    Beat,
    EventSaid,
    Hello,
    PositionClosed,
    ProtectionChanged,
    ProtectionStatus,
    Reconciled,
    RowsLost,
    RunBegan,
    Welcomed,
)
from shared.messages.base import Reader, encode
from shared.messages.control import (
    ASKED_BY_A_PERSON,
    AlarmRaised,
    CloseAsked,
    Drained,
    StopEntries,
)
from shared.messages.decision import PlanChanged, PlanDropped, ProtectEvent, RouteMarked
from shared.messages.protection import Exit, Guard, PricePolled, SetProtection, Urgency

POLICY = Policy(config_hash="c0ffee", fence_s=NO_FENCE_S)
EVENTS = Reader(ProtectEvent)
DAY_S = 86_400


def guarded_by(status, bare=False, at=1.2):
    return ProtectionChanged(at_ns=ns(at), position_id=ID, status=status, bare=bare, reason="test")


LOCAL = guarded_by(ProtectionStatus.LOCAL_GUARD)
BARE = guarded_by(ProtectionStatus.PROTECTING, bare=True)
SAFE = (*guarded(), guarded_by(ProtectionStatus.PROTECTED))


class Scene:
    """Protect, with route's account as the test tells it."""

    def __init__(self, *events, rows=(), welcome=True, at=1.5):
        self.actor = Actor(POLICY, "run1")
        self.rows = list(rows)
        self.actor.recover(None, [EVENTS.read(row) for row in self.rows])
        self.says = []
        self.account = account_of(*events)
        self.perform(self.actor.start(ns(at)))
        if welcome:
            self.welcome(at)

    def welcome(self, at):
        self.give(
            Welcomed(
                epoch="e",
                seq=self.account.seq,
                account=raw(account_bytes(self.account)),
                instruments=raw(encode((BTC,))),
                reconciled=True,
                at_ns=ns(at),
            ),
            at,
        )

    def perform(self, effects):
        batch = gather(effects)
        for entry in batch.journal:
            assert entry.seq == len(self.rows) + 1
            self.rows.append(encode(entry.event))
        assert batch.calls == [], "only route speaks to the venue"
        self.says += [(say.to, say.message) for say in batch.says]
        return [say.message for say in batch.says]

    def give(self, message, at):
        return self.perform(self.actor.on(message, ns(at)))

    def tick(self, at):
        self.give(Beat(epoch="e", seq=self.account.seq, reconciled=True, at_ns=ns(at)), at)
        return self.give(TimerFired("tick"), at)

    def route_says(self, event, at):
        evolve(self.account, event)
        return self.give(EventSaid(epoch="e", seq=self.account.seq, event=event), at)

    def price(self, bid, at):
        return self.give(quote(bid=bid, ask=bid + 1, at=at), at)

    def events(self, kind):
        return [e for row in self.rows if isinstance(e := EVENTS.read(row), kind)]


def wanted(messages) -> SetProtection | None:
    asked = [m for m in messages if isinstance(m, SetProtection)]
    assert len(asked) <= 1, "one exit slot"
    return asked[0] if asked else None


# ── the local stop (L5) ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("standing", [LOCAL, BARE])
@pytest.mark.parametrize(("bid", "sells"), [(9_701, False), (9_700, True), (5_000, True)])
def test_where_no_stop_rests_protect_sells_at_the_stop_price(standing, bid, sells):
    scene = Scene(*bought(), standing)
    asked = wanted(scene.price(bid, 2.0))
    assert bool(asked) == sells
    if asked:
        assert asked.target == Exit(reason="local_stop", urgency=Urgency.URGENT)
        assert (asked.position_id, asked.version) == (ID, 1)


def test_where_a_stop_rests_the_venue_sells():
    scene = Scene(*bought(), *SAFE)
    assert wanted(scene.price(5_000, 2.0)) is None
    assert wanted(scene.tick(2.1)) is None


def test_the_stop_is_the_one_in_force():
    """A tighter guard that route follows is the price to watch."""
    scene = Scene(*bought(), LOCAL)
    tighter = Guard(stop_price=D(99), stop_limit_price=D(98), take_profit_price=D(0))
    target = exit_wanted(version=1)
    scene.account.positions[ID].target = tighter
    scene.welcome(1.6)
    assert wanted(scene.price(9_900, 2.0)).version == target.version


def test_an_old_price_sells_nothing():
    scene = Scene(*bought(), LOCAL)
    scene.give(quote(bid=9_000, ask=9_001, at=-1.0), 2.0)
    assert scene.events(PlanChanged) == []


# ── eyes of its own (P13) ───────────────────────────────────────────────────────────────────────


def polled(bid, at):
    return PricePolled(symbol=BTC.symbol, bid=D(bid), ask=D(bid) + 1, recv_ns=ns(at))


def test_only_a_held_symbol_without_quotes_is_asked_for():
    scene = Scene(*bought(), LOCAL)
    assert scene.actor.blind_symbols(ns(2)) == (BTC.symbol,)
    scene.price(10_000, 2.0)
    assert scene.actor.blind_symbols(ns(4.0)) == ()
    assert scene.actor.blind_symbols(ns(4.1)) == (BTC.symbol,)
    assert Scene().actor.blind_symbols(ns(4.1)) == ()


def test_a_polled_price_sells_at_the_stop_and_is_passed_on():
    scene = Scene(*bought(), LOCAL)
    assert scene.give(polled("98", 2.0), 2.1) == [polled("98", 2.0)], "route guards by it too"
    assert scene.actor.blind_symbols(ns(2.2)) == (BTC.symbol,), "a poll ends no blindness"
    asked = wanted(scene.give(polled("97", 3.0), 3.1))
    assert asked.target == Exit(reason="local_stop", urgency=Urgency.URGENT)
    assert scene.actor.prices_polled == 2


def test_an_older_polled_price_is_no_news():
    scene = Scene(*bought(), LOCAL)
    scene.price(10_000, 2.0)
    assert scene.give(polled("50", 1.9), 2.1) == []
    assert scene.actor.prices_polled == 0


def test_a_position_that_bought_nothing_yet_is_not_watched():
    scene = Scene(*bought()[:3])
    assert wanted(scene.price(1_000, 2.0)) is None
    assert wanted(scene.tick(2 * DAY_S)) is None


# ── time-to-live (P5) ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("at", "sells"), [(DAY_S + 0.2, False), (DAY_S + 0.21, True)])
def test_a_position_lives_a_day(at, sells):
    """From its first fill, protected or not, with or without a price; patiently."""
    scene = Scene(*bought(), *SAFE)
    asked = wanted(scene.tick(at))
    assert bool(asked) == sells
    if asked:
        assert asked.target == Exit(reason="time_to_live", urgency=Urgency.PATIENT)


# ── a person's close ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("symbol", "sells"), [("BTCUSDT", True), ("all", True), ("ETHUSDT", False), ("", False)]
)
def test_a_person_closes(symbol, sells):
    scene = Scene(*bought(), *SAFE)
    asked = wanted(scene.give(CloseAsked(symbol=symbol, reason=ASKED_BY_A_PERSON), 2))
    assert bool(asked) == sells
    if asked:
        assert asked.target == Exit(reason=ASKED_BY_A_PERSON, urgency=Urgency.URGENT)


def test_the_first_request_holds_the_slot():
    """P7: later ones join it or raise its urgency; duplicates are counted."""
    scene = Scene(*bought(), *SAFE)
    scene.tick(DAY_S + 1)
    asked = wanted(scene.give(CloseAsked(symbol="all", reason=ASKED_BY_A_PERSON), DAY_S + 2))
    assert (asked.version, asked.target.urgency) == (2, Urgency.URGENT)
    again = scene.give(CloseAsked(symbol="all", reason=ASKED_BY_A_PERSON), DAY_S + 3)
    assert wanted(again) is None
    assert scene.actor.exits_joined == 1
    assert len(scene.events(PlanChanged)) == 2


def test_an_exit_of_routes_own_is_joined():
    """Route flattened by itself: the slot is taken, only more urgency or a person changes it."""
    scene = Scene(*bought(), LOCAL, exit_wanted(Urgency.URGENT, version=0))
    assert wanted(scene.price(5_000, 2)) is None
    assert wanted(scene.tick(2 * DAY_S)) is None


# ── said until heard (L8) ───────────────────────────────────────────────────────────────────────


def test_a_plan_is_said_every_200_ms_until_route_names_its_version():
    scene = Scene(*bought(), LOCAL)
    first = wanted(scene.price(9_700, 2.0))
    said = [step for step in range(1, 11) if wanted(scene.tick(2 + step / 10))]
    assert said == [2, 4, 6, 8, 10]
    scene.route_says(exit_wanted(at=3.1, version=first.version), 3.1)
    assert [wanted(scene.tick(3 + step / 10)) for step in range(2, 12)] == [None] * 10


def test_an_older_version_does_not_silence_it():
    scene = Scene(*bought(), LOCAL)
    scene.price(9_700, 2.0)
    scene.give(CloseAsked(symbol="all", reason=ASKED_BY_A_PERSON), 2.05)
    scene.route_says(exit_wanted(at=2.1, version=1), 2.1)
    assert wanted(scene.tick(2.4)).version == 2


def test_a_plan_outlives_a_crash():
    """R4: rows alone; said again at once, under the same version."""
    before = Scene(*bought(), LOCAL)
    asked = wanted(before.price(9_700, 2.0))
    after = Scene(*bought(), LOCAL, rows=before.rows, welcome=False, at=3.0)
    assert [m for _, m in after.says if isinstance(m, SetProtection)] == [asked]
    assert after.actor.snapshot() == before.actor.snapshot()
    after.welcome(3.1)
    assert wanted(after.price(9_600, 3.2)) is None, "the exit is planned already"


def test_a_mark_outlives_a_crash_with_the_route_that_said_it():
    """L12: what a living route said after its start is no row that it lost."""
    before = Scene(*bought(), LOCAL)
    before.tick(40.0)
    mark = before.account.seq
    assert [(e.seq, e.epoch) for e in before.events(RouteMarked)] == [(mark, "e")]
    after = Scene(*bought(), LOCAL, rows=before.rows, welcome=False, at=41.0)
    (hello,) = [m for _, m in after.says if isinstance(m, Hello)]
    assert (hello.mark, hello.marked_in) == (mark, "e")
    snapshot = after.actor.snapshot()
    again = Actor(POLICY, "run1")
    again.recover(snapshot, [])
    (hello,) = [
        say.message for say in gather(again.start(ns(42.0))).says if isinstance(say.message, Hello)
    ]
    assert (hello.mark, hello.marked_in) == (mark, "e")


def test_a_plan_ends_with_its_position():
    scene = Scene(*bought(), LOCAL)
    scene.price(9_700, 2.0)
    closed = PositionClosed(
        at_ns=ns(3), position_id=ID, symbol=BTC.symbol, reason="x", dust_quantity=D(0)
    )
    scene.route_says(closed, 3)
    assert [e.position_id for e in scene.events(PlanDropped)] == [ID]
    assert wanted(scene.tick(4)) is None
    assert scene.actor.figures()["plans"] == 0


def test_a_plan_is_not_dropped_while_route_may_have_lost_its_position():
    """L5, L12: it is found again at the venue, and then keeps the stop that was decided for it."""
    before = Scene(*bought(), LOCAL)
    before.price(9_700, 2.0)
    began = RunBegan(at_ns=ns(3), run_id="run1", incarnation=2)
    lost = RowsLost(at_ns=ns(3), reason="short", epoch="run1.1")
    short = Scene(opened(), began, lost, rows=before.rows, at=3.0)
    short.tick(3.1)
    assert short.events(PlanDropped) == []
    told = Reconciled(at_ns=ns(22), mismatches=0, foreign_orders=0, explained_ns=ns(21.5))
    short.route_says(told, 22)
    assert [e.position_id for e in short.events(PlanDropped)] == [ID]


def test_a_plan_is_not_dropped_before_route_has_told_everything():
    """After a restart the copy is empty: that is no proof."""
    before = Scene(*bought(), LOCAL)
    before.price(9_700, 2.0)
    after = Scene(rows=before.rows, welcome=False, at=3.0)
    after.give(Beat(epoch="e", seq=9, reconciled=True, at_ns=ns(3)), 3.05)
    after.tick(3.1)
    assert after.events(PlanDropped) == []


def test_versions_go_on_behind_routes():
    scene = Scene(*bought(), LOCAL)
    scene.account.positions[ID].version = 7
    scene.welcome(1.6)
    assert wanted(scene.price(9_700, 2.0)).version == 8


# ── the emergency and the audit (P9) ────────────────────────────────────────────────────────────


def test_a_bare_position_beyond_the_bound_is_an_alarm_once():
    scene = Scene(*bought(), BARE)
    alarms = []
    for step in range(40):
        alarms += [m for m in scene.tick(2 + step / 2) if isinstance(m, AlarmRaised)]
    assert [(a.kind, a.symbol) for a in alarms] == [("unprotected", BTC.symbol)]
    assert scene.actor.report()["audits"] >= 4


def test_the_alarm_comes_again_after_it_went():
    scene = Scene(*bought(), BARE)

    def alarms(*times):
        return [m.kind for at in times for m in scene.tick(at) if isinstance(m, AlarmRaised)]

    assert alarms(7, 12) == ["unprotected"]
    scene.route_says(guarded_by(ProtectionStatus.PROTECTED, at=13), 13)
    assert alarms(18, 23) == []
    scene.route_says(guarded_by(ProtectionStatus.ALARM, bare=True, at=24), 24)
    assert alarms(29, 34) == ["unprotected"]


def test_a_bare_position_is_watched_at_the_emergency_price():
    """A configured stop far below the emergency one does not help a position without any."""
    scene = Scene(*bought(), BARE)
    loose = Guard(stop_price=D(50), stop_limit_price=D(49), take_profit_price=D(0))
    scene.account.positions[ID].target = loose
    scene.welcome(1.6)
    assert wanted(scene.price(9_700, 3.2)) is None, "bare for two seconds, not longer"
    assert wanted(scene.price(9_701, 3.3)) is None
    asked = wanted(scene.price(9_700, 3.4))
    assert asked.target == Exit(reason="emergency", urgency=Urgency.URGENT)


# ── the engine ──────────────────────────────────────────────────────────────────────────────────


def test_it_asks_for_the_account_and_again_when_route_is_silent():
    scene = Scene(welcome=False)
    assert [type(m) for _, m in scene.says] == [Hello]
    assert not scene.actor.ready
    scene.welcome(1.6)
    assert scene.actor.ready
    assert scene.give(TimerFired("tick"), 2.6) == []
    assert [type(m) for m in scene.give(TimerFired("tick"), 2.7)] == [Hello]


def test_its_hello_carries_its_mark_over_restarts():
    """L12: route must notice that its journal is shorter than what was seen."""
    before = Scene(*bought(), *SAFE)
    for step in range(12):
        before.tick(2 + step)
    [marked] = before.events(RouteMarked)
    assert marked.seq == before.account.seq
    after = Scene(rows=before.rows, welcome=False)
    assert [m.mark for _, m in after.says if isinstance(m, Hello)] == [before.account.seq]


def test_stop_entries_audits_and_answers():
    scene = Scene(*bought(), *SAFE)
    audits = scene.actor.report()["audits"]
    assert scene.give(StopEntries(flatten=False), 2) == [Drained(role="protect")]
    assert scene.actor.report()["audits"] == audits + 1


def test_its_figures():
    scene = Scene(*bought(), *SAFE)
    scene.price(10_000, 2.0)
    figures = scene.actor.figures()
    assert 0 <= figures["health_min"] <= 100
    assert figures["plans"] == 0
