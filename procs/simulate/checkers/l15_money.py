"""L15: money adds up at each booking and at the end, and the cap holds."""

from __future__ import annotations

from decimal import Decimal
from itertools import islice
from typing import Any

from procs.simulate.checkers.base import Checker
from shared.domain.account import Account
from shared.domain.risk import Reservation, at_stake, equity, unspent
from shared.messages.venue import Side
from shared.units import HUNDRED, NS_PER_S, ZERO

RELEASE_WITHIN_NS = 5 * NS_PER_S


class Money(Checker):
    """Works the ledger out again from the venue's own fills, and the stakes from decide's state."""

    law = "L15"
    roles = ("route", "decide")

    def __init__(self, checkers: Any) -> None:
        super().__init__(checkers)
        self._account: Account | None = None
        self._booked = 0
        self._opening: dict[str, Decimal] = {}
        self._moved: dict[str, Decimal] = {}
        self._judged = (0, 0, 0)
        self._staked = ZERO
        self._granted: dict[str, Decimal] = {}
        """What each intent may cost without anything added, as of the last look: its reservation
        while that stands, or what is at stake for it."""
        self._most_staked = ZERO
        """The most that was at stake since something was last added."""
        self._looked = (0, 0)
        """At which event of which life of route the ledger was last looked at."""
        self._unopened = True
        self._strangers: dict[str, Decimal] = {}
        """What strangers had moved when the ledger was opened."""
        self._seen: list[dict[str, Decimal]] = []
        """What they had moved at each look until then."""

    def turned(self, node: Any) -> None:
        """Checks what this node's turn may have broken."""
        if not node.alive:
            return
        if node.role == "route":
            account = node.actor.account
            looked = (node.life, account.seq)
            if looked != self._looked:
                self._looked = looked
                self._look_at_opening(account)
                self._ledger(account)
        self._stakes()

    def _look_at_opening(self, account: Account) -> None:
        """A journal that is wholly lost opens its ledger again, with all that was moved so far; on
        trial first, until the venue's history was read."""
        unopened = not account.ledger or account.opening
        if not unopened and not self._unopened:
            return
        if not self._seen or self._seen[-1] != self.books.foreign:
            self._seen.append(dict(self.books.foreign))
        self._unopened = unopened
        self._opening = {}
        if not unopened:
            self._strangers = self._moved_before(account)
            self._seen = []

    def _moved_before(self, account: Account) -> dict[str, Decimal]:
        """What strangers had moved when the balances were read that the ledger was opened with:
        the answer was on its way, and they may have traded meanwhile."""
        foreign = self.books.foreign
        before = dict(foreign)
        for balance in self.world.venue.balances():
            asset, theirs = balance.asset, balance.free + balance.locked
            now = foreign.get(asset, ZERO)
            then = now - (theirs - account.ledger.get(asset, ZERO))
            if any(seen.get(asset, ZERO) == then for seen in self._seen):
                before[asset] = then
        return before

    def _ledger(self, account: Account) -> None:
        """At each booking: opened with, moved by every fill, is what the ledger holds."""
        if account is not self._account:
            self._account, self._booked, self._moved = account, 0, {}
        fresh = len(account.fills) - self._booked
        if fresh <= 0 or not account.ledger:
            return
        for key in islice(reversed(account.fills), fresh):
            fill = self.books.fill_of(key)
            if fill is None:
                continue  # Inferred, or a matter of L3.
            for asset, amount in self.books.effect(fill).items():
                self._moved[asset] = self._moved.get(asset, ZERO) + amount
        self._booked += fresh
        expected = dict(self._moved)
        for guess in account.inferred.values():
            sign = 1 if guess.side is Side.BUY else -1
            cost = guess.price * guess.quantity
            expected[guess.base] = expected.get(guess.base, ZERO) + sign * guess.quantity
            expected[guess.quote] = expected.get(guess.quote, ZERO) - sign * cost
        for asset, held in account.ledger.items():
            opening = held - expected.get(asset, ZERO)
            known = self._opening.setdefault(asset, opening)
            if known != opening:
                self.say(
                    f"{asset}: the ledger is {held}, its fills make it {held - opening + known}"
                )

    def _stakes(self) -> None:
        """Reservations plus exposure stay within the cap, as decide sees it.

        Nothing may be added beyond it: a cap that falls below what is at stake already, because
        prices fell or are not known yet, takes nothing back. A reservation that stands is nothing
        added, whatever route's account books on it and forgets again: budget is "reserved when an
        intent is approved, committed by fills" (E4). What was at stake with it before may be so
        again."""
        decide = self.world.nodes["decide"]
        if not decide.alive or not decide.actor.replica.welcomed:
            return
        account, state = decide.actor.replica.account, decide.actor.state
        judged = (decide.incarnation, account.seq, state.seq)
        if judged == self._judged or not account.ledger:
            return
        self._judged = judged
        policy = decide.actor.policy
        staked = at_stake(account, state.reservations.values())
        before, self._staked = self._staked, staked
        if self._adds(account, state.reservations):
            self._most_staked = staked
        else:
            before = self._most_staked
            self._most_staked = max(before, staked)
        if staked <= before:
            return
        cap = equity(account, policy.quote_asset, decide.actor.marks) * Decimal(
            str(policy.risk.max_exposure_pct)
        )
        if staked > cap / HUNDRED:
            self.say(f"at stake {staked}, cap {cap / HUNDRED}")

    def _adds(self, account: Account, reservations: dict[str, Reservation]) -> bool:
        """Whether more is at stake for an intent than was granted to it at the last look."""
        before, self._granted = self._granted, {}
        is_added = False
        for intent_id in {p.position_id: None for p in account.open_positions()} | reservations:
            position, reserved = account.positions.get(intent_id), reservations.get(intent_id)
            stake = position.cost if position is not None else ZERO
            stake += unspent(reserved, position) if reserved is not None else ZERO
            is_added = is_added or stake > before.get(intent_id, ZERO)
            self._granted[intent_id] = max(stake, reserved.quote if reserved is not None else ZERO)
        return is_added

    def restored(self) -> None:
        """The ledger goes on from an older one, perhaps from none."""
        self._opening = {}

    def at_rest(self) -> None:
        """The exchange's ledger holds, ours agrees with it, no reservation outlives its intent."""
        self.world.venue.exchange.verify()
        account = self.world.nodes["route"].actor.account
        self._ledger_agrees(account)
        decide = self.world.nodes["decide"].actor
        for intent_id, reservation in decide.state.reservations.items():
            overdue = self.world.agenda.now_ns - reservation.deadline_ns > RELEASE_WITHIN_NS
            if intent_id not in account.intents and overdue:
                self.say(f"reservation of {intent_id} was never released")

    def _ledger_agrees(self, account: Account) -> None:
        live = any(not order.venue_order_id for order in account.orders.values())
        if live or account.inferred:
            return
        venue = self.world.venue
        foreign = self.books.foreign
        for balance in venue.balances():
            asset, theirs = balance.asset, balance.free + balance.locked
            # What strangers did before the ledger was opened is in its opening, the rest is not.
            since = foreign.get(asset, ZERO) - self._strangers.get(asset, ZERO)
            ours = account.ledger.get(asset, ZERO)
            if ours + since != theirs:
                self.say(f"{asset}: ledger {ours}, strangers {since}, venue {theirs}")
