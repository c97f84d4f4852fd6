"""Bugs of the kind that cost money, each a switchable patch of the engine.

A simulation that stays silent with one of them in place proves nothing: every checker must have
found its bug before its silence counts. `profile` is the fault profile that brings the bug to
light, `within` the number of seeds in which it must.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

import procs.route.drive as drive
import procs.simulate.node as node
import shared.domain.answers as answers
import shared.domain.booking as booking
import shared.domain.evidence as evidence
import shared.domain.exits as exits
import shared.domain.fold as fold
import shared.domain.protection as protection
import shared.domain.reconcile as reconcile
from procs.route.reconciler import Reconciler
from shared.domain.account import fill_key
from shared.domain.effects import Say
from shared.domain.order import FINAL, OrderFact, OrderStatus
from shared.domain.steps import Call
from shared.messages.account import CancelAsked, FillBooked, IntentEnded, OrderSubmitted, Purpose
from shared.messages.venue import Meaning, Outcome, PlaceOco, PlaceOrder
from shared.units import ZERO


def unknown_is_refused(patch: Any) -> None:
    """L2: a time-out is taken for a no."""
    right = answers.read_placement

    def wrong(account, answer, *rest):
        if answer.outcome is Outcome.UNKNOWN:
            answer = msgspec.structs.replace(answer, outcome=Outcome.REFUSED, meaning=Meaning.OTHER)
        return right(account, answer, *rest)

    patch.setattr(answers, "read_placement", wrong)


def fills_counted_twice(patch: Any) -> None:
    """L3: an execution that is heard of twice is booked twice."""
    trades, filled = evidence.of_trades, fold.FOLDS[FillBooked]

    def forgetful(account, *rest):
        return trades(msgspec.structs.replace(account, fills={}), *rest)

    def wrong(account, event):
        account.fills.pop(fill_key(event.symbol, event.trade_id), None)
        return filled(account, event)

    for module in (answers, reconcile):
        patch.setattr(module, "of_trades", forgetful)
    patch.setattr("procs.route.actor.of_trades", forgetful)
    patch.setitem(fold.FOLDS, FillBooked, wrong)


def late_fills_dropped(patch: Any) -> None:
    """O1: an execution that crosses the end of its order on the wire is lost."""
    filled = fold.FOLDS[FillBooked]

    def wrong(account, event):
        order = account.order(event.client_id)
        if order is not None and order.status in FINAL:
            account.fills[fill_key(event.symbol, event.trade_id)] = event.at_ns
            return None
        return filled(account, event)

    patch.setitem(fold.FOLDS, FillBooked, wrong)


def base_fees_forgotten(patch: Any) -> None:
    """L15: a fee in the base asset does not lessen what is held."""
    right = fold.book

    def wrong(account, order, position, event, quantity, fee):
        fee = ZERO if event.fee_asset == event.base else fee
        right(account, order, position, event, quantity, fee)

    patch.setattr(fold, "book", wrong)


def journal_after_send(patch: Any) -> None:
    """L1: the request leaves first, the disk hears of it afterwards."""

    def wrong(self, batch):
        death = self._around.dies_at(self, batch)
        if death == 0:
            self.die()
            return
        for timer in batch.timers:
            self._set(timer)
        for number, effect in enumerate([*batch.says, *batch.calls], 1):
            if death == number:
                self.die()
                return
            if isinstance(effect, Say):
                self._around.say(self, effect)
            else:
                self._around.call(self, effect)
        if death is not None:
            self.die()
            return
        self.rows += [node.encode(entry.event) for entry in batch.journal]
        self._around.turned(self)

    patch.setattr(node.Node, "_perform", wrong)


def fence_ignored(patch: Any) -> None:
    """L2: "I know no such order" is believed while the request may still arrive."""
    right = answers.of_absence

    def wrong(order, asked_ns, now_ns, fence_ns):
        unfenced = msgspec.structs.replace(order, fence_ns=1)
        return right(unfenced, asked_ns, now_ns, fence_ns)

    patch.setattr(answers, "of_absence", wrong)


def stop_refusal_swallowed(patch: Any) -> None:
    """L5: the venue's no to a stop changes nothing, the engine believes that one may rest."""
    right = answers.read_placement

    def wrong(account, answer, *rest):
        if isinstance(answer.request, PlaceOco) and answer.outcome is Outcome.REFUSED:
            return answers.Reading()
        return right(account, answer, *rest)

    patch.setattr(answers, "read_placement", wrong)


def no_protection_placed(patch: Any) -> None:
    """L5: positions are watched by a process, and no stop ever rests at the venue."""
    right = drive.guard_steps

    def wrong(*given):
        steps = right(*given)
        return [] if any(isinstance(s, OrderSubmitted) for s in steps) else steps

    patch.setattr(drive, "guard_steps", wrong)


def part_protected(patch: Any) -> None:
    """L5: later fills never resize the stop."""
    right = drive.guard_steps

    def wrong(*given):
        steps = right(*given)
        return [] if any(isinstance(s, CancelAsked) for s in steps) else steps

    patch.setattr(drive, "guard_steps", wrong)


def resize_beside_the_old(patch: Any) -> None:
    """L6: the new stop is sent without waiting for the end of the old one."""
    right = drive.guard_steps

    def wrong(account, position, instrument, policy, now_ns):
        steps = right(account, position, instrument, policy, now_ns)
        if any(isinstance(s, CancelAsked) for s in steps):
            guard = protection.guard_of(position, instrument)
            wanted = protection.sellable(account, position, instrument)
            steps = protection._place(position, guard, wanted, now_ns) + steps
        return steps

    patch.setattr(drive, "guard_steps", wrong)


def exit_beside_the_stop(patch: Any) -> None:
    """L6: an exit does not wait until the resting stop is gone."""
    right = drive.exit_steps

    def wrong(account, *rest):
        stopless = {i: o for i, o in account.orders.items() if o.purpose is not Purpose.STOP}
        stopless = {i: o for i, o in stopless.items() if o.purpose is not Purpose.TAKE_PROFIT}
        return right(msgspec.structs.replace(account, orders=stopless), *rest)

    patch.setattr(drive, "exit_steps", wrong)


def unknown_sells_forgotten(patch: Any) -> None:
    """L6: a sale of unknown outcome is taken for none, and sold again."""
    right = exits.Account.live_sells

    def wrong(self, position_id):
        return [o for o in right(self, position_id) if not o.in_doubt]

    patch.setattr(exits.Account, "live_sells", wrong)


def reservation_freed_on_unknown(patch: Any) -> None:
    """E4, L2: the intent ends, and frees its budget, while its order may still buy."""
    right = drive.entry_steps

    def wrong(account, state, instrument, now_ns, may_enter):
        orders = account.orders_of(state.intent.intent_id)
        if any(o.in_doubt and o.purpose is Purpose.ENTRY for o in orders):
            intent = state.intent
            return [
                IntentEnded(
                    at_ns=now_ns,
                    intent_id=intent.intent_id,
                    symbol=intent.symbol,
                    reason="unknown",
                )
            ]
        return right(account, state, instrument, now_ns, may_enter)

    patch.setattr(drive, "entry_steps", wrong)


def blind_resend(patch: Any) -> None:
    """L2: a request of unknown outcome is simply sent again, under the same id."""
    right = answers.read_placement

    def wrong(account, answer, *rest):
        reading = right(account, answer, *rest)
        if answer.outcome is Outcome.UNKNOWN and isinstance(answer.request, PlaceOrder):
            reading.steps.append(Call(answer.request))
        return reading

    patch.setattr(answers, "read_placement", wrong)


def cancel_is_the_end(patch: Any) -> None:
    """O1: asking for a cancel counts as having cancelled."""
    right = fold.FOLDS[CancelAsked]

    def wrong(account, event):
        fault = right(account, event)
        order = account.orders.get(event.client_id)
        if order is not None and order.status is OrderStatus.CANCELING:
            order.status = OrderStatus.CANCELED
            order.ended_ns = event.at_ns
            fold._meet(account, event.client_id, OrderFact.ENDED_CANCELED, event.at_ns)
        return fault

    patch.setitem(fold.FOLDS, CancelAsked, wrong)


def history_never_asked(patch: Any) -> None:
    """L12: what the venue holds beyond the ledger is nobody's."""
    patch.setattr(Reconciler, "_is_unexplained", lambda *given: False)


def earlier_sales_forgotten(patch: Any) -> None:
    """L6: a position that is found again does not count what was sold of it before."""
    right = booking._found

    def wrong(account, event):
        position = right(account, event)
        position.sold = position.received = ZERO
        return position

    patch.setattr(booking, "_found", wrong)


class Planted(NamedTuple):
    """One bug: how to plant it, where it shows, and within how many seeds."""

    plant: Callable[[Any], None]
    profile: str = "swarm"
    within: int = 20


BUGS = (
    Planted(unknown_is_refused),
    Planted(fills_counted_twice),
    Planted(late_fills_dropped),
    Planted(base_fees_forgotten),
    Planted(journal_after_send),
    Planted(fence_ignored),
    Planted(stop_refusal_swallowed, profile="refusing"),
    Planted(no_protection_placed),
    Planted(part_protected, profile="refusing"),
    Planted(resize_beside_the_old),
    Planted(exit_beside_the_stop),
    Planted(unknown_sells_forgotten),
    Planted(reservation_freed_on_unknown),
    Planted(blind_resend),
    Planted(cancel_is_the_end),
    Planted(history_never_asked, profile="restored"),
    Planted(earlier_sales_forgotten, profile="restored", within=60),
)
