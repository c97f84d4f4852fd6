"""The supervisor's two sockets: `control` for its children, `steer` for a person.

Whatever arrives is checked before it is believed: a message that cannot be read, or that speaks for
another role than its sender's, is counted and dropped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import zmq

from procs.supervise.effects import SteerAsked
from shared.bus.sockets import Link
from shared.bus.topology import CONTROL, STEER
from shared.errors import MessageError
from shared.messages.base import Message, Reader, encode
from shared.messages.control import Steered

ROLE: Final = "supervise"
MAX_PER_DRAIN: Final = 2000
"""Messages taken at once, so that a flood of one child cannot starve time."""
ANSWER_LINGER_MS: Final = 500
"""The answer to `seawall stop` may still leave while everything ends."""


class Listening:
    """Binds both sockets; the engine lock must be held, a second binder would steal them."""

    def __init__(self, run_dir: Path) -> None:
        """Raises LockedError or ConfigError; then nothing is left bound."""
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._control = Link(self._context, CONTROL, ROLE, run_dir)
        self._steer = Link(self._context, STEER, ROLE, run_dir)
        self._read_control = Reader(CONTROL.spoken_to(ROLE))
        self._read_steer = Reader(STEER.spoken_to(ROLE))
        self.malformed = 0
        try:
            self._control.open()
            self._steer.open()
        except BaseException:  # Raised on, whatever it is: nothing may stay bound behind it.
            self.close()
            raise

    @property
    def descriptors(self) -> tuple[int, int]:
        """What the loop polls; edge-triggered, so ask `readable` before each wait."""
        return self._control.descriptor, self._steer.descriptor

    def readable(self) -> bool:
        """Whether a message waits already."""
        return self._control.readable() or self._steer.readable()

    def drain(self) -> list[Any]:
        """Everything that has arrived, in order: children first."""
        heard: list[Any] = []
        for peer, body in self._control.drain(MAX_PER_DRAIN):
            message = self._read(self._read_control, body)
            if message is None:
                continue
            if message.role == peer:
                heard.append(message)
            else:
                self.malformed += 1
        for peer, body in self._steer.drain(MAX_PER_DRAIN):
            self._steer.peers.discard(peer)
            message = self._read(self._read_steer, body)
            if message is not None:
                heard.append(SteerAsked(peer, message))
        return heard

    def say(self, role: str, message: Message) -> None:
        """Tells a child; one that is not connected is not waited for, orders are repeated."""
        self._control.send(encode(message), role)

    def answer(self, peer: str, answer: Steered) -> None:
        """Answers a person."""
        self._steer.send(encode(answer), peer)

    @property
    def unsent(self) -> int:
        """Messages to children that could not be handed over."""
        counters = self._control.counters
        return counters.again + counters.unreachable

    def close(self) -> None:
        """Closes the sockets; answers already given still leave."""
        self._control.close()
        self._steer.close(ANSWER_LINGER_MS)
        self._context.term()

    def _read(self, reader: Reader, body: bytes) -> Any:
        try:
            return reader.read(body)
        except MessageError:
            self.malformed += 1
            return None
