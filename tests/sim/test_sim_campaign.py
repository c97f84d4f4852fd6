"""What a campaign says of itself: what was covered, what never was, and when it is too tame."""

import json

import pytest

import procs.simulate.campaign as campaigns
from procs.cli.main import main
from procs.simulate.campaign import Found, Report, too_tame
from procs.simulate.coverage import DECLARED, never_met, table, undeclared
from procs.simulate.faults import NONE
from shared.errors import ExitCode


def a_report(**changes):
    whole = {
        "profile": "swarm",
        "mode": "safety",
        "seeds": 100,
        "opened_share": 0.97,
        "faulty_share": 0.95,
        "events_min": 2_000,
    }
    return Report(**{**whole, **changes})


def test_every_chance_of_a_fault_has_its_states_declared():
    chances = {name for name in NONE.__struct_fields__ if isinstance(getattr(NONE, name), float)}
    assert set(DECLARED) == chances


def test_what_never_occurred_is_named_for_faults_that_did():
    counted = {"PlaceOrder × refused": 3, "Wonder × refused": 1}
    assert never_met(counted, {"refused": 4}) == ["PlaceOco × refused"]
    assert never_met({}, {}) == []
    assert undeclared(counted) == ["Wonder × refused"]


def test_the_table_has_a_line_for_each_pair():
    counted = {"A B × lost_say": 3, "C × lost_say": 20, "D × crash": 1}
    assert [line.split() for line in table(counted)] == [
        ["crash"],
        ["1", "D"],
        ["lost_say"],
        ["20", "C"],
        ["3", "A", "B"],
    ]


def test_a_lively_campaign_is_not_tame():
    assert too_tame(a_report()) == []
    assert a_report().passed


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"opened_share": 0.89}, "89.0% of the seeds opened a position"),
        ({"faulty_share": 0.5}, "50.0% of the seeds met 3 faults"),
        ({"events_min": 1_499}, "a seed had 1499 events"),
    ],
)
def test_a_campaign_in_which_little_happens_is_too_tame(changes, said):
    (reason,) = too_tame(a_report(**changes))
    assert reason.startswith(said)


def test_what_is_too_few_or_calm_by_design_is_not_judged():
    assert too_tame(a_report(seeds=campaigns.JUDGED_FROM - 1, opened_share=0.0)) == []
    assert too_tame(a_report(profile="refusing", faulty_share=0.1)) == []


def test_a_violation_is_enough_of_a_story():
    found = Found(seed=1, law="L2", step=3, text="broken", command="seawall")
    report = a_report(violations=[found], opened_share=0.0)
    assert too_tame(report) == []
    assert not report.passed


def test_a_tame_campaign_fails_with_its_reason(monkeypatch, capsys):
    monkeypatch.setattr(campaigns, "JUDGED_FROM", 2)
    monkeypatch.setattr(campaigns, "EVENTS_WANTED", 10**9)
    assert main(["simulate", "--seeds", "0:2", "--workers", "1"]) == ExitCode.ERROR
    said = capsys.readouterr().out
    assert "too tame: a seed had" in said
    assert "0 violations" in said


def test_a_campaign_tells_its_coverage(capsys):
    assert main(["simulate", "--seeds", "0:2", "--workers", "1", "--json"]) == ExitCode.OK
    report = json.loads(capsys.readouterr().out)
    assert report["seeds"] == 2
    assert report["undeclared"] == []
    for kind in set(report["faults"]) & set(DECLARED):
        pairs = [n for pair, n in report["coverage"].items() if pair.endswith(f" × {kind}")]
        assert sum(pairs) == report["faults"][kind], f"each {kind} in the state that it met"
    assert main(["simulate", "--seeds", "0:2", "--workers", "1"]) == ExitCode.OK
    said = capsys.readouterr().out
    pairs = len(report["coverage"])
    assert f"state × fault, {pairs} pairs:" in said
    assert f"never met: {len(report['never_met'])} pairs" in said
