"""Bugs of the kind that cost money, each a switchable patch of the engine.

A simulation that stays silent with one of them in place proves nothing: every checker must have
found its bug before its silence counts. The bugs themselves stand by theme in the modules beside
this one; docs/planted_bugs.md is written from here.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import planted_channels as channels
import planted_money as money
import planted_orders as orders
import planted_protection as protection


class Planted(NamedTuple):
    """One bug: how to plant it, where it shows, and within how many seeds it must be found."""

    plant: Callable[[Any], None]
    profile: str = "swarm"
    within: int = 600
    mode: str = "safety"
    rare: bool = False
    """Met so seldom that only `make planted` waits for it."""

    @property
    def name(self) -> str:
        """What it is called on the page."""
        return self.plant.__name__.replace("_", " ")

    @property
    def meaning(self) -> str:
        """What is wrong, with the law or rule that it offends: the first sentence."""
        return " ".join((self.plant.__doc__ or "").split())

    @property
    def where(self) -> str:
        """The fault profile, and the mode when it is not the usual one."""
        return self.profile if self.mode == "safety" else f"{self.profile}, {self.mode}"


BUGS = (
    Planted(orders.unknown_is_refused),
    Planted(orders.journal_after_send),
    Planted(orders.fence_ignored),
    Planted(orders.blind_resend),
    Planted(orders.cancel_is_the_end),
    Planted(orders.count_to_reject),
    Planted(orders.tombstones_dropped),
    Planted(orders.refused_cancel_is_the_end),
    Planted(orders.unlisted_is_gone, rare=True),
    Planted(orders.journal_row_skipped),
    Planted(money.fills_counted_twice),
    Planted(money.late_fills_dropped),
    Planted(money.base_fees_forgotten),
    Planted(money.reservation_freed_on_unknown),
    Planted(money.history_never_asked, profile="restored"),
    Planted(money.earlier_sales_forgotten, profile="restored", rare=True),
    Planted(money.inferred_fills_kept, profile="venue"),
    Planted(money.inferred_at_once, profile="venue"),
    Planted(money.reservations_not_counted, rare=True),
    Planted(money.small_is_dust),
    Planted(money.old_welcomes_believed, profile="words"),
    Planted(money.released_on_doubt),
    Planted(money.granted_while_short, profile="disks"),
    Planted(protection.stop_refusal_swallowed, profile="refusing"),
    Planted(protection.no_protection_placed),
    Planted(protection.part_protected, profile="refusing"),
    Planted(protection.resize_beside_the_old),
    Planted(protection.exit_beside_the_stop),
    Planted(protection.unknown_sells_forgotten),
    Planted(protection.sold_parts_sold_again),
    Planted(protection.resize_leaves_a_gap, profile="refusing"),
    Planted(protection.exit_needs_a_lease),
    Planted(protection.protected_by_protect_alone, profile="alone"),
    Planted(protection.base_fees_sold),
    Planted(protection.expired_stop_believed),
    Planted(channels.stale_turn_sent),
    Planted(channels.intent_taken_twice, profile="words"),
    Planted(channels.entry_deadline_ignored, rare=True),
    Planted(channels.entry_while_reducing),
    Planted(channels.latch_ignored),
    Planted(channels.throttling_ignored),
    Planted(channels.foreign_order_cancelled),
)
