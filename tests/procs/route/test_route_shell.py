"""Route's shell: the last checks before a send, and what makes a start impossible."""

from __future__ import annotations

import asyncio
import os
from decimal import Decimal
from pathlib import Path

import pytest

from procs.route import shell as route_shell
from procs.route.shell import MAX_ENTRIES_IN_FLIGHT, MAX_IN_FLIGHT, RouteShell
from procs.runtime.latch import Latch
from procs.runtime.launch import Launch
from shared.bus.locks import LockedError
from shared.clock import EngineClock
from shared.config.schema import Engine, Settings, Universe
from shared.config.schema import Venue as VenueSection
from shared.domain.capability import BINANCE_SPOT, capability_of
from shared.domain.effects import CallVenue
from shared.domain.instrument import Instrument
from shared.errors import ConfigError, VenueError
from shared.messages.venue import (
    CancelOrder,
    OrderKind,
    Outcome,
    PlaceOrder,
    QueryOrder,
    Side,
    VenueAnswered,
)
from shared.units import NS_PER_S
from shared.venues.credentials import Credentials, load_credentials

SECRET = "a-secret-that-nobody-may-see"
INSTRUMENT = Instrument(
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    tick_size=Decimal("0.01"),
    step_size=Decimal("0.00001"),
    min_quantity=Decimal("0.00001"),
    max_quantity=Decimal(9000),
    min_price=Decimal("0.01"),
    max_price=Decimal(1000000),
    min_notional=Decimal(5),
    market_max_quantity=Decimal(100),
)
ORDER = PlaceOrder(
    symbol="BTCUSDT",
    client_id="sw-a-1-e1",
    side=Side.BUY,
    kind=OrderKind.LIMIT,
    quantity=Decimal("0.001"),
    price=Decimal(50000),
)
QUERY = QueryOrder(symbol="BTCUSDT", client_id="sw-a-1-e1")
CANCEL = CancelOrder(symbol="BTCUSDT", client_id="sw-a-1-e1")


class FakeVenue:
    """Answers when it is let; counts what reached it."""

    capability = BINANCE_SPOT
    unusable: dict[str, str] = {}

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.called: list[tuple[object, bool]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.error_ms = 0.0
        self.looks = 0
        self.closed = False

    async def connect(self):
        if self.failures:
            self.failures -= 1
            raise VenueError("markets: not reachable")
        return (INSTRUMENT,)

    async def call(self, request, *, exit_priority=False, last_check=None):
        self.called.append((request, exit_priority))
        await self.gate.wait()
        return VenueAnswered(request=request, outcome=Outcome.OK)

    async def stream(self, deliver) -> None:
        await asyncio.Event().wait()

    def clock_error_ms(self) -> float:
        self.looks += 1
        return self.error_ms

    def figures(self) -> dict[str, float]:
        return {"venue_ok": float(len(self.called))}

    async def close(self) -> None:
        self.closed = True


class FakeRuntime:
    """What the shell uses of the live loop."""

    def __init__(self, folder: Path) -> None:
        self.clock = EngineClock()
        self.latch = Latch(folder / "KILL")
        self.notes: list[tuple[str, dict]] = []
        self.trips: list[str] = []

    def latched(self) -> str:
        return self.latch.text()

    def is_stale(self, turn_began_ns: int) -> bool:
        return self.clock.now_ns() - turn_began_ns > 250_000_000

    def note(self, stream: str, event_type: str, **fields) -> None:
        self.notes.append((event_type, fields))

    def trip(self, reason: str) -> None:
        self.trips.append(reason)

    def deliver(self, message) -> None:
        raise AssertionError("nothing is delivered here")


def launch(folder: Path, **changes) -> Launch:
    """A launch file's content for a local venue, with credentials beside it."""
    credentials = folder / "credentials.toml"
    if not credentials.exists():
        text = "".join(
            f'[{name}]\napi_key = "k-{name}"\napi_secret = "{SECRET}"\n'
            for name in ("local", "binance")
        )
        credentials.write_text(text)
        credentials.chmod(0o600)
    values = {
        "role": "route",
        "run_id": "tk3f9a",
        "incarnation": 2,
        "clock_offset_ns": 0,
        "userdir": str(folder),
        "run_dir": str(folder),
        "data_dir": str(folder),
        "config_hash": "h",
        "settings": Settings(),
        "venue_rest": "http://127.0.0.1:1",
        "venue_ws": "ws://127.0.0.1:1",
        **changes,
    }
    return Launch(**values)


def with_shell(folder: Path, body, venue: FakeVenue | None = None, **changes) -> None:
    """Runs body(shell, runtime, venue) on a prepared shell."""

    async def run() -> None:
        fake = venue or FakeVenue()
        shell = RouteShell(launch(folder, **changes), lambda access, clock: fake)
        runtime = FakeRuntime(folder)
        try:
            await shell.prepare(runtime)
            await body(shell, runtime, fake)
        finally:
            await shell.close()
        assert fake.closed

    asyncio.run(run())


def test_a_fresh_call_reaches_the_venue_with_its_priority(tmp_path) -> None:
    async def body(shell, runtime, venue) -> None:
        for priority in (False, True):
            call = CallVenue(ORDER, exit_priority=priority)
            answered = await shell.perform_call(call, runtime.clock.now_ns())
            assert answered.outcome is Outcome.OK
        assert venue.called == [(ORDER, False), (ORDER, True)]
        assert shell.figures()["venue_in_flight"] == 0

    with_shell(tmp_path, body)


def test_a_call_of_an_old_turn_is_not_sent(tmp_path) -> None:
    async def body(shell, runtime, venue) -> None:
        began_ns = runtime.clock.now_ns() - 251_000_000
        for priority in (False, True):
            answered = await shell.perform_call(CallVenue(ORDER, exit_priority=priority), began_ns)
            assert (answered.outcome, answered.code) == (Outcome.NOT_SENT, "stale_turn")
            assert answered.request == ORDER
        assert venue.called == []
        assert shell.figures()["not_sent_stale_turn"] == 2

    with_shell(tmp_path, body)


def test_the_latch_stops_what_raises_risk_and_nothing_else(tmp_path) -> None:
    async def body(shell, runtime, venue) -> None:
        now_ns = runtime.clock.now_ns
        (tmp_path / "KILL").write_text("enough for today\n")
        entry = await shell.perform_call(CallVenue(ORDER), now_ns())
        assert (entry.outcome, entry.code) == (Outcome.NOT_SENT, "latched")
        assert "enough for today" in entry.text
        for call in (CallVenue(ORDER, exit_priority=True), CallVenue(QUERY), CallVenue(CANCEL)):
            assert (await shell.perform_call(call, now_ns())).outcome is Outcome.OK
        (tmp_path / "KILL").unlink()
        assert (await shell.perform_call(CallVenue(ORDER), now_ns())).outcome is Outcome.OK
        assert len(venue.called) == 4

    with_shell(tmp_path, body)


def test_entries_in_flight_are_bounded_and_leave_room_for_exits(tmp_path) -> None:
    async def body(shell, runtime, venue) -> None:
        venue.gate.clear()

        def ask(priority: bool):
            call = CallVenue(ORDER, exit_priority=priority)
            # However long this machine takes for all of them, no turn is an old one here.
            began_ns = runtime.clock.now_ns() + 60 * NS_PER_S
            return asyncio.create_task(shell.perform_call(call, began_ns))

        tasks = [ask(False) for _ in range(MAX_ENTRIES_IN_FLIGHT)]
        await asyncio.sleep(0)
        refused = await ask(False)
        assert (refused.outcome, refused.code) == (Outcome.NOT_SENT, "crowded")
        tasks += [ask(True) for _ in range(MAX_IN_FLIGHT - MAX_ENTRIES_IN_FLIGHT)]
        await asyncio.sleep(0)
        assert shell.in_flight == MAX_IN_FLIGHT
        assert (await ask(True)).code == "crowded"
        venue.gate.set()
        assert {one.outcome for one in await asyncio.gather(*tasks)} == {Outcome.OK}
        assert (shell.in_flight, shell.entries_in_flight) == (0, 0)

    with_shell(tmp_path, body)


def test_connecting_is_tried_again_but_not_for_ever(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(route_shell, "FIRST_PAUSE_S", 0.01)

    async def body(shell, runtime, venue) -> None:
        failed = [name for name, _ in runtime.notes if name == "venue_connect_failed"]
        assert len(failed) == 3

    with_shell(tmp_path, body, FakeVenue(failures=3))
    monkeypatch.setattr(route_shell, "CONNECT_S", 0.05)

    async def never(shell, runtime, venue) -> None:
        raise AssertionError("it must not be prepared")

    with pytest.raises(VenueError, match=r"venue local: markets: not reachable \([0-9]+ tries\)"):
        with_shell(tmp_path, never, FakeVenue(failures=1000))


def test_the_actor_gets_the_fence_of_this_venue_and_only_its_quote(tmp_path) -> None:
    async def body(shell, runtime, venue) -> None:
        actor = shell.build()
        assert actor.policy.fence_s == BINANCE_SPOT.fence_s
        assert actor.policy.config_hash == "h"
        assert list(actor.instruments) == ["BTCUSDT"]
        assert actor.epoch == "tk3f9a.2"

    with_shell(tmp_path, body)
    with pytest.raises(ConfigError, match=r"universe.quote = 'EUR'.*known are USDT"):
        with_shell(tmp_path, body, settings=Settings(universe=Universe(quote="EUR")))


def test_a_venue_without_stops_is_refused_before_it_is_asked_anything(tmp_path) -> None:
    """L14: nothing would guard a position while the engine is down."""

    async def never(shell, runtime, venue) -> None:
        raise AssertionError("it must not be prepared")

    venue = FakeVenue()
    venue.capability = capability_of("somebody")
    with pytest.raises(ConfigError, match="no stop orders and no stop and take profit"):
        with_shell(tmp_path, never, venue)
    assert venue.closed


def test_a_wrong_clock_latches_once_and_says_what_to_do(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(route_shell, "CLOCK_LOOK_S", 0.01)

    async def looked_at(venue) -> None:
        looks = venue.looks
        async with asyncio.timeout(60):
            while venue.looks < looks + 3:
                await asyncio.sleep(0.001)

    async def body(shell, runtime, venue) -> None:
        stream, watch = shell.tasks(runtime)
        stream.close()
        watching = asyncio.create_task(watch)
        await looked_at(venue)
        assert runtime.latched() == ""
        venue.error_ms = -812.0
        await looked_at(venue)
        assert "-812 ms" in runtime.latched()
        assert "rearm" in runtime.latched()
        runtime.latch.path.unlink()
        await looked_at(venue)
        assert runtime.latched() == "", "a person's rearm holds until the clock errs anew"
        venue.error_ms = 0.0
        await looked_at(venue)
        venue.error_ms = 600.0
        await looked_at(venue)
        assert "600 ms" in runtime.latched()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    with_shell(tmp_path, body)


def test_a_real_account_has_one_engine_whatever_the_user_directory(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    settings = Settings(engine=Engine(mode="testnet"), venue=VenueSection(name="binance"))

    async def body(shell, runtime, venue) -> None:
        with pytest.raises(LockedError, match="only one may run"):
            await second(tmp_path, settings)
        names = [path.name for path in route_shell.lock_folder().iterdir()]
        assert len(names) == 1
        assert "k-binance" not in names[0]

    with_shell(tmp_path, body, settings=settings)

    async def free(shell, runtime, venue) -> None:
        assert route_shell.lock_folder().stat().st_mode & 0o777 == 0o700

    with_shell(tmp_path, free, settings=settings)


async def second(folder: Path, settings: Settings) -> None:
    other = folder / "other"
    other.mkdir()
    shell = RouteShell(launch(other, settings=settings), lambda access, clock: FakeVenue())
    try:
        await shell.prepare(FakeRuntime(other))
    finally:
        await shell.close()


@pytest.mark.parametrize(
    ("text", "mode", "said"),
    [
        (None, 0o600, "cannot read"),
        ("[local]\napi_key='k'\napi_secret='s'\n", 0o644, "mode 0644, allowed is 0600"),
        ("[local]\napi_key='k'\napi_secret='s'\n", 0o620, "mode 0620"),
        (f"[local\n{SECRET}", 0o600, "is not TOML"),
        (f"[local]\napi_key = {SECRET}\n", 0o600, "is not TOML"),
        ("[binance]\n", 0o600, r"no section \[local\]"),
        (f"[local]\napi_secret='{SECRET}'\n", 0o600, "api_key is missing"),
        (f"[local]\napi_key='k'\napi_secret=['{SECRET}']\n", 0o600, "api_secret is missing"),
        ("[local]\napi_key=' '\napi_secret='s'\n", 0o600, "api_key is missing"),
    ],
)
def test_unusable_credentials_are_one_clear_error_without_a_secret(
    tmp_path, text, mode, said
) -> None:
    path = tmp_path / "credentials.toml"
    if text is not None:
        path.write_text(text)
        path.chmod(mode)
    with pytest.raises(ConfigError, match=said) as raised:
        load_credentials(path, "local")
    assert str(path) in str(raised.value)
    assert SECRET not in str(raised.value)
    assert raised.value.__cause__ is None or SECRET not in str(raised.value.__cause__)


def test_credentials_must_be_a_file_of_ones_own(tmp_path) -> None:
    with pytest.raises(ConfigError, match="not a regular file"):
        load_credentials(tmp_path, "local")
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(ConfigError, match="not a regular file"):
        load_credentials(tmp_path / "pipe", "local")
    if os.geteuid() == 0:
        path = tmp_path / "c.toml"
        path.write_text("[local]\napi_key='k'\napi_secret='s'\n")
        path.chmod(0o600)
        os.chown(path, 12345, -1)
        with pytest.raises(ConfigError, match="another user"):
            load_credentials(path, "local")


def test_credentials_never_show() -> None:
    credentials = Credentials(api_key="the-key", api_secret=SECRET)
    for text in (repr(credentials), str(credentials), f"{credentials}", repr([credentials])):
        assert SECRET not in text
        assert "the-key" not in text
    said = credentials.scrub(f"GET /x?signature=00ff&key=the-key {SECRET}" + "y" * 500)
    assert SECRET not in said
    assert "the-key" not in said
    assert "00ff" not in said
    assert len(said) == 300
