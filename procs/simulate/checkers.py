"""The laws, looked at from outside after every turn: the venue's own books against the engine's.

L1: what reaches the venue is on disk. L2: an intent never has two live orders, never buys more than
it wanted, and keeps its reservation while it can still buy. L3: fills are the venue's, once. L5: no
position without a stop at the venue and without a live guard for longer than the bound. L6: exits
never oversell. L15: money adds up, and the cap holds.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from procs.localvenue.matching.model import Order as VenueSideOrder
from procs.simulate.faults import NONE
from procs.simulate.node import Node
from procs.simulate.process import Process
from procs.simulate.venue import ACCOUNT
from shared.domain.account import fill_key
from shared.domain.order import OrderStatus
from shared.domain.reconcile import ledger_differences
from shared.domain.risk import at_stake, equity
from shared.ids import decision_of, leg_of
from shared.messages.venue import PlaceOco, PlaceOrder, Side, VenueRequest
from shared.units import HUNDRED, NS_PER_S, ZERO

if TYPE_CHECKING:
    from procs.simulate.world import World

BARE_BOUND_NS = 5 * NS_PER_S
"""L5: protected or under a live guard within this, under any single kill."""
STOPLESS_BOUND_NS = 45 * NS_PER_S
"""Even under a live guard a stop or a sale must rest by then: two fences of 18 s, and some."""
CALM_STOPLESS_BOUND_NS = 3 * NS_PER_S
"""When every request is answered: L5's 2 s, and the resize of a position that fills bit by bit."""
RESOLVED_WITHIN_NS = 22 * NS_PER_S
"""After healing every unknown outcome is proved within a fence and a few questions."""
SUBMITTED = b'{"type":"order_submitted"'
RELEASE_WITHIN_NS = 5 * NS_PER_S


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """A broken law: which, when (event number), what was seen."""

    law: str
    step: int
    text: str


class Checkers:
    """Watches one world; the first violation ends it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.violations: list[Violation] = []
        self._bare_since_ns: dict[str, int] = {}
        self._stopless_since_ns: dict[str, int] = {}
        self._booked = 0
        plain = world.faults == msgspec.structs.replace(NONE, refused=world.faults.refused)
        self._calm_from_ns = 0 if plain else world.heal_at_ns + RESOLVED_WITHIN_NS

    def say(self, law: str, text: str) -> None:
        """A law is broken."""
        self.violations.append(Violation(law=law, step=self.world.events, text=text))

    # ── at each request ─────────────────────────────────────────────────────────────────────────

    def called(self, node: Node, request: VenueRequest) -> None:
        """L1: every order that leaves is in the journal of the process that sends it."""
        for client_id in _placed_ids(request):
            known = f'"{client_id}"'.encode()
            if not any(row.startswith(SUBMITTED) and known in row for row in reversed(node.rows)):
                self.say("L1", f"{client_id} left before it was on disk")

    def changed(self, order: VenueSideOrder) -> None:
        """L2, E4: what can still buy holds its reservation; called as the venue acts."""
        decision = decision_of(order.client_id)
        decide = self.world.nodes["decide"]
        if decision is None or order.side != "BUY" or not decide.alive:
            return
        if decision in self.world.forgotten:
            return  # Its reservation went with the journal, and no entry is allowed meanwhile.
        if decision not in decide.actor.state.reservations:
            self.say("L2", f"{decision} still buys, its reservation is gone")

    def restored(self) -> None:
        """The engine knows less than before: what was booked may be booked again."""
        self._booked = 0

    # ── after every turn ────────────────────────────────────────────────────────────────────────

    def turned(self, node: Process) -> None:
        """Checks what this node's turn may have broken."""
        if node.role == "route" and node.alive:
            self._one_order_per_intent()
            self._buys_are_wanted()
            self._fills_are_real(node)
            self._reservations_fit()
        elif node.role == "decide" and node.alive:
            self._reservations_fit()

    def market_moved(self) -> None:
        """Checks that depend on time: how long something has been bare."""
        self._protected()

    def _ours(self) -> list[VenueSideOrder]:
        exchange = self.world.venue.exchange
        return [o for o in exchange.open_orders(ACCOUNT) if decision_of(o.client_id)]

    def _one_order_per_intent(self) -> None:
        """L2: one live entry order per intent; L6: one way out at a time, never more than held."""
        entries: dict[str, int] = {}
        ways_out: dict[str, dict[int, Decimal]] = {}
        for order in self._ours():
            decision = decision_of(order.client_id) or ""
            if order.side == "BUY":
                entries[decision] = entries.get(decision, 0) + 1
            else:
                key = order.list_id if order.list_id != -1 else -order.id
                ways = ways_out.setdefault(decision, {})
                ways[key] = max(ways.get(key, ZERO), order.remaining)
        for decision, count in entries.items():
            if count > 1:
                self.say("L2", f"{decision} has {count} live entry orders at the venue")
        held = self._venue_positions()
        for decision, ways in ways_out.items():
            selling = sum(ways.values(), ZERO)
            if selling > held.get(decision, ZERO):
                self.say("L6", f"{decision} sells {selling} of {held.get(decision, ZERO)} held")
        for decision, quantity in held.items():
            if quantity < ZERO:
                self.say("L6", f"{decision} is oversold by {-quantity}")

    def _buys_are_wanted(self) -> None:
        """L2: no intent buys more than it wanted."""
        intents = self.world.intents
        for decision, (bought, live) in self._venue_buys().items():
            intent = intents[decision]
            if bought + live > intent.quantity:
                wanted = intent.quantity
                self.say("L2", f"{decision} buys {bought} + {live}, wanted {wanted}")

    def _venue_buys(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Per decision what the venue's buys executed, and what live ones may still buy."""
        exchange = self.world.venue.exchange
        buys: dict[str, tuple[Decimal, Decimal]] = {}
        for symbol in exchange.instruments:
            for order in exchange.all_orders(ACCOUNT, symbol):
                decision = decision_of(order.client_id)
                if decision is None or order.side != "BUY":
                    continue
                bought, live = buys.get(decision, (ZERO, ZERO))
                if order.is_open:
                    live += order.remaining
                buys[decision] = (bought + order.executed, live)
        return buys

    def _venue_positions(self) -> dict[str, Decimal]:
        """Per decision what the venue's own fills bought, less sold, less fees in base."""
        exchange = self.world.venue.exchange
        held: dict[str, Decimal] = {}
        for symbol, instrument in exchange.instruments.items():
            for order in exchange.all_orders(ACCOUNT, symbol):
                decision = decision_of(order.client_id)
                if decision is None or not order.executed:
                    continue
                sign = 1 if order.side == "BUY" else -1
                held[decision] = held.get(decision, ZERO) + sign * order.executed
                for fill in exchange.fills_of(order.id):
                    if fill.fee_asset == instrument.base:
                        held[decision] -= fill.fee
        return held

    def _fills_are_real(self, route: Process) -> None:
        """L3: nothing is booked that the venue does not know."""
        account = route.actor.account
        if len(account.fills) == self._booked:
            return
        self._booked = len(account.fills)
        exchange = self.world.venue.exchange
        known = {
            fill_key(fill.symbol, str(fill.trade_id), Side.BUY if fill.is_buyer else Side.SELL)
            for symbol in exchange.instruments
            for order in exchange.all_orders(ACCOUNT, symbol)
            for fill in exchange.fills_of(order.id)
        }
        for key in account.fills:
            if key not in known and ":inferred:" not in key:
                self.say("L3", f"booked {key}, which the venue does not know")

    def _reservations_fit(self) -> None:
        """L15: reservations plus exposure stay within the cap, as decide sees it."""
        decide = self.world.nodes["decide"]
        if not decide.alive or not decide.actor.replica.welcomed:
            return
        account = decide.actor.replica.account
        if not account.ledger:
            return
        policy = decide.actor.policy
        staked = at_stake(account, decide.actor.state.reservations.values())
        cap = equity(account, policy.quote_asset, decide.actor.marks) * Decimal(
            str(policy.risk.max_exposure_pct)
        )
        if staked > cap / HUNDRED:
            self.say("L15", f"at stake {staked}, cap {cap / HUNDRED}")

    # ── time ────────────────────────────────────────────────────────────────────────────────────

    def _protected(self) -> None:
        """L5, from the venue's side: a stop or a sale rests there, or a live process watches."""
        world = self.world
        exchange = world.venue.exchange
        covered: dict[str, Decimal] = {}
        for order in self._ours():
            if order.side == "SELL" and leg_of(order.client_id) in ("s", "x"):
                decision = decision_of(order.client_id) or ""
                covered[decision] = covered.get(decision, ZERO) + order.remaining
        guarded = world.nodes["route"].alive and world.nodes["protect"].alive
        now_ns = world.agenda.now_ns
        bare: dict[str, int] = {}
        stopless: dict[str, int] = {}
        for decision, quantity in self._venue_positions().items():
            symbol = self._symbol_of(decision)
            instrument = exchange.instruments[symbol]
            best = exchange.published[symbol].bids.best() or ZERO
            if instrument.is_dust(quantity, best):
                continue
            if covered.get(decision, ZERO) >= instrument.quantity_down(quantity):
                continue
            stopless[decision] = self._stopless_since_ns.get(decision, now_ns)
            stopless_ns = now_ns - stopless[decision]
            calm_ns = now_ns - max(stopless[decision], self._calm_from_ns)
            if stopless_ns > STOPLESS_BOUND_NS or calm_ns > CALM_STOPLESS_BOUND_NS:
                self.say("L5", f"{decision}: no stop at the venue for {stopless_ns / 1e9:.1f} s")
            if guarded:
                continue
            bare[decision] = self._bare_since_ns.get(decision, now_ns)
            # The bound is that of a single kill: it starts anew with each death on the way.
            if now_ns - max(bare[decision], world.died_ns) > BARE_BOUND_NS:
                self.say("L5", f"{decision} bare for {(now_ns - bare[decision]) / 1e9:.1f} s")
        self._bare_since_ns = bare
        self._stopless_since_ns = stopless

    def _symbol_of(self, decision: str) -> str:
        exchange = self.world.venue.exchange
        for symbol in exchange.instruments:
            for order in exchange.all_orders(ACCOUNT, symbol):
                if decision_of(order.client_id) == decision:
                    return symbol
        raise AssertionError(decision)

    # ── the end ─────────────────────────────────────────────────────────────────────────────────

    def at_rest(self) -> None:
        """After healing: nothing unknown, nothing lost, everything flat or protected (L3, L16)."""
        route = self.world.nodes["route"].actor
        account = route.account
        for order in account.orders.values():
            if order.status is OrderStatus.UNKNOWN:
                self.say("L2", f"{order.client_id} is still unknown after healing")
            if order.owed:
                self.say("L3", f"{order.client_id} still owes {order.owed}")
        self._positions_agree()
        self._ledger_agrees()
        self._all_protected()
        decide = self.world.nodes["decide"].actor
        for intent_id, reservation in decide.state.reservations.items():
            ended = account.ended_intents.get(intent_id)
            over_ns = max(reservation.deadline_ns, ended.ended_ns if ended else 0)
            overdue = self.world.agenda.now_ns - over_ns > RELEASE_WITHIN_NS
            if intent_id not in account.intents and overdue:
                self.say("L15", f"reservation of {intent_id} was never released")

    def _positions_agree(self) -> None:
        account = self.world.nodes["route"].actor.account
        for decision, held in self._venue_positions().items():
            position = account.positions.get(decision)
            if position is not None:
                if position.quantity != held:
                    self.say("L3", f"{decision}: engine {position.quantity}, venue {held}")
                continue
            symbol = self._symbol_of(decision)
            instrument = self.world.venue.exchange.instruments[symbol]
            best = self.world.venue.exchange.published[symbol].bids.best() or ZERO
            if not instrument.is_dust(held, best):
                self.say("L3", f"{decision}: {held} at the venue, no position in the engine")

    def _ledger_agrees(self) -> None:
        account = self.world.nodes["route"].actor.account
        live = any(not order.venue_order_id for order in account.orders.values())
        if live or account.inferred:
            return
        account.balances = {b.asset: b for b in self.world.venue.balances()}
        for asset, (ours, theirs) in ledger_differences(account).items():
            self.say("L15", f"{asset}: ledger {ours}, venue {theirs}")

    def _all_protected(self) -> None:
        for position in self.world.nodes["route"].actor.account.open_positions():
            if position.bare_since_ns:
                bare_ns = self.world.agenda.now_ns - position.bare_since_ns
                if bare_ns > BARE_BOUND_NS:
                    text = f"{position.position_id} {position.protection} after healing"
                    self.say("L5", text)


def _placed_ids(request: VenueRequest) -> tuple[str, ...]:
    match request:
        case PlaceOrder():
            return (request.client_id,)
        case PlaceOco():
            return (request.stop_id, request.take_profit_id)
    return ()
