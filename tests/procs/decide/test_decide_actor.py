"""Decide's judgement: one record per crossing, every doubt a named refusal, no budget lost."""

import pytest
from domain_scene import (
    BTC,
    ID,
    D,
    accepted,
    account_of,
    bought,
    doubted,
    ended,
    ended_intent,
    filled,
    intent_refused,
    ns,
    opened,
    quote,
    submitted,
)
from msgspec.structs import replace

from core_ext.codes import QuoteFlag
from procs.decide.actor import Actor
from procs.turn import gather
from shared.domain.account import account_bytes
from shared.domain.effects import TimerFired
from shared.domain.fold import evolve
from shared.domain.policy import NO_FENCE_S, DropPolicy, Policy, RiskPolicy
from shared.domain.replica import raw
from shared.domain.risk import is_accounted_for
from shared.messages.account import (
    Beat,
    EventSaid,
    Hello,
    IntentAccepted,
    IntentEnded,
    IntentRefused,
    OrderEnd,
    PositionClosed,
    Reconciled,
    RowsLost,
    RunBegan,
    SymbolBlocked,
    Welcomed,
)
from shared.messages.base import Reader, encode
from shared.messages.control import (
    Drained,
    EngineStatus,
    ProcessPhase,
    ProcessStatus,
    StopEntries,
    TradingState,
)
from shared.messages.decision import DecideEvent, DecisionMade, ReservationReleased
from shared.messages.entry import EntryIntent

POLICY = Policy(config_hash="c0ffee", fence_s=NO_FENCE_S)
EVENTS = Reader(DecideEvent)
ETH = replace(BTC, symbol="ETHUSDT", base="ETH")


def status(state=TradingState.ACTIVE, phase=ProcessPhase.READY, protect_age_ms=100):
    protect = ProcessStatus(
        pid=1, status=phase, incarnation=1, heartbeat_age_ms=protect_age_ms, restarts=0
    )
    return EngineStatus(
        run_id="run1",
        state=state,
        at_ns=0,
        uptime_s=1.0,
        stopping=False,
        reasons=(),
        processes={"protect": protect},
    )


class Scene:
    """Decide, with route's account as the test tells it."""

    def __init__(self, *events, policy=POLICY, rows=(), run="run1", at=0.0):
        self.actor = Actor(policy, run)
        self.rows = list(rows)
        self.actor.recover(None, [EVENTS.read(row) for row in self.rows])
        self.says = []
        self.account = account_of(*(events or (opened(),)))
        self.perform(self.actor.start(ns(at)))

    def well(self, at=0.0, **more):
        self.welcome(at)
        self.beat(at)
        self.give(status(**more), at)
        return self

    def welcome(self, at, reconciled=True):
        self.give(
            Welcomed(
                epoch="e",
                seq=self.account.seq,
                account=raw(account_bytes(self.account)),
                instruments=raw(encode((BTC, ETH))),
                reconciled=reconciled,
                at_ns=ns(at),
            ),
            at,
        )
        return self

    def beat(self, at, reconciled=True):
        beat = Beat(epoch="e", seq=self.account.seq, reconciled=reconciled, at_ns=ns(at))
        return self.give(beat, at)

    def perform(self, effects):
        batch = gather(effects)
        for entry in batch.journal:
            assert entry.seq == len(self.rows) + 1
            self.rows.append(encode(entry.event))
        made = [e.event.intent for e in batch.journal if isinstance(e.event, DecisionMade)]
        sent = [say.message for say in batch.says if isinstance(say.message, EntryIntent)]
        assert sent == [intent for intent in made if intent is not None], "journaled, then said"
        assert batch.calls == [], "only route speaks to the venue"
        self.says += [(say.to, say.message) for say in batch.says]
        return [say.message for say in batch.says]

    def give(self, message, at):
        return self.perform(self.actor.on(message, ns(at)))

    def route_says(self, event, at):
        evolve(self.account, event)
        return self.give(EventSaid(epoch="e", seq=self.account.seq, event=event), at)

    def price(self, at=0.1, **changes):
        """A quote; the decision it led to, or None."""
        before = len(self.decisions)
        self.give(quote(at=at, **changes), at)
        return self.decisions[before] if len(self.decisions) > before else None

    @property
    def decisions(self):
        return [e for row in self.rows if isinstance(e := EVENTS.read(row), DecisionMade)]

    @property
    def released(self):
        return [e for row in self.rows if isinstance(e := EVENTS.read(row), ReservationReleased)]


def refusals(decision):
    return list(decision.refusals)


# ── one record per crossing (E8) ────────────────────────────────────────────────────────────────


def test_a_crossing_becomes_an_intent_with_its_whole_story():
    scene = Scene().well()
    decision = scene.price()
    assert decision.decision_id == ID
    assert refusals(decision) == []
    assert (decision.bid, decision.ask, decision.anchor) == (D(100), D("100.01"), D(104))
    assert decision.intent.intent_id == ID
    assert decision.intent.quantity == D("0.49995")
    names = {check.name for check in decision.checks}
    assert {"not_active", "latched", "stale", "spread", "depth", "volume", "last_gap"} <= names
    assert {"max_positions", "exposure", "cooldown", "daily_loss", "filters"} <= names


def test_a_crossing_leads_to_one_intent():
    scene = Scene().well()
    scene.price(0.1)
    for step in range(2, 14):
        assert scene.price(step / 10) is None
    assert len(scene.decisions) == 1


def test_the_same_refusal_is_told_once_and_another_one_again():
    scene = Scene().well()
    assert refusals(scene.price(0.1, spread_bps=50.0)) == ["spread"]
    scene.beat(1.2)
    assert scene.price(1.2, spread_bps=40.0) is None
    scene.give(status(), 1.3)
    scene.beat(2.3)
    worse = scene.price(2.3, spread_bps=40.0, volume_quote_24h=1.0)
    assert refusals(worse) == ["volume", "spread"]
    scene.give(status(), 3.3)
    scene.beat(3.4)
    assert refusals(scene.price(3.4)) == []
    assert [d.decision_id for d in scene.decisions] == ["run1-1", "run1-2", "run1-3"]


def test_ids_go_on_after_a_restart():
    """O2: the rows say which numbers are used up."""
    before = Scene().well()
    before.price(0.1)
    after = Scene(rows=before.rows, at=1.0).well(1.0)
    decision = after.price(1.1, spread_bps=50.0)
    assert decision.decision_id == "run1-2"


def test_a_new_run_has_numbers_of_its_own_and_keeps_reservations():
    before = Scene().well()
    before.price(0.1)
    after = Scene(rows=before.rows, run="run2", at=1.0).well(1.0)
    assert ID in after.actor.state.reservations
    assert after.price(1.1).decision_id == "run2-1"
    assert after.actor.report()["signals"] == 1


def test_its_rows_alone_bring_its_state_back():
    """R4."""
    before = Scene().well()
    before.price(0.1)
    before.route_says(accepted(at=0.2), 0.2)
    before.route_says(ended_intent(at=0.3), 0.3)
    before.beat(1.9)
    before.give(status(), 1.9)
    before.price(2.0, spread_bps=99.0)
    after = Actor(POLICY, "run1")
    after.recover(None, [EVENTS.read(row) for row in before.rows])
    live, again = before.actor.state, after.state
    # The equity at the start is not journaled: it belongs to the summary of a life.
    assert replace(again, equity_start=live.equity_start) == live


def test_the_drawdown_is_measured_from_the_peak_over_restarts():
    """E4: a crash does not forgive a loss."""
    rich = account_of(opened(usdt="12000"))
    before = Scene(opened(usdt="12000")).well()
    assert before.account == rich
    before.price(0.1, spread_bps=99.0)
    after = Scene(opened(usdt="10000"), rows=before.rows, at=1.0).well(1.0)
    assert "drawdown" in refusals(after.price(1.1))


def test_a_record_can_be_read_back_whatever_the_average_cost():
    """Of a coin worth next to nothing, bought in thirds: more digits than an amount may have."""
    entry = [*bought("3", price="0.01")[:-2]]
    parts = (
        filled("e1", "1", "1", price=D("0.00001")),
        filled("e1", "2", "2", price=D("0.00002"), fee=D("0.0007"), fee_asset="BTC"),
    )
    scene = Scene(opened(usdt="0.00005"), *entry[1:], *parts).well()
    scene.actor.marks.clear()
    assert scene.price(symbol="ETHUSDT").equity_quote < 1
    after = Actor(POLICY, "run1")
    after.recover(None, [EVENTS.read(row) for row in scene.rows])
    assert after.state.number == 2, "the first one is route's"


# ── fail closed (L9) ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("told", "refused"),
    [
        ({"state": TradingState.REDUCING}, "not_active"),
        ({"state": TradingState.HALTED}, "not_active"),
        ({"protect_age_ms": 999}, None),
        ({"protect_age_ms": 1000}, "protect_silent"),
        ({"phase": ProcessPhase.BACKOFF}, "protect_silent"),
    ],
)
def test_the_engine_must_be_whole_and_active(told, refused):
    assert refusals(Scene().well(**told).price()) == ([refused] if refused else [])


def test_before_a_status_nothing_is_allowed():
    scene = Scene().well()
    scene.actor._status = None
    assert refusals(scene.price()) == ["not_active", "protect_silent"]


@pytest.mark.parametrize(("at", "refused"), [(1.499, []), (1.5, ["not_active"])])
def test_an_old_status_is_no_permission(at, refused):
    scene = Scene().well()
    scene.beat(at)
    assert refusals(scene.price(at)) == refused


@pytest.mark.parametrize(("at", "refused"), [(0.999, []), (1.0, ["route_unreconciled"])])
def test_a_silent_route_takes_no_intents(at, refused):
    assert refusals(Scene().well().price(at)) == refused


def test_an_unreconciled_route_takes_no_intents():
    scene = Scene().well()
    scene.beat(0.05, reconciled=False)
    assert refusals(scene.price()) == ["route_unreconciled"]


def test_the_latch_refuses():
    scene = Scene().well()
    scene.actor.latched = "killed"
    assert refusals(scene.price()) == ["latched"]


def test_stop_entries_is_answered_at_once():
    scene = Scene().well()
    assert scene.give(StopEntries(flatten=False), 0.05) == [Drained(role="decide")]
    assert refusals(scene.price()) == ["not_active"]


def test_without_instruments_nothing_is_judged():
    scene = Scene()
    assert scene.price() is None
    assert not scene.actor.ready


def test_the_signal_can_be_off():
    off = replace(POLICY, drop=DropPolicy(enabled=False))
    scene = Scene(policy=off).well()
    assert scene.price() is None
    assert scene.actor.marks[BTC.symbol].bid == 100, "prices are still worth knowing"


def test_ready_is_everything_it_looks_at():
    scene = Scene()
    scene.price()
    assert not scene.actor.ready
    scene.well(phase=ProcessPhase.STARTING)
    assert not scene.actor.ready
    scene.give(status(), 0.2)
    assert scene.actor.ready


# ── the account ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("events", "refused"),
    [
        ((opened(), accepted()), "symbol_busy"),
        (bought(), "symbol_busy"),
        (
            (
                opened(),
                SymbolBlocked(at_ns=1, symbol="BTCUSDT", reason="region", until_ns=ns(9)),
            ),
            "blocked",
        ),
        (
            (
                *bought()[:-1],
                ended_intent(),
                PositionClosed(
                    at_ns=ns(-899), position_id=ID, symbol="BTCUSDT", reason="", dust_quantity=D(0)
                ),
            ),
            "cooldown",
        ),
    ],
)
def test_what_route_knows_refuses(events, refused):
    assert refused in refusals(Scene(*events).well().price())


def test_without_money_nothing_is_bought():
    found = refusals(Scene(opened(usdt="40")).well().price())
    assert {"exposure", "balance"} <= set(found)


def test_a_size_below_the_filters_is_refused():
    tiny = replace(POLICY, risk=RiskPolicy(position_quote=D(4)))
    assert refusals(Scene(policy=tiny).well().price()) == ["filters"]


def test_a_cold_anchor_is_refused():
    assert refusals(Scene().well().price(flags=QuoteFlag.SEEDED)) == ["anchor_cold"]


# ── reservations (E4, L2) ───────────────────────────────────────────────────────────────────────


def reserving():
    scene = Scene().well()
    assert scene.price().intent is not None
    assert list(scene.actor.state.reservations) == [ID]
    return scene


def told(scene, *events, at=0.3):
    for event in events:
        scene.route_says(event, at)


def test_a_reservation_counts_against_the_cap():
    """L15: two positions of 5,000 are more than 80 % of 10,000, before either is bought."""
    policy = replace(POLICY, risk=RiskPolicy(position_quote=D(5000)))
    scene = Scene(policy=policy).well()
    assert scene.price().intent is not None
    other = scene.price(0.2, symbol="ETHUSDT", bid_depth_quote=1e9)
    assert refusals(other) == ["exposure", "balance"]
    told(scene, IntentRefused(at_ns=1, intent_id=ID, symbol=BTC.symbol, reason="not_active"))
    scene.give(status(), 1.3)
    scene.beat(1.3)
    assert scene.price(1.3, symbol="ETHUSDT").intent is not None


def test_it_falls_when_route_refuses():
    scene = reserving()
    told(scene, IntentRefused(at_ns=1, intent_id=ID, symbol=BTC.symbol, reason="not_active"))
    assert scene.actor.state.reservations == {}
    assert "not_active" in scene.released[0].reason


def test_it_falls_when_route_has_ended_the_intent():
    scene = reserving()
    told(scene, accepted(), ended_intent())
    assert scene.actor.state.reservations == {}


@pytest.mark.parametrize(
    "story",
    [
        (accepted(),),
        (accepted(), submitted("e1")),
        (accepted(), submitted("e1"), doubted("e1")),
        (accepted(), submitted("e1"), filled("e1", "0.4")),
        (accepted(), submitted("e1"), ended("e1", OrderEnd.CANCELED)),
    ],
    ids=["accepted", "sent", "unknown", "a part", "between two rungs"],
)
def test_it_stands_while_the_intent_can_still_cost_something(story):
    """UNKNOWN keeps its reservation, for however long (L2)."""
    scene = reserving()
    told(scene, *story)
    for at in (5, 60, 3600, 100_000):
        scene.beat(at)
    assert list(scene.actor.state.reservations) == [ID]


@pytest.mark.parametrize(("at", "falls"), [(2.1, False), (2.101, True)])
def test_an_intent_that_never_arrived_is_proved_by_a_later_account(at, falls):
    """Route takes nothing on after the deadline (1 s): complete news from later is proof."""
    scene = reserving()
    scene.beat(at)
    assert bool(scene.released) == falls


def test_an_account_with_a_gap_proves_nothing():
    scene = reserving()
    ahead = Beat(epoch="e", seq=scene.account.seq + 3, reconciled=True, at_ns=ns(9))
    scene.give(ahead, 9)
    assert scene.released == []


def test_the_silence_of_route_proves_nothing():
    scene = reserving()
    for at in (2, 5, 60):
        scene.give(TimerFired("tick"), at)
    assert scene.released == []


def test_it_outlives_a_crash():
    before = reserving()
    after = Scene(accepted(), rows=before.rows, at=5.0).well(5.0)
    assert list(after.actor.state.reservations) == [ID]
    assert "symbol_busy" in refusals(after.price(5.1))


@pytest.mark.parametrize(
    ("events", "at", "reconciled", "falls"),
    [
        ((intent_refused(),), 1.1, True, True),
        ((intent_refused(),), 1.1, False, True),
        ((accepted(), ended_intent()), 1.1, True, True),
        ((), 2.101, True, True),
        ((), 2.1, True, False),
        ((), 9.0, False, False),
        ((accepted(),), 9.0, True, False),
    ],
    ids=["refused", "refused, at once", "ended", "never came", "may come", "may be found", "lives"],
)
def test_a_release_that_a_power_cut_took_back_is_made_again_at_the_welcome(
    events, at, reconciled, falls
):
    """L15: others were granted behind it; what they hold comes back in the same turn."""
    after = Scene(opened(), *events, rows=reserving().rows, at=at).welcome(at, reconciled)
    assert (ID not in after.actor.state.reservations) == falls


def lost_rows(at):
    """Route's next process began then, and knows that rows of the one before it are missing."""
    began = RunBegan(at_ns=ns(at), run_id="run1", incarnation=2)
    return began, RowsLost(at_ns=ns(at), reason="ends at 4, decide has seen 9", epoch="run1.1")


def compared(asked, at):
    """Route has asked the venue then, and nothing is left to be searched for."""
    return Reconciled(
        at_ns=ns(at), mismatches=0, foreign_orders=0, agreed=True, explained_ns=ns(asked)
    )


def on_trial():
    """All rows are lost: the ledger is opened with what is held, and not for good."""
    return replace(opened(), provisional=True)


@pytest.mark.parametrize(
    ("events", "holds"),
    [
        ((*lost_rows(1.5),), True),
        ((*lost_rows(1.5), compared(1.4, 1.9)), True),
        ((*lost_rows(1.5), compared(19.5, 19.9)), False),
        ((*lost_rows(0.05),), False),
        ((*lost_rows(1.5), intent_refused()), True),
        ((*lost_rows(1.5), intent_refused(), compared(19.5, 19.9)), False),
        ((*lost_rows(1.5), accepted(), ended_intent()), False),
        ((lost_rows(1.5)[0], on_trial()), True),
        ((lost_rows(1.5)[0], on_trial(), opened()), False),
        ((submitted("e1"),), True),
        ((submitted("e1"), ended("e1", OrderEnd.CANCELED)), False),
    ],
    ids=[
        "rows are lost",
        "the venue had explained all before",
        "it explained them",
        "lost before it was made",
        "a copy of it was refused",
        "a copy was refused, the venue asked",
        "it ended",
        "the ledger is open on trial",
        "opened for good",
        "an order of it was found",
        "that has ended",
    ],
)
def test_what_a_short_account_lacks_may_have_been_bought(events, holds):
    """L2, L15, seed 6812: rows that are lost may have taken the intent on."""
    after = Scene(opened(), *events, rows=reserving().rows, at=30.0).well(30.0)
    assert (ID in after.actor.state.reservations) == holds


def test_a_refusal_on_a_short_account_is_no_proof():
    scene = reserving()
    told(scene, *lost_rows(1.5), intent_refused())
    assert scene.released == []
    told(scene, compared(19.5, 19.9))
    assert [one.intent_id for one in scene.released] == [ID]


def test_a_short_account_allows_nothing():
    """L9, L12: what is at stake is not known."""
    scene = Scene(opened(), *lost_rows(1.5), at=30.0).well(30.0)
    assert refusals(scene.price(30.1)) == ["route_unreconciled"]
    told(scene, compared(19.5, 31.2), at=31.2)
    scene.give(status(), 31.2)
    assert scene.price(31.3).intent is not None


def test_an_order_without_a_reservation_allows_nothing_while_it_may_buy():
    """L2, L15, seed 8796: both journals had lost its intent, and it was found at the venue."""
    found = submitted("e1", decision="run0-9", symbol="ETHUSDT")
    scene = Scene(opened(), found, at=30.0).well(30.0)
    assert scene.actor.state.reservations == {}
    assert refusals(scene.price(30.1)) == ["route_unreconciled"]
    gone = ended("e1", OrderEnd.CANCELED, decision="run0-9")
    told(scene, gone, at=31.2)
    scene.beat(31.2)
    scene.give(status(), 31.2)
    assert scene.price(31.3).intent is not None


def test_an_order_with_its_reservation_leaves_room_for_others():
    scene = reserving()
    told(scene, accepted(), submitted("e1"))
    assert scene.actor.state.reservations.keys() == {ID}
    assert is_accounted_for(scene.actor.replica.account, scene.actor.state.reservations)
    assert not is_accounted_for(scene.actor.replica.account, {})


def test_what_is_found_at_a_welcome_does_not_meet_what_was_released_before_it():
    """L15, seed 32800: a power cut took a release, and the intent that had its budget since."""
    policy = replace(POLICY, risk=RiskPolicy(position_quote=D(5000)))
    before = Scene(policy=policy).well()
    assert before.price().intent is not None
    other = replace(before.decisions[0].intent, intent_id="run1-2", symbol="ETHUSDT")
    granted = IntentAccepted(at_ns=ns(3), intent=other)
    after = Scene(opened(), intent_refused(), granted, policy=policy, rows=before.rows, at=5.0)
    after.welcome(5.0)
    assert list(after.actor.state.reservations) == ["run1-2"]
    assert after.actor.report()["intents_pending_max"] == 1


def test_what_a_lost_journal_no_longer_knows_is_taken_from_route():
    """L11, L12: after a power cut the rows are gone, the intent lives, its number is used up."""
    after = Scene(opened(), accepted(), at=5.0).well(5.0)
    assert list(after.actor.state.reservations) == [ID]
    refused = after.price(5.1)
    assert "symbol_busy" in refusals(refused)
    assert refused.decision_id == "run1-2"
    after.route_says(IntentEnded(at_ns=ns(6), intent_id=ID, symbol="BTCUSDT", reason="gone"), 6)
    assert after.actor.state.reservations == {}


def test_what_was_released_is_not_taken_back_from_a_route_that_forgot_its_end():
    """L12, L15, seed 4032: its budget went to another; here, and in decide's next life."""
    scene = Scene(opened()).well()
    assert scene.price().intent.intent_id == ID
    scene.route_says(accepted(), 0.2)
    scene.route_says(ended_intent(), 0.3)
    assert scene.actor.state.released == [ID]
    scene.account = account_of(opened(), accepted())
    scene.welcome(5.0)
    assert scene.actor.state.reservations == {}
    after = Scene(opened(), accepted(), rows=scene.rows, at=6.0).well(6.0)
    assert after.actor.state.reservations == {}


def test_the_number_of_an_intent_that_route_refused_does_not_come_again():
    """Route takes none on that it has refused before, and says nothing of it (L8)."""
    after = Scene(opened(), intent_refused(), at=5.0).well(5.0)
    assert after.price(5.1).intent.intent_id == "run1-2"


def test_a_crossing_that_bought_nothing_may_speak_again():
    scene = reserving()
    told(scene, accepted(), ended_intent(reason="ladder used up"))
    scene.beat(1.2)
    scene.give(status(), 1.2)
    assert scene.price(1.2).decision_id == "run1-2"


def test_a_crossing_that_bought_does_not_speak_again():
    scene = reserving()
    told(scene, accepted(), submitted("e1"), filled("e1"), ended_intent())
    for at in (1.2, 2.4, 3.6):
        scene.beat(at)
        scene.give(status(), at)
        assert scene.price(at) is None


def test_entries_are_counted_within_the_minute():
    policy = replace(POLICY, risk=RiskPolicy(max_entries_per_minute=1))
    scene = Scene(policy=policy).well()
    scene.price(0.1)
    told(scene, accepted(), ended_intent())

    def again(at):
        scene.beat(at)
        scene.give(status(), at)
        return scene.price(at)

    assert refusals(again(2.0)) == ["entry_rate"]
    assert refusals(again(60.2)) == []


# ── the channel ─────────────────────────────────────────────────────────────────────────────────


def test_an_intent_is_said_once():
    """L8: entries at most once, with a deadline, never again."""
    scene = reserving()
    for at in (0.2, 0.4, 0.6, 0.9):
        scene.give(TimerFired("tick"), at)
    assert len([m for _, m in scene.says if isinstance(m, EntryIntent)]) == 1
    after = Scene(rows=scene.rows, at=1.0)
    assert [type(m) for _, m in after.says] == [Hello]


def test_its_report():
    scene = reserving()
    report = scene.actor.report()
    assert (report["signals"], report["intents"], report["intents_pending_max"]) == (1, 1, 1)
    assert scene.actor.figures()["reservations"] == 1
    assert report["equity"]["end"] == 10_000
