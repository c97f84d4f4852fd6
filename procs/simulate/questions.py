"""What route was told of each order it sent: the evidence without which it may not go on (L2, L6).

An order counts as over for route once word of its end, of all its executions, of its refusal or of
its absence after the fence was delivered. Kept by the venue as it sends and delivers.
"""

from __future__ import annotations

from decimal import Decimal

from shared.ids import decision_of
from shared.messages.venue import (
    Meaning,
    Outcome,
    PlaceOco,
    PlaceOrder,
    QueryOrder,
    Side,
    VenueAnswered,
    VenueOrder,
    VenueReported,
    VenueTrade,
    placed_ids,
)
from shared.units import ZERO


class Sent:
    """One order that left route, and what route has heard of it."""

    __slots__ = (
        "accepted", "client_id", "decision", "filled_told", "over_told", "quantity", "sent_ns",
        "side", "times", "trades_told", "way",
    )  # fmt: skip

    def __init__(
        self, client_id: str, decision: str, side: Side, quantity: Decimal, way: str, sent_ns: int
    ) -> None:
        self.client_id = client_id
        self.decision = decision
        self.side = side
        self.quantity = quantity
        self.way = way
        """Orders of one list are one way out."""
        self.sent_ns = sent_ns
        self.times = 1
        self.accepted = False
        """The exchange took it."""
        self.over_told = False
        self.filled_told = ZERO
        self.trades_told: set[str] = set()


class Questions:
    """Every order that left, by client id."""

    def __init__(self, proof_ns: int) -> None:
        """`proof_ns`: after sending, a question asked so late that absence is true."""
        self.sent: dict[str, Sent] = {}
        self._lost: dict[str, Sent] = {}
        """Those that left before rows were lost: route may know of them, or not."""
        self._of: dict[str, list[Sent]] = {}
        self._proof_ns = proof_ns
        self._by_venue_id: dict[str, str] = {}

    def of(self, decision: str, side: Side) -> list[Sent]:
        """A decision's orders of one side that are not over, as far as route was told."""
        return [s for s in self._of.get(decision, ()) if s.side is side and not s.over_told]

    def lost_buys(self, decision: str, now_ns: int) -> list[Sent]:
        """Orders to buy that left before rows were lost, are not over as far as route was told, and
        are so new that they may yet come to the venue."""
        return [
            sent
            for sent in self._lost.values()
            if sent.decision == decision
            and sent.side is Side.BUY
            and not sent.over_told
            and now_ns - sent.sent_ns < self._proof_ns
        ]

    def left(self, request: PlaceOrder | PlaceOco, now_ns: int) -> None:
        """A placement leaves route's process."""
        side = Side.SELL if isinstance(request, PlaceOco) else request.side
        for client_id in placed_ids(request):
            again = self.sent.get(client_id)
            if again is not None:
                again.times += 1
                again.over_told = False
                continue
            decision = decision_of(client_id) or ""
            way = request.list_id if isinstance(request, PlaceOco) else client_id
            sent = Sent(client_id, decision, side, request.quantity, way, now_ns)
            self.sent[client_id] = sent
            self._of.setdefault(decision, []).append(sent)

    def accepted(self, client_id: str, venue_id: str) -> None:
        """The exchange took it."""
        sent = self._known(client_id)
        if sent is not None:
            sent.accepted = True
            self._by_venue_id[venue_id] = client_id

    def told(self, message: VenueAnswered | VenueReported) -> None:
        """Route heard this."""
        if isinstance(message, VenueReported):
            if message.order is not None:
                self._order(message.order)
            if message.trade is not None:
                self._trade(message.trade)
            return
        for order in message.orders:
            self._order(order)
        for trade in message.trades:
            self._trade(trade)
        request = message.request
        if isinstance(request, PlaceOrder | PlaceOco):
            said_no = message.outcome in (Outcome.THROTTLED, Outcome.NOT_SENT) or (
                message.outcome is Outcome.REFUSED and message.meaning is not Meaning.DUPLICATE_ID
            )
            if said_no:
                for client_id in placed_ids(request):
                    refused = self._known(client_id)
                    if refused is not None:
                        refused.over_told = True
        elif isinstance(request, QueryOrder) and message.outcome is Outcome.OK:
            sent = self._known(request.client_id)
            if sent is None or message.orders:
                return
            if message.sent_ns - sent.sent_ns >= self._proof_ns:
                sent.over_told = True

    def forget(self) -> None:
        """An older journal came back: what was sent since is not known to route."""
        self._lost.update(self.sent)
        self.sent.clear()
        self._of.clear()

    def _known(self, client_id: str) -> Sent | None:
        return self.sent.get(client_id) or self._lost.get(client_id)

    def _order(self, said: VenueOrder) -> None:
        sent = self._known(said.client_id)
        if sent is not None and said.status.is_final:
            sent.over_told = True

    def _trade(self, said: VenueTrade) -> None:
        client_id = said.client_id or self._by_venue_id.get(said.venue_order_id, "")
        sent = self._known(client_id)
        if sent is None or said.trade_id in sent.trades_told:
            return
        sent.trades_told.add(said.trade_id)
        sent.filled_told += said.quantity
        if sent.filled_told >= sent.quantity:
            sent.over_told = True
