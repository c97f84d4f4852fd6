"""docs/promises.md points at what exists: a promise whose test is gone is none."""

import re

import pytest
from house_tree import ROOT

from bench.publish import BEGIN, END

PAGE = ROOT / "docs" / "promises.md"
TEXT = PAGE.read_text("utf-8")


def test_every_law_has_its_row():
    rows = re.findall(r"^\| (L\d+) \|", TEXT, re.MULTILINE)
    assert rows == [f"L{number}" for number in range(1, 17)]


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`(tests/[a-z0-9_/]+(?:\.py)?)`", TEXT))))
def test_what_a_promise_is_tried_by_exists(path):
    assert (ROOT / path).exists()


@pytest.mark.parametrize("page", sorted(set(re.findall(r"\]\(([a-z]+\.md)\)", TEXT))))
def test_pages_it_leads_to_exist(page):
    assert (PAGE.parent / page).exists()


def test_no_figure_is_typed_into_the_place_for_numbers():
    """Figures stand in the table that is written from results; the words around it have none."""
    place = TEXT.partition("## Numbers")[2].partition("\n## ")[0]
    before, _, rest = place.partition(BEGIN)
    table, _, behind = rest.partition(END)
    assert "| wanted | shown | reached | command | commit |" in table
    assert "](" in behind
    assert not any(letter.isdigit() for letter in before + behind)
