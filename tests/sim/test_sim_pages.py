"""The pages on the simulation say what there is: every kind of fault, every planted bug."""

import json
import re
from pathlib import Path

import prove
from planted_bugs import BUGS

from bench.proofs import PROOFS
from procs.simulate.checkers import ALL
from procs.simulate.faults import NONE
from procs.simulate.modes import MODES

DOCS = Path(__file__).resolve().parents[2] / "docs"
SIMULATION = (DOCS / "simulation.md").read_text("utf-8")


def test_every_kind_of_fault_is_named():
    table = SIMULATION[SIMULATION.index("| where | kinds |") : SIMULATION.index("What each does")]
    named = set(re.findall(r"`(\w+)`", table))
    assert named == set(NONE.__struct_fields__)


def test_every_checker_has_a_row():
    rows = set(re.findall(r"^\| (L\d+) \|", SIMULATION, re.M))
    assert rows == {checker.law for checker in ALL}


def test_every_mode_is_explained():
    assert all(f"**{name}**" in SIMULATION for name in MODES)


def test_the_page_of_planted_bugs_lists_exactly_them():
    """`make planted` writes it; what is found may move with the engine, what is planted may not."""
    listed = prove.listed((DOCS / "planted_bugs.md").read_text("utf-8"))
    assert listed == [prove.wanted(bug) for bug in BUGS], "run `make planted`"


def test_every_planted_bug_is_found_on_the_page():
    text = (DOCS / "planted_bugs.md").read_text("utf-8")
    assert "not found" not in text
    assert f"{len(BUGS)} of {len(BUGS)} found" in text


def test_bugs_have_names_of_their_own():
    assert len({bug.name for bug in BUGS}) == len(BUGS) >= 25
    assert all(re.match(r"[LOEP]\d+(, [LOEP]\d+)*: ", bug.meaning) for bug in BUGS)


def test_rows_are_read_as_they_are_written():
    rows = [
        prove.Row("bug a", "L1: of a", "L2", "swarm", 3, "x | y", 1.25),
        prove.Row("bug b", "L1: never seen", "", "none", None, "nothing, in 9 seeds", 2.0),
    ]
    text = prove.page(rows)
    assert prove.listed(text) == [
        ("bug a", "L1: of a", "swarm"),
        ("bug b", "L1: never seen", "none"),
    ]
    assert "1 of 2 found, each within 4 seeds." in text
    first, second = prove.rows_of(text)
    assert (first.seed, first.words, second.seed) == (3, "x / y", None)


def test_what_is_printed_for_scripts_is_read_as_evidence():
    rows = [
        prove.Row("bug a", "L1: of a", "L2", "swarm", 3, "x | y", 1.25),
        prove.Row("bug b", "L1: never seen", "", "none", None, "nothing, in 9 seeds", 2.0),
    ]
    proof = PROOFS["planted"]
    figures = proof.figures(proof.read(json.dumps(prove.document(9, rows)), "here"))
    assert figures == {"bugs": 2, "found": 1, "worst_seeds": 4}


def test_new_rows_replace_old_ones_of_the_same_bug():
    name, meaning, where = prove.wanted(BUGS[0])
    old = prove.Row(name, meaning, "L1", where, 7, "old", 1.0)
    other = prove.Row("not planted any more", "L1: …", "L1", "swarm", 7, "old", 1.0)
    new = old._replace(seed=2, words="new")
    assert prove.merged([old, other], [new]) == [new]
    assert prove.merged([old, other], []) == [old]


def test_a_planted_bug_is_looked_for_until_it_is_found():
    found = prove.look_for("journal_after_send", within=10)
    assert (found.law, found.bug) == ("L1", "journal after send")
    assert found.seed is not None
    assert prove.look_for("journal_after_send", within=0).seed is None
