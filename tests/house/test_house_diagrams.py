"""The diagrams in docs are what the tables say today."""

from __future__ import annotations

import importlib.util
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_diagrams_are_fresh():
    spec = importlib.util.spec_from_file_location("draw", DOCS / "draw.py")
    assert spec is not None
    assert spec.loader is not None
    draw = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(draw)
    assert (DOCS / "diagrams.md").read_text(encoding="utf-8") == draw.page(), "run `make diagrams`"
