"""Fixtures of the local venue's tests: processes that end with their module."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from localvenue_process import VenueProcess


@pytest.fixture(scope="module")
def start_venue(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., VenueProcess]]:
    """Starts venues; ends those that still run when the module's tests are done."""
    started: list[VenueProcess] = []

    def start(*options: str, folder: Path | None = None) -> VenueProcess:
        venue = VenueProcess(folder or tmp_path_factory.mktemp("venue"), *options)
        started.append(venue)
        return venue

    yield start
    for venue in started:
        if venue.process.poll() is None:
            venue.kill()
