"""Bytes that are not a message of ours are refused in one way, and change nothing."""

import importlib
import pkgutil
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import shared.messages
from shared.errors import MessageError
from shared.messages.account import AccountEvent, EventSaid, FillBooked, PeerMessage
from shared.messages.base import Amount, Message, Reader, encode, read_as
from shared.messages.control import ControlMessage, QueryMessage, SteerMessage
from shared.messages.decision import DecideEvent, ProtectEvent
from shared.messages.entry import Rung
from shared.messages.protection import Exit, Guard, SetProtection, Urgency
from shared.messages.venue import Side, TimeInForce, VenueBalance, VenueRequest

D = Decimal
FILL = FillBooked(
    at_ns=1,
    client_id="sw-run1-1-e1",
    decision_id="run1-1",
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    side=Side.BUY,
    trade_id="7",
    price=D("100.10"),
    quantity=D("1E-8"),
    fee=D(0),
    fee_asset="USDT",
)
EVENTS = Reader(AccountEvent)
PEERS = Reader(PeerMessage)
TEXT = encode(FILL).decode()

NASTY_AMOUNTS = [
    '"NaN"', '"sNaN"', '"Infinity"', '"-inf"', '"1_000"', '" 1"', '"1 "', '"1\\n"', '""', '"."',
    '"1,5"', '"0x1"', '"١"', '"１"', '"1e999"', '"1E19"', '"01"', '"+1"', "1", "1.5", "1e5", "null",
    "true", "[]", "{}", '["1"]', "NaN",
]  # fmt: skip


@pytest.mark.parametrize("raw", NASTY_AMOUNTS)
@pytest.mark.parametrize("field", ["price", "quantity", "fee"])
def test_an_amount_is_plain_decimal_text_or_the_message_is_refused(field, raw):
    """L15; msgspec alone reads 'NaN', '1_000', ' 1 ' and bare numbers."""
    whole = msgspec.json.decode(TEXT)
    whole[field] = "@"
    with pytest.raises(MessageError):
        EVENTS.read(msgspec.json.encode(whole).decode().replace('"@"', raw))


@pytest.mark.parametrize("text", ["0", "-1.5", "1E-8", "0.10", "123456789.12345678", "1e18"])
def test_amounts_are_read_exactly(text):
    whole = {**msgspec.json.decode(TEXT), "price": text}
    read = EVENTS.read(msgspec.json.encode(whole))
    assert read.price == D(text)
    assert EVENTS.read(encode(read)) == read


NASTY = [
    b"", b" ", b"null", b"[]", b"{}", b"1", b'"x"', b"{", b"}", b'{"type"', b"\x00", b"\xff\xfe",
    b'{"type":null}', b'{"type":1}', b'{"type":"no_such_message"}', b'{"type":"FillBooked"}',
    b'{"type":"fill_booked"}', b'{"type":"run_began","at_ns":"1","run_id":"x"}',
    b'{"type":"run_began","at_ns":1.5,"run_id":"x"}', b'{"type":"run_began","at_ns":1,"run_id":2}',
    b'{"type":"run_began","at_ns":1,"run_id":"\xff"}', b'{"type":"run_began","at_ns":1}',
    b'{"type":"run_began","at_ns":1,"run_id":"x"}{}', b'{"type":"run_began","at_ns":1,"run_id":"x"',
    b'{"at_ns":1,"run_id":"x"}', b"[" * 5000, b'{"type":' * 5000,
    b'{"type":"run_began","at_ns":1,"run_id":"x",}', b"<html>502 Bad Gateway</html>",
    b'{"type":"event_said","seq":1,"event":{"type":"beat"}}',
]  # fmt: skip


@pytest.mark.parametrize("data", NASTY, ids=lambda data: repr(data[:30]))
@pytest.mark.parametrize("kind", ["bytes", "view", "text"])
def test_bytes_that_are_no_message_are_refused(data, kind):
    if kind == "text":
        data = data.decode("utf-8", "surrogateescape")
    given_as = memoryview(data) if kind == "view" else data
    for reader in (EVENTS, PEERS):
        with pytest.raises(MessageError, match="not a message"):
            reader.read(given_as)


def test_every_truncation_is_refused():
    whole = encode(EventSaid(epoch="e.1", seq=3, event=FILL))
    assert PEERS.read(whole).event == FILL
    for length in range(len(whole)):
        with pytest.raises(MessageError):
            PEERS.read(whole[:length])


@given(st.integers(0, len(TEXT) - 1), st.integers(0, 255))
def test_a_changed_byte_is_a_message_or_a_message_error(place, byte):
    """Nothing else escapes a reader, and amounts of what passes are finite."""
    data = bytearray(TEXT.encode())
    data[place] = byte
    try:
        read = EVENTS.read(bytes(data))
    except MessageError:
        return
    assert isinstance(read, Message)
    assert read.price.is_finite()


@given(st.binary(max_size=60))
def test_any_bytes_are_a_message_or_a_message_error(data):
    try:
        read = PEERS.read(data)
    except MessageError:
        return
    assert isinstance(read, Message)


def all_messages():
    for module in pkgutil.iter_modules(shared.messages.__path__):
        importlib.import_module(f"shared.messages.{module.name}")
    found, waiting = [], [Message]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.__module__.startswith("shared.") and not kind.__subclasses__():
            found.append(kind)
    return found


def test_a_tag_names_one_message_only():
    """A name is never used twice, and says what the class says (additive evolution)."""
    kinds = all_messages()
    tags = [kind.__struct_config__.tag for kind in kinds]
    assert len(kinds) > 40
    assert len(set(tags)) == len(tags)
    for kind, tag in zip(kinds, tags, strict=True):
        assert tag.replace("_", "") == kind.__name__.lower(), (kind, tag)


@pytest.mark.parametrize(
    "union",
    [
        AccountEvent,
        PeerMessage,
        ControlMessage,
        SteerMessage,
        QueryMessage,
        DecideEvent,
        ProtectEvent,
        VenueRequest,
    ],
    ids=str,
)
def test_every_channel_can_be_read(union):
    """msgspec checks a union when its decoder is made: tags must tell its members apart."""
    with pytest.raises(MessageError):
        Reader(union).read(b'{"type":"no_such_message"}')


def test_fields_of_a_newer_version_are_ignored():
    whole = {**msgspec.json.decode(TEXT), "added_later": {"deep": [1, None]}, "also": "x"}
    assert EVENTS.read(msgspec.json.encode(whole)) == FILL


def test_fields_of_an_older_version_have_defaults():
    whole = msgspec.json.decode(TEXT)
    del whole["inferred"], whole["venue_ms"]
    assert EVENTS.read(msgspec.json.encode(whole)) == FILL


@pytest.mark.parametrize(
    "target",
    [
        Guard(stop_price=D(97), stop_limit_price=D("96.5"), take_profit_price=D(0)),
        Exit(reason="operator", urgency=Urgency.MARKET),
    ],
)
def test_targets_are_told_apart_by_their_kind(target):
    asked = SetProtection(position_id="run1-1", version=2, target=target)
    assert Reader(SetProtection).read(encode(asked)) == asked


@pytest.mark.parametrize("urgency", [-1, 3, "urgent", 1.5])
def test_an_urgency_outside_the_ladder_is_refused(urgency):
    target = {"kind": "exit", "reason": "x", "urgency": urgency}
    raw = {"type": "set_protection", "position_id": "p", "version": 1, "target": target}
    with pytest.raises(MessageError):
        Reader(SetProtection).read(msgspec.json.encode(raw))


def test_messages_cannot_be_changed():
    with pytest.raises(AttributeError):
        FILL.price = D(1)


@given(st.decimals(-(10**15), 10**15, places=8))
def test_amounts_survive_the_wire(value):
    balance = VenueBalance(asset="BTC", free=value, locked=-value)
    read = Reader(VenueBalance).read(encode(balance))
    assert (read.free, read.locked) == (value, -value)


def test_what_cannot_be_written_is_a_bug_and_says_so():
    with pytest.raises(NotImplementedError, match="no writer"):
        encode({"x": object()})


def test_plain_structure_is_read_as_strictly():
    rung = {"time_in_force": "ioc", "price": "100", "deadline_ms": 2000}
    wanted = Rung(time_in_force=TimeInForce.IOC, price=Amount(100), deadline_ms=2000)
    assert read_as(Rung, rung) == wanted
    for broken in ({**rung, "price": "NaN"}, {**rung, "time_in_force": "fok"}, {}, [], None, 1):
        with pytest.raises(MessageError, match="not a Rung"):
            read_as(Rung, broken)
