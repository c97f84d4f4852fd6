"""Account events: what route's journal holds, in order; everybody else folds the same ones (L8).

Every event carries `at_ns`, the engine time at which route learnt of it. The fold is
`shared/domain/account.py`.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from shared.messages.base import Amount, Message
from shared.messages.entry import EntryIntent
from shared.messages.protection import Target
from shared.messages.venue import OrderKind, Side, TimeInForce, VenueBalance


class Purpose(StrEnum):
    """Why an order exists."""

    ENTRY = "entry"
    TAKE_PROFIT = "take_profit"
    STOP = "stop"
    EXIT = "exit"


class OrderEnd(StrEnum):
    """How an order ended."""

    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"


class ProtectionStatus(StrEnum):
    """P2, law L5: what stands between a position and the market."""

    NONE = "none"
    """Nothing to protect: no quantity, or less than can be sold."""
    PROTECTING = "protecting"
    PROTECTED = "protected"
    LOCAL_GUARD = "local_guard"
    FLATTENING = "flattening"
    ALARM = "alarm"


class Event(Message, frozen=True, kw_only=True):
    """The root of account events."""

    at_ns: int


class RunBegan(Event, frozen=True, kw_only=True, tag="run_began"):
    """A process of route starts on this journal; totals count from the first of its run."""

    run_id: str
    incarnation: int = 0
    """Which process of the run; 0 where an older program wrote only the first one down."""


class RowsLost(Event, frozen=True, kw_only=True, tag="rows_lost"):
    """Rows that were written are not in this journal: route found it broken or shorter than its
    mark as it began, or a reader has seen more (L12)."""

    reason: str
    epoch: str = ""
    """The process of route that had written a row which is lost; empty for the last one before."""
    mended: bool = True
    """Nothing is wrong with the journal itself any more; until then each start finds it broken."""
    since_ns: int = 0
    """When the process began that first found it so; 0 for the one that says it."""
    latched: bool = False
    """The latch is in place: no later process has to tell of it, a person will look (L9)."""


class LedgerOpened(Event, frozen=True, kw_only=True, tag="ledger_opened"):
    """The balances a fresh journal starts from."""

    balances: tuple[VenueBalance, ...]
    provisional: bool = False
    """Some of it may have been bought by us, and forgotten with a lost journal: the venue's history
    is read, and the ledger opened again (L12)."""


class BalancesSeen(Event, frozen=True, kw_only=True, tag="balances_seen"):
    """What the venue says the account holds; only the assets named changed."""

    balances: tuple[VenueBalance, ...]


class IntentAccepted(Event, frozen=True, kw_only=True, tag="intent_accepted"):
    """Route took the intent on; its ladder begins."""

    intent: EntryIntent


class IntentRefused(Event, frozen=True, kw_only=True, tag="intent_refused"):
    """Route did not take the intent on; nothing was or will be sent for it."""

    intent_id: str
    symbol: str
    reason: str


class IntentEnded(Event, frozen=True, kw_only=True, tag="intent_ended"):
    """No order of the intent lives or can appear any more; its unspent reservation is free."""

    intent_id: str
    symbol: str
    reason: str


class OrderSubmitted(Event, frozen=True, kw_only=True, tag="order_submitted"):
    """Written before a byte leaves (L1)."""

    client_id: str
    decision_id: str
    symbol: str
    side: Side
    kind: OrderKind
    purpose: Purpose
    quantity: Amount
    time_in_force: TimeInForce
    price: Amount = Amount(0)
    stop_price: Amount = Amount(0)
    list_id: str = ""
    """Our id of the OCO both legs belong to."""
    expires_ns: int = 0
    """End of its rung: cancelled then. 0 is never."""
    quote_recv_ns: int = 0


class OrderAcknowledged(Event, frozen=True, kw_only=True, tag="order_acknowledged"):
    """The venue has it."""

    client_id: str
    venue_order_id: str
    latency_us: int = 0


class OrderTriggered(Event, frozen=True, kw_only=True, tag="order_triggered"):
    """A stop's price was reached; it works as a limit order now."""

    client_id: str


class OrderRefused(Event, frozen=True, kw_only=True, tag="order_refused"):
    """It never lived: the venue refused it, or it was proved absent after its fence."""

    client_id: str
    meaning: str
    reason: str


class OrderDoubted(Event, frozen=True, kw_only=True, tag="order_doubted"):
    """Its outcome is unknown; absence is proof only after fence_ns (L2). 0: there is no fence."""

    client_id: str
    reason: str
    fence_ns: int


class CancelAsked(Event, frozen=True, kw_only=True, tag="cancel_asked"):
    """Written before the cancel leaves."""

    client_id: str
    reason: str


class OrderEnded(Event, frozen=True, kw_only=True, tag="order_ended"):
    """Venue evidence that the order is over; fills that are still missing may follow."""

    client_id: str
    end: OrderEnd
    filled_quantity: Amount


class FillBooked(Event, frozen=True, kw_only=True, tag="fill_booked"):
    """One execution, once (L3). An inferred one tops up a total until the real trades come."""

    client_id: str
    decision_id: str
    symbol: str
    base: str
    quote: str
    side: Side
    trade_id: str
    price: Amount
    quantity: Amount
    fee: Amount
    fee_asset: str
    inferred: bool = False
    venue_ms: int = 0


class OrderAdopted(Event, frozen=True, kw_only=True, tag="order_adopted"):
    """An order with our prefix that the live map lacked: found at the venue, ours again."""

    client_id: str
    venue_order_id: str
    decision_id: str
    symbol: str
    side: Side
    kind: OrderKind
    purpose: Purpose
    quantity: Amount
    price: Amount
    stop_price: Amount
    listed: bool = False
    """It belongs to an order list: stop and take profit are not two sales but one (L6)."""


class ProtectionAccepted(Event, frozen=True, kw_only=True, tag="protection_accepted"):
    """Route follows this version of the position's target."""

    position_id: str
    version: int
    target: Target


class ProtectionChanged(Event, frozen=True, kw_only=True, tag="protection_changed"):
    """The position's protection status, each time it changes; `bare` runs the unprotected clock."""

    position_id: str
    status: ProtectionStatus
    bare: bool
    reason: str


class ExitFailed(Event, frozen=True, kw_only=True, tag="exit_failed"):
    """All attempts of an exit were used up; armed again at rearm_ns (P7)."""

    position_id: str
    attempts: int
    rearm_ns: int


class PositionClosed(Event, frozen=True, kw_only=True, tag="position_closed"):
    """Flat: nothing sellable is left and no order lives. The remainder is booked as dust (P12)."""

    position_id: str
    symbol: str
    reason: str
    dust_quantity: Amount


class SymbolBlocked(Event, frozen=True, kw_only=True, tag="symbol_blocked"):
    """No entries in the symbol until then: region, or an ILLEGAL event (O1, E3)."""

    symbol: str
    reason: str
    until_ns: int


class Reconciled(Event, frozen=True, kw_only=True, tag="reconciled"):
    """A comparison with the venue: what was asked, what differed (O7)."""

    mismatches: int
    foreign_orders: int
    detail: str = ""
    agreed: bool = False
    """Every asset of the ledger was as the venue has it: nothing before now is missing."""
    explained_ns: int = 0
    """What we sent before this is known: a fence before the question left, where nothing of the
    answer is left to be searched for (what still differs is not in the venue's history of our
    orders). 0 where something is."""


class Alarmed(Event, frozen=True, kw_only=True, tag="alarmed"):
    """Something a person should know of."""

    kind: str
    symbol: str
    text: str


AccountEvent = (
    RunBegan
    | RowsLost
    | LedgerOpened
    | BalancesSeen
    | IntentAccepted
    | IntentRefused
    | IntentEnded
    | OrderSubmitted
    | OrderAcknowledged
    | OrderTriggered
    | OrderRefused
    | OrderDoubted
    | CancelAsked
    | OrderEnded
    | FillBooked
    | OrderAdopted
    | ProtectionAccepted
    | ProtectionChanged
    | ExitFailed
    | PositionClosed
    | SymbolBlocked
    | Reconciled
    | Alarmed
)


class EventSaid(Message, frozen=True, kw_only=True, tag="event_said"):
    """An account event with its place in route's journal, and which route says so."""

    epoch: str
    seq: int
    event: AccountEvent


class Beat(Message, frozen=True, kw_only=True, tag="beat"):
    """Route lives, and this is its last event; a reader that lacks it asks again."""

    epoch: str
    seq: int
    reconciled: bool
    at_ns: int


class Hello(Message, frozen=True, kw_only=True, tag="hello"):
    """A reader asks for everything; mark is the highest sequence it ever made durable (L12)."""

    role: str
    incarnation: int
    version: int
    config_hash: str
    mark: int
    marked_in: str = ""
    """The epoch of route in which the mark was seen; empty where an older program wrote it down.
    What an earlier route had said must be in the journal that this one found."""
    at_ns: int
    """Engine time of the mark; what was meant for a route that is dead may be behind it."""


class Acknowledge(Message, frozen=True, kw_only=True, tag="acknowledge"):
    """The reader has folded everything up to seq."""

    role: str
    seq: int


class HelloRefused(Message, frozen=True, kw_only=True, tag="hello_refused"):
    """Route and the reader were built or configured differently (L8)."""

    reason: str


class Welcomed(Message, frozen=True, kw_only=True, tag="welcomed"):
    """Route's answer to Hello: everything up to seq, read by `domain.replica`.

    The account is a `domain.account.Account`, the instruments are
    `domain.instrument.Instrument`s, both as JSON."""

    epoch: str
    seq: int
    account: msgspec.Raw
    instruments: msgspec.Raw
    reconciled: bool
    at_ns: int
    """Route's time: up to here the account lacks nothing that route took on."""


PeerMessage = EventSaid | Beat | Hello | Acknowledge | HelloRefused | Welcomed
