"""Every decoder meets the table of nasty samples and a few thousand mutations; `make fuzz` more."""

import pytest
from fuzz_engine import Target, run_target, try_one
from fuzz_targets import all_targets

TARGETS = all_targets()
MUTATIONS = 3000
SECONDS = 0.7
"""For one decoder; file readers take fewer mutations, all of them together half a minute."""


def shown(tally) -> str:
    return "\n".join(finding.shown() for finding in tally.findings)


@pytest.mark.parametrize("name", TARGETS)
def test_a_decoder_gives_a_value_or_its_typed_refusal(name):
    tally = run_target(TARGETS[name], "ci", MUTATIONS, SECONDS)
    assert not tally.findings, shown(tally)
    assert tally.mutations >= 500


@pytest.mark.parametrize("name", TARGETS)
def test_genuine_samples_are_taken(name):
    """Otherwise mutants of them would prove nothing."""
    target = TARGETS[name]
    if target.renew is not None:
        target.renew()
    taken = [try_one(target, data)[0] for data in target.samples]
    assert any(taken)


def planted(read, **more) -> Target:
    return Target(name="planted", samples=[b'{"a":1.5,"b":[1,2]}'], read=read, **more)


def test_another_exception_is_found_with_the_bytes_that_raise_it():
    def read(data):
        if b"NaN" in data:
            raise KeyError("NaN")

    tally = run_target(planted(read), "1", 5000)
    (finding,) = tally.findings
    assert b"NaN" in finding.data
    assert finding.what.startswith("KeyError")
    assert "--only planted --seed 1 --block" in finding.shown()


def test_a_number_that_is_not_finite_is_found():
    tally = run_target(
        planted(lambda data: {"x": [float("inf")]} if b"[[" in data else 1), "1", 5000
    )
    assert [finding.what.partition(" at ")[0] for finding in tally.findings] == [
        "AssertionError: the number inf"
    ]


def test_a_refusal_that_changed_the_state_is_found():
    seen = []

    def read(data):
        seen.append(len(data))
        raise ValueError

    tally = run_target(planted(read, refusals=(ValueError,), state=lambda: len(seen)), "1", 10)
    assert [finding.what for finding in tally.findings] == ["refused, but the state changed"]


def test_the_same_seed_makes_the_same_mutants():
    heard: list[list[bytes]] = [[], [], []]
    for seed, into in zip(("1", "1", "2"), heard, strict=True):
        run_target(planted(into.append), seed, 2500)
    assert heard[0] == heard[1]
    assert heard[0] != heard[2]
    assert len(set(heard[0])) > 1500
