"""Planted bugs of orders: what was sent, what was answered, what is remembered (L1, L2)."""

from typing import Any

import msgspec

import procs.simulate.node as node
import shared.domain.answers as answers
import shared.domain.fold as fold
import shared.domain.reconcile as reconcile
from procs.route.actor import Actor as Route
from shared.domain.order import OrderFact, OrderStatus
from shared.domain.steps import Call
from shared.messages.account import CancelAsked, OrderEnd, OrderEnded, OrderRefused
from shared.messages.venue import Meaning, Outcome, PlaceOrder
from shared.units import NS_PER_S


def unknown_is_refused(patch: Any) -> None:
    """L2: a time-out is taken for a no."""
    right = answers.read_placement

    def wrong(account, answer, *rest):
        if answer.outcome is Outcome.UNKNOWN:
            answer = msgspec.structs.replace(answer, outcome=Outcome.REFUSED, meaning=Meaning.OTHER)
        return right(account, answer, *rest)

    patch.setattr(answers, "read_placement", wrong)


def journal_after_send(patch: Any) -> None:
    """L1: the request leaves first, the disk hears of it afterwards."""

    steps, doing = node.Node._steps, node.Node._doing

    def wrong(self, batch):
        done = steps(self, batch)
        return [*done[1:], *done[:1]]

    patch.setattr(node.Node, "_steps", wrong)
    patch.setattr(node.Node, "_doing", lambda self, done: doing(self, done[-1:] + done[:-1]))


def fence_ignored(patch: Any) -> None:
    """L2: "I know no such order" is believed while the request may still arrive."""
    right = answers.of_absence

    def wrong(order, asked_ns, now_ns, fence_ns):
        unfenced = msgspec.structs.replace(order, fence_ns=1)
        return right(unfenced, asked_ns, now_ns, fence_ns)

    patch.setattr(answers, "of_absence", wrong)


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


def count_to_reject(patch: Any) -> None:
    """L2: "no such order", said for three seconds in a row, is taken for a no."""
    right = answers.of_absence

    def wrong(order, asked_ns, now_ns, fence_ns):
        steps = right(order, asked_ns, now_ns, fence_ns)
        if steps or order.venue_order_id or asked_ns - order.submitted_ns < 3 * NS_PER_S:
            return steps
        return [
            OrderRefused(
                at_ns=now_ns,
                client_id=order.client_id,
                meaning=Meaning.UNKNOWN_ORDER,
                reason="not found",
            )
        ]

    patch.setattr(answers, "of_absence", wrong)


def tombstones_dropped(patch: Any) -> None:
    """L2: what has ended is forgotten, as if nothing could be heard of it any more."""
    right = fold._file

    def wrong(account, order):
        right(account, order)
        account.tombstones.pop(order.client_id, None)

    patch.setattr(fold, "_file", wrong)


def refused_cancel_is_the_end(patch: Any) -> None:
    """O1: a cancel that the venue refuses proves that the order is gone."""
    right = answers.read_cancel

    def wrong(account, answer, *rest):
        reading = right(account, answer, *rest)
        order = account.orders.get(answer.request.client_id)
        if answer.outcome is Outcome.REFUSED and order is not None:
            ended = OrderEnded(
                at_ns=rest[-1],
                client_id=order.client_id,
                end=OrderEnd.CANCELED,
                filled_quantity=order.filled,
            )
            reading.steps = [ended]
        return reading

    patch.setattr(answers, "read_cancel", wrong)


def unlisted_is_gone(patch: Any) -> None:
    """O7: an order that is missing from the list of open ones has ended unfilled."""
    right = reconcile.compare

    def wrong(account, answer, instruments, now_ns):
        found = right(account, answer, instruments, now_ns)
        for query in found.queries:
            order = account.orders[query.request.client_id]
            found.events.append(
                OrderEnded(
                    at_ns=now_ns,
                    client_id=order.client_id,
                    end=OrderEnd.CANCELED,
                    filled_quantity=order.filled,
                )
            )
        found.queries.clear()
        return found

    patch.setattr(reconcile, "compare", wrong)


def journal_row_skipped(patch: Any) -> None:
    """L12: recovery leaves out the last row that was written."""
    right = Route.recover

    def wrong(self, snapshot, events):
        rows = list(events)
        right(self, snapshot, rows[:-1])
        self.account.seq += len(rows[-1:])

    patch.setattr(Route, "recover", wrong)
