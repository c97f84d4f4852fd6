"""The simulated venue: the local venue's own matching core, behind a network that loses and delays.

Requests are translated to the core's and answers back to the engine's words; nothing of HTTP is
here. What the network may do to a request, its answer or a push is drawn from the seed's faults.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from procs.localvenue.market.events import MarketEvent
from procs.localvenue.matching import model, requests, words
from procs.localvenue.matching.exchange import Exchange
from procs.simulate.agenda import Agenda
from procs.simulate.books import Books
from procs.simulate.dice import Dice
from procs.simulate.questions import Questions
from shared.domain.instrument import Instrument
from shared.messages.venue import (
    CancelOrder,
    Meaning,
    OrderKind,
    Outcome,
    PlaceOco,
    PlaceOrder,
    QueryOrder,
    Side,
    TakeSnapshot,
    TimeInForce,
    VenueAnswered,
    VenueBalance,
    VenueOrder,
    VenueReported,
    VenueRequest,
    VenueStatus,
    VenueTrade,
)
from shared.units import NS_PER_MS, NS_PER_S, ZERO

ACCOUNT = "engine"
TIMEOUT_NS = 5 * NS_PER_S
RECV_WINDOW_NS = 5 * NS_PER_S
MATCHING_NS = 10 * NS_PER_S
"""What passed the receive window may wait this long for the matching engine."""
READ_LAG_NS = 1_500 * NS_PER_MS

_TYPES: dict[OrderKind, words.OrderType] = {
    OrderKind.LIMIT: "LIMIT",
    OrderKind.MARKET: "MARKET",
    OrderKind.LIMIT_MAKER: "LIMIT_MAKER",
    OrderKind.STOP_LIMIT: "STOP_LOSS_LIMIT",
}
_KINDS = {name: kind for kind, name in _TYPES.items()}
_STATUSES = {
    "NEW": VenueStatus.OPEN,
    "PARTIALLY_FILLED": VenueStatus.OPEN,
    "FILLED": VenueStatus.FILLED,
    "CANCELED": VenueStatus.CANCELED,
    "EXPIRED": VenueStatus.EXPIRED,
    "REJECTED": VenueStatus.REJECTED,
    "EXPIRED_IN_MATCH": VenueStatus.EXPIRED,
}
_MEANINGS = (
    (-2011, "", Meaning.UNKNOWN_ORDER),
    (-2013, "", Meaning.UNKNOWN_ORDER),
    (-2010, "insufficient", Meaning.INSUFFICIENT),
    (-2010, "would trigger", Meaning.WOULD_TRIGGER),
    (-2010, "immediately match", Meaning.WOULD_MATCH),
    (-2010, "Duplicate", Meaning.DUPLICATE_ID),
    (-2010, "relationship", Meaning.WOULD_TRIGGER),
    (-1013, "", Meaning.FILTER),
)


class SimVenue:
    """One account at the exchange, as route meets it."""

    def __init__(
        self,
        instruments: tuple[Instrument, ...],
        balances: dict[str, Any],
        agenda: Agenda,
        random: Random,
        dice: Dice,
        deliver: Callable[[Any, int | None], None],
        watch: Callable[[model.Order], None],
    ) -> None:
        self.exchange = Exchange(instruments, {ACCOUNT: balances})
        self.books = Books(self.exchange, ACCOUNT)
        self.questions = Questions(RECV_WINDOW_NS + MATCHING_NS + READ_LAG_NS)
        self.on_acted: Callable[[], None] = lambda: None
        """Called when what the exchange has just done is booked."""
        self.client_ids: dict[int, str] = {}
        self._agenda = agenda
        self._random = random
        self._dice = dice
        self._deliver = deliver
        self._watch = watch

    def on_market(self, event: MarketEvent) -> None:
        """The market moves; what that does to our orders is pushed."""
        self.exchange.on_market(event, self._now_ms())
        self._push()

    def call(self, request: VenueRequest, incarnation: int) -> None:
        """A request leaves route's process."""
        sent_ns = self._agenda.now_ns
        if isinstance(request, PlaceOrder | PlaceOco):
            self.questions.left(request, sent_ns)
        dice, state = self._dice, type(request).__name__
        writes = isinstance(request, PlaceOrder | PlaceOco | CancelOrder)
        there_ns = self._random.randint(1, 20) * NS_PER_MS
        if dice.hits("throttled", state):
            answer = self._answer(request, Outcome.THROTTLED, sent_ns, meaning=Meaning.RATE)
            self._agenda.after(there_ns, lambda: self._deliver(answer, incarnation))
            return
        if dice.hits("slow_request", state):
            there_ns = dice.between("slow_request", 500, 9_000) * NS_PER_MS
        window_ns = RECV_WINDOW_NS
        gone_ns = TIMEOUT_NS
        if writes and dice.hits("cut_request", state):
            window_ns += MATCHING_NS
            there_ns = dice.between("cut_request", 200, window_ns // NS_PER_MS) * NS_PER_MS
            gone_ns = dice.between("cut_request", 1, 20) * NS_PER_MS
        lost_request = dice.hits("lost_request", state)
        lost_answer = dice.hits("lost_answer", state)
        unknown = self._answer(request, Outcome.UNKNOWN, sent_ns, text="timed out")
        answered: list[bool] = []

        def give_up() -> None:
            if not answered:
                answered.append(True)
                self._deliver(unknown, incarnation)

        self._agenda.after(gone_ns, give_up)
        if lost_request:
            if dice.coin("lost_request", 0.7):
                self._agenda.after(there_ns, give_up)
            return

        def arrive() -> None:
            if writes and self._agenda.now_ns - sent_ns > window_ns:
                answer = self._answer(request, Outcome.REFUSED, sent_ns, meaning=Meaning.CLOCK)
            elif isinstance(request, PlaceOrder | PlaceOco) and dice.hits("refused", state):
                answer = self._answer(request, Outcome.REFUSED, sent_ns, meaning=Meaning.OTHER)
            else:
                answer = self._do(request, sent_ns)
                self._push()
            if lost_answer:
                if dice.coin("lost_answer", 0.7):
                    give_up()
                return
            back_ns = self._random.randint(1, 20) * NS_PER_MS

            def come_back() -> None:
                if not answered:
                    answered.append(True)
                    self._deliver(answer, incarnation)

            self._agenda.after(back_ns, come_back)

        self._agenda.after(there_ns, arrive)

    def told(self, question: TakeSnapshot, now_ns: int) -> VenueAnswered:
        """What the venue would answer now if nothing stood between."""
        return self._snapshot(question, now_ns)

    # ── the exchange ────────────────────────────────────────────────────────────────────────────

    def _do(self, request: VenueRequest, sent_ns: int) -> VenueAnswered:
        match request:
            case PlaceOrder():
                return self._place(request, sent_ns)
            case PlaceOco():
                return self._place_oco(request, sent_ns)
            case CancelOrder():
                done = self.exchange.cancel(
                    ACCOUNT, request.symbol, self._now_ms(), client_id=request.client_id
                )
                if isinstance(done, model.Refusal):
                    return self._refuse(request, done, sent_ns)
                orders = tuple(map(self._order, done.orders))
                return self._answer(request, Outcome.OK, sent_ns, orders=orders)
            case QueryOrder():
                return self._query(request, sent_ns)
            case TakeSnapshot():
                return self._snapshot(request, sent_ns)

    def _place(self, request: PlaceOrder, sent_ns: int) -> VenueAnswered:
        limit = request.kind is not OrderKind.MARKET
        timed = request.kind in (OrderKind.LIMIT, OrderKind.STOP_LIMIT)
        force: words.TimeInForce = "IOC" if request.time_in_force is TimeInForce.IOC else "GTC"
        placed = self.exchange.place(
            ACCOUNT,
            requests.PlaceOrder(
                symbol=request.symbol,
                side="BUY" if request.side is Side.BUY else "SELL",
                type=_TYPES[request.kind],
                quantity=request.quantity,
                price=request.price if limit else None,
                stop_price=request.stop_price,
                time_in_force=force if timed else None,
                client_id=request.client_id,
            ),
            self._now_ms(),
        )
        if isinstance(placed, model.Refusal):
            return self._refuse(request, placed, sent_ns)
        trades = tuple(self._trade(fill, placed.order.client_id) for fill in placed.fills)
        return self._answer(
            request, Outcome.OK, sent_ns, orders=(self._order(placed.order),), trades=trades
        )

    def _place_oco(self, request: PlaceOco, sent_ns: int) -> VenueAnswered:
        stop = requests.PlaceOrder(
            symbol=request.symbol,
            side="SELL",
            type="STOP_LOSS_LIMIT",
            quantity=request.quantity,
            price=request.stop_limit_price,
            stop_price=request.stop_price,
            time_in_force="GTC",
            client_id=request.stop_id,
        )
        take_profit = requests.PlaceOrder(
            symbol=request.symbol,
            side="SELL",
            type="LIMIT_MAKER",
            quantity=request.quantity,
            price=request.take_profit_price,
            client_id=request.take_profit_id,
        )
        placed = self.exchange.place_list(
            ACCOUNT,
            requests.PlaceOrderList(
                symbol=request.symbol,
                kind="OCO",
                orders=(stop, take_profit),
                client_id=request.list_id,
            ),
            self._now_ms(),
        )
        if isinstance(placed, model.Refusal):
            return self._refuse(request, placed, sent_ns)
        orders = tuple(map(self._order, placed.orders))
        return self._answer(request, Outcome.OK, sent_ns, orders=orders)

    def _query(self, request: QueryOrder, sent_ns: int) -> VenueAnswered:
        order = self.exchange.find(ACCOUNT, request.symbol, None, request.client_id)
        if order is None:
            return self._answer(request, Outcome.OK, sent_ns)
        young = (self._now_ms() - order.created_ms) * NS_PER_MS < READ_LAG_NS
        if young and self._dice.hits("read_lag", order.status):
            return self._answer(request, Outcome.OK, sent_ns)
        trades = tuple(
            self._trade(fill, order.client_id) for fill in self.exchange.fills_of(order.id)
        )
        return self._answer(
            request, Outcome.OK, sent_ns, orders=(self._order(order),), trades=trades
        )

    def _snapshot(self, request: TakeSnapshot, sent_ns: int) -> VenueAnswered:
        listed = {order.id: order for order in self.exchange.open_orders(ACCOUNT)}
        if request.history:
            for symbol in request.symbols:
                listed |= {order.id: order for order in self.exchange.all_orders(ACCOUNT, symbol)}
        orders = tuple(map(self._order, listed.values()))
        trades = tuple(
            self._trade(fill, "")
            for symbol in request.symbols
            for order in self.exchange.all_orders(ACCOUNT, symbol)
            for fill in self.exchange.fills_of(order.id)
            if fill.at_ms >= request.trades_since_ms
        )
        return self._answer(
            request,
            Outcome.OK,
            sent_ns,
            orders=orders,
            trades=trades,
            balances=self.balances(),
        )

    def balances(self) -> tuple[VenueBalance, ...]:
        """Everything the account holds."""
        held = self.exchange.balances(ACCOUNT)
        return tuple(
            VenueBalance(asset=asset, free=b.free, locked=b.locked)
            for asset, b in sorted(held.items())
        )

    # ── words ───────────────────────────────────────────────────────────────────────────────────

    def _refuse(self, request: VenueRequest, refusal: model.Refusal, sent_ns: int) -> VenueAnswered:
        meaning = next(
            (m for code, text, m in _MEANINGS if code == refusal.code and text in refusal.message),
            Meaning.OTHER,
        )
        return self._answer(
            request, Outcome.REFUSED, sent_ns, meaning=meaning, text=refusal.message
        )

    def _answer(
        self,
        request: VenueRequest,
        outcome: Outcome,
        sent_ns: int,
        *,
        meaning: Meaning = Meaning.NONE,
        text: str = "",
        orders: tuple[VenueOrder, ...] = (),
        trades: tuple[VenueTrade, ...] = (),
        balances: tuple[VenueBalance, ...] = (),
    ) -> VenueAnswered:
        return VenueAnswered(
            request=request,
            outcome=outcome,
            meaning=meaning,
            text=text,
            sent_ns=sent_ns,
            orders=orders,
            trades=trades,
            balances=balances,
        )

    def _order(self, order: model.Order) -> VenueOrder:
        self.client_ids[order.id] = order.client_id
        return VenueOrder(
            symbol=order.symbol,
            client_id=order.client_id,
            venue_order_id=str(order.id),
            side=Side.BUY if order.side == "BUY" else Side.SELL,
            kind=_KINDS[order.type],
            status=_STATUSES[order.status],
            quantity=order.quantity,
            filled_quantity=order.executed,
            price=order.price or ZERO,
            stop_price=order.stop_price or ZERO,
            group_id="" if order.list_id == words.NO_LIST else str(order.list_id),
            triggered=order.type in words.STOP_TYPES and order.is_working,
            updated_ms=order.updated_ms,
        )

    def _trade(self, fill: model.Fill, client_id: str) -> VenueTrade:
        return VenueTrade(
            symbol=fill.symbol,
            trade_id=str(fill.trade_id),
            venue_order_id=str(fill.order_id),
            client_id=client_id,
            side=Side.BUY if fill.is_buyer else Side.SELL,
            price=fill.price,
            quantity=fill.quantity,
            fee=fill.fee,
            fee_asset=fill.fee_asset,
            at_ms=fill.at_ms,
        )

    def _push(self) -> None:
        """The user stream: each event on its own way, lost, late or doubled as the seed wants."""
        for event in self.exchange.drain():
            match event:
                case model.OrderUpdated():
                    if self.books.take(event) is not None and event.execution == "NEW":
                        self.questions.accepted(event.order.client_id, str(event.order.id))
                    self._watch(event.order)
                    fill = event.fill
                    trade = self._trade(fill, event.order.client_id) if fill is not None else None
                    report = VenueReported(order=self._order(event.order), trade=trade)
                case model.BalancesChanged():
                    balances = tuple(
                        VenueBalance(asset=a, free=b.free, locked=b.locked)
                        for a, b in sorted(event.balances.items())
                    )
                    report = VenueReported(balances=balances)
                case _:
                    continue
            self._send(report)
        self.on_acted()

    def _send(self, report: VenueReported) -> None:
        dice = self._dice
        state = report.order.status.name if report.order is not None else "balances"
        if dice.hits("lost_push", state):
            return
        delay_ns = self._random.randint(1, 15) * NS_PER_MS
        if dice.hits("late_push", state):
            delay_ns = dice.between("late_push", 50, 3_000) * NS_PER_MS
        self._agenda.after(delay_ns, lambda: self._deliver(report, None))
        if dice.hits("doubled_push", state):
            again_ns = delay_ns + dice.between("doubled_push", 1, 500) * NS_PER_MS
            self._agenda.after(again_ns, lambda: self._deliver(report, None))

    def _now_ms(self) -> int:
        return self._agenda.now_ns // NS_PER_MS
