"""The local venue as the supervisor's first child: its port, its command, its readiness, its keys.

It is started before route and stopped last, and comes back on the same port with its journal, so
that killing everything loses nothing there either.
"""

from __future__ import annotations

import http.client
import os
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from procs.supervise.rundir import read_text, replace_text
from shared.config.schema import Settings
from shared.messages.base import NOT_JSON

HOST: Final = "127.0.0.1"
READY_LINE_MAX: Final = 1_000_000
ENDED_EVERY_S: Final = 0.5
ENDED_TIMEOUT_S: Final = 2.0


class VenueReady(msgspec.Struct, frozen=True):
    """What the venue says when it accepts connections."""

    rest: str
    ws: str
    api_key: str
    api_secret: str
    symbols: tuple[str, ...] = ()


def venue_command(
    settings: Settings,
    *,
    port: int,
    data_dir: Path,
    ready_fd: int,
    replay: Sequence[Path] = (),
    instruments: Path | None = None,
) -> list[str]:
    """The command line of the local venue; it carries no secrets, the venue makes its own keys."""
    command = [sys.executable, "-P", "-m", "procs.localvenue"]
    command += ["--port", str(port), "--data", str(data_dir), "--ready-fd", str(ready_fd)]
    command += ["--balance", f"{settings.universe.quote}={settings.venue.start_quote}"]
    if settings.venue.faults:
        # The child may run elsewhere: the path is meant from where the engine was started.
        command += ["--faults", str(Path(settings.venue.faults).expanduser().absolute())]
    if replay:
        # The engine needs a second or two until it listens; the recording waits for it.
        command += ["--hold", "--replay", *map(str, replay)]
        if instruments is not None:
            command += ["--instruments", str(instruments)]
    else:
        command += ["--profile", settings.venue.profile, "--seed", str(settings.engine.seed)]
    return command


def choose_port(configured: int, remembered: Path) -> int:
    """The configured port, else the one of the last run while nobody else has it, else a free one.

    The choice is remembered before the venue starts: a kill -9 right after must not lose it."""
    if configured:
        return configured
    text = read_text(remembered)
    port = int(text) if text.isascii() and text.isdigit() and 0 < int(text) < 65_536 else 0
    if not port or not _is_free(port):
        port = _free_port()
        replace_text(remembered, f"{port}\n")
    return port


def read_ready(data: bytes) -> VenueReady | None:
    """The venue's ready line; None when it is not one (the venue died while writing)."""
    try:
        return msgspec.json.decode(data, type=VenueReady)
    except NOT_JSON:
        return None


def write_credentials(path: Path, ready: VenueReady) -> None:
    """The demo account's keys for route, 0600; the file's table is the venue's name (L13)."""
    text = f'[local]\napi_key = "{ready.api_key}"\napi_secret = "{ready.api_secret}"\n'
    replace_text(path, text, mode=0o600)


class ReplayWatch:
    """Asks the venue whether the recording ended; from a thread, so that nothing waits for it."""

    def __init__(self, rest: str, wake_fd: int) -> None:
        """wake_fd gets one byte when the recording has ended."""
        self.ended = threading.Event()
        self._left = threading.Event()
        self._address = urlsplit(rest).netloc
        self._wake_fd = wake_fd
        self._thread = threading.Thread(target=self._work, name="replay-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops asking."""
        self._left.set()
        self._thread.join(ENDED_TIMEOUT_S + ENDED_EVERY_S)

    def _work(self) -> None:
        while not self._left.wait(ENDED_EVERY_S):
            if self._ask():
                self.ended.set()
                os.write(self._wake_fd, b"\0")
                return

    def _ask(self) -> bool:
        connection = http.client.HTTPConnection(self._address, timeout=ENDED_TIMEOUT_S)
        try:
            connection.request("GET", "/seawall/market")
            answer = msgspec.json.decode(connection.getresponse().read())
        except (OSError, http.client.HTTPException, *NOT_JSON):
            # The venue may be restarting; the next question finds it.
            return False
        finally:
            connection.close()
        return isinstance(answer, dict) and answer.get("ended") is True


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # What closed connections leave behind for a minute does not count: the venue reuses it too.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
