"""What a report proves: its figures, which goals they reach, and reports that are none."""

import json
import subprocess
import sys

import bench_reports as reports
import pytest

from bench import publish
from bench.proofs import PROOFS, proof_named
from procs.simulate.campaign import Found
from shared.errors import ConfigError

BROKEN = Found(seed=7, law="L6", step=1, text="sold twice", command="seawall simulate --seed 7")


def judged(name, report):
    """What each goal shows, and whether it is reached."""
    proof = PROOFS[name]
    figures = proof.figures(proof.read(reports.text_of(report), "here"))
    return {
        goal.wanted: (goal.shown(figures), goal.reached and bool(goal.reached(figures)))
        for goal in proof.goals
    }


def missed(name, report):
    """Places of the goals that are not reached."""
    return [at for at, (_, yes) in enumerate(judged(name, report).values()) if yes is False]


def test_every_proof_has_a_report_here():
    assert list(reports.GOOD) == list(PROOFS)


@pytest.mark.parametrize("name", PROOFS)
def test_a_good_report_reaches_every_goal(name):
    assert missed(name, reports.GOOD[name]) == []


@pytest.mark.parametrize("name", PROOFS)
def test_the_command_of_the_proof_is_that_of_its_report(name):
    proof = PROOFS[name]
    report = proof.read(reports.text_of(reports.GOOD[name]), "here")
    assert proof.typed(report, f"{proof.seeds.start}:{proof.seeds.stop}") == proof.command


@pytest.mark.parametrize(
    ("name", "report", "goals"),
    [
        ("seeds", reports.simulated(seeds=49_999), [0]),
        ("seeds", reports.simulated(violations=[BROKEN]), [0]),
        ("seeds", reports.simulated(opened_share=0.89), [1]),
        ("seeds", reports.simulated(faulty_share=0.89), [1]),
        ("seeds", reports.simulated(events_min=1_499), [1]),
        ("liveness", reports.simulated(mode="liveness", seeds=999), [0]),
        ("liveness", reports.simulated(mode="liveness", violations=[BROKEN]), [0]),
        ("crashes", reports.died(violations=[BROKEN]), [0]),
        ("crashes", reports.died(pairs=49), [0]),
        ("kills", reports.killed(kills=299), [0]),
        ("kills", reports.killed(findings=["lost fill 7"]), [0]),
        ("kills", reports.killed(too_tame=["no position"]), [0]),
        ("kills", reports.killed(ready_ms={"alone": {"count": 9, "p50": 1500, "max": 4999}}), [1]),
        ("kills", reports.killed(ready_ms={"alone": {"count": 9, "p50": 1499, "max": 5000}}), [2]),
        ("kills", reports.killed(ready_ms={}), [1, 2]),
        ("flat", reports.flooded(day_share=0.999), [0]),
        ("flat", reports.flooded(findings=["route grew"]), [0]),
        ("flat", reports.flooded(processes={}), [1]),
        ("torn", reports.torn(states=19_999), [0]),
        ("torn", reports.torn(findings=["FINDING"]), [0]),
        ("fuzz", reports.fuzzed(second={"mutations": 999_999}), [0]),
        ("fuzz", reports.fuzzed(second={"findings": ["FINDING"]}), [0]),
        ("fuzz", reports.fuzzed(decoders=[]), [0]),
        ("planted", reports.planted(survivors=1), [0]),
        ("planted", reports.planted(count=24), [0]),
    ],
)
def test_what_falls_short_is_missed(name, report, goals):
    assert missed(name, report) == goals


def test_figures_are_shown_in_words():
    shown = [text for text, _ in judged("kills", reports.killed()).values()]
    assert shown == [
        "300 kills, 280 with a position open, 900 fills, 0 findings",
        "p50 0.9 s, worst 4.1 s, of 290",
        "p50 0.9 s, worst 4.1 s, of 290",
        "p50 0.9 s, worst 6.7 s, of 9",
        "p50 0.9 s, worst 9.4 s, of 9",
        "4.1 s",
    ]
    assert [text for text, _ in judged("flat", reports.flooded()).values()] == [
        "24.0 hours in 28.5 min, 4,500,000 market events, 1,877 orders, 0 findings",
        "at most route +6.0 MB, route +1 descriptors",
    ]
    ((_, (liveness, _)),) = judged("liveness", reports.GOOD["liveness"]).items()
    assert liveness == (
        "1,000 seeds, the last after 18.2 s, 0 violations in 100,000,000 events (8,000/s)"
    )


@pytest.mark.parametrize("name", PROOFS)
def test_a_report_of_another_proof_is_refused(name):
    others = [one for one in PROOFS if one != name]
    for other in others:
        with pytest.raises(ConfigError, match=r"^here: "):
            PROOFS[name].read(reports.text_of(reports.GOOD[other]), "here")


@pytest.mark.parametrize("name", PROOFS)
def test_a_report_that_lacks_a_field_or_has_one_more_is_refused(name):
    whole = json.loads(reports.text_of(reports.GOOD[name]))
    field = [*whole][-1]
    less = {key: value for key, value in whole.items() if key != field}
    with pytest.raises(ConfigError, match=rf"^here: no report of this proof: .*{field}"):
        PROOFS[name].read(json.dumps(less), "here")
    with pytest.raises(ConfigError, match=r"^here: no report of this proof: .*tea"):
        PROOFS[name].read(json.dumps(whole | {"tea": 1}), "here")


@pytest.mark.parametrize("text", ["", "50,000 seeds", "[]", "3", '{"seeds": 1'])
def test_what_is_no_report_is_refused(text):
    for proof in PROOFS.values():
        with pytest.raises(ConfigError, match=r"^here: no report"):
            proof.read(text, "here")


def test_another_profile_or_mode_is_named():
    with pytest.raises(ConfigError, match="here: mode liveness, allowed: safety"):
        PROOFS["seeds"].read(reports.text_of(reports.GOOD["liveness"]), "here")
    with pytest.raises(ConfigError, match="here: profile none, allowed: swarm"):
        PROOFS["seeds"].read(reports.text_of(reports.simulated(profile="none")), "here")


def test_kills_without_an_audit_are_refused():
    with pytest.raises(ConfigError, match=r"no figures of an auditor: .*fills"):
        judged("kills", reports.killed(figures={}))


def test_a_proof_that_is_none_is_refused():
    with pytest.raises(ConfigError, match="no proof tea, allowed: seeds, liveness"):
        proof_named("tea")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("torn", ("tests/torn/run.py", "--states", "20")),
        ("fuzz", ("tests/fuzz/run.py", "--each", "1")),
    ],
)
def test_scripts_print_what_is_read_here(name, words):
    done = subprocess.run(
        [sys.executable, *words, "--json"],
        capture_output=True,
        text=True,
        cwd=publish.ROOT,
        check=True,
    )
    proof = PROOFS[name]
    report = proof.read(done.stdout, name)
    assert proof.typed(report, "") == f"python {' '.join(words)}"
    assert proof.goals[0].reached(proof.figures(report)) is False
