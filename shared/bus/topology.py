"""Every socket of the engine in one table: who binds and connects, what is said, what may pile up.

All are `ipc://` in the run directory, which is 0700: an abstract name, or another mode, would let
any user of the machine inject orders. No limit is 0, because 0 means unbounded, and no socket makes
a turn wait: a send that cannot go through is counted and dropped, and the overload policy says how
the receiver notices (L8).
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import msgspec
import zmq

from shared.errors import ConfigError
from shared.messages.account import (
    Acknowledge,
    Beat,
    EventSaid,
    Hello,
    HelloRefused,
    Welcomed,
)
from shared.messages.control import (
    AlarmRaised,
    Ask,
    CloseAsked,
    Drained,
    EngineStatus,
    Heartbeat,
    ProcessReady,
    ProcessStopped,
    Steer,
    Steered,
    StopEntries,
    StopProcess,
    Told,
    Tripped,
)
from shared.messages.entry import EntryIntent
from shared.messages.protection import PricePolled, SetProtection


class Overload(StrEnum):
    """What happens to a message that does not fit, and why that is safe."""

    CONFLATE = "the reader keeps the newest quote of each symbol; too old means untradeable"
    REPLAY = "dropped and counted; the reader sees the gap in the sequence and asks again"
    REPEAT = "dropped and counted; said again by timer until it is answered"
    ANSWER = "dropped and counted; the asker runs into its deadline"


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """One row: a bound socket and those that connect to it. HWMs count messages per peer."""

    name: str
    binder: str
    binder_kind: int
    """ZeroMQ socket type of the side that binds."""
    peers: tuple[str, ...]
    """Roles that connect; 'cli' stands for short-lived commands."""
    peer_kind: int
    binder_hwm: int
    peer_hwm: int
    overload: Overload
    up: tuple[type, ...]
    """What peers say to the binder."""
    down: tuple[type, ...]
    """What the binder says to peers; empty for `quotes`, whose frames are binary."""
    linger_ms: int = 0
    """How long unsent messages outlive their socket; 0 so that a restart delivers nothing late."""

    def path(self, run_dir: Path) -> Path:
        """The socket file."""
        return run_dir / f"{self.name}.sock"

    def address(self, run_dir: Path) -> str:
        """The ZeroMQ address. Raises ConfigError when the path is too long for a socket."""
        path = str(self.path(run_dir))
        length = len(path.encode())
        if length > SOCKET_PATH_LIMIT:
            raise ConfigError(
                f"socket path {path}: {length} bytes, at most {SOCKET_PATH_LIMIT} allowed; "
                "use a shorter --userdir"
            )
        return f"ipc://{path}"

    def spoken_to(self, role: str) -> Any:
        """The union of messages that a role reads on this channel."""
        kinds = self.up if role == self.binder else self.down
        union: Any = kinds[0]
        for kind in kinds[1:]:
            union = union | kind
        return union


SOCKET_PATH_LIMIT: Final = 107
"""sun_path holds 108 bytes with its terminator."""

QUOTES: Final = Channel(
    name="quotes",
    binder="ingest",
    binder_kind=zmq.PUB,
    peers=("decide", "protect", "route", "observe"),
    peer_kind=zmq.SUB,
    binder_hwm=20_000,
    peer_hwm=20_000,
    overload=Overload.CONFLATE,
    up=(),
    down=(),
)
ACCOUNT: Final = Channel(
    name="account",
    binder="route",
    binder_kind=zmq.ROUTER,
    peers=("decide", "protect", "observe"),
    peer_kind=zmq.DEALER,
    binder_hwm=10_000,
    peer_hwm=1_000,
    overload=Overload.REPLAY,
    up=(Hello, Acknowledge, EntryIntent, SetProtection, PricePolled),
    down=(Welcomed, EventSaid, Beat, HelloRefused),
)
CONTROL: Final = Channel(
    name="control",
    binder="supervise",
    binder_kind=zmq.ROUTER,
    peers=("route", "protect", "ingest", "decide", "observe"),
    peer_kind=zmq.DEALER,
    binder_hwm=1_000,
    peer_hwm=1_000,
    overload=Overload.REPEAT,
    up=(ProcessReady, Heartbeat, AlarmRaised, Tripped, Drained, ProcessStopped),
    down=(EngineStatus, StopEntries, StopProcess, CloseAsked, AlarmRaised),
)
STEER: Final = Channel(
    name="steer",
    binder="supervise",
    binder_kind=zmq.ROUTER,
    peers=("cli",),
    peer_kind=zmq.DEALER,
    binder_hwm=100,
    peer_hwm=10,
    overload=Overload.ANSWER,
    up=(Steer,),
    down=(Steered,),
)
QUERY: Final = Channel(
    name="query",
    binder="observe",
    binder_kind=zmq.ROUTER,
    peers=("cli",),
    peer_kind=zmq.DEALER,
    binder_hwm=100,
    peer_hwm=10,
    overload=Overload.ANSWER,
    up=(Ask,),
    down=(Told,),
)

CHANNELS: Final = {channel.name: channel for channel in (QUOTES, ACCOUNT, CONTROL, STEER, QUERY)}


def channels_of(role: str) -> tuple[Channel, ...]:
    """The channels a role binds or connects, in the order of the table."""
    return tuple(
        channel for channel in CHANNELS.values() if role == channel.binder or role in channel.peers
    )
