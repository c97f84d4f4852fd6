"""Binance spot, and the local venue that speaks its protocol, as a VenuePort.

Every request ends as a VenueAnswered (L2): what it means comes from the error table, what it says
from strict structs over the raw body. Numbers never touch a float in either direction.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from shared.clock import EngineClock, wall_ms
from shared.domain.capability import BINANCE_SPOT, capability_of
from shared.domain.instrument import Instrument
from shared.errors import MessageError
from shared.ids import is_ours
from shared.messages.base import Reader
from shared.messages.venue import (
    CancelOrder,
    Meaning,
    Outcome,
    PlaceOco,
    PlaceOrder,
    QueryOrder,
    TakeSnapshot,
    VenueAnswered,
    VenueBalance,
    VenueOrder,
    VenueRequest,
    VenueTrade,
)
from shared.units import NS_PER_MS, NS_PER_S
from shared.venues import binance_answers as answers
from shared.venues import binance_requests as requests
from shared.venues.budget import RateBudget
from shared.venues.errors import Verdict, unreadable
from shared.venues.pages import Call, read_pages
from shared.venues.port import Deliver
from shared.venues.start_up import check_account, measure_clock
from shared.venues.transport import Access, LastCheck, Transport
from shared.venues.wire import Answer, Wire

SNAPSHOT_READS: Final = 4
"""Reads at the same time: enough to be quick, too few to crowd out an order."""

REMEMBERED_ORDERS: Final = 5000
RESYNC_PAUSE_NS: Final = NS_PER_S
WARM_S: Final = 10.0
"""Shorter than any server's patience with an idle connection."""


class BinanceSpot(ABC):
    """One account at Binance spot or at the local venue; see `shared/venues/port.py`.

    What is asked and what answers mean is here; how requests travel and how pushes come is the
    subclass's."""

    def __init__(self, access: Access, clock: EngineClock, transport: Transport) -> None:
        self._access = access
        self._clock = clock
        self._transport = transport
        self._wire = Wire(transport, access.credentials, clock, access.timeout_ms)
        self._client_ids: OrderedDict[str, str] = OrderedDict()
        self._assets: set[str] = set()
        self._instruments: dict[str, Instrument] = {}
        self._clock_measured_ns = 0
        self.unusable: dict[str, str] = {}
        """Listed markets that cannot be traded, with the reason."""
        known = capability_of(BINANCE_SPOT.venue if access.venue == "local" else access.venue)
        self.capability = msgspec.structs.replace(known, recv_window_s=access.recv_window_ms / 1000)

    @property
    def budget(self) -> RateBudget:
        """The account's rate budget."""
        return self._wire.budget

    async def connect(self) -> tuple[Instrument, ...]:
        """Measures the clock, loads markets, checks the keys. Raises VenueError.

        Keys that may withdraw are refused in live mode with ConfigError (L13)."""
        await self._measure_clock(urgent=True)
        instruments, self.unusable = await self._read_instruments()
        await check_account(self._wire, self._access.mode)
        self._instruments = {instrument.symbol: instrument for instrument in instruments}
        return instruments

    async def call(
        self,
        request: VenueRequest,
        *,
        exit_priority: bool = False,
        last_check: LastCheck | None = None,
    ) -> VenueAnswered:
        """Performs one request; never raises for a venue's or a network's failure."""
        match request:
            case PlaceOrder() | PlaceOco() | CancelOrder():
                answered = await self._order(request, exit_priority, last_check)
            case QueryOrder():
                answered = await self._query(request, exit_priority)
            case TakeSnapshot():
                answered = await self._snapshot(request, exit_priority)
        if answered.meaning is Meaning.CLOCK:
            # Refused by time means that our idea of the venue's clock is wrong: measured again
            # before anybody tries again.
            await self._measure_clock(urgent=True)
        return answered

    async def stream(self, deliver: Deliver) -> None:
        """Delivers the user stream until cancelled; reconnects by itself and says so.

        Call it after `connect`. Beside it the clock is measured, which also keeps a connection
        open: an order must not wait for a handshake."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._hear(deliver))
            group.create_task(self._keep_warm())
            group.create_task(self._transport.live())

    @abstractmethod
    async def _read_instruments(self) -> tuple[tuple[Instrument, ...], dict[str, str]]:
        """Markets, and why others cannot be used. Raises VenueError."""

    @abstractmethod
    async def _hear(self, deliver: Deliver) -> None:
        """Delivers what happens to the account until cancelled."""

    def rehearse(self, order: PlaceOrder) -> None:
        """Makes the bytes of an order's request, for nobody: they never come near a connection."""
        self._transport.rehearse(requests.place_order(order))

    def _expect(self, client_ids: tuple[str, ...]) -> None:  # noqa: B027 - a hook that may stay empty
        """The venue acknowledged these orders: they must be heard of soon."""

    async def _keep_warm(self) -> None:
        while True:
            await asyncio.sleep(WARM_S)
            await self._measure_clock(urgent=False)

    def clock_error_ms(self) -> float:
        """This machine's wall clock minus the venue's, as last measured."""
        return -self._wire.venue_ahead_ms

    def silence_s(self) -> float:
        """Seconds until a ban ends; 0 when there is none."""
        return max(0, self._wire.budget.banned_until_ns - self._clock.now_ns()) / NS_PER_S

    def figures(self) -> dict[str, float]:
        """Counters for heartbeats."""
        counts = {f"venue_{name}": float(count) for name, count in self._wire.counts.items()}
        return {
            **counts,
            **self._wire.budget.figures(self._clock.now_ns()),
            "venue_clock_error_ms": self.clock_error_ms(),
        }

    async def close(self) -> None:
        """Closes connections; nothing is sent any more."""
        await self._transport.close()

    async def _order(
        self,
        request: PlaceOrder | PlaceOco | CancelOrder,
        exit_priority: bool,
        last_check: LastCheck | None,
    ) -> VenueAnswered:
        """Places or cancels; what is built here is written in the same instant."""
        client_ids: tuple[str, ...]
        match request:
            case PlaceOrder():
                reader, client_ids = answers.ORDER, (request.client_id,)
                try:
                    call = requests.place_order(request)
                except ValueError as error:
                    text = str(error)
                    verdict = Verdict(outcome=Outcome.REFUSED, meaning=Meaning.BROKEN, text=text)
                    return self._answered(request, Answer(verdict=verdict))
            case PlaceOco():
                reader, client_ids = (
                    answers.ORDER_LIST,
                    (request.take_profit_id, request.stop_id),
                )
                call = requests.place_oco(request)
            case CancelOrder():
                reader, client_ids = answers.CANCELED, (request.client_id,)
                call = requests.cancel_order(request)
        answer = await self._wire.ask(call, reader, exit_priority, last_check=last_check)
        return self._order_answered(request, answer, client_ids)

    async def _query(self, request: QueryOrder, exit_priority: bool) -> VenueAnswered:
        answer = await self._wire.ask(requests.query_order(request), answers.ORDER, exit_priority)
        if answer.verdict.meaning is Meaning.UNKNOWN_ORDER:
            # The venue's own word that it has no such order is the evidence that was asked for.
            known_absent = msgspec.structs.replace(answer.verdict, outcome=Outcome.OK)
            return self._answered(request, msgspec.structs.replace(answer, verdict=known_absent))
        answered = self._order_answered(request, answer, (request.client_id,))
        if not answered.orders or answered.orders[0].filled_quantity == 0:
            return answered
        order = answered.orders[0]
        filled = await self._wire.ask(
            requests.trades_of_order(order.symbol, order.venue_order_id),
            answers.TRADES,
            exit_priority,
        )
        if not filled.is_ok:
            # The order's state is evidence already; its executions follow with a later query.
            text = f"trades not read: {filled.verdict.text}"
            return msgspec.structs.replace(answered, text=text)
        trades = tuple(trade.trade(request.client_id) for trade in filled.content)
        return msgspec.structs.replace(answered, trades=trades)

    async def _snapshot(self, request: TakeSnapshot, exit_priority: bool) -> VenueAnswered:
        """Open orders first, then balances and trades: what changes meanwhile shows as a trade of
        an order that is still listed, never as an order that vanished without one."""
        if self._wire.budget.is_paused(self._clock.now_ns()):
            # A comparison can wait; its weight would turn the pause into a ban.
            exit_priority = False
        opened = await self._wire.ask(requests.OPEN_ORDERS, answers.ORDERS, exit_priority)
        if not opened.is_ok:
            return self._answered(request, opened)
        try:
            orders = tuple(one.order() for one in opened.content)
        except MessageError as error:
            return self._answered(
                request, msgspec.structs.replace(opened, verdict=unreadable(str(error)))
            )
        self._remember(orders)
        account = await self._wire.ask(requests.ACCOUNT, answers.ACCOUNT, exit_priority)
        if not account.is_ok:
            return self._answered(request, account)
        if request.history:
            past = await self._read_each(
                request, requests.orders_page, answers.ORDERS, exit_priority
            )
            if not past.is_ok:
                return self._answered(request, past)
            # Of one that ended meanwhile the later word counts.
            ours = {one.client_id: one for one in (*orders, *_ours(past.content))}
            orders = tuple(ours.values())
            self._remember(orders)
        trades, _ = await asyncio.gather(
            self._read_each(request, requests.trades_page, answers.TRADES, exit_priority),
            self._measure_clock(urgent=False),
        )
        if not trades.is_ok:
            return self._answered(request, trades)
        return self._answered(
            request,
            opened,
            orders=orders,
            trades=tuple(
                one.trade(self._client_ids.get(str(one.order_id), "")) for one in trades.content
            ),
            balances=self._held(account.content.balances, request.symbols),
        )

    async def _read_each(
        self, request: TakeSnapshot, call: Call, reader: Reader, exit_priority: bool
    ) -> Answer:
        """A list of every symbol of the request, some at a time; the first failure, or all rows."""
        gate = asyncio.Semaphore(SNAPSHOT_READS)
        now_ms = round(wall_ms() + self._wire.venue_ahead_ms)
        # Route asks in engine time. Where the venue's clock is behind that, its trades are older
        # by their own account; where it is ahead, a few more of them are named than were asked for.
        behind_ms = max(0, self._clock.now_ns() // NS_PER_MS - now_ms)
        since_ms = max(0, request.trades_since_ms - behind_ms)

        async def ask(wanted: requests.WireCall) -> Answer:
            async with gate:
                return await self._wire.ask(wanted, reader, exit_priority)

        read = await asyncio.gather(
            *(
                read_pages(ask, call, _row_id, symbol, since_ms, now_ms)
                for symbol in request.symbols
            )
        )
        failed = next((one for one in read if not one.is_ok), None)
        if failed is not None:
            return failed
        rows = [row for one in read for row in one.content]
        return Answer(verdict=Verdict(outcome=Outcome.OK), content=rows)

    def _order_answered(
        self, request: VenueRequest, answer: Answer, client_ids: tuple[str, ...]
    ) -> VenueAnswered:
        """An OK answer must speak of the orders that were asked for; otherwise UNKNOWN."""
        if not answer.is_ok:
            return self._answered(request, answer)
        content = answer.content
        reports = content.order_reports if isinstance(content, answers.ListAnswer) else (content,)
        try:
            orders = tuple(report.order() for report in reports)
            trades = tuple(trade for report in reports for trade in report.trades())
            told = {(order.symbol, order.client_id) for order in orders}
            if not told >= {(request.symbol, client_id) for client_id in client_ids}:
                raise MessageError(f"it speaks of {told}, asked was {client_ids}")
        except MessageError as error:
            return self._answered(
                request, msgspec.structs.replace(answer, verdict=unreadable(str(error)))
            )
        self._remember(orders)
        if isinstance(request, PlaceOrder | PlaceOco):
            self._expect(client_ids)
        return self._answered(request, answer, orders=orders, trades=trades)

    def _answered(
        self,
        request: VenueRequest,
        answer: Answer,
        *,
        orders: tuple[VenueOrder, ...] = (),
        trades: tuple[VenueTrade, ...] = (),
        balances: tuple[VenueBalance, ...] = (),
    ) -> VenueAnswered:
        verdict = answer.verdict
        return VenueAnswered(
            request=request,
            outcome=verdict.outcome,
            meaning=verdict.meaning,
            code=verdict.code,
            text=verdict.text,
            retry_at_ns=answer.retry_at_ns,
            sent_ns=answer.sent_ns,
            orders=orders,
            trades=trades,
            balances=balances,
        )

    def _held(
        self, holdings: Iterable[answers.Holding], symbols: tuple[str, ...]
    ) -> tuple[VenueBalance, ...]:
        """Assets that are held, were held, or belong to the symbols asked for: a venue lists
        hundreds of empty ones, but one that became empty must be said."""
        for symbol in symbols:
            instrument = self._instruments.get(symbol)
            if instrument is not None:
                self._assets.update((instrument.base, instrument.quote))
        balances = []
        for holding in holdings:
            if holding.free or holding.locked or holding.asset in self._assets:
                self._assets.add(holding.asset)
                balances.append(holding.balance())
        return tuple(balances)

    def _remember(self, orders: Iterable[VenueOrder]) -> None:
        """Keeps which client id an order number belongs to; the venue's trade lists lack it."""
        for order in orders:
            self._client_ids[order.venue_order_id] = order.client_id
            self._client_ids.move_to_end(order.venue_order_id)
        while len(self._client_ids) > REMEMBERED_ORDERS:
            self._client_ids.popitem(last=False)

    async def _measure_clock(self, urgent: bool) -> None:
        now_ns = self._clock.now_ns()
        if now_ns - self._clock_measured_ns > RESYNC_PAUSE_NS:
            self._clock_measured_ns = now_ns
            await measure_clock(self._wire, urgent)


def _row_id(row: answers.OrderAnswer | answers.TradeAnswer) -> int:
    return row.order_id if isinstance(row, answers.OrderAnswer) else row.id


def _ours(rows: Iterable[answers.OrderAnswer]) -> Iterator[VenueOrder]:
    """Our own orders of a list; foreign ones may be of types that we never send (L4)."""
    return (row.order() for row in rows if is_ours(row.orig_client_order_id or row.client_order_id))
