"""The simulated venue: the local venue's own matching core, as route meets it.

Requests are translated to the core's and answers back to the engine's words; nothing of HTTP is
here. What the network does to them is `network.py`, what the venue itself does wrong `mischief.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import Any

from procs.localvenue.market.events import MarketEvent
from procs.localvenue.matching import model, requests, words
from procs.localvenue.matching.exchange import Exchange
from procs.simulate.agenda import Agenda
from procs.simulate.books import Books
from procs.simulate.clocks import Clocks
from procs.simulate.dice import Dice
from procs.simulate.mischief import Mischief
from procs.simulate.network import MATCHING_NS, RECV_WINDOW_NS, Network
from procs.simulate.past import Past
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
    placed_ids,
)
from shared.units import NS_PER_MS, ZERO

ACCOUNT = "engine"
UNLISTED_MS = (500, 20_000)
"""An order counts an execution that no list names, for so long."""
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
        self._used_ids: set[str] = set()
        self._listed_from_ns: dict[tuple[int, int], int] = {}
        """Order and trade id → since when the execution is listed."""
        self.clocks = Clocks(agenda, dice)
        self._agenda = agenda
        self._dice = dice
        self._watch = watch
        self.past = Past()
        self.network = Network(self, agenda, random, dice, deliver)
        self.mischief = Mischief(self, ACCOUNT, agenda, dice)

    def on_market(self, event: MarketEvent) -> None:
        """The market moves; what that does to our orders is pushed."""
        self.exchange.on_market(event, self._now_ms())
        if self.exchange.has_news:
            self.push()

    def call(self, request: VenueRequest, life: int, exit_priority: bool = False) -> None:
        """A request wants to leave route's process."""
        self.network.call(request, life, exit_priority)

    def told(self, question: TakeSnapshot, now_ns: int) -> VenueAnswered:
        """What the venue would answer now if nothing stood between."""
        return self._as_of(question, now_ns, now_ns, now_ns)

    # ── the exchange ────────────────────────────────────────────────────────────────────────────

    def do(self, request: VenueRequest, sent_ns: int) -> VenueAnswered:
        """Carries out what has arrived."""
        if self._dice.faults.ids_forever:
            ids = placed_ids(request)
            if not self._used_ids.isdisjoint(ids):
                refusal = model.Refusal(-2010, "Duplicate order sent.")
                return self._refuse(request, refusal, sent_ns)
            self._used_ids.update(ids)
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
                return self.answer(request, Outcome.OK, sent_ns, orders=orders)
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
        trades = self._trades(placed.fills, placed.order.client_id)
        return self.answer(
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
        return self.answer(request, Outcome.OK, sent_ns, orders=orders)

    def _query(self, request: QueryOrder, sent_ns: int) -> VenueAnswered:
        order = self.exchange.find(ACCOUNT, request.symbol, None, request.client_id)
        if order is None:
            return self.answer(request, Outcome.OK, sent_ns)
        at_ns = self._agenda.now_ns
        seen: model.Order | None = order
        young = at_ns - order.updated_ms * NS_PER_MS < READ_LAG_NS
        if young and self._dice.hits("read_lag", order.status):
            at_ns -= self._dice.between("read_lag", 1, READ_LAG_NS // NS_PER_MS) * NS_PER_MS
            seen = self.past.order_at(order.id, at_ns)
        if seen is None:
            return self.answer(request, Outcome.OK, sent_ns)
        trades = self._trades(self.exchange.fills_of(order.id), order.client_id, at_ns)
        return self.answer(request, Outcome.OK, sent_ns, orders=(self._order(seen),), trades=trades)

    def _snapshot(self, request: TakeSnapshot, sent_ns: int) -> VenueAnswered:
        """Orders and trades of one moment, balances of another: both at most a read lag old."""
        dice, now_ns = self._dice, self._agenda.now_ns
        at_ns = held_ns = now_ns
        if dice.hits("lagging_orders", "TakeSnapshot"):
            at_ns -= dice.between("lagging_orders", 1, READ_LAG_NS // NS_PER_MS) * NS_PER_MS
        if dice.hits("lagging_balances", "TakeSnapshot"):
            held_ns -= dice.between("lagging_balances", 1, READ_LAG_NS // NS_PER_MS) * NS_PER_MS
        return self._as_of(request, sent_ns, at_ns, held_ns)

    def _as_of(
        self, request: TakeSnapshot, sent_ns: int, at_ns: int, held_ns: int
    ) -> VenueAnswered:
        since_ms = self.clocks.asked_ms(request.trades_since_ms)
        listed = {order.id: order for order in self.exchange.open_orders(ACCOUNT)}
        if request.history:
            for symbol in request.symbols:
                listed |= {order.id: order for order in self.exchange.all_orders(ACCOUNT, symbol)}
        for order_id in self.past.changed_since(at_ns):
            then = self.past.order_at(order_id, at_ns)
            if then is not None and (then.is_open or order_id in listed):
                listed[order_id] = then
            else:
                listed.pop(order_id, None)
        trades = tuple(
            trade
            for symbol in request.symbols
            for order in self.exchange.all_orders(ACCOUNT, symbol)
            for trade in self._trades(self.exchange.fills_of(order.id), "", at_ns)
            if trade.at_ms >= since_ms
        )
        return self.answer(
            request,
            Outcome.OK,
            sent_ns,
            orders=tuple(map(self._order, listed.values())),
            trades=trades,
            balances=self.balances(held_ns),
        )

    def balances(self, at_ns: int = 0) -> tuple[VenueBalance, ...]:
        """Everything the account holds, or held at a time not long ago."""
        held = self.exchange.balances(ACCOUNT)
        if at_ns:
            held = {a: self.past.balance_at(a, balance, at_ns) for a, balance in held.items()}
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
        return self.answer(request, Outcome.REFUSED, sent_ns, meaning=meaning, text=refusal.message)

    def answer(
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
        retry_at_ns: int = 0,
    ) -> VenueAnswered:
        """The venue's word on a request."""
        return VenueAnswered(
            request=request,
            outcome=outcome,
            meaning=meaning,
            text=text,
            sent_ns=sent_ns,
            orders=orders,
            trades=trades,
            balances=balances,
            retry_at_ns=retry_at_ns,
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
            updated_ms=self.clocks.shown_ms(order.updated_ms),
        )

    def _is_listed(self, fill: model.Fill) -> bool:
        """Whether the venue names this execution yet; counted in its order it is at once (L3)."""
        key = (fill.order_id, fill.trade_id)
        from_ns = self._listed_from_ns.get(key)
        if from_ns is None:
            from_ns = 0
            side = "BUY" if fill.is_buyer else "SELL"
            if self._dice.hits("unlisted_trade", side):
                later_ms = self._dice.between("unlisted_trade", *UNLISTED_MS)
                from_ns = self._agenda.now_ns + later_ms * NS_PER_MS
            self._listed_from_ns[key] = from_ns
        return from_ns <= self._agenda.now_ns

    def _trades(
        self, fills: Iterable[model.Fill], client_id: str, at_ns: int = 0
    ) -> tuple[VenueTrade, ...]:
        """Executions as the venue lists them now, or listed them at a time not long ago."""
        return tuple(
            self._trade(fill, client_id)
            for fill in fills
            if (not at_ns or fill.at_ms * NS_PER_MS <= at_ns) and self._is_listed(fill)
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
            at_ms=self.clocks.shown_ms(fill.at_ms),
        )

    def push(self, *, silent: bool = False) -> None:
        """What the exchange has just done, booked and told; told to nobody when it is silent."""
        now_ns = self._agenda.now_ns
        for event in self.exchange.drain():
            match event:
                case model.OrderUpdated():
                    if self.books.take(event) is not None and event.execution == "NEW":
                        self.questions.accepted(event.order.client_id, str(event.order.id))
                    self.past.ordered(event.order, now_ns)
                    self._watch(event.order)
                    fill = event.fill
                    named = fill is not None and self._is_listed(fill)
                    trade = self._trade(fill, event.order.client_id) if fill and named else None
                    report = VenueReported(order=self._order(event.order), trade=trade)
                case model.BalancesChanged():
                    self.past.moved(event.balances, now_ns)
                    balances = tuple(
                        VenueBalance(asset=a, free=b.free, locked=b.locked)
                        for a, b in sorted(event.balances.items())
                    )
                    report = VenueReported(balances=balances)
                case _:
                    continue
            if not silent:
                self.network.send(report)
        self.on_acted()

    def vanished(self, order: model.Order) -> None:
        """An order ended, and the exchange says nothing of it."""
        self.books.vanished(order)
        self.past.ordered(order, self._agenda.now_ns)
        self._watch(order)
        self.on_acted()

    def _now_ms(self) -> int:
        return self._agenda.now_ns // NS_PER_MS
