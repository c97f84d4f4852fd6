"""Every message survives the wire exactly, and says in a sentence what it means."""

import enum
import importlib
import pkgutil
import types
import typing
from decimal import Decimal

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import shared.messages
from shared.messages.account import AccountEvent, Event
from shared.messages.base import Amount, Message, Reader, encode

for module in pkgutil.iter_modules(shared.messages.__path__):
    importlib.import_module(f"shared.messages.{module.name}")


def classes_below(root):
    for kind in root.__subclasses__():
        yield kind
        yield from classes_below(kind)


def said(kind):
    """Whether instances travel; roots of families have no tag of their own."""
    return not kind.__subclasses__()


MESSAGES = sorted(
    {kind for kind in classes_below(Message) if kind.__module__.startswith("shared.")},
    key=lambda kind: kind.__name__,
)
SAID = [kind for kind in MESSAGES if said(kind)]

AMOUNTS = st.decimals(-(10**12), 10**12, places=8).map(Amount)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=3,
)


def values_of(hint):
    """A strategy for a field's type."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return values_of(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return st.one_of([values_of(argument) for argument in arguments])
    if origin is tuple:
        return st.lists(values_of(arguments[0]), max_size=2).map(tuple)
    if origin is dict:
        return st.dictionaries(st.text(max_size=4), values_of(arguments[1]), max_size=2)
    if hint in SIMPLE:
        return SIMPLE[hint]
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return st.sampled_from(list(hint))
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return st.deferred(lambda: instances_of(hint))
    raise AssertionError(f"no strategy for {hint}")


SIMPLE = {
    Amount: AMOUNTS,
    Decimal: AMOUNTS,
    bool: st.booleans(),
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    str: st.text(max_size=8),
    type(None): st.none(),
    typing.Any: PLAIN,
    msgspec.Raw: PLAIN.map(lambda plain: msgspec.Raw(encode(plain))),
}


def instances_of(kind):
    hints = typing.get_type_hints(kind, include_extras=True)
    fields = {name: values_of(hints[name]) for name in kind.__struct_fields__}
    return st.fixed_dictionaries(fields).map(lambda values: kind(**values))


@pytest.mark.parametrize("kind", SAID, ids=lambda kind: kind.__name__)
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_a_message_survives_the_wire(kind, data):
    message = data.draw(instances_of(kind))
    once = encode(message)
    again = Reader(kind).read(once)
    assert encode(again) == once
    assert again == message


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
def test_a_message_says_what_it_means(kind):
    own = kind.__dict__.get("__doc__")
    assert own
    assert own.strip().endswith((".", "?"))


@pytest.mark.parametrize("kind", SAID, ids=lambda kind: kind.__name__)
def test_a_message_is_frozen_and_tagged_once(kind):
    config = kind.__struct_config__
    assert config.frozen
    assert config.tag_field == "type"
    assert [other for other in SAID if other.__struct_config__.tag == config.tag] == [kind]
    assert config.tag.replace("_", "") == kind.__name__.lower()


def test_every_account_event_is_one_that_readers_fold():
    events = {kind for kind in classes_below(Event) if said(kind)}
    assert events == set(typing.get_args(AccountEvent))


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"{}",
        b"[]",
        b'{"type":"beat"}',
        b'{"type":"gossip"}',
        b"\xff",
        b'{"type":1}',
        b"[" * 9999,
    ],
)
def test_malformed_bytes_are_one_kind_of_error(bad):
    from shared.errors import MessageError

    with pytest.raises(MessageError):
        Reader(AccountEvent).read(bad)
