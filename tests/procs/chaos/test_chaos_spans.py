"""Spans of time, against sets of milliseconds."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from procs.chaos.audit_spans import common, merged, paused, without

SPANS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 40)).filter(lambda span: span[0] < span[1]),
    max_size=8,
)


def moments_of(spans):
    return {at for begin, end in spans for at in range(begin, end)}


@given(SPANS)
def test_merged_is_the_same_time_in_order_without_overlaps(spans):
    found = merged(spans)
    assert moments_of(found) == moments_of(spans)
    assert all(one[1] < other[0] for one, other in pairwise(found))


@given(SPANS, SPANS)
def test_what_is_in_both(one, other):
    assert moments_of(common(one, merged(other))) == moments_of(one) & moments_of(other)


@given(SPANS, SPANS)
def test_what_is_left(spans, holes):
    assert moments_of(without(spans, holes)) == moments_of(spans) - moments_of(holes)


def test_pauses_of_a_role_alone():
    diary = [
        {"at_ms": 1, "what": "pause", "role": "route"},
        {"at_ms": 2, "what": "pause", "role": "decide"},
        {"at_ms": 4, "what": "resume", "role": "route"},
        {"at_ms": 9, "what": "resume", "role": "decide"},
    ]
    assert paused("route", diary) == [(1, 4)]
