"""Histories replayed through the pure supervisor: what it hears → what it wants done."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procs.supervise.actor import Supervisor
from procs.supervise.child import ChildSpec
from procs.supervise.effects import (
    ChildDied,
    ChildReady,
    ChildSpawned,
    Finish,
    Force,
    LatchRead,
    RememberOperator,
    RemoveLatch,
    Reply,
    Signal,
    Spawn,
    SteerAsked,
    StopSignal,
    StopWanted,
    Tick,
    WriteLatch,
)
from procs.supervise.roster import CHILD_SPECS
from shared.domain.effects import Note, Say
from shared.messages.control import (
    AlarmRaised,
    CloseAsked,
    Drained,
    EngineStatus,
    Heartbeat,
    ProcessPhase,
    ProcessReady,
    ProcessStopped,
    Steer,
    StopEntries,
    StopProcess,
    TradingState,
    Tripped,
)
from shared.units import NS_PER_MS, NS_PER_S

ORDER = ["localvenue", "route", "protect", "ingest", "decide", "observe"]
ENGINE = ORDER[1:]


def spawns(effects, role):
    return [e for e in effects if isinstance(e, Spawn) and e.role == role]


class World:
    """Obedient children around a supervisor; a test disobeys where it wants to."""

    def __init__(self, roles=tuple(ORDER), **options: Any) -> None:
        specs = [spec for spec in CHILD_SPECS if spec.role in roles]
        self.actor = Supervisor("tk3f9a", specs, **options)
        self.now_ns = 1_000 * NS_PER_S
        self.effects: list[Any] = []
        self.silent: set[str] = set()
        self.deaf: set[str] = set()
        self.slow: set[str] = set()
        self.incarnations: dict[str, int] = {}
        self._take(self.actor.start(self.now_ns))

    def tell(self, message: Any) -> list[Any]:
        return self._take(self.actor.on(message, self.now_ns))

    def _take(self, effects: list[Any]) -> list[Any]:
        seen = list(effects)
        self.effects += effects
        for effect in effects:
            if isinstance(effect, Spawn):
                self.incarnations[effect.role] = effect.incarnation
                pid = 100 * effect.incarnation + ORDER.index(effect.role)
                seen += self.tell(
                    ChildSpawned(role=effect.role, incarnation=effect.incarnation, pid=pid)
                )
            elif isinstance(effect, Say) and isinstance(effect.message, StopEntries):
                if effect.to == "route" and "route" not in self.deaf:
                    seen += self.tell(Drained(role="route"))
            elif isinstance(effect, Say) and isinstance(effect.message, StopProcess):
                seen += self._leave(effect.to)
            elif isinstance(effect, Signal) and effect.force is Force.TERMINATE:
                seen += self._leave(effect.role)
            elif isinstance(effect, Signal) and effect.force is Force.KILL:
                seen += self.die(effect.role, -9)
        return seen

    def _leave(self, role: str) -> list[Any]:
        if role in self.deaf:
            return []
        stopped = ProcessStopped(role=role, incarnation=self.incarnations[role], report={"n": 1})
        return (self.tell(stopped) if role != "localvenue" else []) + self.die(role, 0)

    def die(self, role: str, exit_code: int, words: str = "") -> list[Any]:
        return self.tell(
            ChildDied(
                role=role,
                incarnation=self.incarnations[role],
                exit_code=exit_code,
                last_words=words,
            )
        )

    def ready(self, role: str) -> list[Any]:
        incarnation = self.incarnations[role]
        if role == "localvenue":
            return self.tell(ChildReady(role=role, incarnation=incarnation))
        pid = self.actor.roster.children[role].pid
        return self.tell(
            ProcessReady(role=role, incarnation=incarnation, pid=pid, cpus=(0,), nice=0)
        )

    def pass_ms(self, milliseconds: int) -> list[Any]:
        seen: list[Any] = []
        for _ in range(milliseconds // 50):
            self.now_ns += 50 * NS_PER_MS
            for role, child in self.actor.roster.children.items():
                if child.running and role not in self.silent and role != "localvenue":
                    beat = Heartbeat(
                        role=role, incarnation=child.incarnation, at_ns=self.now_ns, figures={}
                    )
                    seen += self.tell(beat)
            seen += self.tell(Tick())
        return seen

    def steer(self, verb: str, argument: str = "") -> tuple[Any, list[Any]]:
        seen = self.tell(SteerAsked("person", Steer(verb=verb, argument=argument)))
        (answer,) = [effect.answer for effect in seen if isinstance(effect, Reply)]
        return answer, seen

    def phase(self, role: str) -> ProcessPhase:
        return self.actor.roster.children[role].phase


def started(**options: Any) -> World:
    world = World(**options)
    for role in world.actor.roster.children:
        world.ready(role)
    world.pass_ms(300)
    world.effects.clear()
    return world


def spawned(effects: list[Any]) -> list[str]:
    return [effect.role for effect in effects if isinstance(effect, Spawn)]


def alarms(effects: list[Any]) -> list[str]:
    return [
        effect.fields["kind"]
        for effect in effects
        if isinstance(effect, Note) and effect.event_type == "alarm"
    ]


def finish_of(effects: list[Any]) -> Finish | None:
    found = [effect for effect in effects if isinstance(effect, Finish)]
    assert len(found) <= 1
    return found[0] if found else None


class TestStart:
    def test_one_after_the_other_each_ready_before_the_next(self):
        world = World()
        order = ["localvenue"]
        assert spawned(world.effects) == order
        for role, following in zip(ORDER, [*ORDER[1:], None], strict=True):
            world.pass_ms(2000)
            assert spawned(world.effects) == order
            seen = world.ready(role)
            assert spawned(seen) == ([following] if following else [])
            order += [following] if following else []
        assert world.actor.state is TradingState.ACTIVE

    def test_reducing_until_all_but_observe_are_ready(self):
        world = World()
        for role in ORDER[:-1]:
            assert world.actor.state is TradingState.REDUCING
            world.ready(role)
        assert world.phase("observe") is ProcessPhase.STARTING
        assert world.actor.state is TradingState.ACTIVE

    def test_a_child_that_crashes_at_first_holds_up_the_others(self):
        world = World()
        world.ready("localvenue")
        world.die("route", 1)
        assert spawned(world.effects) == ["localvenue", "route"]
        seen = world.pass_ms(200)
        assert spawned(seen) == ["route"]
        assert spawned(world.ready("route")) == ["protect"]

    def test_a_configuration_error_at_the_start_ends_the_run_with_its_code(self):
        world = World()
        world.ready("localvenue")
        seen = world.die("route", 4, "venue.name = 7, allowed: text")
        finish = finish_of(seen)
        assert finish is not None
        assert finish.exit_code == 4
        assert "venue.name = 7" in finish.error
        assert not finish.clean
        assert spawned(world.effects) == ["localvenue", "route"]

    def test_a_local_venue_that_refuses_its_first_start_is_not_tried_again(self):
        world = World()
        finish = finish_of(world.die("localvenue", 1, "no recording"))
        assert finish is not None
        assert finish.exit_code == 1
        assert spawned(world.effects) == ["localvenue"]

    def test_a_local_venue_that_was_killed_at_its_first_start_is(self):
        world = World()
        world.die("localvenue", -9)
        assert spawned(world.pass_ms(200)) == ["localvenue"]

    def test_a_route_that_never_starts_ends_the_run(self):
        world = World()
        world.ready("localvenue")
        for _ in range(5):
            assert finish_of(world.die("route", 1)) is None
            world.pass_ms(5100)
        finish = finish_of(world.die("route", 1))
        assert finish is not None
        assert finish.exit_code == 1

    def test_a_stop_during_the_start_is_clean(self):
        world = World()
        world.ready("localvenue")
        world.ready("route")
        finish = finish_of(world.tell(StopSignal("SIGINT")))
        assert finish == Finish(exit_code=0, error="", clean=True)
        assert spawned(world.effects) == ["localvenue", "route", "protect"]


class TestRestart:
    @pytest.mark.parametrize("role", ENGINE)
    def test_after_a_pause_with_the_next_incarnation(self, role):
        world = started()
        seen = world.die(role, -9)
        assert spawned(seen) == []
        assert world.phase(role) is ProcessPhase.BACKOFF
        expected = TradingState.ACTIVE if role == "observe" else TradingState.REDUCING
        assert world.actor.state is expected
        assert spawned(world.pass_ms(50)) == []
        assert spawned(world.pass_ms(100)) == [role]
        assert world.incarnations[role] == 2
        world.ready(role)
        assert world.actor.state is TradingState.ACTIVE
        assert world.actor.roster.children[role].restarts == 1

    def test_two_dead_ones_restart_side_by_side(self):
        world = started()
        world.die("route", -9)
        world.die("decide", -9)
        assert sorted(spawned(world.pass_ms(200))) == ["decide", "route"]

    def test_more_than_five_in_a_minute_is_failed_reducing_and_alarmed(self):
        world = started()
        for _ in range(5):
            world.die("decide", 1)
            world.pass_ms(5100)
            assert world.phase("decide") is ProcessPhase.STARTING
        seen = world.die("decide", 1, "it broke")
        assert world.phase("decide") is ProcessPhase.FAILED
        assert alarms(seen) == ["process_failed"]
        assert world.actor.state is TradingState.REDUCING
        assert "decide is failed" in world.actor.reasons
        assert spawned(world.pass_ms(70_000)) == []

    def test_three_failed_starts_of_route_lead_to_its_rescue_mode(self):
        world = started()
        world.die("route", -9)
        for _ in range(2):
            assert not spawns(world.pass_ms(1_000), "route")[-1].rescue
            world.die("route", 1, "ImportError")
        assert not spawns(world.pass_ms(1_000), "route")[-1].rescue
        assert "rescue" in alarms(world.die("route", 1, "ImportError"))
        assert spawns(world.pass_ms(1_000), "route")[-1].rescue
        world.ready("route")
        assert world.actor.state is TradingState.REDUCING
        assert world.actor.reasons == ("route runs in rescue mode",)

    def test_failed_starts_that_lie_apart_do_not(self):
        world = started()
        world.die("route", -9)
        for _ in range(4):
            world.pass_ms(5_100)
            assert "rescue" not in alarms(world.die("route", 1))

    def test_a_role_without_one_has_no_rescue_mode(self):
        world = started()
        world.die("decide", -9)
        for _ in range(4):
            world.pass_ms(1_700)
            assert "rescue" not in alarms(world.die("decide", 1))

    def test_a_local_venue_that_crashed_comes_back(self):
        world = started()
        world.die("localvenue", 1)
        assert world.actor.state is TradingState.REDUCING
        assert spawned(world.pass_ms(200)) == ["localvenue"]
        world.ready("localvenue")
        assert world.actor.state is TradingState.ACTIVE

    def test_a_local_venue_that_crashes_for_good_ends_the_run(self):
        world = started()
        for _ in range(5):
            assert finish_of(world.die("localvenue", 1)) is None
            world.pass_ms(5100)
        finish = finish_of(world.die("localvenue", 1, "the recording is torn"))
        assert finish is not None
        assert finish.exit_code == 1
        assert "the recording is torn" in finish.error

    def test_spaced_crashes_restart_for_ever(self):
        world = started()
        for _ in range(12):
            world.die("ingest", 1)
            world.pass_ms(15_000)
            world.ready("ingest")
        assert world.phase("ingest") is ProcessPhase.READY
        assert world.actor.roster.children["ingest"].restarts == 12

    def test_resume_gives_a_failed_child_another_chance(self):
        world = started()
        world.die("decide", 4, "bad")
        assert world.phase("decide") is ProcessPhase.FAILED
        answer, seen = world.steer("resume")
        assert "decide" in answer.text
        assert spawned(seen) == ["decide"]

    def test_words_of_a_dead_incarnation_are_dropped(self):
        world = started()
        world.die("protect", -9)
        world.pass_ms(200)
        old = ProcessReady(role="protect", incarnation=1, pid=1, cpus=(), nice=0)
        world.tell(old)
        assert world.phase("protect") is ProcessPhase.STARTING
        # One of the run before counted the same, and was another process (L14).
        world.tell(msgspec.structs.replace(old, incarnation=2))
        assert world.phase("protect") is ProcessPhase.STARTING
        world.ready("protect")
        assert world.phase("protect") is ProcessPhase.READY
        world.tell(Heartbeat(role="nobody", incarnation=1, at_ns=0))
        assert world.actor.roster.illegal_total == 0


class TestWatchdog:
    def test_a_late_beat_is_reducing_a_returning_one_active(self):
        world = started()
        world.silent = {"decide"}
        world.pass_ms(950)
        assert world.actor.state is TradingState.ACTIVE
        world.pass_ms(100)
        assert world.actor.state is TradingState.REDUCING
        assert world.actor.reasons == ("decide has not been heard for over 1 s",)
        world.silent = set()
        world.pass_ms(50)
        assert world.actor.state is TradingState.ACTIVE

    def test_a_silent_observe_does_not_matter_for_trading(self):
        world = started()
        world.silent = {"observe"}
        world.pass_ms(3000)
        assert world.actor.state is TradingState.ACTIVE

    def test_ten_silent_seconds_dump_then_kill_then_restart(self):
        world = started()
        world.silent = {"protect"}
        seen = world.pass_ms(9900)
        assert not [effect for effect in seen if isinstance(effect, Signal)]
        seen = world.pass_ms(1000)
        forces = [effect.force for effect in seen if isinstance(effect, Signal)]
        assert forces == [Force.DUMP, Force.KILL]
        assert alarms(seen) == ["process_hung", "process_died"]
        world.silent = set()
        assert spawned(seen + world.pass_ms(200)) == ["protect"]

    def test_a_supervisor_that_was_stopped_kills_nobody(self):
        world = started()
        world.now_ns += 60 * NS_PER_S
        seen = world.tell(Tick())
        assert not [effect for effect in seen if isinstance(effect, Signal)]
        seen = world.pass_ms(2000)
        assert not [effect for effect in seen if isinstance(effect, Signal)]
        assert world.actor.state is TradingState.ACTIVE


class TestStop:
    def test_entries_first_then_in_order_the_venue_last(self):
        world = started()
        seen = world.tell(StopSignal("SIGINT"))
        entries = [e.to for e in seen if isinstance(e, Say) and isinstance(e.message, StopEntries)]
        assert set(entries) == {"route", "decide", "protect"}
        order = [
            effect.fields["role"]
            for effect in world.effects
            if isinstance(effect, Note) and effect.event_type == "process_stopped"
        ]
        assert order == ["decide", "ingest", "protect", "route", "observe", "localvenue"]
        assert finish_of(world.effects) == Finish(exit_code=0, error="", clean=True)
        assert world.actor.clean

    def test_everybody_hears_that_it_stops(self):
        world = started()
        world.deaf = {"route"}
        seen = world.tell(StopWanted("ran for 60 s"))
        states = [e.message for e in seen if isinstance(e, Say) and type(e.message) is EngineStatus]
        assert states
        assert all(status.stopping for status in states)
        assert states[-1].state is TradingState.REDUCING

    @pytest.mark.parametrize("flatten", [False, True])
    def test_on_stop_decides_whether_positions_are_closed(self, flatten):
        world = started(flatten_on_stop=flatten)
        seen = world.tell(StopSignal("SIGTERM"))
        said = [e.message for e in seen if isinstance(e, Say) and type(e.message) is StopEntries]
        assert said
        assert {message.flatten for message in said} == {flatten}

    def test_a_failing_phase_is_recorded_and_the_next_runs(self):
        world = started()
        world.deaf = {"ingest"}
        world.tell(StopSignal("SIGINT"))
        assert world.phase("decide") is ProcessPhase.STOPPED
        assert world.phase("ingest") is ProcessPhase.STOPPING
        assert world.phase("protect") is ProcessPhase.READY
        world.pass_ms(4100)
        finish = finish_of(world.effects)
        assert finish is not None
        assert finish.exit_code == 1
        assert not finish.clean
        assert "ingest still there after 4000 ms" in finish.error

    def test_a_route_that_never_drains_is_not_waited_for_for_ever(self):
        world = started()
        world.deaf = {"route"}
        world.tell(StopSignal("SIGINT"))
        world.pass_ms(9900)
        assert world.phase("decide") is ProcessPhase.READY
        world.pass_ms(200)
        assert world.phase("protect") is ProcessPhase.STOPPED
        world.pass_ms(8100)
        finish = finish_of(world.effects)
        assert finish is not None
        assert "not drained" in finish.error

    def test_orders_are_repeated_until_they_are_followed(self):
        world = started()
        world.deaf = {"decide"}
        world.tell(StopSignal("SIGINT"))
        seen = world.pass_ms(1100)
        said = [e for e in seen if isinstance(e, Say) and type(e.message) is StopProcess]
        assert [effect.to for effect in said] == ["decide", "decide"]

    def test_the_second_signal_skips_the_waits(self):
        world = started()
        world.deaf = {"route", "observe"}
        world.tell(StopSignal("SIGINT"))
        assert world.phase("decide") is ProcessPhase.READY
        world.tell(StopSignal("SIGINT"))
        phases = {role: world.phase(role) for role in ENGINE}
        assert phases["decide"] is phases["ingest"] is phases["protect"] is ProcessPhase.STOPPED
        assert phases["route"] is phases["observe"] is ProcessPhase.STOPPING
        world.pass_ms(2100)
        finish = finish_of(world.effects)
        assert finish is not None
        assert not finish.clean

    def test_the_third_signal_kills(self):
        world = started()
        world.deaf = set(ORDER)
        for _ in range(3):
            assert finish_of(world.effects) is None
            world.tell(StopSignal("SIGINT"))
        killed = {e.role for e in world.effects if isinstance(e, Signal) and e.force is Force.KILL}
        assert killed == set(ORDER)
        finish = finish_of(world.effects)
        assert finish is not None
        assert finish.exit_code == 1

    def test_a_death_on_the_way_down_is_not_restarted_and_not_clean(self):
        world = started()
        world.deaf = {"route"}
        world.tell(StopSignal("SIGINT"))
        world.die("ingest", -9)
        assert spawned(world.pass_ms(12_000)) == []
        world.pass_ms(8_000)
        finish = finish_of(world.effects)
        assert finish is not None
        assert not finish.clean

    def test_a_restarted_child_can_still_stop_cleanly(self):
        world = started()
        world.die("decide", -9)
        world.pass_ms(200)
        world.ready("decide")
        finish = finish_of(world.tell(StopSignal("SIGINT")))
        assert finish == Finish(exit_code=0, error="", clean=True)

    def test_nothing_happens_after_the_finish(self):
        world = started()
        world.tell(StopSignal("SIGINT"))
        assert world.tell(Tick()) == []
        assert world.tell(StopSignal("SIGINT")) == []


class TestSteering:
    def test_pause_halt_resume(self):
        world = started()
        answer, seen = world.steer("pause-entries")
        assert answer.ok
        assert answer.data["state"] == "REDUCING"
        assert RememberOperator(TradingState.REDUCING) in seen
        assert world.steer("halt")[0].data["state"] == "HALTED"
        answer, seen = world.steer("resume")
        assert answer.data["state"] == "ACTIVE"
        assert RememberOperator(TradingState.ACTIVE) in seen

    def test_a_halt_is_stricter_than_anything(self):
        world = started()
        world.steer("halt")
        world.die("decide", -9)
        assert world.actor.state is TradingState.HALTED

    def test_kill_latches_and_only_rearm_opens(self):
        world = started()
        answer, seen = world.steer("kill", "strange fills")
        assert WriteLatch("strange fills") in seen
        assert alarms(seen) == ["kill_switch"]
        assert answer.data["latch"] == "strange fills"
        assert world.steer("resume")[0].data["state"] == "REDUCING"
        answer, seen = world.steer("rearm")
        assert RemoveLatch() in seen
        assert answer.data["state"] == "ACTIVE"

    def test_a_trip_of_a_child_latches(self):
        world = started()
        seen = world.tell(Tripped(role="route", reason="order rate", at_ns=1))
        assert WriteLatch("route: order rate") in seen
        assert world.actor.state is TradingState.REDUCING

    def test_a_trip_is_alarmed_once_even_where_its_latch_was_read_before_its_word(self):
        world = started()
        word = Tripped(role="route", reason="order rate", at_ns=1)
        assert alarms(world.tell(LatchRead("route: order rate"))) == []
        assert alarms(world.tell(word)) == ["kill_switch"]
        assert alarms(world.tell(word)) == []
        world.tell(LatchRead(""))
        assert alarms(world.tell(word)) == ["kill_switch"]
        world.steer("rearm")
        assert alarms(world.tell(word)) == ["kill_switch"]

    def test_a_latch_stays_closed_over_a_disk_that_takes_nothing(self):
        """L9, L11: and whoever asks is told whose disk it is, and what to do."""
        world = started()
        world.steer("kill", "strange fills")
        world.tell(beat_of(world, "protect", "/data/protect.db: database or disk is full"))
        assert world.steer("status")[0].data["reasons"] == [
            "kill switch latched: strange fills",
            "protect cannot write its journal: /data/protect.db: database or disk is full",
        ]
        answer, seen = world.steer("rearm")
        assert not answer.ok
        assert "protect cannot write its journal: /data/protect.db: database or" in answer.text
        assert "seawall stop" in answer.text
        assert RemoveLatch() not in seen
        assert answer.data["latch"] == "strange fills"
        world.die("protect", -9)
        world.pass_ms(200)
        world.ready("protect")
        answer, seen = world.steer("rearm")
        assert answer.ok
        assert RemoveLatch() in seen
        assert answer.data["state"] == "ACTIVE"

    def test_a_disk_that_takes_nothing_is_a_reason_without_any_latch(self):
        """L9: the strictest of all opinions; the file may be gone, or never have been written."""
        world = started()
        world.tell(beat_of(world, "decide", "/data/decide.db: disk I/O error"))
        world.tell(Tick())
        assert world.actor.state is TradingState.REDUCING
        assert world.actor.reasons == (
            "decide cannot write its journal: /data/decide.db: disk I/O error",
        )
        assert not world.steer("rearm")[0].ok
        world.tell(beat_of(world, "decide", ""))
        assert world.actor.state is TradingState.ACTIVE

    def test_a_latch_file_made_by_anybody_counts(self):
        world = started()
        world.tell(LatchRead("made by hand"))
        assert world.actor.state is TradingState.REDUCING
        world.tell(LatchRead(""))
        assert world.actor.state is TradingState.ACTIVE

    def test_close_goes_to_protect(self):
        world = started()
        answer, seen = world.steer("close", "btcusdt")
        assert answer.ok
        wanted = Say("protect", CloseAsked(symbol="BTCUSDT", reason="asked by a person"))
        assert wanted in seen
        world.die("protect", -9)
        assert not world.steer("close", "all")[0].ok

    def test_stop_stops_and_answers_first(self):
        world = started()
        answer, seen = world.steer("stop")
        assert answer.text == "stopping"
        assert finish_of(seen) is not None

    def test_status_has_the_keys_of_the_contract(self):
        world = started()
        beat = Heartbeat(
            role="route",
            incarnation=1,
            at_ns=world.now_ns,
            figures={"positions_open": 3.0, "unprotected_now": 1.0},
        )
        world.tell(beat)
        data = world.steer("status")[0].data
        assert data["positions_open"] == 3
        assert data["unprotected_now"] == 1
        assert set(data["processes"]) == set(ORDER)
        for row in data["processes"].values():
            assert {
                "pid",
                "status",
                "cpus",
                "cpu_pct",
                "rss_mb",
                "heartbeat_age_ms",
                "restarts",
            } <= set(row)

    def test_an_unknown_verb_is_refused_by_name(self):
        answer, _ = started().steer("dance")
        assert not answer.ok
        assert "dance" in answer.text
        assert "pause-entries" in answer.text


def beat_of(world: World, role: str, disk_error: str) -> Heartbeat:
    incarnation = world.actor.roster.children[role].incarnation
    return Heartbeat(role=role, incarnation=incarnation, at_ns=world.now_ns, disk_error=disk_error)


class TestTelling:
    def test_status_every_quarter_second_and_at_each_change(self):
        world = started()
        seen = world.pass_ms(2000)
        told = [e.to for e in seen if isinstance(e, Say) and type(e.message) is EngineStatus]
        assert {role: told.count(role) for role in told} == dict.fromkeys(ENGINE, 8)
        _, seen = world.steer("pause-entries")
        told = [e.to for e in seen if isinstance(e, Say) and type(e.message) is EngineStatus]
        assert told == ENGINE

    def test_alarms_are_passed_on_to_observe(self):
        world = started()
        alarm = AlarmRaised(role="route", kind="bare", symbol="BTCUSDT", text="bare 3 s", at_ns=1)
        assert Say("observe", alarm) in world.tell(alarm)
        assert world.actor.alarms_total == 1


MESSAGES = st.one_of(
    st.just(Tick()),
    st.sampled_from(["SIGINT", "SIGTERM"]).map(StopSignal),
    st.sampled_from(["pause-entries", "halt", "resume", "kill", "rearm", "status", "stop"]).map(
        lambda verb: SteerAsked("p", Steer(verb=verb))
    ),
    st.builds(
        ChildDied,
        role=st.sampled_from(ORDER),
        incarnation=st.integers(1, 3),
        exit_code=st.sampled_from([0, 1, 4, -9]),
    ),
    st.builds(
        ProcessReady,
        role=st.sampled_from(ENGINE),
        incarnation=st.integers(1, 3),
        pid=st.just(1),
        cpus=st.just(()),
        nice=st.just(0),
    ),
    st.builds(ChildReady, role=st.just("localvenue"), incarnation=st.integers(1, 3)),
    st.just(Drained(role="route")),
)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(MESSAGES, st.integers(0, 7000)), max_size=60))
def test_whatever_happens_one_process_per_role_and_no_start_after_a_stop(history):
    actor = Supervisor("tk3f9a", CHILD_SPECS)
    alive: dict[str, int] = {}
    now_ns = 10 * NS_PER_S
    stopped = finished = False

    def check(effects: list[Any]) -> None:
        nonlocal finished
        for effect in effects:
            assert not finished
            if isinstance(effect, Spawn):
                assert effect.role not in alive
                assert not stopped
                alive[effect.role] = effect.incarnation
            elif isinstance(effect, Finish):
                finished = True
        expected = actor.stopping is not None
        assert (actor.state is not TradingState.ACTIVE) or not expected

    check(actor.start(now_ns))
    for message, pause_ms in history:
        now_ns += pause_ms * NS_PER_MS
        if isinstance(message, ChildDied):
            if alive.get(message.role) != message.incarnation:
                continue
            del alive[message.role]
        effects = actor.on(message, now_ns)
        stopped = stopped or actor.stopping is not None
        check(effects)
    assert actor.roster.illegal_total == 0


def test_a_spec_that_is_not_needed_never_counts():
    actor = Supervisor("tk3f9a", [ChildSpec(role="observe", needed=False)])
    actor.start(1)
    assert actor.state is TradingState.ACTIVE
