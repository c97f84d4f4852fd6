"""Thin wrappers around raw ZeroMQ sockets: never blocking, everything counted, one set of options.

No `zmq.asyncio`: it is slower than the descriptor in the loop's own poller (`seawall bench hop`).
That descriptor is edge-triggered, so a reader drains and asks `readable()` again, and does so after
sends too: a send may swallow the edge.
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Final

import msgspec
import zmq

from shared.bus.locks import Lock, clear_socket, take_lock
from shared.bus.topology import Channel

MAX_MESSAGE_BYTES: Final = 64 * 1024 * 1024
"""Larger than any account with all its instruments; a peer that sends more is cut off."""

RECONNECT_MS: Final = 20
RECONNECT_MAX_MS: Final = 200
"""How soon a connecting side looks for a binder that went away."""

LOOKS_PER_DRAIN: Final = 3
"""Messages of one drain before which a look says whether there is another."""

_POLLIN: Final = int(zmq.POLLIN)
"""As a plain number: it is looked at several times a turn, and the enum's arithmetic is slow."""

Received = tuple[str, bytes]
"""Who said it (the peer's role; empty where there is only one) and the body."""


class Counters(msgspec.Struct):
    """What went through a link, and what did not."""

    sent: int = 0
    received: int = 0
    again: int = 0
    """Sends dropped because the peer is slow or not there."""
    unreachable: int = 0
    """Sends dropped because the router knows no such peer."""
    malformed: int = 0
    """Messages with the wrong number of frames, or (counted by the reader) unreadable bodies."""


class Link:
    """One end of a channel, as a role sees it. Not connected before `open`."""

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], channel: Channel, role: str, run_dir: Path
    ) -> None:
        self.channel = channel
        self.role = role
        self.binds = role == channel.binder
        self.kind = channel.binder_kind if self.binds else channel.peer_kind
        self.counters = Counters()
        self.peers: set[str] = set()
        """Roles heard of on a router and not found unreachable since."""
        self._run_dir = run_dir
        self._lock: Lock | None = None
        self._socket = context.socket(self.kind)
        self._configure(channel.binder_hwm if self.binds else channel.peer_hwm)

    def open(self) -> None:
        """Binds, after taking the lock, or connects.

        Raises LockedError when another instance is bound, ConfigError for an impossible path."""
        address = self.channel.address(self._run_dir)
        if not self.binds:
            self._socket.connect(address)
            return
        path = self.channel.path(self._run_dir)
        self._lock = take_lock(path.with_suffix(".lock"), self.role)
        clear_socket(path)
        self._socket.bind(address)

    @property
    def descriptor(self) -> int:
        """What the loop polls for reading; edge-triggered."""
        return int(self._socket.getsockopt(zmq.FD))

    @property
    def reads(self) -> bool:
        """Whether anything can arrive here."""
        return self.kind != zmq.PUB

    def readable(self) -> bool:
        """Whether a message waits."""
        return bool(int(self._socket.getsockopt(zmq.EVENTS)) & _POLLIN)

    def wait(self, timeout_ms: int) -> bool:
        """Waits for a message, for commands and tests; the live loop never calls it."""
        return bool(self._socket.poll(timeout_ms, zmq.POLLIN))

    def subscribe(self, prefix: bytes = b"") -> None:
        """Asks for frames that start so (SUB only)."""
        self._socket.setsockopt(zmq.SUBSCRIBE, prefix)

    def unsubscribe(self, prefix: bytes = b"") -> None:
        """Takes back a subscription (SUB only)."""
        self._socket.setsockopt(zmq.UNSUBSCRIBE, prefix)

    def send(self, body: bytes, to: str = "") -> bool:
        """Hands a message over, to a named peer on a router; False when it was dropped."""
        try:
            if self.kind == zmq.ROUTER:
                self._socket.send_multipart((to.encode("latin-1"), body), zmq.NOBLOCK)
            else:
                self._socket.send(body, zmq.NOBLOCK)
        except zmq.Again:
            self.counters.again += 1
            return False
        except zmq.ZMQError as error:
            if error.errno != errno.EHOSTUNREACH:
                raise
            self.counters.unreachable += 1
            self.peers.discard(to)
            return False
        self.counters.sent += 1
        return True

    def drain(self, limit: int) -> list[Received]:
        """Up to limit waiting messages."""
        taken: list[Received] = []
        receive = self._socket.recv_multipart
        routed = self.kind == zmq.ROUTER
        frames_expected = 2 if routed else 1
        try:
            for count in range(limit):
                # A look is a third of the exception of an empty read, and a burst needs no looks.
                if count < LOOKS_PER_DRAIN and not self.readable():
                    break
                frames = receive(zmq.NOBLOCK)
                if len(frames) != frames_expected:
                    self.counters.malformed += 1
                    continue
                peer = frames[0].decode("latin-1") if routed else ""
                if peer in self.channel.peers:
                    self.peers.add(peer)
                taken.append((peer, frames[-1]))
        except zmq.Again:
            self.counters.received += len(taken)
            return taken
        self.counters.received += len(taken)
        return taken

    def close(self, linger_ms: int | None = None) -> None:
        """Closes; with linger_ms, messages handed over before may still go out for so long."""
        self._socket.close(self.channel.linger_ms if linger_ms is None else linger_ms)
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _configure(self, hwm: int) -> None:
        socket = self._socket
        socket.setsockopt(zmq.LINGER, self.channel.linger_ms)
        socket.setsockopt(zmq.SNDHWM, hwm)
        socket.setsockopt(zmq.RCVHWM, hwm)
        socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
        if self.kind == zmq.ROUTER:
            socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
            socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
        if self.kind == zmq.DEALER:
            socket.setsockopt(zmq.IMMEDIATE, 1)
            if self.role in self.channel.peers and self.role != "cli":
                socket.setsockopt(zmq.IDENTITY, self.role.encode("ascii"))
        if not self.binds:
            socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
            socket.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)
