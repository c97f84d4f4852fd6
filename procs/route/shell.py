"""Route's outside: keys, the venue's session, and the last checks before anything is sent.

The runtime performs what the actor wants; here a call meets the world. It is made only while its
turn is fresh (L7), while the latch allows it (L9), and while few enough others are under way.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

from procs.route.actor import Actor
from procs.runtime.keeping import raises_risk
from procs.runtime.launch import Launch
from procs.runtime.loop import Runtime
from procs.runtime.shell import LiveActor, Shell
from shared.bus.locks import Lock, prepare_run_dir, take_lock
from shared.clock import EngineClock
from shared.config.schema import policy_of
from shared.domain.effects import CallVenue
from shared.domain.instrument import Instrument
from shared.errors import ConfigError, VenueError
from shared.messages.account import AccountEvent
from shared.messages.venue import (
    OrderKind,
    Outcome,
    PlaceOrder,
    Side,
    TimeInForce,
    VenueAnswered,
)
from shared.venues.credentials import Credentials, load_credentials
from shared.venues.native.signing import can_sign
from shared.venues.port import VenuePort
from shared.venues.transport import Access

CONNECT_S: Final = 20.0
"""For so long a start tries to reach the venue; then the supervisor's backoff takes over."""
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 2.0

RESCUE: Final = "route runs in rescue mode"

STALE: Final = "the turn that decided this is too old (L7)"

MAX_IN_FLIGHT: Final = 128
MAX_ENTRIES_IN_FLIGHT: Final = 32
"""Requests without priority leave room for exits."""

CLOCK_ERROR_LIMIT_MS: Final = 500.0
CLOCK_LOOK_S: Final = 1.0


class Venue(VenuePort, Protocol):
    """The port, and what a running shell tells of it."""

    unusable: dict[str, str]

    def figures(self) -> dict[str, float]:
        """Counters for heartbeats."""

    def rehearse(self, order: PlaceOrder) -> None:
        """Makes the bytes of an order's request, for nobody; never raises for want of a way."""


OpenVenue = Callable[[Access, EngineClock], Venue]


def usual_venue(launch: Launch) -> OpenVenue:
    """Our own session with Binance spot, or ccxt's; in rescue mode one that needs neither a stream
    nor a library. Each is imported only where it is used: the rescue must not depend on what may
    have made three starts fail (L14), and ccxt is large and slow to import."""

    def open_venue(access: Access, clock: EngineClock) -> Venue:
        is_native = can_sign(access.credentials)
        if launch.rescue and is_native:
            from shared.venues.native.spot import NativeSpot

            return NativeSpot(access, clock)
        if access.orders == "ccxt" or not is_native:
            from shared.venues.ccxt_spot import CcxtSpot

            return CcxtSpot(access, clock)
        from shared.venues.native.live_spot import LiveSpot

        return LiveSpot(access, clock)

    return open_venue


class RouteShell(Shell):
    """One account at one venue, for one actor."""

    role: ClassVar[str] = "route"
    journal_events: ClassVar[Any] = AccountEvent
    keeps_secrets: ClassVar[bool] = True
    rehearses: ClassVar[bool] = True

    def __init__(self, launch: Launch, open_venue: OpenVenue | None = None) -> None:
        super().__init__(launch)
        self._open_venue = open_venue or usual_venue(launch)
        self._venue: Venue | None = None
        self._account_lock: Lock | None = None
        self._instruments: tuple[Instrument, ...] = ()
        self._runtime: Runtime
        self.in_flight = 0
        self.entries_in_flight = 0
        self.not_sent: dict[str, int] = {}
        """Calls that were not made, by the check that stopped them."""

    async def prepare(self, runtime: Runtime) -> None:
        """Reads the keys, takes the account's lock, connects. Raises ConfigError, LockedError,
        VenueError."""
        self._runtime = runtime
        settings = self.launch.settings
        credentials = load_credentials(self.launch.credentials_file, settings.venue.name)
        self._account_lock = self._lock_account(credentials)
        access = Access(
            venue=settings.venue.name,
            mode=settings.engine.mode,
            credentials=credentials,
            recv_window_ms=settings.venue.recv_window_ms,
            timeout_ms=settings.venue.timeout_ms,
            rest=self.launch.venue_rest,
            ws=self.launch.venue_ws,
            orders=settings.venue.orders,
        )
        self._venue = self._open_venue(access, runtime.clock)
        lacks = self._venue.capability.lacks
        if lacks:
            raise ConfigError(
                f"venue.name = {settings.venue.name!r}: it has no {' and no '.join(lacks)}; "
                "without them a position would stand bare whenever this engine is down (L5)"
            )
        listed = await self._connect(self._venue)
        quote = settings.universe.quote
        self._instruments = tuple(one for one in listed if one.quote == quote)
        if not self._instruments:
            raise ConfigError(
                f"universe.quote = {quote!r}: the venue lists no market in it, "
                f"known are {', '.join(sorted({one.quote for one in listed})[:20])}"
            )
        runtime.note(
            "system",
            "venue_connected",
            venue=settings.venue.name,
            mode=settings.engine.mode,
            markets=len(listed),
            instruments=len(self._instruments),
            unusable=len(self._venue.unusable),
            clock_error_ms=round(self._venue.clock_error_ms(), 1),
        )

    def build(self) -> LiveActor:
        """The actor, with the fence that this venue and these time-outs make (L2)."""
        launch = self.launch
        fence_s = self._connected().capability.fence_s
        policy = policy_of(launch.settings, fence_s, launch.config_hash)
        return Actor(policy, self._instruments, launch.run_id, launch.incarnation)

    def tasks(self, runtime: Runtime) -> Iterable[Coroutine[Any, Any, None]]:
        """The user stream, and a look at the clock."""
        return (self._connected().stream(runtime.deliver), self._watch_clock())

    def before_turn(self, actor: Any, now_ns: int) -> None:
        """In rescue mode nothing new is bought, whatever the latch says."""
        actor.latched = self._latched(self._runtime)

    def rehearse(self, actor: Any, now_ns: int) -> None:
        """The request of an order as decide's intents become them, for nobody."""
        self._connected().rehearse(rehearsed_order(self._instruments[0]))

    async def perform_call(self, call: CallVenue, turn_began_ns: int) -> VenueAnswered:
        """Asks the venue, unless one of the last checks forbids it: then NOT_SENT says which."""
        refusal = self._refusal(call, turn_began_ns)
        if refusal is not None:
            code, text = refusal
            self.not_sent[code] = self.not_sent.get(code, 0) + 1
            return VenueAnswered(
                request=call.request, outcome=Outcome.NOT_SENT, code=code, text=text
            )
        is_entry = not call.exit_priority
        self.in_flight += 1
        self.entries_in_flight += is_entry
        try:
            return await self._connected().call(
                call.request,
                exit_priority=call.exit_priority,
                last_check=lambda: STALE if self._runtime.is_stale(turn_began_ns) else "",
            )
        finally:
            self.in_flight -= 1
            self.entries_in_flight -= is_entry

    def figures(self) -> dict[str, float]:
        """Counters of the venue's session."""
        if self._venue is None:
            return {}
        return {
            **self._venue.figures(),
            "venue_in_flight": float(self.in_flight),
            **{f"not_sent_{code}": float(count) for code, count in self.not_sent.items()},
        }

    def report(self) -> dict[str, Any]:
        """The same figures at the end, in one place."""
        return {"venue": self.figures()}

    async def close(self) -> None:
        """Nothing is sent any more; a successor may take the account."""
        if self._venue is not None:
            await self._venue.close()
        if self._account_lock is not None:
            self._account_lock.release()

    def _refusal(self, call: CallVenue, turn_began_ns: int) -> tuple[str, str] | None:
        runtime = self._runtime
        if runtime.is_stale(turn_began_ns):
            return "stale_turn", STALE
        # Queries, cancels and snapshots cannot raise risk and are needed to get out of it.
        latched = self._latched(runtime) if raises_risk(call) else ""
        if latched:
            return "latched", f"exits only: {latched}"
        if self.in_flight >= MAX_IN_FLIGHT or (
            not call.exit_priority and self.entries_in_flight >= MAX_ENTRIES_IN_FLIGHT
        ):
            return "crowded", f"{self.in_flight} requests are under way"
        return None

    def _latched(self, runtime: Runtime) -> str:
        return RESCUE if self.launch.rescue else runtime.latched()

    def _connected(self) -> Venue:
        if self._venue is None:
            raise RuntimeError("route's shell is used before it is prepared")
        return self._venue

    async def _connect(self, venue: Venue) -> tuple[Instrument, ...]:
        clock = self._runtime.clock
        deadline_ns = clock.now_ns() + int(CONNECT_S * 1e9)
        pause_s = FIRST_PAUSE_S
        tries = 0
        while True:
            tries += 1
            try:
                return await venue.connect()
            except VenueError as error:
                self._runtime.note("system", "venue_connect_failed", tries=tries, reason=str(error))
                if clock.now_ns() + int(pause_s * 1e9) > deadline_ns:
                    raise VenueError(
                        f"venue {self.launch.settings.venue.name}: {error} ({tries} tries)"
                    ) from error
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _watch_clock(self) -> None:
        """Latches when this machine's clock and the venue's are too far apart (L9)."""
        venue = self._connected()
        was_wrong = False
        while True:
            error_ms = venue.clock_error_ms()
            is_wrong = abs(error_ms) > CLOCK_ERROR_LIMIT_MS
            if is_wrong and not was_wrong:
                reason = (
                    f"this clock differs from the venue's by {error_ms:.0f} ms, "
                    f"allowed are {CLOCK_ERROR_LIMIT_MS:.0f}; set the clock, then rearm"
                )
                self._runtime.note("system", "clock_error", error_ms=round(error_ms))
                try:
                    self._runtime.latch.set(reason)
                except OSError as error:
                    self._runtime.trip(f"{reason} (latch: {error.strerror})")
            was_wrong = is_wrong
            await asyncio.sleep(CLOCK_LOOK_S)

    def _lock_account(self, credentials: Credentials) -> Lock | None:
        """Holds a real account against engines of other user directories (R3); the local venue's
        account belongs to its user directory, whose route lock the runtime holds."""
        settings = self.launch.settings
        if settings.venue.name == "local":
            return None
        folder = lock_folder()
        prepare_run_dir(folder)
        name = f"{settings.venue.name} {settings.engine.mode} {credentials.api_key}"
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        return take_lock(folder / f"account-{digest}.lock", f"route in {self.launch.userdir}")


def rehearsed_order(instrument: Instrument) -> PlaceOrder:
    """An order like a ladder's first, of one step at one tick; its id is none of ours."""
    return PlaceOrder(
        symbol=instrument.symbol,
        client_id="rehearsed",
        side=Side.BUY,
        kind=OrderKind.LIMIT,
        quantity=instrument.step_size,
        time_in_force=TimeInForce.IOC,
        price=instrument.tick_size,
    )


def lock_folder() -> Path:
    """Where locks that concern a whole user lie, whatever the user directory."""
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "seawall" / "locks"
