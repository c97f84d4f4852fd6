"""What a connection hands on, and what not any more once it is over."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from picows import WSMsgType

from shared.clock import EngineClock
from shared.venues.feed import websocket
from shared.venues.feed.dialect import BINANCE
from shared.venues.feed.link import Link

DATA = b'{"stream":"aaausdt@trade","data":{}}'


def part(payload: bytes, kind: Any = WSMsgType.TEXT, fin: bool = True) -> Any:
    """A frame as the library gives it."""
    return SimpleNamespace(msg_type=kind, fin=fin, get_payload_as_bytes=lambda: payload)


async def link_to(heard: list[bytes], keeps: bool = False) -> Link:
    return Link(lambda data, _: heard.append(data), EngineClock(), BINANCE.manners, keeps)


@pytest.mark.parametrize("keeps", [False, True])
def test_frames_behind_the_end_of_a_connection_reach_nobody(keeps: bool):
    heard: list[bytes] = []

    async def play() -> None:
        link = await link_to(heard, keeps)
        link.on_ws_frame(None, part(DATA))
        link.release()
        link.on_ws_frame(None, part(DATA))
        assert heard == [DATA, DATA]
        link.end("over")
        link.end("once more")
        link.on_ws_frame(None, part(DATA))
        link.release()
        link.on_ws_frame(None, part(DATA))
        assert link.closed.result() == "over"

    asyncio.run(play())
    assert heard == [DATA, DATA]


def test_what_was_kept_by_a_connection_that_ended_is_not_handed_on():
    heard: list[bytes] = []

    async def play() -> None:
        link = await link_to(heard, keeps=True)
        link.on_ws_frame(None, part(DATA))
        link.end("over")
        link.release()

    asyncio.run(play())
    assert heard == []


def test_the_first_frame_that_a_handler_fails_at_is_the_last_that_it_hears():
    heard: list[bytes] = []

    def fail(data: bytes, at_ns: int) -> None:
        heard.append(data)
        raise ZeroDivisionError("a bug of the handler")

    async def play() -> None:
        link = Link(fail, EngineClock(), BINANCE.manners, True)
        for _ in range(3):
            link.on_ws_frame(None, part(DATA))
        link.release()
        assert isinstance(link.failure, ZeroDivisionError)
        assert link.closed.result() == "the handler failed"

    asyncio.run(play())
    assert heard == [DATA]


def test_a_message_in_parts_is_handed_on_whole_or_costs_the_connection(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(websocket, "MESSAGE_BYTES_MAX", len(DATA))
    heard: list[bytes] = []

    async def play() -> None:
        link = await link_to(heard)
        link.on_ws_frame(None, part(DATA[:9], fin=False))
        link.on_ws_frame(None, part(DATA[9:], WSMsgType.CONTINUATION))
        assert heard == [DATA]
        link.on_ws_frame(None, part(DATA, fin=False))
        link.on_ws_frame(None, part(b" ", WSMsgType.CONTINUATION))
        assert link.closed.result() == "a message that is too long"

    asyncio.run(play())
    assert heard == [DATA]
