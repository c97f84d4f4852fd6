"""A venue that takes an order and answers 200 with nothing: the outcome is unknown, then proved."""

from __future__ import annotations

import http.client
import threading
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from route_scene import running_scene

from shared.messages.account import (
    FillBooked,
    OrderDoubted,
    OrderSubmitted,
    ProtectionChanged,
    ProtectionStatus,
)
from shared.messages.control import ProcessReady

pytestmark = pytest.mark.e2e

ENTRY = "sw-tk3f9a-1-e1"


class EmptyAnswers(ThreadingHTTPServer):
    """Passes everything to the venue; the answer to the first order is taken out on its way."""

    daemon_threads = True

    def __init__(self, rest: str) -> None:
        self.target = urlsplit(rest).netloc
        self.orders: list[str] = []
        """Client ids of the orders that were sent."""
        self.queried: list[str] = []
        super().__init__(("127.0.0.1", 0), Passing)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def rest(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Passing(BaseHTTPRequestHandler):
    """One request there, one answer back."""

    protocol_version = "HTTP/1.1"
    server: EmptyAnswers

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def pass_on(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        sent = self.rfile.read(length)
        path = urlsplit(self.path)
        fields = parse_qs(path.query) | parse_qs(sent.decode())
        is_order = path.path.endswith("/order") and self.command == "POST"
        hide = is_order and not self.server.orders
        if is_order:
            self.server.orders += fields["newClientOrderId"]
        if path.path.endswith("/order") and self.command == "GET":
            self.server.queried += fields["origClientOrderId"]
        venue = http.client.HTTPConnection(self.server.target, timeout=60)
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in ("host", "connection", "accept-encoding")
        }
        venue.request(self.command, self.path, sent, headers)
        answer = venue.getresponse()
        body = b"" if hide else answer.read()
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        venue.close()

    do_GET = do_POST = do_DELETE = pass_on


@pytest.fixture
def scene():
    with running_scene() as made:
        proxy = EmptyAnswers(made.local.info["rest"])
        made.local.info["rest"] = proxy.rest
        made.proxy = proxy
        yield made
        proxy.shutdown()
        proxy.server_close()


@pytest.mark.parametrize("stream", [True, False])
def test_an_empty_answer_makes_no_second_order(scene, stream) -> None:
    if not stream:
        # A push may prove the order before the answer comes; without one a question must.
        scene.local.info["ws"] = "ws://127.0.0.1:9"
    scene.start()
    scene.until(lambda: scene.first(ProcessReady))
    scene.hello()
    scene.intend(1, Decimal("100000.00"))
    fill = scene.until(lambda: scene.event(FillBooked, client_id=ENTRY))
    assert fill.quantity > 0
    scene.until(lambda: scene.event(ProtectionChanged, status=ProtectionStatus.PROTECTED))
    if not stream:
        assert scene.event(OrderDoubted, client_id=ENTRY).fence_ns > 0
        assert ENTRY in scene.proxy.queried
    entries = [one for one in scene.proxy.orders if "-e" in one]
    assert entries == [ENTRY]
    submitted = [one for one in scene.events() if isinstance(one, OrderSubmitted)]
    assert [one.client_id for one in submitted if "-e" in one.client_id] == [ENTRY]
    fills = [one for one in scene.events() if isinstance(one, FillBooked)]
    assert sum(one.quantity for one in fills) == Decimal("0.001")
