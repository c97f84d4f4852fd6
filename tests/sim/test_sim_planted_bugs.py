"""The simulation finds what it is for: each planted bug breaks a law within a few seeds."""

import pytest
from planted_bugs import BUGS, Planted

from procs.simulate.world import play


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.plant.__name__)
def test_a_planted_bug_is_found(bug: Planted, monkeypatch, capsys):
    bug.plant(monkeypatch)
    for seed in range(bug.within):
        found = play(seed, bug.profile).violations
        if found:
            with capsys.disabled():
                law, text = found[0].law, found[0].text
                print(f"\n{bug.plant.__name__:30} {bug.profile} seed {seed:2} {law:3} {text}")
            return
    pytest.fail(f"{bug.plant.__name__} went unnoticed in {bug.within} seeds of {bug.profile}")
