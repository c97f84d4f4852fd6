"""A venue that cannot be reached must not leave errors behind that nobody awaits: the loop would
report them, and a process ends at what its loop reports."""

import asyncio
import gc
import socket

from shared.clock import EngineClock
from shared.messages.venue import VenueStreamChanged
from shared.venues.credentials import Credentials
from shared.venues.redirect import open_exchange, open_session
from shared.venues.transport import Access
from shared.venues.user_stream import UserStream


class NoBan:
    """Nothing forbids to send."""

    def silence_s(self) -> float:
        """Never."""
        return 0.0


def closed_port() -> int:
    """A loopback port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def session_without_a_venue(reported, delivered):
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context))
    keys = Credentials(api_key="k" * 16, api_secret="s" * 16)
    where = f"127.0.0.1:{closed_port()}"
    access = Access(
        venue="local", mode="paper", credentials=keys, rest=f"http://{where}", ws=f"ws://{where}"
    )
    async with open_session(venue_is_local=True) as session:
        exchange = open_exchange(access, session)
        stream = UserStream(exchange, keys, EngineClock(), NoBan())
        running = asyncio.create_task(stream.run(delivered.append))
        async with asyncio.timeout(10):
            while stream.reconnects < 2:
                await asyncio.sleep(0.02)
        running.cancel()
        await asyncio.wait({running})
        await exchange.close()
    gc.collect()
    await asyncio.sleep(0)


def test_a_refused_connection_is_said_once_and_leaves_nothing_behind():
    reported: list[dict] = []
    delivered: list[object] = []
    asyncio.run(session_without_a_venue(reported, delivered))
    gc.collect()
    assert [type(message) for message in delivered] == [VenueStreamChanged]
    assert delivered[0].connected is False
    assert reported == []
