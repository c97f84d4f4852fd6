"""Planted bugs of stops and exits: bare positions, and sales of more than is held (L5, L6)."""

from typing import Any

import msgspec

import procs.route.drive as drive
import shared.domain.answers as answers
import shared.domain.exits as exits
import shared.domain.fold as fold
import shared.domain.protection as protection
from shared.messages.account import CancelAsked, OrderEnd, OrderEnded, OrderSubmitted, Purpose
from shared.messages.venue import Outcome, PlaceOco
from shared.units import NS_PER_S


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


def sold_parts_sold_again(patch: Any) -> None:
    """L6: the next rung of an exit sells the whole position, not what a partial fill left."""

    def wrong(account, position, instrument):
        return instrument.quantity_down(position.bought - position.base_fees)

    patch.setattr(exits, "sellable", wrong)


def resize_leaves_a_gap(patch: Any) -> None:
    """L5: the old stop is taken away at once, the new one waits until no more fills come."""
    right = drive.guard_steps

    def wrong(account, position, instrument, policy, now_ns):
        steps = right(account, position, instrument, policy, now_ns)
        placing = any(isinstance(s, OrderSubmitted) for s in steps)
        waits = position.attempts and now_ns - position.last_fill_ns < 8 * NS_PER_S
        return [] if placing and waits else steps

    patch.setattr(drive, "guard_steps", wrong)


def exit_needs_a_lease(patch: Any) -> None:
    """L7: nothing is sold while entries are forbidden."""
    right = drive.Drive._position_steps

    def wrong(self, position, instrument, conditions, now_ns):
        if position.exiting is not None and not conditions.may_enter:
            return []
        return right(self, position, instrument, conditions, now_ns)

    patch.setattr(drive.Drive, "_position_steps", wrong)


def protected_by_protect_alone(patch: Any) -> None:
    """L5: route places no stop while protect is away."""
    right = drive.Drive._position_steps

    def wrong(self, position, instrument, conditions, now_ns):
        if position.exiting is None and not conditions.protect_lives:
            return []
        return right(self, position, instrument, conditions, now_ns)

    patch.setattr(drive.Drive, "_position_steps", wrong)


def base_fees_sold(patch: Any) -> None:
    """L6: the stop is for what was bought, not for what the fee has left of it."""

    def wrong(account, position, instrument):
        return instrument.quantity_down(position.bought - position.sold)

    for module in (exits, protection):
        patch.setattr(module, "sellable", wrong)


def expired_stop_believed(patch: Any) -> None:
    """L5: a stop that the venue has ended by itself is taken for a resting one."""
    right = fold.FOLDS[OrderEnded]

    def wrong(account, event):
        order = account.orders.get(event.client_id)
        if order is not None and order.purpose is Purpose.STOP and event.end is OrderEnd.EXPIRED:
            return None
        return right(account, event)

    patch.setitem(fold.FOLDS, OrderEnded, wrong)
