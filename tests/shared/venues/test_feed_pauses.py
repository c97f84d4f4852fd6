"""Pauses between attempts: doubled, bounded, small again after a good one."""

import asyncio

import pytest

from shared.units import NS_PER_S
from shared.venues.feed.pauses import Pauses
from shared.venues.feed.port import FeedLimits

LIMITS = FeedLimits(backoff_min_s=0.2, backoff_max_s=1.0, settled_s=10.0)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were waited for, without the waiting."""
    seconds: list[float] = []

    async def sleep(pause_s: float) -> None:
        seconds.append(pause_s)

    monkeypatch.setattr("shared.venues.feed.pauses.asyncio.sleep", sleep)
    return seconds


def play(*lived_s: float) -> None:
    async def attempts() -> None:
        pauses = Pauses(LIMITS)
        for one_s in lived_s:
            await pauses.after(int(one_s * NS_PER_S))

    asyncio.run(attempts())


def test_pauses_double_up_to_the_longest(slept: list[float]):
    play(0, 0, 9.9, 0, 0)
    assert slept == [0.2, 0.4, 0.8, 1.0, 1.0]


def test_what_lived_long_enough_starts_small_again(slept: list[float]):
    play(0, 0, 0, 10, 0)
    assert slept == [0.2, 0.4, 0.8, 0.2, 0.4]
