"""Flat is what grew little after its warm-up."""

import pytest

from procs.chaos.flat import flatness


def samples(mb, fds=lambda at: 20):
    return [(at * 5.0, mb(at), fds(at)) for at in range(40)]


@pytest.mark.parametrize(
    ("mb", "fds", "flat"),
    [
        (lambda at: 50.0, lambda at: 20, True),
        (lambda at: 20 + 3.0 * min(at, 9), lambda at: 20, True),
        (lambda at: 50 + at * 0.2, lambda at: 20, True),
        (lambda at: 50 + at * 0.5, lambda at: 20, False),
        (lambda at: 50.0, lambda at: 20 + at % 3, True),
        (lambda at: 50.0, lambda at: 20 + at // 4, False),
    ],
)
def test_growth(mb, fds, flat):
    assert flatness(samples(mb, fds)).flat is flat
