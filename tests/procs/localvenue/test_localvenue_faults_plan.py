"""The fault plan: what is understood, what is refused and how, and the table in the docs."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procs.localvenue.faults.kinds import GROUP_WHEN, GROUP_WHERE, KINDS, table
from procs.localvenue.faults.plan import Fault, parse_fault, parse_plan, read_plan
from procs.localvenue.faults.trigger import Trigger
from procs.localvenue.options import VenueOptions
from shared.errors import ConfigError

ROOT = Path(__file__).resolve().parents[3]
NEEDED = {
    "delay": {"delay_ms": 5},
    "message_delay": {"delay_ms": 5},
    "late_fill": {"delay_ms": 5},
    "clock_skew": {"skew_ms": -5},
    "partial_fill": {"share": 0.5},
    "read_lag": {"lag_ms": 5},
}


def test_the_docs_show_the_table_that_is_read():
    text = (ROOT / "docs" / "faults.md").read_text("utf-8")
    assert text.partition("<!-- kinds -->\n")[2].partition("<!-- /kinds -->")[0] == table()


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "faults").glob("*.toml")), ids=str)
def test_the_plans_in_the_docs_can_be_used(path):
    assert len(read_plan(path).faults) >= 3
    assert path.name in (ROOT / "docs" / "faults.md").read_text("utf-8")


def test_the_example_in_the_docs_can_be_used():
    text = (ROOT / "docs" / "faults.md").read_text("utf-8")
    plan = parse_plan(tomllib.loads(text.partition("```toml\n")[2].partition("```")[0]), "docs")
    assert [one.kind for one in plan.faults] == ["timeout_after", "gap"]


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_needs_its_numbers_and_no_more(name):
    least = {"kind": name, **NEEDED.get(name, {})}
    fault = parse_fault(least, "a plan: fault 1")
    assert fault.values.keys() == KINDS[name].parameters.keys()
    assert fault.said == least
    for key in NEEDED.get(name, {}):
        left = {other: value for other, value in least.items() if other != key}
        with pytest.raises(ConfigError, match=f"{key} is missing, allowed: a"):
            parse_fault(left, "a plan: fault 1")


@pytest.mark.parametrize("name", KINDS)
def test_a_key_of_another_kind_is_refused(name):
    kind = KINDS[name]
    known = {*GROUP_WHERE[kind.group], *GROUP_WHEN[kind.group], *kind.parameters, "kind"}
    others = {key for other in KINDS.values() for key in other.parameters} - known
    for key in (*others, "delay", "Kind"):
        with pytest.raises(ConfigError, match=f"{key} = 5: the key is not known here"):
            parse_fault({"kind": name, **NEEDED.get(name, {}), key: 5}, "a plan: fault 1")


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({}, ("kind is missing", "delay, drop")),
        ({"kind": "dealy"}, ("kind = 'dealy'", "delay")),
        ({"kind": ["drop"]}, ("kind = ['drop']",)),
        ({"kind": "drop", "chance": 0}, ("chance = 0", "above 0 up to 1")),
        ({"kind": "drop", "chance": True}, ("chance = True",)),
        ({"kind": "drop", "chance": float("nan")}, ("chance = nan",)),
        ({"kind": "drop", "every": 1.5}, ("every = 1.5", "a whole number")),
        ({"kind": "drop", "nth": 0}, ("nth = 0", "from 1")),
        ({"kind": "drop", "nth": 2, "chance": 0.5}, ("nth = 2 excludes",)),
        ({"kind": "drop", "writes": "yes"}, ("writes = 'yes'", "true or false")),
        ({"kind": "drop", "operation": ""}, ("operation = ''", "order.place")),
        ({"kind": "drop", "for_s": -1}, ("for_s = -1",)),
        ({"kind": "drop", "after_s": float("inf")}, ("after_s = inf",)),
        ({"kind": "delay", "delay_ms": [9, 5]}, ("delay_ms = [9, 5]", "low is above high")),
        ({"kind": "delay", "delay_ms": [1, 2, 3]}, ("delay_ms = [1, 2, 3]", "[low, high]")),
        ({"kind": "delay", "delay_ms": -1}, ("delay_ms = -1", "0 to 600000")),
        ({"kind": "error_5xx", "status": 404}, ("status = 404", "500 to 599")),
        ({"kind": "cut", "channel": "both"}, ("channel = 'both'", "market or user")),
        ({"kind": "gap", "channel": "user"}, ("channel = 'user'", "not known here")),
        ({"kind": "ghost_level", "ghost": "boo"}, ("ghost = 'boo'", "appear or stay")),
        ({"kind": "partial_fill", "share": 1.5}, ("share = 1.5", "from 0 to 1")),
        ({"kind": "clock_skew", "skew_ms": 5, "chance": 0.5}, ("chance = 0.5",)),
    ],
)
def test_a_mistake_is_named_with_its_place(table, says, tmp_path):
    with pytest.raises(ConfigError) as refused:
        parse_plan({"fault": [{"kind": "drop"}, table]}, "my.toml")
    for word in ("my.toml: fault 2", *says):
        assert word in str(refused.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("seed = -1", "seed = -1, allowed"),
        ("seed = true", "seed = True, allowed"),
        ("faults = 3", "faults is not known, allowed: seed, fault"),
        ("[fault]\nkind = 'drop'", "[[fault]]"),
        ("[[fault", "not TOML"),
        ("fault = [3]", "fault 1: 3, allowed: a table"),
    ],
)
def test_a_file_that_is_no_plan_is_refused(text, says, tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"bad\.toml") as refused:
        read_plan(path)
    assert says in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"--faults .*nowhere.toml: No such file"):
        read_plan(tmp_path / "nowhere.toml")
    path = tmp_path / "latin.toml"
    path.write_bytes(b"seed = 1 # \xff")
    with pytest.raises(ConfigError, match=r"latin\.toml: not TOML"):
        read_plan(path)
    assert VenueOptions().faults is None


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
KEYS = sorted(
    {key for kind in KINDS.values() for key in kind.parameters}
    | {key for keys in (*GROUP_WHERE.values(), *GROUP_WHEN.values()) for key in keys}
)


@given(
    st.fixed_dictionaries(
        {"kind": st.sampled_from(list(KINDS)) | ANYTHING},
        optional=dict.fromkeys(KEYS, ANYTHING),
    )
    | ANYTHING
)
def test_whatever_is_written_is_a_fault_or_an_error(data):
    refused = ""
    try:
        fault = parse_fault(data, "a plan: fault 1")
    except ConfigError as error:
        refused = str(error)
    if refused:
        assert refused.startswith("a plan: fault 1")
        return
    assert fault.kind in KINDS
    assert fault.values.keys() == KINDS[fault.kind].parameters.keys()


def struck(fault: Fault, times: int, seed: int = 7, number: int = 1) -> list[int]:
    trigger = Trigger(fault, seed, number, 0)
    return [match for match in range(1, times + 1) if trigger.strikes_now(0)]


def test_when_a_fault_strikes():
    assert struck(Fault(kind="drop", said={}, nth=3), 9) == [3]
    assert struck(Fault(kind="drop", said={}, every=3), 9) == [3, 6, 9]
    assert struck(Fault(kind="drop", said={}, every=3, count=2), 99) == [3, 6]
    assert struck(Fault(kind="drop", said={}), 3) == [1, 2, 3]


def test_the_same_seed_strikes_the_same_matches():
    fault = Fault(kind="drop", said={}, chance=0.3)
    first = struck(fault, 1_000)
    assert first == struck(fault, 1_000)
    assert 240 < len(first) < 360
    assert first != struck(fault, 1_000, seed=8)
    assert first != struck(fault, 1_000, number=2)


def test_amounts_do_not_change_what_is_struck():
    fault = parse_fault({"kind": "delay", "delay_ms": [1, 900], "chance": 0.3}, "a")
    trigger = Trigger(fault, 7, 1, 0)
    found = []
    for match in range(1, 1_001):
        if trigger.strikes_now(0):
            found.append(match)
            assert 1 <= trigger.drawn_ms() <= 900
    assert found == struck(fault, 1_000)


def test_a_window_begins_and_ends():
    trigger = Trigger(Fault(kind="drop", said={}, after_s=2, for_s=3), 1, 1, 10_000)
    times = [ms for ms in range(10_000, 20_000, 500) if trigger.strikes_now(ms)]
    assert (times[0], times[-1]) == (12_000, 14_500)
    assert trigger.matches == 6, "outside of it nothing matches"
