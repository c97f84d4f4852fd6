"""Derives every fill of an audit again: own queues, own sums, own book of what was taken.

Takes the audit's records one after the other, moves the recording to the line of each, and names
what does not follow from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from shared.recordings.fill_audit_market import (
    ZERO,
    Book,
    Level,
    Source,
    Trade,
    number,
)

Record = dict[str, Any]


class Finding:
    """One thing that does not follow from the market's data."""

    def __init__(self, audit_line: int, text: str, symbol: str | None, line: int | None) -> None:
        self.audit_line = audit_line
        self.text = text
        self.symbol = symbol
        self.line = line

    def shown(self) -> dict[str, Any]:
        """As JSON: the audit's line, the symbol and line of the recording, what is wrong."""
        return {
            "audit_line": self.audit_line,
            "symbol": self.symbol,
            "line": self.line,
            "text": self.text,
        }


class Order:
    """An order as the audit tells it, with what it has been given."""

    def __init__(self, record: Record) -> None:
        self.id = int(record["order"])
        self.symbol = str(record["symbol"])
        self.is_buy = record["side"] == "BUY"
        self.side = str(record["side"])
        self.limit = None if record["price"] is None else number(record["price"])
        self.quantity = number(record["quantity"])
        self.executed = ZERO
        self.has_left = False

    def allows(self, price: Decimal) -> bool:
        """Whether a price is within the order's limit."""
        if self.limit is None:
            return True
        return price <= self.limit if self.is_buy else price >= self.limit


class Queue:
    """A resting order's place: what stands before it, by the recording alone."""

    def __init__(self, order: Order, price: Decimal, ahead: Decimal, line: int) -> None:
        self.order = order
        self.line = line
        self.price = price
        self.ahead = ahead

    def meets(self, trade: Trade) -> bool:
        """Takes a trade; true when it came to this order's price from the right side, or passed."""
        is_buy = self.order.is_buy
        if trade.price < self.price if is_buy else trade.price > self.price:
            self.ahead = ZERO
            return True
        return trade.price == self.price and trade.buyer_is_maker == is_buy


class Market:
    """One symbol: its book, the queues of the audit's orders, the trades of the current line."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.book = Book()
        self.queues: dict[int, Queue] = {}
        self.line = 0
        self.trades: dict[int, tuple[Trade, dict[int, Decimal]]] = {}
        """Trades of the newest line, each with the queues before it of the orders it reached."""

    def advance(self, line: int) -> None:
        """Reads the recording up to and with a line."""
        if line == self.line:
            return
        for at, _, data in self.source.until(line):
            self.trades.clear()
            for trade in self.book.read(at, data):
                self._pass(trade)
        self.line = line

    def _pass(self, trade: Trade) -> None:
        before: dict[int, Decimal] = {}
        for order_id, queue in self.queues.items():
            if queue.meets(trade):
                before[order_id] = queue.ahead
                queue.ahead = max(ZERO, queue.ahead - trade.quantity)
        self.trades[trade.line] = (trade, before)

    def behind(self, order: Order, ahead: Decimal) -> Decimal:
        """What is left before an order that joins behind a level now.

        An iceberg's next slice comes while the trade that used up the one before goes on: the rest
        of that trade eats what stands before the new slice."""
        for trade, before in self.trades.values():
            if order.id in before:
                before[order.id] = ahead
                ahead = max(ZERO, ahead - (trade.quantity - trade.got))
        return ahead

    def own(self, is_buy: bool) -> Mapping[Decimal, Level]:
        """The side on which such an order rests."""
        return self.book.bids if is_buy else self.book.asks


class FillChecker:
    """Takes the records of an audit one after the other; `findings` is what is wrong."""

    def __init__(self, market_of: Mapping[str, Source] | Callable[[str], Source]) -> None:
        """`market_of` gives the rows of a symbol."""
        self.findings: list[Finding] = []
        self.fills = 0
        self._market_of = market_of
        self._markets: dict[str, Market] = {}
        self._orders: dict[int, Order] = {}
        self._used: dict[tuple[str, int], Decimal] = {}
        self._pairs: dict[int, tuple[int, Record]] = {}
        self._paired: set[int] = set()
        self._last_fill = 0
        self._at = 0
        self._record: Record = {}
        self._checks: dict[str, Callable[[Record, Market], None]] = {
            "order": self._order,
            "amend": self._amend,
            "join": self._join,
            "leave": self._leave,
            "fill": self._fill,
        }

    @property
    def orders(self) -> int:
        """How many orders the audit has told of."""
        return len(self._orders)

    @property
    def lines(self) -> int:
        """How many lines of the recordings were needed."""
        return sum(market.line for market in self._markets.values())

    def take(self, audit_line: int, record: Record) -> None:
        """Checks one record."""
        self._at, self._record = audit_line, record
        check = self._checks.get(str(record.get("record")))
        if check is None:
            self._find(f"no such record: {record.get('record')!r}")
            return
        try:
            market = self._advance(str(record["symbol"]), int(record["line"]))
            if market is not None:
                check(record, market)
        except (KeyError, TypeError, ValueError) as error:
            self._find(f"unreadable {record.get('record')}: {error!r}")

    def end(self) -> None:
        """What must have come and did not."""
        for audit_line, record in self._pairs.values():
            self._at, self._record = audit_line, record
            self._find("an internal trade whose other side has no fill")

    def unreadable(self, audit_line: int, text: str) -> None:
        """A line that is no record."""
        self._at, self._record = audit_line, {}
        self._find(text)

    def _find(self, text: str) -> None:
        symbol, line = self._record.get("symbol"), self._record.get("line")
        self.findings.append(Finding(self._at, text, symbol, line))

    def _advance(self, symbol: str, line: int) -> Market | None:
        market = self._markets.get(symbol)
        if market is None:
            source = (
                self._market_of(symbol)
                if callable(self._market_of)
                else self._market_of.get(symbol)
            )
            if source is None:
                self._find(f"no recording of {symbol}")
                return None
            market = self._markets[symbol] = Market(source)
        if line < market.line:
            self._find(f"line {line} after line {market.line}: the market does not go back")
            return None
        market.advance(line)
        if not market.source.reaches(line):
            self._find(f"line {line} is beyond the recording's end")
        return market

    def _order(self, record: Record, market: Market) -> None:
        order = Order(record)
        if order.id in self._orders:
            self._find(f"order {order.id} comes twice")
        elif order.quantity <= 0 or record["side"] not in ("BUY", "SELL"):
            self._find(f"order {order.id}: {record['side']} of {order.quantity}")
        self._orders.setdefault(order.id, order)

    def _known(self, record: Record) -> Order | None:
        order = self._orders.get(record["order"])
        if order is None:
            self._find(f"order {record['order']} was never told of")
        elif order.symbol != record["symbol"]:
            self._find(f"order {order.id} is on {order.symbol}")
            return None
        return order

    def _amend(self, record: Record, market: Market) -> None:
        order = self._known(record)
        if order is not None:
            quantity = number(record["quantity"])
            if not order.executed < quantity < order.quantity:
                self._find(
                    f"order {order.id} amended to {quantity}: it has {order.executed} of "
                    f"{order.quantity}"
                )
            order.quantity = quantity

    def _join(self, record: Record, market: Market) -> None:
        order = self._known(record)
        if order is None:
            return
        price = number(record["price"])
        if price != order.limit or record["side"] != order.side:
            self._find(f"order {order.id} joins {record['side']} {price}, its limit: {order.limit}")
        level = market.own(order.is_buy).get(price)
        ahead = ZERO if level is None else level.quantity
        if number(record["queue_ahead"]) != ahead:
            self._find(
                f"order {order.id} joins behind {record['queue_ahead']}, the book says {ahead}"
            )
        market.queues[order.id] = Queue(order, price, market.behind(order, ahead), market.line)

    def _leave(self, record: Record, market: Market) -> None:
        order = self._known(record)
        if order is not None:
            if market.queues.pop(order.id, None) is None:
                self._find(f"order {order.id} leaves a queue that it did not join")
            order.has_left = True

    def _fill(self, record: Record, market: Market) -> None:
        self.fills += 1
        order = self._known(record)
        if order is None:
            return
        price, quantity = number(record["price"]), number(record["quantity"])
        self._check_number(record)
        if record["side"] != order.side:
            self._find(f"a {record['side']} fill of a {order.side} order")
        if quantity <= 0:
            self._find(f"a fill of {quantity}")
        if order.has_left:
            self._find(f"order {order.id} had left")
        if not order.allows(price) or (record["maker"] and price != order.limit):
            self._find(f"filled at {price}, the order's limit is {order.limit}")
        order.executed += quantity
        if order.executed > order.quantity:
            self._find(f"order {order.id} got {order.executed} of {order.quantity}")
        evidence = record["evidence"]
        queue = market.queues.get(order.id)
        if not isinstance(record["maker"], bool):
            self._find(f"maker is {record['maker']!r}, neither true nor false")
        elif record["maker"] and queue is None:
            self._find(f"order {order.id} was not in a queue")
        elif not record["maker"] and queue is not None and queue.line != market.line:
            self._find(f"order {order.id} takes, but has stood in the queue since {queue.line}")
        if evidence["kind"] == "level":
            self._check_level(record, evidence, order, market, price, quantity)
        elif evidence["kind"] == "trade":
            self._check_trade(record, evidence, order, market, quantity)
        elif evidence["kind"] == "order":
            self._check_pair(record, evidence, order)
        else:
            self._find(f"no such evidence: {evidence['kind']!r}")

    def _check_number(self, record: Record) -> None:
        """Fill numbers rise; only the two sides of an internal trade share one."""
        fill = int(record["fill"])
        if fill < self._last_fill:
            self._find(f"fill {fill} after fill {self._last_fill}")
        elif fill == self._last_fill and fill not in self._pairs:
            self._find(f"fill {fill} comes again")
        self._last_fill = max(self._last_fill, fill)

    def _check_level(
        self,
        record: Record,
        evidence: Record,
        order: Order,
        market: Market,
        price: Decimal,
        quantity: Decimal,
    ) -> None:
        """At most what the level has, less what was taken of it since its last update."""
        level_price = number(evidence["price"])
        level = market.own(not order.is_buy).get(level_price)
        if level is None:
            self._find(f"the book has no level at {level_price}")
            return
        if not order.allows(level_price) or (not record["maker"] and level_price != price):
            self._find(f"filled at {price} of a level at {level_price}, limit {order.limit}")
        self._same("line", evidence["line"], level.line)
        self._same("quantity", number(evidence["quantity"]), level.quantity)
        self._same("taken", number(evidence["taken"]), level.taken)
        if quantity > level.quantity - level.taken:
            self._find(
                f"took {quantity} of the level {level_price}: it has {level.quantity}, of which "
                f"{level.taken} was taken since line {level.line}"
            )
        level.taken += quantity

    def _check_trade(
        self, record: Record, evidence: Record, order: Order, market: Market, quantity: Decimal
    ) -> None:
        """At most what traded beyond the queue, less what other orders here got of it."""
        if not record["maker"]:
            self._find("a public trade fills makers only")
        found = market.trades.get(evidence["line"])
        if found is None:
            self._find(f"no trade happened with line {evidence['line']}")
            return
        trade, queues = found
        self._same("trade_id", evidence["trade_id"], trade.id)
        self._same("price", number(evidence["price"]), trade.price)
        self._same("quantity", number(evidence["quantity"]), trade.quantity)
        self._same("taken", number(evidence["taken"]), trade.got)
        ahead = queues.get(order.id)
        if ahead is None:
            self._find(f"trade {trade.id} at {trade.price} did not come to order {order.id}")
            ahead = ZERO
        if number(evidence["queue_ahead"]) < ahead:
            self._find(f"queue of {evidence['queue_ahead']}, by the recording it was {ahead}")
        if quantity > trade.quantity - ahead - trade.got:
            self._find(
                f"got {quantity} of trade {trade.id}: it has {trade.quantity}, {ahead} stood "
                f"before the order, {trade.got} went to others here"
            )
        trade.got += quantity
        used = self._used.get((order.symbol, trade.id), ZERO) + quantity
        self._used[order.symbol, trade.id] = used
        if used > trade.quantity:
            self._find(f"trade {trade.id} of {trade.quantity} was used for {used}")

    def _check_pair(self, record: Record, evidence: Record, order: Order) -> None:
        """Both sides of an internal trade have the same price and quantity."""
        other = self._orders.get(evidence["order"])
        if other is None or other.symbol != order.symbol or other.is_buy == order.is_buy:
            self._find(f"order {evidence['order']} cannot be the other side of {order.id}")
        fill = int(record["fill"])
        first = self._pairs.pop(fill, None)
        if first is None:
            if fill in self._paired:
                self._find(f"internal trade {fill} has more than two sides")
            self._pairs[fill] = (self._at, record)
            return
        self._paired.add(fill)
        mate = first[1]
        if (mate["order"], mate["evidence"]["order"]) != (evidence["order"], record["order"]):
            self._find(f"internal trade {fill}: its two sides do not name each other")
        if mate["maker"] == record["maker"]:
            self._find(f"internal trade {fill} needs a maker and a taker")
        for name in ("price", "quantity"):
            self._same(f"internal {name}", number(record[name]), number(mate[name]))

    def _same(self, name: str, said: Any, derived: Any) -> None:
        if said != derived:
            self._find(f"{name} {said}, by the recording {derived}")
