"""The local venue's process: builds the venue, serves it on loopback, ends cleanly on a signal."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import signal
import sys
from pathlib import Path
from typing import Any, Final

import orjson
import uvloop
from aiohttp import web

from procs.localvenue.admin import Admin, Counts
from procs.localvenue.audit import FillAudit
from procs.localvenue.candle_files import open_candles
from procs.localvenue.connections import BACKLOG, Connections, allow_open_files
from procs.localvenue.faults.injector import Injector
from procs.localvenue.faults.log import FaultLog
from procs.localvenue.faults.plan import read_plan
from procs.localvenue.journal import VenueJournal
from procs.localvenue.market.events import Market
from procs.localvenue.market.profiles import build_market
from procs.localvenue.market.recorded import RecordedMarket
from procs.localvenue.options import HOLD_MS, VenueOptions
from procs.localvenue.protocols.binance_spot.limits import Budget, RateLimits
from procs.localvenue.protocols.binance_spot.market_data import MarketData
from procs.localvenue.protocols.binance_spot.rest import RestApi
from procs.localvenue.protocols.binance_spot.routes import routes
from procs.localvenue.protocols.binance_spot.sockets import ClientSocket
from procs.localvenue.protocols.binance_spot.stream_server import StreamServer
from procs.localvenue.protocols.binance_spot.streams import StreamHub
from procs.localvenue.protocols.binance_spot.trading import Trading
from procs.localvenue.protocols.binance_spot.ws_api import SocketApi
from procs.localvenue.replay import open_recording
from procs.localvenue.shell import Venue
from shared.clock import wall_ms
from shared.errors import ConfigError

TICK_S: Final = 0.005
"""The market is moved to now this often, and before each request."""

SHUTDOWN_S: Final = 2.0
LAST_WORDS_S: Final = 0.02
"""What clients get to hear that the venue goes, before their connections are closed."""
SWEEP_TICKS: Final = 200
"""Silent connections are looked for every 5 s."""


class VenueServer:
    """A venue behind a listening socket."""

    def __init__(self, options: VenueOptions) -> None:
        """Builds market, journal and protocol. Raises SeawallError when one of them cannot be."""
        self.options = options
        plan = None if options.faults is None else read_plan(options.faults)
        self._fault_log = FaultLog(options.fault_log)
        market, name = open_market(options, wall_ms())
        journal = VenueJournal(options.data)
        try:
            self.venue = Venue(
                market, name, journal, options.balances, wall_ms, accounts=options.accounts
            )
            if options.audit is not None:
                self.venue.keep_audit(open_audit(options, options.audit, market, journal))
        except BaseException:  # Raised on, whatever it is: only the lock is let go first.
            journal.close()
            raise
        self.port = 0
        limits = RateLimits.unenforced() if options.unlimited else RateLimits()
        budget = Budget(limits)
        market_data = MarketData(self.venue, limits)
        table = routes(market_data, Trading(self.venue, budget))
        hub = StreamHub(self.venue, market_data)
        if isinstance(market, RecordedMarket):
            hub.on_first_subscription = market.begin
        self._streams = StreamServer(hub, self.venue.client_ms, not options.unlimited)
        self._socket_api = SocketApi(self.venue, budget, table)
        self.venue.market_listeners.append(hub)
        self.venue.user_listeners.append(self._socket_api)
        self._connections = Connections()
        self._app = self._connections.application()
        RestApi(self.venue, budget, table).register(self._app)
        self._streams.register(self._app)
        self._socket_api.register(self._app)
        injector = Injector(self.venue, self._fault_log)
        if plan is not None:
            injector.replace(plan)
        notice = self._announce_shutdown
        Admin(self.venue, injector, about(options), self._counts, notice).register(self._app)
        self._runner = self._connections.runner(self._app, SHUTDOWN_S)
        self._ticker: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listens. Raises ConfigError when the port is taken."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.options.host, self.options.port, backlog=BACKLOG)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise ConfigError(
                f"--port {self.options.port}: cannot listen on {self.options.host}: "
                f"{error.strerror or error}"
            ) from error
        self.port = int(self._runner.addresses[0][1])
        self.venue.pump()
        self._ticker = asyncio.create_task(self._tick())

    async def run_until(self, stopped: asyncio.Event) -> None:
        """Serves until told to stop; a market that cannot go on ends the process with its error."""
        assert self._ticker is not None, "start comes first"
        waiting = asyncio.create_task(stopped.wait())
        await asyncio.wait({waiting, self._ticker}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._ticker.done():
            self._ticker.result()

    async def stop(self) -> None:
        """Closes every connection, saves the market's position, closes the journal."""
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.gather(self._ticker, return_exceptions=True)
        self._announce_shutdown()
        await asyncio.sleep(LAST_WORDS_S)
        clients: set[ClientSocket] = self._streams.open | self._socket_api.open
        closing = [client.socket.close(code=1001, message=b"venue stops") for client in clients]
        if closing:
            await asyncio.wait([asyncio.ensure_future(one) for one in closing], timeout=1.0)
        await self._runner.cleanup()
        self.venue.close()
        self._fault_log.close()

    def _announce_shutdown(self) -> None:
        """Both kinds of sockets hear that the venue goes."""
        self._streams.announce_shutdown()
        self._socket_api.announce_shutdown()

    def ready_line(self) -> bytes:
        """What a client needs, as `seawall venue --json` prints it."""
        keys = list(self.venue.secrets.items())
        address = f"{self.options.host}:{self.port}"
        line: dict[str, Any] = {
            "rest": f"http://{address}",
            "ws": f"ws://{address}",
            "api_key": keys[0][0],
            "api_secret": keys[0][1],
            "symbols": list(self.venue.exchange.instruments),
        }
        if len(keys) > 1:
            line["accounts"] = [{"api_key": key, "api_secret": secret} for key, secret in keys]
        return orjson.dumps(line)

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        for tick in itertools.count():
            self.venue.pump()
            if tick % SWEEP_TICKS == 0:
                self._connections.sweep(self._runner.server, loop.time())
            await asyncio.sleep(TICK_S)

    def _counts(self) -> Counts:
        server = self._runner.server
        return Counts(
            connections=0 if server is None else len(server.connections),
            sockets=len(self._streams.open | self._socket_api.open),
            slow_dropped=ClientSocket.slow_dropped,
        )


def about(options: VenueOptions) -> dict[str, Any]:
    """What market this is, as GET /seawall/market says it."""
    generated = not (options.replay or options.candles)
    return {
        "kind": "recorded" if options.replay else "candles" if options.candles else "generated",
        "profile": options.profile if generated else None,
        "seed": options.seed if generated else None,
    }


def open_market(options: VenueOptions, start_ms: int) -> tuple[Market, str]:
    """The market of the options and the name by which its journal knows it."""
    if options.replay:
        hold_ms = HOLD_MS if options.hold else 0
        market = open_recording(
            options.replay, options.instruments, start_ms, hold_ms, options.speed
        )
        return market, "replay:" + ",".join(path.name for path in options.replay)
    if options.candles:
        market_of_candles = open_candles(
            options.candles,
            options.instruments,
            start_ms,
            options.speed,
            options.candles_from,
            options.seed,
        )
        return market_of_candles, "candles:" + ",".join(path.name for path in options.candles)
    name = f"{options.profile}:{options.seed}"
    if options.symbols is not None:
        name += f":{options.symbols}"
    return build_market(options.profile, options.seed, start_ms, options.symbols), name


def open_audit(
    options: VenueOptions, path: Path, market: Market, journal: VenueJournal
) -> FillAudit:
    """The audit of a run that begins now. Raises ConfigError for a venue that goes on."""
    if journal.get("market") is not None:
        raise ConfigError(
            f"--audit {path}: the venue in {options.data} goes on where it was left, and the file "
            "would not hold what was before; choose another data folder"
        )
    return FillAudit(path, market.instruments, options.replay)


def serve(options: VenueOptions) -> None:
    """Runs a venue until SIGTERM or SIGINT. Raises SeawallError when it cannot start."""
    allow_open_files()
    server = VenueServer(options)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(server, options))


async def _serve(server: VenueServer, options: VenueOptions) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    try:
        await server.start()
    except ConfigError:
        server.venue.close()
        raise
    try:
        gc.collect()
        gc.freeze()
        announce(server, options)
        await server.run_until(stopped)
    finally:
        await server.stop()


def announce(server: VenueServer, options: VenueOptions) -> None:
    """Says where the venue is: to the starter's file or descriptor, and on stdout."""
    line = server.ready_line()
    if options.ready_file is not None:
        partial = options.ready_file.with_name(options.ready_file.name + ".partial")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(line + b"\n")
        partial.replace(options.ready_file)
    if options.ready_fd is not None:
        os.write(options.ready_fd, line + b"\n")
        os.close(options.ready_fd)
    if options.json:
        sys.stdout.write(line.decode() + "\n")
    elif options.ready_file is None and options.ready_fd is None:
        sys.stdout.write(_for_people(orjson.loads(line)))
    sys.stdout.flush()


def _for_people(line: dict[str, Any]) -> str:
    return (
        f"local venue (binance spot)\n"
        f"  REST        {line['rest']}/api/v3\n"
        f"  streams     {line['ws']}/ws, {line['ws']}/stream\n"
        f"  socket API  {line['ws']}/ws-api/v3\n"
        f"  API key     {line['api_key']}\n"
        f"  API secret  {line['api_secret']}\n"
        f"  symbols     {' '.join(line['symbols'])}\n"
        "Ctrl-C stops it.\n"
    )
