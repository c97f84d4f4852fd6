"""One seed, looked at closely: what its trace tells, and the few faults that still break it."""

import re

import pytest
from planted_orders import blind_resend, unknown_is_refused

from procs.cli.main import main
from procs.simulate.campaign import command_of
from procs.simulate.dice import Dice, Hit
from procs.simulate.faults import Faults
from procs.simulate.modes import LIVENESS, SAFETY
from procs.simulate.shrink import Shrinker, hits_of, hits_text
from procs.simulate.single import Seed
from procs.simulate.world import play
from shared.errors import ExitCode

LINE = re.compile(r"^ *\d+\.\d{4} (\w+) +(\S+) +\S.*$")


def traced(seed: int, profile: str = "swarm"):
    lines: list[str] = []
    outcome = Seed(seed=seed, profile=profile, mode=SAFETY).play(lines.append)
    return outcome, lines


def first_broken(profile: str, seeds: range):
    for seed in seeds:
        one = Seed(seed=seed, profile=profile, mode=SAFETY)
        outcome = one.play()
        if outcome.violations:
            return one, outcome
    raise AssertionError(f"no seed of {seeds} was broken")


# ── the trace ───────────────────────────────────────────────────────────────────────────────────


def test_a_trace_tells_the_story_in_order():
    outcome, lines = traced(3)
    assert all(LINE.match(line) for line in lines)
    times = [float(line.split()[0]) for line in lines]
    assert times == sorted(times)
    verbs = {match.group(2) for line in lines if (match := LINE.match(line))}
    assert verbs >= {"starts", "hears", "journals", "asks", "says", "order", "heals", "ends"}
    bought = next(i for i, line in enumerate(lines) if "journals" in line and "PlaceO" not in line
                  and "OrderSubmitted" in line)  # fmt: skip
    name = re.search(r"client_id=(\S+)", lines[bought]).group(1)
    asked = next(i for i, line in enumerate(lines) if "asks" in line and name in line)
    reached = next(i for i, line in enumerate(lines) if "venue" in line and name in line)
    assert bought < asked < reached, "journal, request, venue: in the order of L1"
    assert len([line for line in lines if " FAULT " in line]) == len(outcome.hits)
    assert not [line for line in lines if re.search(r" (hears|says) .*\b(Quote|Beat)\b", line)]


def test_looking_on_changes_nothing():
    outcome, _ = traced(5)
    assert outcome == play(5)


def test_a_trace_ends_with_what_was_broken(monkeypatch):
    blind_resend(monkeypatch)
    one, outcome = first_broken("swarm", range(10))
    lines: list[str] = []
    assert one.play(lines.append) == outcome
    assert " BROKEN " in lines[-1]
    assert outcome.violations[-1].text in lines[-1]


# ── one command shows it again ──────────────────────────────────────────────────────────────────


def test_the_command_of_a_failing_seed_shows_it_again(monkeypatch, capsys, tmp_path):
    unknown_is_refused(monkeypatch)
    one, outcome = first_broken("swarm", range(10))
    assert main(one.command.split()[1:]) == ExitCode.ERROR
    said = capsys.readouterr().out
    assert one.command in said
    assert outcome.violations[0].text in said
    file = tmp_path / "trace.txt"
    assert main([*one.command.split()[1:], str(file)]) == ExitCode.ERROR
    assert outcome.violations[0].text in file.read_text("utf-8").splitlines()[-1]


def test_a_command_names_what_differs_from_the_default():
    assert command_of(3, "swarm") == "seawall simulate --seed 3 --faults swarm --trace"
    liveness = command_of(3, "none", LIVENESS, "crash:1")
    assert liveness == (
        "seawall simulate --seed 3 --faults none --mode liveness --only crash:1 --trace"
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--seed", "1", "--only", "crash"], "'crash'"),
        (["--seed", "1", "--only", "crash:x"], "'crash:x'"),
        (["--seed", "1", "--only", "crash:1@"], "'crash:1@'"),
        (["--seed", "-1"], "--seed -1"),
        (["--trace"], "--seed N"),
        (["--shrink"], "--seed N"),
        (["--mode", "wild"], "'wild'"),
        (["--mode", "crashes", "--seed", "1"], "--only"),
        (["--seed", "1", "--faults", "wild"], "'wild'"),
        (["--seeds", "4:2"], "'4:2'"),
        (["--workers", "0"], "--workers 0"),
        (["--seed", "1", "--trace", "/nowhere/at/all"], "/nowhere/at/all"),
    ],
)
def test_what_makes_no_sense_is_named(given, said, capsys):
    assert main(["simulate", *given]) == ExitCode.CONFIG
    assert said in capsys.readouterr().err


# ── replaying a part of the faults ──────────────────────────────────────────────────────────────


def test_all_hits_of_a_seed_are_the_seed():
    whole = play(3)
    again = play(3, only=frozenset(whole.hits))
    assert (again.trace_hash, again.hits) == (whole.trace_hash, whole.hits)


def test_without_any_hit_a_seed_is_calm():
    calm = play(3, only=frozenset())
    assert (calm.hits, calm.violations) == ((), [])


def test_a_hit_is_as_it_was_when_others_are_taken_out():
    """Occasion by occasion: the same hits, each of its old length, one of them missing."""
    faults = Faults(late_push=0.4, crash=0.2)

    def drawn(only=None):
        dice = Dice(4, faults, only)
        made = []
        for _ in range(60):
            if dice.hits("late_push", "OPEN"):
                made.append((dice.hits_made[-1], dice.between("late_push", 0, 10_000)))
            dice.hits("crash", "route")
        return made, dice.hits_made

    whole, hits = drawn()
    assert len(whole) > 10
    missing = whole[4][0]
    fewer, left = drawn(frozenset(hits) - {missing})
    assert fewer == [pair for pair in whole if pair[0] != missing]
    assert left == [hit for hit in hits if hit != missing]


def test_a_planned_length_is_kept_within_its_bounds():
    dice = Dice(4, Faults(crash=1.0), frozenset({Hit("crash", 2, 7)}))
    assert not dice.hits("crash", "route")
    assert dice.hits("crash", "route")
    assert (dice.between("crash", 0, 9), dice.between("crash", 0, 5)) == (7, 5)


@pytest.mark.parametrize("text", ["crash:17@2", "crash:17,lost_answer:3", "none"])
def test_hits_are_written_as_they_are_read(text):
    assert hits_text(tuple(sorted(hits_of(text)))) == text


# ── shrinking ───────────────────────────────────────────────────────────────────────────────────


def test_shrinking_finds_the_two_that_matter():
    hits = (*(Hit("lost_push", n) for n in range(1, 41)), Hit("crash", 3), Hit("crash", 9))
    needed = {Hit("crash", 3), Hit("lost_push", 17)}
    tried = []

    def breaks(some):
        tried.append(some)
        return needed <= some

    shrunk = Shrinker(hits, breaks).run()
    assert set(shrunk.hits) == needed
    assert shrunk.complete
    assert (shrunk.before, shrunk.replays) == (42, len(tried))
    assert shrunk.replays < 60


def test_shrinking_stops_when_its_time_is_over():
    hits = tuple(Hit("crash", n) for n in range(1, 9))
    shrunk = Shrinker(hits, lambda some: True, budget_s=0.0).run()
    assert (shrunk.hits, shrunk.complete) == (hits, False)


def test_a_bug_that_needs_no_fault_needs_none_after_shrinking():
    assert Shrinker((Hit("crash", 1), Hit("crash", 2)), lambda some: True).run().hits == ()


def test_a_planted_bug_shrinks_to_what_it_needs(monkeypatch, capsys):
    """A time-out that is taken for a no needs a time-out, and little else."""
    unknown_is_refused(monkeypatch)
    one, outcome = first_broken("swarm", range(20))
    assert main([*one.command.split()[1:-1], "--shrink", "--trace"]) == ExitCode.ERROR
    said = capsys.readouterr().out
    command = re.findall(r"again: (seawall .*)", said)[-1]
    only = re.search(r"--only (\S+)", command).group(1)
    assert 1 <= len(hits_of(only)) < len(outcome.hits)
    assert len(hits_of(only)) <= 6
    assert any(hit.kind.endswith(("_request", "_answer")) for hit in hits_of(only))
    assert f"BROKEN   {outcome.violations[0].law}" in said
    assert main(command.split()[1:]) == ExitCode.ERROR, "the command replays exactly that"
