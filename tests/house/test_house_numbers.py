"""The pages' numbers are those of the committed result files, written by the script."""

from __future__ import annotations

import json

import pytest

from bench import goals, proof_tables, proofs, publish

RESULTS = json.loads(publish.RESULTS.read_text("utf-8"))
PEERS = json.loads(publish.PEER_RESULTS.read_text("utf-8"))
EVIDENCE = publish.evidence()
PAGES = publish.render()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_numbers_of_a_page_come_from_the_result_files(page):
    text = page.read_text("utf-8")
    assert publish.BEGIN in text
    assert text == PAGES[page], "run `python -m bench.publish --render`"


def test_there_are_numbers():
    assert "p50" in publish.tables(RESULTS)
    assert len(list(goals.goals(RESULTS, PEERS))) > 30


@pytest.mark.parametrize(
    "row", sorted({goal.row for goal in goals.goals(RESULTS, PEERS) if not goal.reached})
)
def test_a_goal_that_was_missed_is_explained(row):
    _, _, reasons = publish.PERFORMANCE.read_text("utf-8").partition("## Why not")
    assert f"**{row.removesuffix(' on one core')}**" in reasons


def unexplained(evidence, page):
    _, _, reasons = page.partition("## Why not")
    said = " ".join(reasons.split())
    missed = [row.wanted for row in proof_tables.rows(evidence) if row.reached is False]
    return [wanted for wanted in missed if f"**{wanted}**" not in said]


def test_a_proof_that_was_missed_is_explained():
    assert unexplained(EVIDENCE, publish.PROMISES.read_text("utf-8")) == [], "below ## Why not"


def test_a_missed_proof_without_its_reason_is_seen():
    seeds = EVIDENCE["seeds"]
    worse = {**EVIDENCE, "seeds": {**seeds, "figures": {**seeds["figures"], "violations": 1}}}
    [wanted] = {*unexplained(worse, "")} - {*unexplained(EVIDENCE, "")}
    assert unexplained(worse, f"## Why not\n\n- **{wanted}**: a law was broken.\n") == []


def test_only_proofs_that_there_are_have_evidence():
    assert {*EVIDENCE} <= {*proofs.PROOFS}
