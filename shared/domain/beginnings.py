"""What a start of route changes in the account, and the news that its journal lacks rows (L12).

Parts of `domain.fold`, which alone calls them.
"""

from __future__ import annotations

from shared.domain.account import Account, epoch_order
from shared.messages.account import RowsLost, RunBegan
from shared.units import NS_PER_S

MEMORY_NS = 24 * 3600 * NS_PER_S
"""Tombstones of orders, fills and intents are kept this long (O8, L2)."""
EPOCHS_MAX = 200


def run_began(account: Account, event: RunBegan) -> None:
    """A process of route begins; with the first of a run its totals do."""
    account.began_ns = event.at_ns
    if account.run_id != event.run_id:
        account.run_id = event.run_id
        account.run_began_ns = event.at_ns
        account.totals = {}
    account.opening |= account.seq == 1  # An execution may be heard of before any balance is.
    if event.incarnation:
        epoch = f"{event.run_id}.{event.incarnation}"
        account.epochs[epoch] = account.seq
        account.epochs_ns[epoch] = event.at_ns
        for known in (account.epochs, account.epochs_ns):
            if len(known) > EPOCHS_MAX:
                del known[next(iter(known))]
    # A machine whose clock was set back since has times on record that have not come yet. Asked for
    # trades from then on, the venue would leave out what happened meanwhile: a day is asked for.
    day_before_ns = max(event.at_ns - MEMORY_NS, 1)
    if account.last_reconciled_ns > event.at_ns:
        account.last_reconciled_ns = day_before_ns
    if account.agreed_ns > event.at_ns:
        account.agreed_ns = day_before_ns
    if account.explained_ns > event.at_ns:
        account.explained_ns = day_before_ns
    # Whoever wrote what is lost is dead by now, whatever the clock said when that was noticed.
    account.lost_ns = min(account.lost_ns, event.at_ns)
    for position in account.positions.values():
        position.forgotten_ns = min(position.forgotten_ns, event.at_ns)
    _prune(account, event.at_ns)


def rows_lost(account: Account, event: RowsLost) -> None:
    """Sales of every position of before may be on their way, or done (L2, L6). Who wrote the row
    that is missed was dead when the next process began whose rows are there: nothing of that left
    later (L7), and a loss that is told again after another start has the fence it had."""
    wrote = epoch_order(event.epoch)
    later = (at for epoch, at in account.epochs_ns.items() if epoch_order(epoch) > wrote)
    found_ns = event.since_ns or account.began_ns
    gone_ns = min(later, default=found_ns) if event.epoch else found_ns
    if not event.epoch:
        account.unmended_ns = 0 if event.mended else gone_ns
    account.lost_ns = max(account.lost_ns, gone_ns)
    for position in account.positions.values():
        position.forgotten_ns = max(position.forgotten_ns, gone_ns)
    account.unlatched_loss = None if event.latched else event


def _prune(account: Account, now_ns: int) -> None:
    """Forgets what is older than a day (O8), counted from the last agreement with the venue: after
    a long sleep the trades from before it are asked for again, and must be known again (L3)."""
    oldest = min(now_ns, account.agreed_ns or account.last_reconciled_ns or now_ns) - MEMORY_NS
    account.tombstones = {i: o for i, o in account.tombstones.items() if o.ended_ns > oldest}
    account.fills = {key: at for key, at in account.fills.items() if at > oldest}
    account.ended_intents = {i: s for i, s in account.ended_intents.items() if s.ended_ns > oldest}
    account.blocked = {s: until for s, until in account.blocked.items() if until > now_ns}
