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


def test_a_proof_that_was_missed_is_explained():
    _, _, reasons = publish.PROMISES.read_text("utf-8").partition("## Why not")
    said = " ".join(reasons.split())
    missed = [row.wanted for row in proof_tables.rows(EVIDENCE) if row.reached is False]
    assert [wanted for wanted in missed if f"**{wanted}**" not in said] == [], (
        "explain it below ## Why not"
    )


def test_only_proofs_that_there_are_have_evidence():
    assert {*EVIDENCE} <= {*proofs.PROOFS}
