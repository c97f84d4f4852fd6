"""A thousand damaged journals, and that the campaign finds what it is there to find."""

import msgspec
import pytest
from torn_campaign import run_campaign
from torn_damage import KINDS
from torn_judge import FAULT, REFUSED, SHORTER, WHOLE

from shared.journal import emergency, journal, rows, salvage

STATES = 1000


@pytest.fixture(autouse=True)
def _the_reserve_is_put_back(monkeypatch):
    monkeypatch.setattr(emergency, "RESERVED_BYTES", emergency.RESERVED_BYTES)


def test_no_damaged_journal_comes_back_silently_wrong():
    result = run_campaign("ci", STATES)
    assert not result.findings, "\n".join(result.findings)
    assert result.states == STATES
    assert set(result.outcomes) == set(KINDS)
    assert set(result.outcomes["killed"]) == {WHOLE}
    assert set(result.outcomes["torn_step"]) <= {WHOLE, FAULT}
    assert result.outcomes["power_cut"][SHORTER] > 0
    for kind in ("flipped", "truncated", "rubbish", "reordered", "two_wounds"):
        assert result.outcomes[kind][FAULT] > 0, kind
    refused = sum(counts[REFUSED] for counts in result.outcomes.values())
    assert refused < STATES / 100


def test_the_same_seed_tries_the_same_states():
    heard = [[], [], []]
    for seed, into in zip(("a", "a", "b"), heard, strict=True):
        run_campaign(seed, 60, each=lambda *told, into=into: into.append(told))
    assert heard[0] == heard[1]
    assert heard[0] != heard[2]


def trusting_rows(patch):
    """Rows are taken without their checksums."""
    patch.setattr(rows, "row_crc", lambda previous, seq, kind, at_ns, body: _Any())


class _Any(int):
    """Equal to everything."""

    __hash__ = int.__hash__

    def __eq__(self, other):
        return True


def trusting_marks(patch):
    """The own mark is never looked at."""
    patch.setattr(journal, "read_mark", lambda path: 0)


def forgetful_salvage(patch):
    """The rebuilt journal lacks the rows."""
    real = salvage.rebuild

    def rebuild(path, role, found):
        real(path, role, msgspec.structs.replace(found, rows=[]))

    patch.setattr(salvage, "rebuild", rebuild)


def silent_emergency(patch):
    """The emergency file is not read back."""
    patch.setattr(journal, "read_emergency", lambda path: emergency.Left([], 0, False))
    patch.setattr(journal, "read_mark", lambda path: 0)


@pytest.mark.parametrize(
    "plant",
    [trusting_rows, trusting_marks, forgetful_salvage, silent_emergency],
    ids=lambda plant: plant.__name__,
)
def test_a_planted_bug_is_found(plant, monkeypatch):
    plant(monkeypatch)
    try:
        found = run_campaign("ci", 1500, findings_max=1).findings
    except AssertionError as error:
        found = [str(error)]
    assert found, plant.__doc__
