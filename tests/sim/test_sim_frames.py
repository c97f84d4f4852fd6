"""Ingest's stream in the simulation: frames are the exchange's, and whatever is lost is mended."""

import pytest

from core_ext.scan import symbol_of
from procs.simulate.frames import kind_of
from procs.simulate.world import World
from shared.units import NS_PER_S


def framed(seed, profile="none"):
    """The first world from seed on whose ingest reads frames, three seconds old."""
    while (world := World(seed, profile)).frames is None:
        seed += 1
    world.machine.boot()
    world._market_step()
    go_on(world, 3)
    return world


def go_on(world, seconds):
    until_ns = world.agenda.now_ns + int(seconds * NS_PER_S)
    while world.agenda.next_ns() <= until_ns:
        world.step()


def stand_still(world):
    """Nothing is on its way any more; ingest's books are compared with the venue's."""
    world.market_until_ns = 0
    go_on(world, 2)
    world.frames.at_rest()
    assert world.checkers.violations == []


@pytest.fixture
def world():
    return framed(1)


def test_books_of_frames_are_the_published_ones(world):
    go_on(world, 10)
    actor = world.nodes["ingest"].actor
    assert actor.ready
    assert actor.figures()["malformed"] == 0
    assert actor.figures()["gaps"] == 0
    assert actor.figures()["frames"] > 50
    stand_still(world)


def test_frames_name_their_symbol_and_kind(world):
    seen = set()
    frames = world.frames
    deliver, frames._deliver = frames._deliver, lambda some: (seen.update(some), deliver(some))
    go_on(world, 5)
    assert {kind_of(frame) for frame in seen} == {"bookTicker", "depth", "trade"}
    assert {symbol_of(frame) for frame in seen} <= {i.symbol for i in world.market.instruments}


@pytest.mark.parametrize("spoil", ["lose", "tear", "double", "turn round"])
def test_a_spoiled_stream_is_mended(world, spoil):
    frames = world.frames
    count = 0

    def disturbed(some):
        nonlocal count
        count += 1
        if count % 5:
            return some
        return {
            "lose": [],
            "tear": [frame[:-20] for frame in some],
            "double": [*some, *some],
            "turn round": some[::-1],
        }[spoil]

    frames._disturbed = disturbed
    go_on(world, 10)
    del frames._disturbed
    go_on(world, 10)
    actor = world.nodes["ingest"].actor
    if spoil in ("lose", "tear"):
        assert actor.figures()["gaps"] > 0
        assert actor.resyncs > 0
    stand_still(world)


def test_a_silent_stream_is_dead_after_a_while(world):
    world.frames._silent_until_ns = world.agenda.now_ns + 60 * NS_PER_S
    go_on(world, 10)
    actor = world.nodes["ingest"].actor
    assert actor.links_lost == 0
    go_on(world, 10)
    assert actor.links_lost == 1
    go_on(world, 5)
    stand_still(world)


def test_a_new_process_connects_anew(world):
    world.machine.kill("ingest")
    go_on(world, 5)
    node = world.nodes["ingest"]
    assert node.alive
    assert node.actor.ready
    assert not any(market.awaiting for market in node.actor.markets.values())
