"""The sockets of one role: what arrives becomes messages, what is said finds its way.

Nothing here waits. A message that cannot go out now is dropped and counted; the channel's overload
policy says why that is safe (`shared/bus/topology.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import zmq

from procs.runtime.inbox import Inbox
from shared.bus.lane import QuoteLane
from shared.bus.sockets import Link
from shared.bus.topology import ACCOUNT, CONTROL, QUERY, QUOTES, Channel, channels_of
from shared.errors import MessageError
from shared.messages.base import Message, Reader, encode

DRAINED_PER_TURN: Final = 512
"""Messages taken from one socket at once; what is left waits in ZeroMQ, where limits hold."""

PEERS: Final = "peers"
SUPERVISE: Final = "supervise"

Malformed = Callable[[str, str, str], None]
"""Told of a message that cannot be read: channel, peer, what is wrong."""


class Links:
    """All channels of a role. Opened as a whole, closed as a whole."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        role: str,
        run_dir: Path,
        heard: Malformed,
        lane: QuoteLane | None = None,
    ) -> None:
        self.role = role
        self.lane = lane
        """The way of quotes beside ZeroMQ, where there is one."""
        self.all: dict[str, Link] = {}
        self.unroutable = 0
        """Messages said to somebody whom this role has no channel to."""
        self._readers: dict[str, Reader] = {}
        self._malformed = heard
        for channel in channels_of(role):
            link = Link(context, channel, role, run_dir)
            self.all[channel.name] = link
            if link.reads and channel is not QUOTES:
                self._readers[channel.name] = Reader(channel.spoken_to(role))
        self._reading = [link for link in self.all.values() if link.reads]

    def open(self, quote_prefixes: tuple[bytes, ...]) -> None:
        """Binds and connects. Raises LockedError, ConfigError."""
        for name, link in self.all.items():
            if name == QUOTES.name and not link.binds:
                for prefix in quote_prefixes:
                    link.subscribe(prefix)
            link.open()

    @property
    def descriptors(self) -> list[int]:
        """What the loop polls."""
        found = [link.descriptor for link in self._reading]
        if self.lane is not None and self.lane.reader is not None:
            found.append(self.lane.descriptor)
        return found

    @property
    def quotes(self) -> Link:
        """The quotes' link of a role that has one."""
        return self.all[QUOTES.name]

    def readable(self) -> bool:
        """Whether anything waits anywhere."""
        if self.lane is not None and self.lane.waiting:
            return True
        return any(link.readable() for link in self._reading)

    def publish(self, frame: bytes) -> bool:
        """Publishes a quote's bytes both ways; whether ZeroMQ, the way of record, took it."""
        if self.lane is not None:
            self.lane.publish(frame)
        return self.quotes.send(frame)

    def drain_into(self, inbox: Inbox, answer: Callable[[Message], Message | None]) -> None:
        """Moves what arrived into the inbox; questions are answered at once."""
        if self.lane is not None:
            for frame in self.lane.drain(DRAINED_PER_TURN):
                inbox.put_quote(frame)
        for link in self._reading:
            name = link.channel.name
            received = link.drain(DRAINED_PER_TURN)
            if not received:
                continue
            if name == QUOTES.name:
                for _, frame in received:
                    inbox.put_quote(frame)
                continue
            read = self._readers[name].read
            for peer, body in received:
                try:
                    message = read(body)
                except MessageError as error:
                    link.counters.malformed += 1
                    self._malformed(name, peer, str(error))
                    continue
                if name != QUERY.name:
                    inbox.put(message)
                    continue
                answered = answer(message)
                if answered is not None:
                    link.send(encode(answered), peer)

    def say(self, to: str, message: Message) -> bool:
        """Sends a message to a role, or to every reader of account events; False when dropped."""
        channel = self._channel_to(to)
        link = self.all.get(channel.name) if channel else None
        if link is None:
            self.unroutable += 1
            return False
        body = encode(message)
        if to != PEERS:
            return link.send(body, to)
        went = True
        for peer in sorted(link.peers):
            went = link.send(body, peer) and went
        return went

    def close(self, linger_ms: int = 0) -> None:
        """Closes every link; what was handed over may still go out for linger_ms.

        A subscriber has nothing to say, but its subscription to an ingest that has left already
        would count as unsent and hold up the stop."""
        for link in self.all.values():
            link.close(0 if link.channel.binder_kind == zmq.PUB else linger_ms)
        if self.lane is not None:
            self.lane.close()

    def figures(self) -> dict[str, float]:
        """Counters over all links."""
        counters = [link.counters for link in self.all.values()]
        return {
            "bus_sent": sum(counter.sent for counter in counters),
            "bus_received": sum(counter.received for counter in counters),
            "bus_again": sum(counter.again for counter in counters),
            "bus_unreachable": sum(counter.unreachable for counter in counters),
            "bus_malformed": sum(counter.malformed for counter in counters),
            "bus_unroutable": self.unroutable,
            **(self.lane.figures() if self.lane is not None else {}),
        }

    def _channel_to(self, to: str) -> Channel | None:
        if to == SUPERVISE:
            return CONTROL
        if self.role == ACCOUNT.binder:
            return ACCOUNT if to == PEERS or to in ACCOUNT.peers else None
        return ACCOUNT if to == ACCOUNT.binder else None
