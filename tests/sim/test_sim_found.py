"""Seeds that once broke a law, each with what was wrong with the engine."""

import pytest

from procs.simulate.world import play

FOUND = (
    pytest.param(
        "swarm", 13, id="a power cut forgot a stop that had sold: its like was offered again"
    ),
    pytest.param(
        "swarm", 28, id="an entry step was sent a fence after the decision, its reservation gone"
    ),
    pytest.param(
        "swarm", 7243, id="route said that it was drained once, and the word was lost on its way"
    ),
)


@pytest.mark.parametrize(("profile", "seed"), FOUND)
def test_what_was_found_stays_repaired(profile, seed):
    assert play(seed, profile).violations == []
