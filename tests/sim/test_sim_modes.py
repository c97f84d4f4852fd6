"""The other two ways to play: getting well within a bound, and dying at every point."""

import pytest
from planted_bugs import BUGS

import procs.simulate.liveness as liveness
from procs.cli.main import main
from procs.simulate.campaign import campaign
from procs.simulate.crashes import crash_points, pairs_of, points_of
from procs.simulate.dice import Hit
from procs.simulate.modes import CRASHES, LIVENESS, MODES, mode_named
from procs.simulate.world import World, play
from shared.domain.resolve import Inquiries
from shared.errors import ConfigError, ExitCode
from shared.units import NS_PER_S


def quiet(done, total):
    """Nobody watches."""


# ── liveness ────────────────────────────────────────────────────────────────────────────────────


def test_what_is_owed_at_the_healing_is_settled_within_the_bound():
    """L2, L3, L5, L14, L15, L16, thing by thing."""
    report = campaign(range(24), "swarm", 1, quiet, LIVENESS)
    assert report.violations == []
    assert 0 < report.settled_s_max <= liveness.SETTLED_WITHIN_NS / NS_PER_S


def test_an_engine_that_never_asks_does_not_settle(monkeypatch):
    monkeypatch.setattr(Inquiries, "due", lambda *given: [])
    found = [play(seed, "swarm", LIVENESS).violations for seed in range(12)]
    texts = [violation.text for violations in found for violation in violations]
    assert any("after healing" in text for text in texts)


def test_debts_are_struck_off_one_by_one(monkeypatch):
    """A thing that is settled and then open again is a new matter, not an old debt."""
    world = World(1, "none", mode=LIVENESS)
    owed = [("L2", "a"), ("L5", "b")]
    monkeypatch.setattr(liveness.Debts, "_owed", lambda self: owed)
    debts = liveness.Debts(world)

    def look_after(seconds):
        world.agenda.now_ns = world.began_ns + int(seconds * NS_PER_S)
        debts.look()

    owed = [("L5", "b")]
    look_after(1)
    owed = [("L2", "a"), ("L5", "b")]
    look_after(2)
    owed = [("L2", "a")]
    look_after(3)
    assert debts.settled_s == 3.0
    look_after(100)
    assert world.checkers.violations == []


def test_a_debt_beyond_the_bound_breaks_its_law(monkeypatch):
    world = World(1, "none", mode=LIVENESS)
    monkeypatch.setattr(liveness.Debts, "_owed", lambda self: [("L5", "b is not protected")])
    debts = liveness.Debts(world)
    world.agenda.now_ns += liveness.SETTLED_WITHIN_NS
    debts.look()
    assert world.checkers.violations == []
    world.agenda.now_ns += NS_PER_S
    debts.look()
    (violation,) = world.checkers.violations
    assert (violation.law, violation.text) == ("L5", "b is not protected 27 s after healing")


# ── crashes ─────────────────────────────────────────────────────────────────────────────────────


def test_points_are_every_step_of_every_turn_with_effects():
    points = points_of(1, "crashes")
    hits = [hit for point in points for hit in point]
    assert len(hits) == len(points) > 100
    for kind in ("crash", "crash_supervise"):
        turns = {hit.occasion for hit in hits if hit.kind == kind}
        assert turns == set(range(1, len(turns) + 1)), "none is left out"
        for turn in turns:
            steps = [hit.length for hit in hits if hit[:2] == (kind, turn)]
            assert steps == list(range(len(steps)))
            assert len(steps) >= 2, "before everything, and after everything"
    for kind in ("crash_ingest", "crash_observe"):
        assert len([hit for hit in hits if hit.kind == kind]) == 30, "a sample of equal turns"


def test_a_point_kills_where_it_says():
    world = World(1, "crashes", frozenset({Hit("crash", 12, 1)}), CRASHES)
    outcome = world.play()
    assert outcome.hits == (Hit("crash", 12, 1),)
    assert outcome.faults["crash"] == 1
    assert outcome.violations == []


def test_pairs_are_different_and_of_different_turns():
    points = [frozenset({Hit("crash", turn, step)}) for turn in (1, 2, 3) for step in (0, 1)]
    pairs = pairs_of(points, 8, seed=1)
    assert len(set(pairs)) == 8
    assert all(len({hit.occasion for hit in pair}) == 2 for pair in pairs)
    assert pairs_of(points, 8, seed=1) == pairs
    assert pairs_of(points[:1], 8, seed=1) == []
    assert len(pairs_of(points, 100, seed=1)) == 12, "there are no more"


def test_a_few_points_break_no_law(monkeypatch, capsys):
    few = points_of(1, "crashes")[40:200:40]
    monkeypatch.setattr("procs.simulate.crashes.points_of", lambda *given: few)
    command = ["simulate", "--mode", "crashes", "--seeds", "1:2", "--pairs", "1", "--workers", "1"]
    assert main(command) == ExitCode.OK
    said = capsys.readouterr().out
    assert "4 deaths one by one, 1 pairs" in said
    assert "0 violations" in said


def test_a_broken_point_comes_with_its_command(monkeypatch, capsys):
    (bug,) = (bug for bug in BUGS if bug.plant.__name__ == "journal_after_send")
    few = points_of(1, "crashes")[40:42]
    bug.plant(monkeypatch)
    monkeypatch.setattr("procs.simulate.crashes.points_of", lambda *given: few)
    report = crash_points(range(1, 2), "crashes", 0, 1, quiet)
    first = report.violations[0]
    assert first.command.startswith("seawall simulate --seed 1 --faults crashes --mode crashes")
    assert main(first.command.split()[1:]) == ExitCode.ERROR
    assert first.text in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_point_of_a_seed_breaks_no_law():
    report = crash_points(range(1, 2), "crashes", 40, 1, quiet)
    assert report.violations == []
    assert report.singles > 200
    assert report.pairs == 40
    assert set(report.by_role) == {"route", "decide", "protect", "supervise", "ingest", "observe"}


def test_modes_have_names():
    assert {mode_named(name) for name in MODES} == set(MODES.values())
    with pytest.raises(ConfigError, match=r"'wild'.*safety"):
        mode_named("wild")
