"""Decoders of what processes say to each other and of what their journals hold."""

import json
import random
import typing
from collections.abc import Iterator

import msgspec
from fuzz_engine import Target
from fuzz_samples import samples_of

from core_ext import quote
from core_ext.errors import RecordRefused
from core_ext.histogram import Histogram
from procs.runtime.inbox import Inbox
from shared.bus.topology import CHANNELS
from shared.domain.account import Account, account_bytes, read_account
from shared.domain.instrument import Instrument
from shared.domain.replica import Replica
from shared.messages.account import AccountEvent, Beat, HelloRefused, Welcomed
from shared.messages.base import Reader, encode
from shared.messages.decision import DecideEvent, ProtectEvent
from shared.recordings.instruments import SHIPPED


def message_targets() -> Iterator[Target]:
    """Every direction of every channel, journal bodies, snapshots, quotes."""
    for channel in CHANNELS.values():
        for way, role in (("up", channel.binder), ("down", channel.peers[0])):
            if not (channel.up if way == "up" else channel.down):
                continue
            union = channel.spoken_to(role)
            yield Target(
                name=f"messages.{channel.name}.{way}",
                samples=samples_of(union),
                read=Reader(union).read,
            )
    for role, union in (
        ("route", AccountEvent),
        ("decide", DecideEvent),
        ("protect", ProtectEvent),
    ):
        yield Target(name=f"rows.{role}", samples=samples_of(union), read=Reader(union).read)
    yield from _states()
    yield _replica()
    yield from _records()


def _states() -> Iterator[Target]:
    yield Target(
        name="snapshots.route",
        samples=[*samples_of(Account, 12), account_bytes(Account())],
        read=read_account,
    )
    yield Target(
        name="instruments",
        samples=[encode(tuple(SHIPPED.values())[:3]), *samples_of(tuple[Instrument, ...], 6)],
        read=Reader(tuple[Instrument, ...]).read,
    )


def _replica() -> Target:
    """A reader's copy of the account, which welcomes replace: all of it, or nothing."""
    welcomes = [
        encode(
            Welcomed(
                epoch=f"20260101T000000.{seq}",
                seq=seq,
                account=msgspec.Raw(account_bytes(account)),
                instruments=msgspec.Raw(encode(tuple(SHIPPED.values())[:2])),
                reconciled=True,
                at_ns=seq,
            )
        )
        for seq, account in ((0, Account()), (7, Account(seq=7)))
    ]
    reader = Reader(Welcomed | Beat | HelloRefused)
    held = {"replica": Replica("decide", 1, "hash")}

    def renew() -> None:
        held["replica"] = Replica("decide", 1, "hash")

    def state() -> object:
        replica = held["replica"]
        return account_bytes(replica.account), replica.epoch, replica.welcomed, replica.mark

    def read(data: bytes) -> object:
        message = reader.read(data)
        before = state()
        events, effects = held["replica"].on(message, 1)
        said = [type(one).__name__ for one in effects]
        assert said != ["Note"] or state() == before, "noted as unreadable, but the state changed"
        return events

    return Target(
        name="replica",
        samples=[*welcomes, *samples_of(Beat | HelloRefused, 6)],
        read=read,
        state=state,
        renew=renew,
    )


def _records() -> Iterator[Target]:
    chance = random.Random(3)
    quotes = []
    for _ in range(12):
        size = chance.randrange(1, 10**9)
        quotes.append(
            quote.pack(
                symbol=chance.choice(("BTCUSDT", "ETHUSDT", "1000SATSUSDT")),
                sequence=size, recv_ns=size, publish_ns=size, event_ms=size, bid_ticks=size,
                bid_lots=size, ask_ticks=size + 1, ask_lots=size, last_ticks=size,
                anchor_ticks=size, drop_pct=-1.5, spread_bps=2.0, bid_depth_quote=1e6,
                ask_depth_quote=1e6, imbalance=0.1, volume_quote_24h=1e9, atr_pct=0.5,
                buy_price=1.25, flags=3,
            )
        )  # fmt: skip
    yield Target(name="quotes", samples=quotes, read=_unpacked, refusals=(RecordRefused,))
    inbox = Inbox()

    def put(data: bytes) -> object:
        inbox.put_quote(data)
        return [_plain(one) for one in inbox.take(100)]

    yield Target(name="quotes.inbox", samples=quotes, read=put, refusals=())
    histogram = Histogram()
    for _ in range(300):
        histogram.record(chance.randrange(1, 10**10))
    yield Target(
        name="histogram",
        samples=[Histogram().to_bytes(), histogram.to_bytes()],
        read=lambda data: Histogram.from_bytes(data).mean(),
        refusals=(RecordRefused,),
    )


def _unpacked(data: bytes) -> object:
    return _plain(quote.unpack(data))


def _plain(one: quote.Quote) -> tuple[object, ...]:
    return tuple(getattr(one, name) for name in quote.FIELDS)


NASTY_JSON: typing.Final = [
    b"", b" ", b"null", b"true", b"[]", b"{}", b'""', b"0", b"-0", b"NaN", b"Infinity", b"1e999",
    b"\xff", b"\x00", b"\xef\xbb\xbf{}", b'"\\ud800"', b'{"type":null}', b'{"type":[]}',
    b'{"type":{"type":1}}', b'{"type":"no such"}', b'{"type":"beat","type":"hello"}',
    b'{"e":[]}', b'{"e":{}}', b'{"e":null}', b'{"data":{"e":[]}}', b'{"id":[]}', b'{"id":1e400}',
    b"[" * 100_000, b"[" * 900 + b"]" * 900, b'{"a":' * 100_000, b'{"a":' * 900 + b"1" + b"}" * 900,
    b"9" * 100_000, b"-" + b"9" * 5000, b"[" + b"9" * 5000 + b"]", b"1" + b"0" * 400,
    b'{"seq":' + b"9" * 4400 + b"}", b'"' + b"\\u0000" * 1000 + b'"', b'{"":""}',
    b'{"code":"-1"}', b'{"code":1e308,"msg":{}}', b'{"code":true}',
    b'{"msg":"until 9999999999999"}',
    json.dumps({"a" * 70_000: 1}).encode(), b"}" * 100, b'{"type":"beat"' + b" " * 100_000,
]  # fmt: skip
"""What every decoder of JSON is shown, whatever it reads."""
