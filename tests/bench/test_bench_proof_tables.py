"""The pages' tables: what was shown, what was missed, and what nobody has shown yet."""

import bench_reports as reports

from bench.proof_tables import NOT_YET, chaos, promises, rows
from bench.proofs import PROOFS


def kept(**found):
    """As `bench/results/evidence.json` has it."""
    return {
        name: {"commit": "abc1234", "command": f"again {name}", "figures": figures_of(name, report)}
        for name, report in found.items()
    }


def figures_of(name, report):
    proof = PROOFS[name]
    return proof.figures(proof.read(reports.text_of(report), "here"))


def test_what_was_not_run_says_so_with_its_command():
    found = list(rows({}))
    assert {row.shown for row in found} == {NOT_YET}
    assert {row.reached for row in found} == {None}
    assert {row.command for row in found} == {proof.command for proof in PROOFS.values()}
    line = promises({}).splitlines()[2]
    assert line == (
        "| at least 50,000 seeds, no law broken | not shown yet | - "
        "| `seawall simulate --seeds 0:50000` | - |"
    )


def test_what_was_reached_and_what_was_missed_stand_in_the_order_of_the_proofs():
    found = promises(kept(torn=reports.torn(findings=["FINDING"]), seeds=reports.simulated()))
    lines = found.splitlines()
    assert lines[0] == "| wanted | shown | reached | command | commit |"
    assert lines[2].endswith("violations in 100,000,000 events (8,000/s) | yes | "
                             "`again seeds` | abc1234 |")  # fmt: skip
    assert lines[4].startswith("| state × fault pairs met | 1 by 700,000 faults, ")
    assert lines[4].endswith("| - | `again seeds` | abc1234 |")
    (torn,) = (line for line in lines if "again torn" in line)
    assert "| 20,000 states of 80 journals, 1 wrong | **no** |" in torn
    assert len(lines) == 2 + sum(len(proof.goals) for proof in PROOFS.values())


def test_a_cell_holds_no_bar():
    """It would end the cell."""
    for line in promises(kept(**reports.GOOD)).splitlines():
        assert line.count("|") == 6


def test_the_page_of_kills_says_what_was_not_shown():
    assert chaos({}).splitlines() == [
        "`seawall chaos --seed 1 --kills 300`: not shown yet.",
        "",
        "`seawall chaos --flat`: not shown yet.",
    ]


def test_the_page_of_kills_has_the_spans_and_the_processes():
    found = chaos(kept(kills=reports.killed(), flat=reports.flooded()))
    assert found.startswith("`again kills`, at commit abc1234: 300 kills, 280 with a position")
    assert "| kill to READY, a child, nothing else wrong | 290 | 900 | 4,100 |" in found
    assert "| without stop at the venue | 9 | 900 | 4,100 |" in found
    assert "`again flat`, at commit abc1234: 24.0 hours in 28.5 min" in found
    assert "| route | 48.1 | 54.1 | 45 | 46 |" in found
