"""What is written down of venues, and what is assumed of one that nobody described (L2)."""

from __future__ import annotations

import msgspec
import pytest

from shared.domain.capability import RECORDS, Capability, IdUniqueness, capability_of
from shared.ids import client_id, decision_id, run_id

CAUTION = {
    "id_uniqueness": IdUniqueness.NONE,
    "has_fence": False,
    "has_stop": False,
    "has_oco": False,
    "can_amend": False,
    "has_reduce_only": False,
}


def test_of_an_unknown_venue_the_least_is_assumed():
    record = capability_of("nobody")
    assert {name: getattr(record, name) for name in CAUTION} == CAUTION
    assert record.fence_s == 0.0
    assert record.lacks == ("stop orders", "stop and take profit as one order")


def test_every_field_has_its_cautious_value_by_default():
    """A field added later with a generous default would be believed of venues nobody looked at."""
    for field in msgspec.structs.fields(Capability):
        if field.type is bool:
            assert field.default is False, field.name


@pytest.mark.parametrize("name", [*RECORDS, "nobody"])
def test_a_record_is_of_its_venue_and_takes_our_ids(name):
    record = capability_of(name)
    assert record.venue == name
    longest = client_id(decision_id(run_id(2**33), 999_999_999), "e", 999)
    assert len(longest) <= record.id_length_max
    if record.id_uniqueness is IdUniqueness.NONE:
        assert record.id_length_max == 32


def test_only_documented_bounds_make_a_fence():
    assert [name for name, record in RECORDS.items() if record.fence_s] == ["binance"]
    binance = RECORDS["binance"]
    assert binance.fence_s == 5.0 + 10.0 + 1.0 + 2.0
    assert binance.lacks == ()
    without = msgspec.structs.replace(binance, has_fence=False)
    assert without.fence_s == 0.0
