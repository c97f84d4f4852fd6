"""A local venue as a real process, and genuine ccxt pointed at it by URL."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]


class VenueProcess:
    """One `python -P -m procs.localvenue`, ready to accept connections."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.ready = folder / "ready.json"
        self.ready.unlink(missing_ok=True)
        self.errors = folder / "errors.txt"
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-P", "-m", "procs.localvenue"),
                    *("--ready-file", str(self.ready)),
                    *options,
                ],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
        deadline = time.monotonic() + 30
        while not self.ready.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise AssertionError(f"the venue did not start: {self.errors.read_text()}")
            time.sleep(0.02)
        self.line: dict[str, Any] = json.loads(self.ready.read_text())

    @property
    def port(self) -> int:
        return int(self.line["rest"].rsplit(":", 1)[1])

    def kill(self) -> None:
        """kill -9."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def client_config(self, **more: Any) -> dict[str, Any]:
        """ccxt's configuration by URL override."""
        rest, ws = self.line["rest"], self.line["ws"]
        return {
            "apiKey": self.line["api_key"],
            "secret": self.line["api_secret"],
            "enableRateLimit": False,
            "timeout": 5_000,
            "options": {
                "defaultType": "spot",
                "fetchCurrencies": False,
                "fetchMargins": False,
                "fetchMarkets": {"types": ["spot"]},
            },
            "urls": {
                "api": {
                    "public": f"{rest}/api/v3",
                    "private": f"{rest}/api/v3",
                    "v1": f"{rest}/api/v1",
                    "sapi": f"{rest}/sapi/v1",
                    "ws": {
                        "spot": f"{ws}/stream/ws",
                        "margin": f"{ws}/stream/ws",
                        "ws-api": {"spot": f"{ws}/ws-api/v3"},
                    },
                }
            },
            **more,
        }


@pytest.fixture(scope="module")
def start_venue(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., VenueProcess]]:
    """Starts venues; ends those that still run when the module's tests are done."""
    started: list[VenueProcess] = []

    def start(*options: str, folder: Path | None = None) -> VenueProcess:
        venue = VenueProcess(folder or tmp_path_factory.mktemp("venue"), *options)
        started.append(venue)
        return venue

    yield start
    for venue in started:
        if venue.process.poll() is None:
            venue.kill()


@contextlib.asynccontextmanager
async def client_of(venue: VenueProcess, **more: Any) -> AsyncIterator[Any]:
    """A genuine ccxt.pro client with markets loaded, closed afterwards."""
    import ccxt.pro

    client = ccxt.pro.binance(venue.client_config(**more))
    try:
        await client.load_markets()
        yield client
    finally:
        await client.close()
