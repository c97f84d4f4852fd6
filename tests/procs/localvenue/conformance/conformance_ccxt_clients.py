"""Genuine ccxt.pro pointed at a local venue in two ways, neither of which changes its code.

`override`: its URLs are replaced. `transparent`: its URLs stay the exchange's own; names resolve to
a TLS end of ours, whose certificate the client trusts, and which hands the bytes on."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import aiohttp.abc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from localvenue_process import VenueProcess

RECIPES = ("override", "transparent")
SPOT_ONLY = {
    "defaultType": "spot",
    "fetchCurrencies": False,
    "fetchMargins": False,
    "fetchMarkets": {"types": ["spot"]},
}


def make_certificate(folder: Path) -> Path:
    """A self-signed certificate of the exchange's names, with its key, in one file."""
    path = folder / "exchange.pem"
    if path.exists():
        return path
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "binance.com")])
    today = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName("*.binance.com"), x509.DNSName("binance.com")]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


@contextlib.asynccontextmanager
async def tls_end(venue: VenueProcess, certificate: Path) -> AsyncIterator[int]:
    """A port that speaks TLS and hands everything on to the venue."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    running: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", venue.port)
        for work in (pump(reader, inner_writer), pump(inner_reader, writer)):
            task = asyncio.create_task(work)
            running.add(task)
            task.add_done_callback(running.discard)

    server = await asyncio.start_server(hand_on, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


class ToHere(aiohttp.abc.AbstractResolver):
    """Every name, and every port, is the TLS end's."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[aiohttp.abc.ResolveResult]:
        return [
            {
                "hostname": host,
                "host": "127.0.0.1",
                "port": self.port,
                "family": socket.AF_INET,
                "proto": 0,
                "flags": 0,
            }
        ]

    async def close(self) -> None:
        """Nothing is held."""


@contextlib.asynccontextmanager
async def client_of(
    venue: VenueProcess, recipe: str, certificates: Path, **more: Any
) -> AsyncIterator[Any]:
    """A ccxt.pro client with markets loaded, closed afterwards."""
    import ccxt.pro

    async with contextlib.AsyncExitStack() as stack:
        if recipe == "override":
            config = venue.client_config(**more)
        else:
            certificate = make_certificate(certificates)
            port = await stack.enter_async_context(tls_end(venue, certificate))
            connector = aiohttp.TCPConnector(
                resolver=ToHere(port),
                ssl=ssl.create_default_context(cafile=str(certificate)),
                use_dns_cache=False,
            )
            session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
            config = {
                "apiKey": venue.line["api_key"],
                "secret": venue.line["api_secret"],
                "enableRateLimit": False,
                "timeout": 30_000,
                "options": dict(SPOT_ONLY),
                "session": session,
                **more,
            }
        client = ccxt.pro.binance(config)
        try:
            await client.load_markets()
            yield client
        finally:
            await client.close()
