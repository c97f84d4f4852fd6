"""The venue is killed under a running route, again and again: route stays, and finds its way."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest
from route_scene import running_scene

from shared.messages.account import (
    FillBooked,
    IntentRefused,
    OrderDoubted,
    OrderEnded,
    OrderRefused,
    OrderSubmitted,
    Purpose,
)
from shared.messages.control import Heartbeat, ProcessReady

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ROUNDS = 3


@pytest.fixture
def scene():
    with running_scene() as made:
        yield made


def figures(scene) -> dict[str, float]:
    """Those of the newest heartbeat that this call hears."""
    scene.heard = [one for one in scene.heard if not isinstance(one, Heartbeat)]
    return scene.until(lambda: scene.first(Heartbeat)).figures


def until_connected(scene, is_connected: bool) -> None:
    scene.until(lambda: figures(scene)["venue_stream_connected"] == is_connected, 90.0)


def wait(scene, seconds: float) -> None:
    ends = time.monotonic() + seconds
    scene.until(lambda: time.monotonic() > ends)


def test_route_outlives_its_venue_and_reconnects_by_itself(scene) -> None:
    scene.start()
    scene.until(lambda: scene.first(ProcessReady))
    until_connected(scene, True)
    scene.hello()
    for number in range(1, ROUNDS + 1):
        scene.local.kill()
        until_connected(scene, False)
        # Several attempts to open the stream fail, and an order meets a closed port.
        scene.intend(2 * number, Decimal("100000.00"))
        wait(scene, 1.0)
        scene.local.start()
        until_connected(scene, True)
        assert scene.event(FillBooked, decision_id=f"tk3f9a-{2 * number}") is None
    assert scene.process.poll() is None
    assert figures(scene)["venue_stream_reconnects"] >= ROUNDS
    assert figures(scene)["stray_failures"] == 0
    wait(scene, 3.0)
    scene.intend(99, Decimal("100000.00"))
    assert scene.until(lambda: scene.event(FillBooked, client_id="sw-tk3f9a-99-e1"))


def test_an_order_that_died_with_the_venue_is_proved_absent_or_found(scene) -> None:
    scene.start()
    scene.until(lambda: scene.first(ProcessReady))
    until_connected(scene, True)
    scene.hello()
    # A venue that takes bytes and says nothing: what is sent now has an unknown outcome.
    scene.local.pause()
    scene.intend(1, Decimal("100000.00"))
    submitted = scene.until(lambda: scene.event(OrderSubmitted, purpose=Purpose.ENTRY))
    scene.local.kill()
    doubted = scene.until(lambda: scene.event(OrderDoubted, client_id=submitted.client_id))
    assert doubted.fence_ns > 0
    scene.local.start()
    until_connected(scene, True)
    over = scene.until(
        lambda: (
            scene.event(OrderRefused, client_id=submitted.client_id)
            or scene.event(OrderEnded, client_id=submitted.client_id)
        ),
        40.0,
    )
    assert over.at_ns > doubted.fence_ns
    assert scene.process.poll() is None
    assert scene.event(IntentRefused) is None
