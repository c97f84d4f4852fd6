"""A knob that nobody reads is a lie: every configuration key is looked at by some module."""

import ast
from collections import Counter

import pytest
from house_tree import python_modules, tree

from shared.config.load import KNOBS

NOT_READERS = (
    "shared.config.load",
    "shared.config.template",
    "shared.config.schema",
    "shared.domain.policy",
)


def attributes():
    """(what is before the dot, attribute) over all modules that may read configuration."""
    for name in python_modules():
        if name in NOT_READERS or name.startswith(("bench", "core_ext")):
            continue
        for node in ast.walk(tree(name)):
            if isinstance(node, ast.Attribute):
                before = node.value
                base = getattr(before, "attr", getattr(before, "id", ""))
                yield base.lstrip("_"), node.attr


READ = set(attributes())
READ_NAMES = {name for _, name in READ}

KEYS = sorted({key for key in KNOBS if not key.startswith("process.")})
OFTEN = {
    name for name, count in Counter(key.rpartition(".")[2] for key in KEYS).items() if count > 1
}


def is_read(key):
    """A name of several sections, or a plain word, counts only when read from its own section."""
    section, _, name = key.rpartition(".")
    place = section.rpartition(".")[2]
    if name in OFTEN or "_" not in name:
        return any((base, name) in READ for base in (place, "settings", "policy"))
    return name in READ_NAMES


@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_read_somewhere(key):
    assert is_read(key), f"{key} is configured but nothing reads it"


def test_an_unread_key_would_be_seen():
    assert not is_read("risk.no_such_knob_of_anybody")


def test_process_placement_is_read():
    assert {"cpus", "nice"} <= READ_NAMES
