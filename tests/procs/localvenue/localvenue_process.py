"""A local venue as a real process, genuine ccxt pointed at it by URL, and raw requests."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
from yarl import URL

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
        deadline = time.monotonic() + 90
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
            return self.process.wait(60)
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
            "timeout": 30_000,
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


class RawClient:
    """Signed requests without any client library, to see the bytes as they are."""

    def __init__(self, session: Any, line: dict[str, Any]) -> None:
        self.session = session
        self.line = line

    def signed(self, params: dict[str, Any]) -> dict[str, str]:
        values = {name: str(value) for name, value in params.items()}
        values.setdefault("timestamp", str(time.time_ns() // 1_000_000))
        return values

    def signature(self, payload: str) -> str:
        secret = self.line["api_secret"].encode()
        return hmac.new(secret, payload.encode(), hashlib.sha256).hexdigest()

    async def call(self, method: str, path: str, **params: Any) -> tuple[int, Any, Any]:
        """(HTTP status, decoded body, headers) of a signed request."""
        payload = urlencode(self.signed(params))
        payload += f"&signature={self.signature(payload)}"
        url = URL(f"{self.line['rest']}/api/v3/{path}", encoded=True)
        headers = {"X-MBX-APIKEY": self.line["api_key"]}
        if method == "POST":
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            request = self.session.request(method, url, data=payload, headers=headers)
        else:
            url = URL(f"{url}?{payload}", encoded=True)
            request = self.session.request(method, url, headers=headers)
        async with request as answer:
            return answer.status, await answer.json(), answer.headers

    async def get(self, path: str, **params: Any) -> Any:
        """The decoded body of a public request."""
        async with self.session.get(f"{self.line['rest']}/{path}", params=params) as answer:
            return await answer.json()

    def socket_request(self, request_id: Any, method: str, **params: Any) -> dict[str, Any]:
        """A signed request of the WebSocket API."""
        values: dict[str, Any] = {"apiKey": self.line["api_key"], **self.signed(params)}
        payload = "&".join(f"{name}={value}" for name, value in sorted(values.items()))
        return {
            "id": request_id,
            "method": method,
            "params": {**values, "signature": self.signature(payload)},
        }


@contextlib.asynccontextmanager
async def raw_client(venue: VenueProcess) -> AsyncIterator[RawClient]:
    """A raw client of a venue."""
    async with aiohttp.ClientSession() as session:
        yield RawClient(session, venue.line)
