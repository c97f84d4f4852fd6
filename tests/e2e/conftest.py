"""Real engines in user folders of their own, gone after each test whatever happened in it."""

from pathlib import Path

import pytest
from engine_process import Engine


def pytest_collection_modifyitems(items):
    """A whole engine on a slow machine takes longer than the suite's limit for one test."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture
def engine(tmp_path):
    made = Engine(tmp_path / "user")
    yield made
    made.clean_up()
