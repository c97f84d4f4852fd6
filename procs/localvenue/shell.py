"""The running venue: a market on the wall clock, the matching core, the journal, the listeners.

Everything happens in turns: the market is moved to now, one request is carried out, what changed is
committed, and only then do streams and answers leave.
"""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final, Protocol, TypeVar

import msgspec

from procs.localvenue.audit import FillAudit
from procs.localvenue.interference import Interference
from procs.localvenue.journal import VenueJournal
from procs.localvenue.market.events import Market, MarketEvent, Traded
from procs.localvenue.matching.account import LedgerBroken
from procs.localvenue.matching.exchange import Exchange
from procs.localvenue.matching.model import PlaceOrder, Refusal, VenueEvent
from procs.localvenue.matching.store import VenueState
from procs.localvenue.reads import Reads
from procs.localvenue.tape import Tape
from shared.errors import ConfigError, JournalError, MessageError

MARKET_SAVE_MS: Final = 5_000
"""How much of the market's path a kill may lose; accounts and orders lose nothing."""

Answer = TypeVar("Answer")


class MarketListener(Protocol):
    """Who passes the market on to clients."""

    def on_event(self, event: MarketEvent, now_ms: int) -> None:
        """Called as each event has been taken over, while the book is as it left it."""

    def on_market(self, now_ms: int) -> None:
        """Called in each turn, also without events, so that due things can leave."""


class UserListener(Protocol):
    """Who passes account events on to clients; called after they are committed."""

    def on_user(self, events: list[VenueEvent], now_ms: int) -> None:
        """The events of one turn, in order."""


class MarketPosition(msgspec.Struct, frozen=True):
    """Where the market stood: enough to go on, and to notice that it is another market."""

    name: str
    saved_ms: int
    state: bytes
    last_prices: dict[str, Decimal]


class Venue:
    """One market, one exchange, one journal."""

    def __init__(
        self,
        market: Market,
        market_name: str,
        journal: VenueJournal,
        balances: Mapping[str, Decimal],
        wall_ms: Callable[[], int],
        accounts: int = 1,
    ) -> None:
        """Opens or resumes. `balances` is what each new account starts with.

        Raises ConfigError when the journal belongs to another market, JournalError when it cannot
        be written."""
        self.market = market
        self.market_name = market_name
        self.journal = journal
        self._wall_ms = wall_ms
        self._now_ms = wall_ms()
        self._broken: JournalError | None = None
        self.tape = Tape(market)
        self.market_listeners: list[MarketListener] = []
        self.user_listeners: list[UserListener] = []
        self.interference: Interference | None = None
        self.order_refusal: Callable[[Sequence[PlaceOrder]], Refusal | None] | None = None
        """A fault: asked before orders that come together are placed."""
        self.turns = self.market_events = self.account_events = 0
        self._audit: FillAudit | None = None
        self._heard: list[VenueEvent] = []
        """What the audit has noted of this turn already, market event by market event."""
        with self._fatal():
            self.secrets = _keys(journal, accounts)
            state = journal.state()
            known = {} if state is None else state.balances
            new = {key: dict(balances) for key in self.secrets if key not in known}
            self.exchange = Exchange(market.instruments, new)
        self.reads: Reads = self.exchange
        """What answers about accounts are read from; a fault may let it lag behind."""
        self._resume(state)
        with self._fatal():
            opened = {key: self.exchange.balances(key) for key in new}
            journal.open_accounts(opened, self.exchange.counters, self.exchange.ledger)
        self._saved_ms = self._now_ms

    def now_ms(self) -> int:
        """The venue's time: the wall clock, never backwards."""
        self._now_ms = max(self._now_ms, self._wall_ms())
        return self._now_ms

    def client_ms(self) -> int:
        """The time that clients are shown, and that their timestamps are held against."""
        return self.now_ms() + self.skew_ms()

    def skew_ms(self) -> int:
        """How far the clients' clock runs ahead of the venue's own: 0 unless a fault says so."""
        return 0 if self.interference is None else self.interference.clock_skew_ms()

    def turn(self, request: Callable[[int], Answer]) -> Answer:
        """Moves the market to now, carries out one request, commits; then the answer may leave."""
        now_ms = self.pump()
        with self._fatal():
            answer = request(now_ms)
            self._commit(now_ms)
        return answer

    def pump(self) -> int:
        """Moves the market, and with it our orders, to now; returns the time.

        Raises JournalError when the venue has broken: from then on, always."""
        if self._broken is not None:
            raise self._broken
        now_ms = self.now_ms()
        with self._fatal():
            events = self.market.advance(now_ms)
            self.turns += 1
            self.market_events += len(events)
            for event in events:
                self._on_event(event, now_ms)
            self.tape.end_turn()
            self._commit(now_ms)
            if now_ms - self._saved_ms >= MARKET_SAVE_MS:
                self.save_market(now_ms)
        for listener in self.market_listeners:
            listener.on_market(now_ms)
        return now_ms

    @contextlib.contextmanager
    def reading(self, reads: Reads) -> Iterator[None]:
        """Answers are read from there while the block lasts, which must not wait for anything."""
        self.reads = reads
        try:
            yield
        finally:
            self.reads = self.exchange

    def keep_audit(self, audit: FillAudit) -> None:
        """Writes down from now on why each fill was honest, before clients hear of it."""
        audit.number_accounts(self.secrets)
        self._audit = audit

    def save_market(self, now_ms: int) -> None:
        """Writes down where the market stands."""
        self._saved_ms = now_ms
        position = MarketPosition(
            self.market_name, now_ms, self.market.save(), self.exchange.last_prices()
        )
        self.journal.put("market", msgspec.json.encode(position))

    def close(self) -> None:
        """Saves the market's position, unless the venue has broken, and closes the journal.

        Raises JournalError when the position cannot be written."""
        try:
            if self._broken is None:
                with self._fatal():
                    self.save_market(self.now_ms())
        finally:
            self.journal.close()
            if self._audit is not None:
                self._audit.close()

    @contextlib.contextmanager
    def _fatal(self) -> Iterator[None]:
        """What cannot be written, or does not add up, must not be answered, now or later: the
        process ends, and the journal still tells the last state that clients were told."""
        try:
            yield
        except JournalError as error:
            self._broken = error
            raise
        except (sqlite3.Error, LedgerBroken) as error:
            self._broken = JournalError(f"{self.journal.path}: the venue stops: {error}")
            raise self._broken from error

    def _on_event(self, event: MarketEvent, now_ms: int) -> None:
        """One market event; with an audit, what it did is noted before the next one comes."""
        audit = self._audit
        if audit is not None:
            event = audit.on_market(event)
        self.exchange.on_market(event, now_ms)
        if isinstance(event, Traded):
            self.tape.record(event)
        for listener in self.market_listeners:
            listener.on_event(event, now_ms)
        if audit is not None:
            events = self.exchange.drain()
            audit.on_events(events)
            self._heard.extend(events)

    def _commit(self, now_ms: int) -> None:
        exchange = self.exchange
        events, silent = exchange.drain(), exchange.drain_silent()
        if self._audit is not None:
            self._audit.on_events(events, silent)
            self._audit.flush()
            events, self._heard = self._heard + events, []
        if not events and not silent:
            return
        self.account_events += len(events)
        self.journal.write(events, exchange.counters, exchange.ledger, silent)
        for listener in self.user_listeners if events else ():
            listener.on_user(events, now_ms)

    def _resume(self, state: VenueState | None) -> None:
        saved = self.journal.get("market")
        position = None if saved is None else msgspec.json.decode(saved, type=MarketPosition)
        if position is not None:
            if position.name != self.market_name:
                raise ConfigError(
                    f"{self.journal.path} belongs to the market {position.name!r}, this one is "
                    f"{self.market_name!r}: choose another data folder"
                )
            try:
                self.market.load(position.state)
            except MessageError as error:
                raise ConfigError(f"{self.journal.path}: {error}") from error
        if state is not None:
            if position is not None:
                state.last_prices = position.last_prices
            self.exchange.restore(state)


def _keys(journal: VenueJournal, accounts: int) -> dict[str, str]:
    """The test keys of the accounts; made once, then kept in the journal."""
    keys = journal.keys()
    missing = accounts - len(keys)
    if missing > 0:
        made = {secrets.token_hex(32): secrets.token_hex(32) for _ in range(missing)}
        journal.add_keys(made)
        keys = journal.keys()
    return keys
