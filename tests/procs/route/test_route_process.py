"""Route as a real process on the real local venue, seen through its sockets."""

from __future__ import annotations

from decimal import Decimal

import pytest
from route_scene import running_scene

from shared.messages.account import (
    FillBooked,
    IntentRefused,
    OrderAcknowledged,
    OrderSubmitted,
    ProtectionChanged,
    ProtectionStatus,
    Purpose,
)
from shared.messages.control import Heartbeat, ProcessReady
from shared.messages.venue import OrderKind, Side

pytestmark = pytest.mark.e2e


@pytest.fixture
def scene():
    with running_scene() as made:
        yield made


def test_an_intent_becomes_a_protected_position_and_survives_kill(scene) -> None:
    scene.start()
    ready = scene.until(lambda: scene.first(ProcessReady))
    assert (ready.role, ready.pid) == ("route", scene.process.pid)
    scene.hello()
    # A limit well above the market, inside the price band: the IOC takes what is offered.
    scene.intend(1, Decimal("100000.00"))
    submitted = scene.until(lambda: scene.event(OrderSubmitted, purpose=Purpose.ENTRY))
    assert submitted.client_id == "sw-tk3f9a-1-e1"
    fill = scene.until(lambda: scene.event(FillBooked, client_id="sw-tk3f9a-1-e1"))
    assert fill.quantity > 0
    assert fill.fee_asset == "BTC"
    scene.until(lambda: scene.event(ProtectionChanged, status=ProtectionStatus.PROTECTED))
    stop = scene.event(OrderSubmitted, purpose=Purpose.STOP)
    assert (stop.kind, stop.side) == (OrderKind.STOP_LIMIT, Side.SELL)
    assert scene.event(OrderAcknowledged, client_id=stop.client_id)
    figures = scene.until(
        lambda: next(
            (
                one.figures
                for one in scene.heard
                if isinstance(one, Heartbeat)
                and one.figures.get("venue_ok", 0) > 5
                # It trades without its stream as well, which is there a moment later.
                and one.figures["venue_stream_connected"] == 1
            ),
            None,
        )
    )
    assert figures["venue_unknown"] == 0
    # The successor folds the journal, asks the venue, and finds the same position protected.
    scene.process.kill()
    scene.process.wait()
    scene.process.stdout.close()
    scene.heard.clear()
    scene.start()
    ready = scene.until(lambda: scene.first(ProcessReady))
    assert ready.incarnation == 2
    account = bytes(scene.hello().account).decode()
    assert stop.client_id in account
    stopped = scene.stop()
    assert stopped is not None
    assert scene.process.returncode == 0
    assert stopped.report["venue"]["venue_stream_connected"] in (0.0, 1.0)
    output = scene.process.stdout.read().decode()
    texts = [path.read_text(errors="replace") for path in scene.folder.rglob("*.jsonl")]
    texts += [path.read_bytes().decode("latin-1") for path in (scene.folder / "data").iterdir()]
    assert texts
    for text in [output, *texts]:
        assert scene.local.info["api_secret"] not in text
        assert scene.local.info["api_key"] not in text


def test_a_latched_route_refuses_the_entry(scene) -> None:
    scene.start()
    scene.until(lambda: scene.first(ProcessReady))
    scene.hello()
    (scene.folder / "data" / "KILL").write_text("test\n")
    scene.intend(2, Decimal("100000.00"))
    assert scene.until(lambda: scene.event(IntentRefused, intent_id="tk3f9a-2"))
    assert scene.event(OrderSubmitted) is None


def test_readable_credentials_end_the_start_with_the_configuration_code(scene) -> None:
    scene.credentials.chmod(0o644)
    scene.start()
    assert scene.process.wait(15) == 4
    output = scene.process.stdout.read().decode()
    assert "mode 0644, allowed is 0600" in output
    assert "Traceback" not in output
    assert scene.local.info["api_secret"] not in output


def test_a_second_route_does_not_start(scene) -> None:
    scene.start()
    scene.until(lambda: scene.first(ProcessReady))
    first = scene.process
    scene.start()
    assert scene.process.wait(15) == 1
    assert "only one may run" in scene.process.stdout.read().decode()
    scene.process.stdout.close()
    scene.process = first
    scene.pump()
    assert first.poll() is None
