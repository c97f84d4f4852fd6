"""The simulation finds what it is for: each planted bug breaks a law within a few seeds."""

import prove
import pytest
from planted_bugs import BUGS, Planted

from procs.route import drive


def misfit(patch):
    """A patch that was left behind by the engine."""

    def wrong():
        raise AssertionError("it cannot be called")

    patch.setattr(drive, "entry_steps", wrong)


def test_the_crash_of_a_patch_is_no_find(monkeypatch):
    monkeypatch.setattr(prove, "BUGS", (Planted(misfit),))
    with pytest.raises(ValueError, match=r"misfit: does not fit .* misfit\.<locals>\.wrong\(\)"):
        prove.look_for("misfit", 20)


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "bug", [bug for bug in BUGS if not bug.rare], ids=lambda bug: bug.plant.__name__
)
def test_a_planted_bug_is_found(bug: Planted, capsys):
    """And the engine without it passes the same seed. `make planted` looks for all."""
    row = prove.look_for(bug.plant.__name__, bug.within)
    with capsys.disabled():
        print(f"\n{row.bug:30} {row.profile:9} {row.seed} {row.law:4} {row.words}")
    assert row.seed is not None, f"{row.bug} went unnoticed in {bug.within} seeds of {row.profile}"
