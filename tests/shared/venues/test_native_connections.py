"""Kept connections against a peer that does as it likes: three outcomes, never a wrong one (L2)."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import asynccontextmanager

import msgspec
import pytest
from raw_venue import answer, on_uvloop, raw_venue, says
from venue_stub import access, order_body, until

from shared.clock import EngineClock
from shared.messages.venue import CancelOrder, OrderKind, Outcome, PlaceOrder, Side
from shared.units import decimal_from_text
from shared.venues.feed.http import HttpError
from shared.venues.native import connections
from shared.venues.native.connections import Connections
from shared.venues.native.spot import NativeSpot

ORDER = PlaceOrder(
    symbol="BTCUSDT",
    client_id="sw-a-1-e1",
    side=Side.BUY,
    kind=OrderKind.LIMIT,
    quantity=decimal_from_text("0.0002"),
    price=decimal_from_text("50000.01"),
)
CANCEL = CancelOrder(symbol="BTCUSDT", client_id="sw-a-1-e1")
PLACED = answer(order_body())
GONE = answer('{"code":-2011,"msg":"Unknown order sent."}', status="400 Bad Request")


@asynccontextmanager
async def trading(timeout_ms=300):
    """A session that was never connected, which orders do not need, and its raw peer.

    A request takes half a second longer than timeout_ms, which may be below 0 for that."""
    async with raw_venue() as peer:
        way = msgspec.structs.replace(access(peer.port), timeout_ms=timeout_ms)
        venue = NativeSpot(way, EngineClock())
        try:
            yield venue, peer
        finally:
            await venue.close()
            await asyncio.sleep(0)


def pool(venue) -> Connections:
    return venue._transport._connections


async def place(venue, **more):
    return await venue.call(ORDER, **more)


def test_an_answer_split_at_every_byte_is_heard():
    async def run():
        async with trading() as (venue, peer):
            for cut in range(1, len(PLACED), 7):
                peer.script.append(says(PLACED[:cut], PLACED[cut:], pause_s=0.001))
                answered = await place(venue)
                assert answered.outcome is Outcome.OK, (cut, answered.text)
            peer.script.append(says(*[PLACED[i : i + 1] for i in range(len(PLACED))]))
            assert (await place(venue)).orders[0].client_id == "sw-a-1-e1"
            assert peer.connections <= 3, "one that is used and those that stand ready"

    on_uvloop(run())


@pytest.mark.parametrize(
    "behaviour",
    [
        says(cut=True),
        says(PLACED[:40], cut=True),
        says(PLACED[:-1], cut=True),
        says(),
        says(PLACED[:-1]),
        says(b"SSH-2.0-OpenSSH_9.6\r\n"),
        says(answer("")),
        says(answer("{")),
        says(answer("null")),
        says(answer("{}")),
        says(answer("\ufffe")),
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n\xff\xfe{"),
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"),
        says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        says(answer("busy", status="503 Service Unavailable")),
        says(answer(order_body(clientOrderId="sw-a-9-e9"))),
    ],
)
def test_what_is_no_answer_to_the_order_is_unknown_and_the_next_is_heard(behaviour):
    async def run():
        async with trading(timeout_ms=-300) as (venue, peer):
            peer.script.append(behaviour)
            answered = await place(venue)
            assert answered.outcome is Outcome.UNKNOWN, answered
            assert answered.sent_ns > 0
            assert len(peer.requests) == 1, "an order is written once"
            peer.script.append(says(GONE))
            assert (await venue.call(CANCEL)).outcome is Outcome.REFUSED

    on_uvloop(run())


def test_a_peer_that_vanished_costs_one_deadline_and_no_more():
    """Half-open: nothing comes back on any kept connection, new ones work."""

    async def run():
        async with trading(timeout_ms=-200) as (venue, peer):
            peer.script.append(says(PLACED))
            assert (await place(venue)).outcome is Outcome.OK
            await until(lambda: len(pool(venue)._idle) > connections.READY)
            before = list(pool(venue)._idle)
            answered = await place(venue)
            assert (answered.outcome, answered.text) == (Outcome.UNKNOWN, "no answer within 0.3 s")
            assert not any(one.is_open for one in before)
            peer.script.append(says(GONE))
            assert (await venue.call(CANCEL)).outcome is Outcome.REFUSED

    on_uvloop(run())


def test_one_slow_answer_is_no_reason_to_give_up_the_others():
    async def run():
        async with trading(timeout_ms=-200) as (venue, peer):
            peer.script.append(says(PLACED))
            await place(venue)
            await until(lambda: len(pool(venue)._idle) > connections.READY)
            waiting = asyncio.create_task(place(venue))
            await until(lambda: len(peer.requests) == 2)
            peer.script.append(says(GONE))
            assert (await venue.call(CANCEL)).outcome is Outcome.REFUSED
            before = list(pool(venue)._idle)
            assert (await waiting).outcome is Outcome.UNKNOWN
            assert all(one.is_open for one in before), "the cancel's answer proved them alive"

    on_uvloop(run())


def test_a_slow_answer_holds_up_no_exit():
    async def run():
        async with trading(timeout_ms=10_000) as (venue, peer):
            peer.script.append(says(PLACED))
            await place(venue)
            await until(lambda: len(pool(venue)._idle) > connections.READY)
            opened = pool(venue).opened

            exit_is_answered = asyncio.Event()

            async def slow(writer):
                await exit_is_answered.wait()
                writer.write(PLACED)

            peer.script.append(slow)
            waiting = asyncio.create_task(place(venue))
            await until(lambda: len(peer.requests) == 2)
            peer.script.append(says(GONE))
            cancelled = await venue.call(CANCEL, exit_priority=True)
            assert cancelled.outcome is Outcome.REFUSED
            assert not waiting.done()
            exit_is_answered.set()
            assert (await waiting).outcome is Outcome.OK
            assert pool(venue).opened <= opened + 1, "the exit took one that stood ready"

    on_uvloop(run())


@pytest.mark.parametrize("closing", ["Connection: close", "connection: Close"])
def test_a_connection_that_says_goodbye_is_not_used_again(closing):
    async def run():
        async with trading() as (venue, peer):
            peer.script.extend([says(answer(order_body(), closing)), says(PLACED)])
            assert (await place(venue)).outcome is Outcome.OK
            first = peer.writers[0]
            assert (await place(venue)).outcome is Outcome.OK
            await until(lambda: first.transport.is_closing())
            assert len(peer.requests) == 2

    on_uvloop(run())


def test_a_farewell_on_an_idle_connection_is_no_answer():
    """A 408 that came unasked, and bytes behind a whole answer, must answer nothing."""

    async def run():
        async with trading() as (venue, peer):
            peer.script.append(says(PLACED + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"))
            assert (await place(venue)).outcome is Outcome.OK
            peer.script.append(says(PLACED))
            assert (await place(venue)).outcome is Outcome.OK
            await until(lambda: len(pool(venue)._idle) >= connections.READY)
            # One more may be on its way, or open at this end and not yet accepted at the other.
            await until(lambda: not pool(venue)._opening)
            await until(lambda: len(peer.writers) == pool(venue).opened)
            for writer in peer.writers:
                if not writer.is_closing():
                    writer.write(answer("", status="408 Request Timeout"))
            await until(lambda: not pool(venue)._idle)
            peer.script.append(says(PLACED))
            assert (await place(venue)).outcome is Outcome.OK

    on_uvloop(run())


def test_a_kept_connection_that_was_reset_proves_nothing_sent_or_takes_another():
    async def run():
        async with trading() as (venue, peer):
            for _ in range(20):
                peer.script.append(says(PLACED))
                assert (await place(venue)).outcome is Outcome.OK
                for writer in peer.writers:
                    writer.transport.abort()
                peer.writers.clear()
                sent = len(peer.requests)
                peer.script.append(says(PLACED))
                answered = await place(venue)
                # Either the reset was known, then another carried it, or the order met it.
                assert answered.outcome in (Outcome.OK, Outcome.UNKNOWN), answered
                assert len(peer.requests) == sent + (answered.outcome is Outcome.OK)
                peer.script.clear()

    on_uvloop(run())


def test_a_socket_that_takes_no_byte_was_sent_nothing(monkeypatch):
    async def run():
        async with trading() as (venue, peer):
            peer.script.append(says(PLACED))
            await place(venue)
            await until(lambda: len(pool(venue)._idle) > connections.READY)
            for one in pool(venue)._idle:
                one._plain.shutdown(socket.SHUT_WR)
            peer.script.append(says(PLACED))
            answered = await place(venue)
            assert answered.outcome is Outcome.OK, "a new connection carried it"
            assert len(peer.requests) == 2

            async def open_dead(self, *address):
                opened = await genuine(self, *address)
                opened._plain.shutdown(socket.SHUT_WR)
                return opened

            genuine = Connections._connect
            monkeypatch.setattr(Connections, "_connect", open_dead)
            pool(venue).distrust(float("inf"))
            refused = await place(venue)
            assert (refused.outcome, refused.sent_ns) == (Outcome.NOT_SENT, 0)
            assert "Broken pipe" in refused.text
            assert len(peer.requests) == 2

    on_uvloop(run())


def test_a_peer_that_takes_nobody_is_not_sent_to():
    async def run():
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            venue = NativeSpot(access(unused.getsockname()[1]), EngineClock())
            answered = await place(venue)
            await venue.close()
        assert (answered.outcome, answered.sent_ns) == (Outcome.NOT_SENT, 0)
        assert "ConnectionRefusedError" in answered.text

    on_uvloop(run())


def test_the_last_check_stands_directly_before_the_write():
    """What made the connection slow may have made the decision old (L7)."""

    async def run():
        async with trading() as (venue, peer):
            seen = []

            def check():
                seen.append(len(peer.requests))
                return "the turn that decided this is too old (L7)"

            for request in (ORDER, CANCEL):
                answered = await venue.call(request, last_check=check)
                assert (answered.outcome, answered.code) == (Outcome.NOT_SENT, "stale_turn")
                assert (answered.sent_ns, answered.text[:8]) == (0, "the turn")
            await asyncio.sleep(0.05)
            assert seen == [0, 0]
            assert peer.requests == []
            assert pool(venue).opened == 1, "the connection that was opened for it is kept"
            peer.script.append(says(PLACED))
            assert (await place(venue, last_check=lambda: "")).outcome is Outcome.OK

    on_uvloop(run())


def test_a_call_that_is_given_up_closes_its_connection():
    async def run():
        async with trading(timeout_ms=2000) as (venue, peer):
            waiting = asyncio.create_task(place(venue))
            await until(lambda: len(peer.requests) == 1)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            await until(lambda: peer.writers[0].transport.is_closing())
            peer.script.append(says(PLACED))
            assert (await place(venue)).outcome is Outcome.OK

    on_uvloop(run())


def test_large_requests_leave_whole():
    """The kernel's buffer may take a part at once; the loop sends the rest."""

    async def run():
        async with raw_venue() as peer:
            made = Connections(f"http://127.0.0.1:{peer.port}")
            connection = await made.open()
            connection._plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            body = b"x" * 3_000_000
            peer.script.append(says(PLACED))
            waiter = connection.send(b"POST / HTTP/1.1\r\nContent-Length: 3000000\r\n\r\n" + body)
            with pytest.raises(HttpError, match="not free"):
                connection.send(b"second")
            heard = await connection.answer(waiter, 5.0)
            assert heard.status == 200
            assert peer.requests[0].endswith(body)
            made.close()

    on_uvloop(run())


def test_waiting_connections_are_replaced_before_the_peer_closes_them(monkeypatch):
    monkeypatch.setattr(connections, "IDLE_S", 0.2)

    async def run():
        async with raw_venue() as peer:
            made = Connections(f"http://127.0.0.1:{peer.port}")
            made.keep_ready()
            await until(lambda: len(made._idle) == connections.READY)
            first = list(made._idle)
            await asyncio.sleep(0.25)
            made.keep_ready()
            await until(lambda: made.opened == 2 * connections.READY)
            await until(lambda: not any(one.is_open for one in first))
            assert len(made._idle) == connections.READY
            made.close()
            made.keep_ready()
            assert made.take() is None

    on_uvloop(run())


def test_an_address_that_swallows_packets_does_not_hide_the_next(monkeypatch):
    monkeypatch.setattr(connections, "ADDRESS_S", 0.1)

    async def run():
        async with raw_venue() as peer:
            loop = asyncio.get_running_loop()
            genuine, asked = loop.sock_connect, []

            async def connect(opened, address):
                asked.append(address)
                if len(asked) == 1:
                    await asyncio.sleep(60)
                await genuine(opened, address)

            class Loop:
                """The running loop, with two addresses for every name and one that is deaf."""

                def __getattr__(self, name):
                    return getattr(loop, name)

                async def getaddrinfo(self, host, port, **more):
                    return 2 * await loop.getaddrinfo(host, port, **more)

                sock_connect = staticmethod(connect)

            monkeypatch.setattr(connections.asyncio, "get_running_loop", lambda: Loop())
            made = Connections(f"http://127.0.0.1:{peer.port}")
            found = await made.open()
            monkeypatch.undo()
            assert found.is_open
            assert len(asked) == 2
            made.close()

    on_uvloop(run())


def test_a_peer_that_is_not_there_is_not_asked_all_the_time(monkeypatch):
    async def run():
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            made = Connections(f"http://127.0.0.1:{unused.getsockname()[1]}")
            for _ in range(5):
                made.keep_ready()
                await asyncio.sleep(0.02)
            assert made.opened == 0
            assert made._paused_until_s > asyncio.get_running_loop().time()
            made.close()

    on_uvloop(run())


def test_tls_carries_the_same_bytes(tmp_path, monkeypatch):
    """Over TLS the loop encrypts; the request and its answer are the same."""
    from tls_certificate import make_certificate

    certificate = make_certificate(tmp_path)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(connections, "tls_context", lambda: trusting)

    async def run():
        async with raw_venue(tls=server) as peer:
            way = access(peer.port, rest=f"https://localhost:{peer.port}")
            venue = NativeSpot(way, EngineClock())
            for _ in range(3):
                peer.script.append(says(PLACED[:50], PLACED[50:], pause_s=0.001))
                assert (await place(venue)).outcome is Outcome.OK
            peer.script.append(says(PLACED[:50], cut=True))
            assert (await place(venue)).outcome is Outcome.UNKNOWN
            assert len(peer.requests) == 4
            assert all(one.startswith(b"POST /api/v3/order HTTP/1.1\r\n") for one in peer.requests)
            await venue.close()
            monkeypatch.setattr(connections, "tls_context", ssl.create_default_context)
            distrusting = NativeSpot(way, EngineClock())
            refused = await place(distrusting)
            assert (refused.outcome, refused.sent_ns) == (Outcome.NOT_SENT, 0)
            assert "certificate verify failed" in refused.text
            await distrusting.close()

    on_uvloop(run())


def test_the_fence_counts_from_the_write_not_from_the_wish(monkeypatch):
    """A connection that took its time must not make the proof of absence come too early (L2)."""

    async def run():
        async with trading(timeout_ms=-200) as (venue, peer):
            genuine = Connections._connect

            async def slow(self, *address):
                await asyncio.sleep(0.2)
                return await genuine(self, *address)

            monkeypatch.setattr(Connections, "_connect", slow)
            wished_ns = venue._clock.now_ns()
            answered = await place(venue)
            assert answered.outcome is Outcome.UNKNOWN
            assert answered.sent_ns >= wished_ns + 200_000_000
            assert len(peer.requests) == 1

    on_uvloop(run())
